"""Message templates: texts that an organisation writes for the custom area of its cards, one for each channel kind.

A running incident looks its template up when a card is drawn, so that an edit shows on later cards and updates; the
built-in text stands in for a template that is gone, empty for a kind, or cannot be rendered.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy import update as update_rows
from sqlalchemy.exc import IntegrityError

from errors import AppError, Conflict, InvalidInput, NotFound
from extensions import db
from models import Channel, DispatchPolicy, Membership, Template, Tenant
from services import audit, ownership, template_previews
from services.template_previews import kinds
from services.visibility import visible_channels
from texts import N_

MAX_NAME, MAX_DESCRIPTION, MAX_TEMPLATES = 39, 500, 200
AUDITED = ("name", "description", "is_default")


class InUse(AppError):
    """Policies send their cards with it; `names`: which."""

    code = "template.in_use"
    api_code = "ReferenceExist"
    message = N_("模板正被分派策略使用：%(names)s")
    hint = N_("请先为这些策略选择其他模板。")
    status = 409


@dataclass(frozen=True)
class Draft:
    """A template as somebody writes it, checked. Built by `draft`; is_tried: by `tried`, its texts can be rendered."""

    name: str
    description: str
    is_default: bool
    texts: Mapping[str, str]
    team_id: int | None = None
    is_tried: bool = False


def all_for(viewer: Membership) -> list[Template]:
    """The organisation's templates by name."""
    mine = select(Template).where(Template.tenant_id == viewer.tenant_id).order_by(Template.name)
    return list(db.session.scalars(mine.limit(MAX_TEMPLATES)))


def get(template_id: int, *, viewer: Membership) -> Template:
    """Raises NotFound also for templates of other organisations."""
    mine = select(Template).where(Template.tenant_id == viewer.tenant_id, Template.id == template_id)
    found = db.session.scalar(mine)
    if found is None:
        raise NotFound()
    return found


def draft(
    *,
    name: str,
    texts: Mapping[str, str],
    description: str = "",
    is_default: bool = False,
    team_id: int | None = None,
) -> Draft:
    """Check what was written. Raises InvalidInput naming the field: for a text, its channel kind."""
    name, description = name.strip(), description.strip()
    if not 1 <= len(name) <= MAX_NAME:
        raise InvalidInput("name", N_("应为 1–39 个字符"))
    if len(description) > MAX_DESCRIPTION:
        raise InvalidInput("description", N_("不能超过 500 个字符"))
    kept = {kind: _tidy(texts[kind]) for kind in kinds() if texts.get(kind, "").strip()}
    if is_default and team_id is not None:
        raise InvalidInput("team_id", N_("默认模板用于整个组织，不能属于某个团队"))
    return Draft(name, description, is_default, kept, team_id)


def tried(written: Draft, *, tenant: Tenant, now: datetime) -> Draft:
    """Render every text once, which may take 0.2 s each: to be done before a transaction that writes.

    Raises InvalidInput naming the channel kind.
    """
    for kind, source in written.texts.items():
        if problem := template_previews.look_at(kind, source, tenant=tenant, now=now).problem:
            raise InvalidInput(kind, problem.message, **problem.params)
    return replace(written, is_tried=True)


def create(written: Draft, *, by: Membership, now: datetime) -> Template:
    """A responder's new template belongs to one of their teams.

    Raises InvalidInput if the name is taken or a text cannot be rendered, AccessDenied, Conflict.
    """
    ownership.require_creator(by)
    count = select(func.count()).select_from(Template).where(Template.tenant_id == by.tenant_id)
    if (db.session.scalar(count) or 0) >= MAX_TEMPLATES:
        raise InvalidInput("name", N_("模板已达 200 个，请先删除不用的"))
    _check(written, by.tenant_id, None, now)
    owner = ownership.check_owner(written.team_id, by)
    template = Template(tenant_id=by.tenant_id, team_id=owner, created_by_id=by.user_id, created_at=now)
    db.session.add(template)
    _write(template, written, now)
    audit.record("template.created", by=by, target=template.name, now=now, kinds=sorted(template.texts))
    return template


