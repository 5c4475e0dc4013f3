"""What a template writes into the custom area of an incident's card; the built-in text is there to fall back on.

A compiled template is kept in the memory of the process under its revision, so drawing a card usually reads nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask import current_app
from sqlalchemy import Connection, Select, and_, bindparam, func, select

from models import Incident, Template
from platforms.base import Capabilities
from services.statements import Statement
from services.template_engine import Compiled, compile_text
from services.template_run import MAX_SECONDS, Escape, TemplateProblem
from services.template_values import Home, More, Told, Values, of_incident, read_more
from services.wording import speaking

KEPT = 500
"""Compiled texts in memory."""
HURRIED_SECONDS = 0.01
"""What a template may take while others wait for the database; who takes longer is written while nothing is held."""
NAME = (Template.id, Template.revision)
"""Columns that a statement about an incident takes along through with_template()."""

_DEFAULT = (
    select(Template.id)
    .where(Template.tenant_id == Incident.tenant_id, Template.is_default.is_(True))
    .correlate(Incident)
    .scalar_subquery()
)
_CHOSEN = func.coalesce(Incident.assignment["policy", "template_id"].as_integer(), _DEFAULT)
_TEXTS = Statement(
    select(Template.revision, Template.texts).where(
        Template.id == bindparam("template_id"), Template.tenant_id == bindparam("tenant_id")
    )
)


@dataclass
class Wording:
    """The template that writes a card, and what of the incident only it shows.

    compiled    or why it cannot be; problem: once the card was drawn, why the built-in text stands there
    is_hurried  it is written while others wait for the database: raises TakesLonger when it takes long
    lines       what it wrote already
    """

    template_id: int
    compiled: Compiled | TemplateProblem
    more: More = field(default_factory=More)
    revision: str = ""
    problem: TemplateProblem | None = None
    is_hurried: bool = False
    lines: list[str] | None = None

    def as_rendered(self) -> dict[str, Any]:
        """For Delivery.rendered."""
        known = {"template_id": self.template_id, "revision": self.revision, "used_default": self.problem is not None}
        return known | ({"error": self.problem.as_json()} if self.problem else {})

    def take_up(self, rendered: Mapping[str, Any]) -> None:
        """A card whose text took too long once keeps the built-in one, until somebody changes the template.

        rendered  of its delivery. How long something takes is never quite the same, and a card must not go to and fro.
        """
        error = rendered.get("error") or {}
        if error.get("code") == "time" and rendered.get("revision") == self.revision:
            self.compiled = TemplateProblem("time", error.get("line", 0))


class TakesLonger(Exception):
    """A template was not done in the moment that it had; write() it with nothing held, and draw the card again."""

    def __init__(self, text: _Text) -> None:
        super().__init__("template")
        self.text = text

    def write(self) -> Wording:
        """Takes up to MAX_SECONDS; asks no database."""
        wording = self.text.wording
        wording.is_hurried = False
        with speaking(self.text.tenant):
            self.text.write()
        return wording


@dataclass(frozen=True)
class _Text:
    """All that a template needs to be written."""

    wording: Wording
    compiled: Compiled
    values: Values
    tenant: Home
    escape: Escape | None
    now: datetime

    def write(self) -> list[str] | None:
        wording = self.wording
        seconds = HURRIED_SECONDS if wording.is_hurried else MAX_SECONDS
        try:
            wording.lines = self.compiled.render(self.values, now=self.now, escape=self.escape, seconds=seconds)
        except TemplateProblem as problem:
            if wording.is_hurried and problem.code == "time":
                raise TakesLonger(self) from None
            wording.problem = problem
        return wording.lines


def with_template(statement: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """Join the template of the policy that runs, else the organisation's default one, to what joined the incident."""
    return statement.outerjoin(Template, and_(Template.id == _CHOSEN, Template.tenant_id == Incident.tenant_id))


_NAME_OF = Statement(
    with_template(select(*NAME).select_from(Incident)).where(
        Incident.id == bindparam("incident_id"), Incident.tenant_id == bindparam("tenant_id")
    )
)


def name_of(on: Connection, incident: Any) -> tuple[int, str] | None:
    """The id and revision of the template of an incident's cards; None: the built-in text."""
    found = _NAME_OF.rows(on, {"incident_id": incident.id, "tenant_id": incident.tenant_id})
    return (found[0][0], found[0][1]) if found and found[0][0] is not None else None


def wording(
    on: Connection, incident: Any, name: tuple[int, str] | None, *, kind: str, reference: str
) -> Wording | None:
    """What writes a card of this channel kind; None: the built-in text. name: as name_of()."""
    if name is None:
        return None
    template_id, revision = name
    compiled = _compiled(on, template_id, revision, kind, incident.tenant_id)
    if compiled is None:
        return None
    if isinstance(compiled, TemplateProblem):
        return Wording(template_id, compiled, revision=revision)
    return Wording(template_id, compiled, read_more(on, compiled, incident, reference), revision)


def _compiled(
    on: Connection, template_id: int, revision: str, kind: str, tenant_id: int
) -> Compiled | TemplateProblem | None:
    kept: dict[tuple[str, str], Compiled | TemplateProblem | None]
    kept = current_app.extensions.setdefault("compiled_templates", {})
    if (revision, kind) in kept:
        return kept[revision, kind]
    found = _TEXTS.rows(on, {"template_id": template_id, "tenant_id": tenant_id})
    if not found:
        return None
    compiled = compile_for_card(found[0][1].get(kind, ""))
    if len(kept) >= KEPT:
        kept.clear()
    kept[found[0][0], kind] = compiled
    return compiled


def compile_for_card(source: str) -> Compiled | TemplateProblem | None:
    """None for an empty text, which means the built-in one."""
    if not source.strip():
        return None
    try:
        return compile_text(source)
    except TemplateProblem as problem:
        return problem


def write(
    chosen: Wording,
    incident: Any,
    told: Told,
    tenant: Home,
    *,
    url: str,
    capabilities: Capabilities,
    now: datetime,
) -> list[str] | None:
    """The lines of the custom area, in the language spoken at the moment; None: the built-in text is to stand there.

    Whole: what a platform cannot show it cuts itself, and counts. Raises TakesLonger.
    """
    if chosen.problem is not None or chosen.lines is not None:
        return chosen.lines
    if isinstance(chosen.compiled, TemplateProblem):
        chosen.problem = chosen.compiled
        return None
    values = of_incident(incident, told, tenant, url, chosen.more)
    return _Text(chosen, chosen.compiled, values, tenant, capabilities.escape_body, now).write()
