"""Reading many deliveries: the list with its filters, by key, and how many are in trouble."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import joinedload, selectinload

from extensions import db
from models import Delivery, DeliveryState, Incident, Membership
from services import rights
from services.incident_queries import COUNT_CAP
from services.visibility import visible_incidents

PAGE_SIZE, MAX_PAGE_SIZE = 20, 100


@dataclass(frozen=True)
class Search:
    """What a list shows.

    state, failure_code  what became of it, and why (a key of services.failures.FAILURES or SKIPS)
    text                 part of the recipient's name or of the incident's title, or "#1024"
    since/until          of the time it was decided to send, `until` excluded
    """

    state: DeliveryState | None = None
    failure_code: str = ""
    user_id: int | None = None
    integration_id: int | None = None
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Page:
    """Newest first. before/after: ids for the next older and newer page, None: nothing further that way."""

    items: list[Delivery]
    before: int | None
    after: int | None


def page(
    viewer: Membership, search: Search, *, before: int | None = None, after: int | None = None, limit: int = PAGE_SIZE
) -> Page:
    """One page of what the viewer may see: older than `before`, or newer than `after`. Raises AccessDenied."""
    rights.require(viewer, "delivery.view")
    limit = max(1, min(limit, MAX_PAGE_SIZE))
    query = _visible(viewer).where(*_conditions(search)).limit(limit + 1)
    query = query.options(joinedload(Delivery.incident), selectinload(Delivery.attempts))
    if after is not None:
        found = list(db.session.scalars(query.where(Delivery.id > after).order_by(Delivery.id)))
        items = found[:limit][::-1]
        return Page(items, items[-1].id if items else None, items[0].id if len(found) > limit else None)
    if before is not None:
        query = query.where(Delivery.id < before)
    found = list(db.session.scalars(query.order_by(Delivery.id.desc())))
    items = found[:limit]
    is_later = before is not None and bool(items)
    return Page(items, items[-1].id if len(found) > limit else None, items[0].id if is_later else None)


def count(viewer: Membership, search: Search) -> int:
    """How many there are; stops at COUNT_CAP."""
    some = _visible(viewer).where(*_conditions(search)).with_only_columns(Delivery.id).limit(COUNT_CAP)
    return db.session.scalar(select(func.count()).select_from(some.subquery())) or 0


def _visible(viewer: Membership) -> Select[Delivery]:
    return (
        select(Delivery)
        .outerjoin(Incident, Incident.id == Delivery.incident_id)
        .where(Delivery.tenant_id == viewer.tenant_id)
        .where(Delivery.incident_id.is_(None) | visible_incidents(viewer))
    )


def _conditions(search: Search) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if search.state is not None:
        conditions.append(Delivery.state == search.state)
    if search.failure_code:
        conditions.append(Delivery.failure_code == search.failure_code)
    if search.user_id is not None:
        conditions.append(Delivery.user_id == search.user_id)
    if search.integration_id is not None:
        conditions.append(Delivery.integration_id == search.integration_id)
    if search.since is not None:
        conditions.append(Delivery.created_at >= search.since)
    if search.until is not None:
        conditions.append(Delivery.created_at < search.until)
    if text := search.text.strip():
        conditions.append(_text_condition(text))
    return conditions


def _text_condition(text: str) -> ColumnElement[bool]:
    digits = text.removeprefix("#")
    if text.startswith("#") and digits.isascii() and digits.isdigit() and len(digits) <= 9:
        return Incident.num == int(digits)
    return or_(
        Delivery.recipient_name.icontains(text, autoescape=True), Incident.title.icontains(text, autoescape=True)
    )
