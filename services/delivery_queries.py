"""Reading many deliveries: the list with its filters, by key, and how many are in trouble."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, exists, func, or_, select
from sqlalchemy.orm import joinedload, selectinload

from extensions import db
from models import Delivery, DeliveryState, Incident, Membership
from services import rights
from services.id_order import first_since, shifted
from services.incident_queries import COUNT_CAP
from services.visibility import visible_incidents
from whole_numbers import LARGEST, whole

PAGE_SIZE, MAX_PAGE_SIZE = 20, 100
SCANNED = 10_000
"""How many deliveries a search looks at before it asks whether to go on."""
OUT_OF_ORDER = timedelta(hours=2)
"""By how much times may differ from the order of the ids: somebody may have set the clock."""


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
    """Newest first. before/after: ids for the next older and newer page, None: nothing further that way.

    searched_since  a search that stopped here to ask whether to go on, at `before`; None: it did not
    """

    items: list[Delivery]
    before: int | None
    after: int | None
    searched_since: datetime | None = None


def page(
    viewer: Membership, search: Search, *, before: int | None = None, after: int | None = None, limit: int = PAGE_SIZE
) -> Page:
    """One page of what the viewer may see: older than `before`, or newer than `after`. Raises AccessDenied."""
    rights.require(viewer, "delivery.view")
    limit = max(1, min(limit, MAX_PAGE_SIZE))
    query = _visible(viewer).where(*_conditions(viewer, search)).limit(limit + 1)
    query = query.options(joinedload(Delivery.incident), selectinload(Delivery.attempts))
    if after is not None:
        found = list(db.session.scalars(query.where(Delivery.id > after).order_by(Delivery.id)))
        items = found[:limit][::-1]
        return Page(items, items[-1].id if items else None, items[0].id if len(found) > limit else None)
    if before is not None:
        query = query.where(Delivery.id < before)
    floor = _floor(viewer.tenant_id, before) if _is_sifting(search) else None
    if floor is not None:
        query = query.where(Delivery.id >= floor.id)
    found = list(db.session.scalars(query.order_by(Delivery.id.desc())))
    items = found[:limit]
    newer = items[0].id if before is not None and items else None
    if floor is not None and len(found) <= limit:
        return Page(items, floor.id, newer, searched_since=floor.created_at)
    return Page(items, items[-1].id if len(found) > limit else None, newer)


def count(viewer: Membership, search: Search) -> int:
    """How many there are; stops at COUNT_CAP."""
    some = _visible(viewer).where(*_conditions(viewer, search)).with_only_columns(Delivery.id).limit(COUNT_CAP)
    return db.session.scalar(select(func.count()).select_from(some.subquery())) or 0


@dataclass(frozen=True)
class Gathered:
    """Messages to one recipient that came to the same. newest: the last of them."""

    newest: Delivery
    count: int


def gathered(viewer: Membership, search: Search, *, limit: int) -> list[Gathered]:
    """The same messages as one line a recipient and reason, newest first; looks at the newest that counts reach."""
    of = (Delivery.user_id, Delivery.group_chat_id, Delivery.failure_code)
    found = _visible(viewer).where(*_conditions(viewer, search)).with_only_columns(Delivery.id, *of)
    some = found.order_by(Delivery.id.desc()).limit(COUNT_CAP).subquery()
    newest = func.max(some.c.id)
    grouped = select(newest, func.count()).group_by(some.c.user_id, some.c.group_chat_id, some.c.failure_code)
    counts = {row[0]: row[1] for row in db.session.execute(grouped.order_by(newest.desc()).limit(limit))}
    rows = select(Delivery).where(Delivery.id.in_(counts)).options(joinedload(Delivery.incident))
    return [Gathered(one, counts[one.id]) for one in db.session.scalars(rows.order_by(Delivery.id.desc()))]


def _visible(viewer: Membership) -> Select[Delivery]:
    """Each delivery's incident is looked up by itself: PostgreSQL would join all incidents to a few deliveries."""
    seen = select(Incident.id).where(Incident.id == Delivery.incident_id, visible_incidents(viewer)).limit(1)
    is_seen = Delivery.incident_id.is_(None) | seen.scalar_subquery().is_not(None)
    return select(Delivery).where(Delivery.tenant_id == viewer.tenant_id, is_seen)


@dataclass(frozen=True)
class _Floor:
    """The oldest delivery that is looked at."""

    id: int
    created_at: datetime


def _floor(tenant_id: int, before: int | None) -> _Floor | None:
    """Where a search stops looking, so that it ends in time; None if it can look at everything that is left."""
    mine = Delivery.tenant_id == tenant_id
    top = before or db.session.scalar(select(func.max(Delivery.id)).where(mine)) or 0
    reached = select(Delivery.id, Delivery.created_at).where(mine, Delivery.id >= top - SCANNED)
    row = db.session.execute(reached.order_by(Delivery.id).limit(1)).first()
    is_anything_below = exists().where(mine, Delivery.id < top - SCANNED)
    return _Floor(*row) if row and db.session.scalar(select(is_anything_below)) else None


def _is_sifting(search: Search) -> bool:
    """Whether deliveries have to be looked at one by one, because no index leads to them."""
    return bool(search.text.strip() or search.failure_code or search.integration_id is not None)


def _first_since(viewer: Membership, since: datetime) -> int:
    return first_since(Delivery.id, Delivery.created_at, since, Delivery.tenant_id == viewer.tenant_id)


def _conditions(viewer: Membership, search: Search) -> list[ColumnElement[bool]]:
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
        first = _first_since(viewer, shifted(search.since, -OUT_OF_ORDER))
        conditions += [Delivery.id >= first, Delivery.created_at >= search.since]
    if search.until is not None:
        end = _first_since(viewer, shifted(search.until, OUT_OF_ORDER))
        conditions += [Delivery.id < end, Delivery.created_at < search.until]
    if text := search.text.strip():
        conditions.append(_text_condition(viewer, text))
    return conditions


def _text_condition(viewer: Membership, text: str) -> ColumnElement[bool]:
    number = whole(text.removeprefix("#"), LARGEST) if text.startswith("#") else None
    if number is not None:
        about = select(Incident.id).where(Incident.tenant_id == viewer.tenant_id, Incident.num == number)
        return Delivery.incident_id == about.scalar_subquery()
    title = select(Incident.title).where(Incident.id == Delivery.incident_id).scalar_subquery()
    return or_(Delivery.recipient_name.icontains(text, autoescape=True), title.icontains(text, autoescape=True))
