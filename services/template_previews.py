"""Trying a text before it is used: what it writes, how much of that is shown, and the card that it makes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from extensions import db
from models import Incident, Integration, Membership, Tenant
from platforms import PLATFORMS
from platforms.base import Capabilities, IncidentCard
from services import card_bodies, card_contents, incident_cards, incident_queries, template_samples
from services.card_bodies import Wording
from services.card_contents import Message
from services.incident_queries import Search
from services.incident_values import IncidentValues
from services.template_engine import Compiled
from services.template_run import TemplateProblem, problem_text
from services.template_values import VARIABLES, read_more
from texts import N_, Text

PREVIEW = "preview"
"""Reference of a card that is only looked at, and public key of a connection that was never stored."""
OFFERED = 20


@dataclass(frozen=True)
class Look:
    """What one text comes to.

    card      as it would be sent, before the platform's limits; with the built-in text where there is a problem
    lines     of the custom area; limit: how many the platform shows, 0: all of them
    octets    of those, in UTF-8
    """

    card: IncidentCard
    lines: tuple[str, ...]
    limit: int
    octets: int
    is_builtin: bool
    problem: Text | None
    warnings: tuple[Text, ...]

    @property
    def cut(self) -> int:
        """How many lines are not shown."""
        return max(0, len(self.lines) - self.limit) if self.limit else 0


def kinds() -> dict[str, Capabilities]:
    """The channel kinds that have a text of their own, with what their platform shows."""
    return {each.capabilities.channel_kind: each.capabilities for each in PLATFORMS.values()}


def offered(viewer: Membership) -> list[Incident]:
    """Incidents that a template may be tried on: those that changed last."""
    return incident_queries.page(viewer, Search(scope="all"), limit=OFFERED).items


def look_at(kind: str, source: str, *, tenant: Tenant, now: datetime, incident: Incident | None = None) -> Look:
    """Try a text of a channel kind on a real incident, or on a made-up one that has everything."""
    slug = next(slug for slug, each in PLATFORMS.items() if each.capabilities.channel_kind == kind)
    shows = PLATFORMS[slug].capabilities
    shown = incident or template_samples.incident(tenant.id, now)
    compiled = card_bodies.compile_for_card(source)
    wording = _wording(compiled, incident, now) if compiled is not None else None
    told, integration = Message(PREVIEW, None), _integration(slug, tenant)
    card = incident_cards.draw(card_contents.of(shown, told, integration, tenant, now, wording=wording))
    problem = problem_text(wording.problem.as_json()) if wording and wording.problem else None
    octets = len("\n".join(card.body).encode())
    warnings = _warnings(compiled, card.body, octets, shows) if isinstance(compiled, Compiled) and not problem else ()
    return Look(card, card.body, shows.body_lines, octets, wording is None or bool(problem), problem, tuple(warnings))


def _wording(
    compiled: Compiled | TemplateProblem, incident: Incident | IncidentValues | None, now: datetime
) -> Wording:
    if isinstance(compiled, TemplateProblem):
        return Wording(0, compiled)
    if incident is None:
        return Wording(0, compiled, template_samples.more(now))
    return Wording(0, compiled, read_more(db.session.connection(), compiled, incident, PREVIEW))


def _integration(slug: str, tenant: Tenant) -> Integration:
    """The organisation's connection there, or one that was never stored: the card needs an address to name."""
    mine = select(Integration).where(Integration.tenant_id == tenant.id, Integration.platform == slug)
    with db.session.no_autoflush:
        stored = db.session.scalar(mine.order_by(Integration.id).limit(1))
    return stored or Integration(tenant_id=tenant.id, platform=slug, name="", settings={}, public_key=PREVIEW)


def _warnings(compiled: Compiled, lines: tuple[str, ...], octets: int, shows: Capabilities) -> Iterable[Text]:
    characters = sum(map(len, lines))
    if shows.body_lines and len(lines) > shows.body_lines:
        yield Text(N_("共 %(count)s 行，只显示 %(limit)s 行，其余会被截去"), count=len(lines), limit=shows.body_lines)
    if shows.body_characters and characters > shows.body_characters:
        advised = shows.body_characters
        yield Text(N_("共 %(count)s 个字符，平台建议不超过 %(limit)s 个"), count=characters, limit=advised)
    if shows.body_bytes and octets > shows.body_bytes:
        yield Text(N_("内容超过 %(limit)s 字节，其余会被截去"), limit=shows.body_bytes)
    yield from _unknown(compiled)


def _unknown(compiled: Compiled) -> Iterable[Text]:
    """Names that stand for nothing: mistyped, most likely."""
    for name, line in sorted(compiled.names, key=lambda each: (each[1], each[0])):
        if name not in VARIABLES and not any(each.startswith(f"{name}.") for each in VARIABLES):
            yield Text(N_("第 %(line)s 行：没有变量 %(name)s，会留空"), line=line, name=name)