def update(template: Template, written: Draft, *, by: Membership, now: datetime, version: int | None = None) -> None:
    """Change a template; cards that are sent or updated from now on show it.

    version  what the editor saw. Raises Conflict if somebody changed it since, else as `create`.
    """
    ownership.require(template, by)
    if version is not None and version != template.version:
        raise Conflict()
    _check(written, template.tenant_id, template.id, now)
    before = _values(template)
    if written.team_id != template.team_id:
        template.team_id = ownership.check_owner(written.team_id, by)
    _write(template, written, now)
    if changed := audit.difference(before, _values(template)):
        audit.record("template.changed", by=by, target=template.name, now=now, changed=changed)


def delete(template: Template, *, by: Membership, now: datetime) -> None:
    """Raises AccessDenied; InUse while a policy names it. Incidents that run with it go on with the built-in text."""
    ownership.require(template, by)
    if using := _uses(template):
        shown = [policy.name for policy in uses(template, viewer=by)]
        raise InUse(names=shown if len(shown) == len(using) else [*shown, "…"])
    audit.record("template.deleted", by=by, target=template.name, now=now, was_default=template.is_default)
    db.session.delete(template)
    db.session.flush()


def uses(template: Template, *, viewer: Membership) -> list[DispatchPolicy]:
    """The policies in spaces that the viewer sees whose cards it writes by name; not those that follow the default."""
    return _uses(template, visible_channels(viewer))


def _uses(template: Template, *where: ColumnElement[bool]) -> list[DispatchPolicy]:
    using = select(DispatchPolicy).join(Channel, Channel.id == DispatchPolicy.channel_id)
    using = using.where(
        DispatchPolicy.tenant_id == template.tenant_id, DispatchPolicy.template_id == template.id, *where
    )
    return list(db.session.scalars(using.order_by(DispatchPolicy.id)))


def use_counts(viewer: Membership) -> dict[int, int]:
    """How many policies that the viewer may see name each template."""
    rows = db.session.execute(
        select(DispatchPolicy.template_id, func.count())
        .join(Channel, Channel.id == DispatchPolicy.channel_id)
        .where(DispatchPolicy.tenant_id == viewer.tenant_id, DispatchPolicy.template_id.is_not(None))
        .where(visible_channels(viewer))
        .group_by(DispatchPolicy.template_id)
    )
    return {int(template_id): count for template_id, count in rows if template_id is not None}


def _values(template: Template) -> dict[str, Any]:
    kept: dict[str, Any] = {name: getattr(template, name) for name in AUDITED}
    kept["team"] = ownership.owner_name(template)
    return kept | {kind: template.texts.get(kind, "") for kind in kinds()}


def _tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").replace("\x00", "").split("\n")).strip("\n")


def _check(written: Draft, tenant_id: int, own_id: int | None, now: datetime) -> None:
    with db.session.no_autoflush:
        taken = db.session.scalar(
            select(Template.id).where(Template.tenant_id == tenant_id, Template.name == written.name)
        )
    if taken not in {None, own_id}:
        raise InvalidInput("name", N_("已有同名的模板"))
    if not written.is_tried:
        tried(written, tenant=db.session.get_one(Tenant, tenant_id), now=now)


def _write(template: Template, written: Draft, now: datetime) -> None:
    """Raises Conflict if somebody took the name, or made another one the default, at this moment."""
    if written.is_default:
        others = update_rows(Template).where(Template.tenant_id == template.tenant_id, Template.is_default.is_(True))
        if template.id is not None:
            others = others.where(Template.id != template.id)
        with db.session.no_autoflush:
            db.session.execute(others.values(is_default=False, version=Template.version + 1))
    unknown = {kind: text for kind, text in (template.texts or {}).items() if kind not in kinds()}
    template.name, template.description = written.name, written.description
    template.is_default = written.is_default
    template.texts = unknown | dict(written.texts)
    template.revision, template.changed_at = secrets.token_hex(8), now
    try:
        db.session.flush()
    except IntegrityError as error:
        raise Conflict() from error
