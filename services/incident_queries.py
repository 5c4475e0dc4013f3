"""Reading many incidents: lists by key, capped counts, figures for the overview."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, literal_column, or_, select, true, union_all
from sqlalchemy.orm import InstrumentedAttribute, selectinload

from errors import NotFound
from extensions import db
from models import EPOCH, Alert, Delivery, Incident, Membership, Progress, Responder, Severity
from services.visibility import visible_incidents
from whole_numbers import LARGEST, LARGEST_BIG, whole

PAGE_SIZE, MAX_PAGE_SIZE = 20, 100
COUNT_CAP = 1000
"""Counts stop here; the reader sees "999+"."""
SCANNED, SCANNED_BY_ROW = 300_000, 50_000
"""How many incidents a search looks at before it asks whether to go on; fewer where the rows have to be read, too."""
STATS_DAYS, DAY_CAP, MEDIAN_OF = 14, 20_000, 2_000
MICROSECOND = timedelta(microseconds=1)
BY_SEVERITY = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)
IS_OPEN, IS_CLOSED = (Incident.progress != literal_column("'Closed'"), Incident.progress == literal_column("'Closed'"))
"""Spelt out instead of bound: so both databases see that the index of the open or of the closed incidents answers."""


@dataclass(frozen=True)
class Search:
    """What a list shows.

    scope       mine (open and assigned to the viewer) | open | closed | all
    told_chat_id  a group chat that was told of it
    text        "#1024" or "1024" finds by number too, else part of the title
    since/until of the trigger time, `until` excluded
    """

    scope: str = "open"
    severity: Severity | None = None
    progress: Progress | None = None
    channel_id: int | None = None
    responder_id: int | None = None
    told_chat_id: int | None = None
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Page:
    """Newest change first, or newest trigger first where days were asked for.

    next_cursor, prev_cursor  opaque texts for `page(cursor=…)`; None: nothing further that way
    searched_since            a search that stopped here to ask whether to go on, at next_cursor; None: it did not
    """

    items: list[Incident]
    next_cursor: str | None
    prev_cursor: str | None
    searched_since: datetime | None = None


@dataclass(frozen=True)
class Counts:
    """Each stops at COUNT_CAP. by_severity: of the open ones."""

    mine: int
    open: int
    triggered: int
    processing: int
    by_severity: dict[Severity, int]


@dataclass(frozen=True)
class Stats:
    """The last 14 days: incidents by local day, oldest first, and medians in seconds (None: there were none)."""

    days: list[tuple[date, int]] = field(default_factory=list)
    median_seconds_to_acknowledge: float | None = None
    median_seconds_to_close: float | None = None


def page(viewer: Membership, search: Search, *, cursor: str | None = None, limit: int = PAGE_SIZE) -> Page:
    """One page of what the viewer sees. A cursor that cannot be read means the first page."""
    limit = max(1, min(limit, MAX_PAGE_SIZE))
    place = _read_cursor(cursor)
    by, parts = _order(search), _parts(search)
    conditions = [visible_incidents(viewer), *_conditions(viewer, search)]
    if place is not None and place.is_backwards:
        items = _rows([*conditions, _newer_than(place, by)], parts, limit + 1, by, newest_first=False)
        has_more, items = len(items) > limit, items[:limit][::-1]
        return Page(items, _cursor("n", items[-1:], by), _cursor("p", items[:1], by) if has_more else None)
    floor = _floor(viewer, search, place)
    conditions += [] if place is None else [_older_than(place, by)]
    conditions += [] if floor is None else [by >= floor]
    items = _rows(conditions, parts, limit + 1, by, newest_first=True)
    has_more, items = len(items) > limit, items[:limit]
    newer = _cursor("p", items[:1], by) if place else None
    if not has_more and floor is not None:
        return Page(items, _cursor_text("n", floor, 0), newer, searched_since=floor)
    return Page(items, _cursor("n", items[-1:], by) if has_more else None, newer)


def worst(viewer: Membership, *, limit: int) -> list[Incident]:
    """The open ones that need somebody most: by severity, those that nobody has taken on first, newest change first.

    Looks at the newest that counts reach, so that a storm does not make it slow.
    """
    newest = select(Incident.id).where(visible_incidents(viewer), IS_OPEN).order_by(Incident.changed_at.desc())
    some = newest.limit(COUNT_CAP).correlate(None)
    severity = case({level: rank for rank, level in enumerate(BY_SEVERITY)}, value=Incident.severity, else_=9)
    is_taken = case((Incident.progress == Progress.TRIGGERED, 0), else_=1)
    found = select(Incident).where(Incident.id.in_(some)).options(selectinload(Incident.channel)).limit(limit)
    return list(db.session.scalars(found.order_by(severity, is_taken, Incident.changed_at.desc(), Incident.id.desc())))


def open_in_channel(channel_id: int, viewer: Membership) -> int:
    """How many open incidents the channel has; capped."""
    return _count(viewer, Search(channel_id=channel_id))[0]


def open_by_channel(viewer: Membership) -> dict[int, int]:
    """How many open incidents each channel has that has any, for the list of channels."""
    counted = select(Incident.channel_id, func.count()).where(visible_incidents(viewer), IS_OPEN)
    rows = db.session.execute(counted.group_by(Incident.channel_id)).all()
    return {row[0]: row[1] for row in rows if row[0] is not None}


def alerts_of(incident: Incident, *, before: int | None = None, limit: int = MAX_PAGE_SIZE) -> list[Alert]:
    """The newest of an incident's alerts; only those with smaller ids than `before`."""
    newest = select(Alert).where(Alert.tenant_id == incident.tenant_id, Alert.incident_id == incident.id)
    if before is not None:
        newest = newest.where(Alert.id < before)
    return list(db.session.scalars(newest.order_by(Alert.id.desc()).limit(limit)))


def alert(alert_id: int, viewer: Membership) -> Alert:
    """One alert of an incident that the viewer sees. Raises NotFound."""
    mine = (Alert.tenant_id == viewer.tenant_id, Alert.id == alert_id)
    wanted = select(Alert).join(Incident, Incident.id == Alert.incident_id).where(*mine)
    found = db.session.scalar(wanted.where(visible_incidents(viewer)))
    if found is None:
        raise NotFound
    return found


def scope_counts(viewer: Membership) -> dict[str, int]:
    """How many are "mine" and "open", for the chips above a list."""
    scopes = ("mine", "open")
    return dict(zip(scopes, _count(viewer, *(Search(scope=scope) for scope in scopes)), strict=True))


def counts(viewer: Membership) -> Counts:
    severities = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)
    mine, open_, triggered, processing, *by_severity = _count(
        viewer,
        Search(scope="mine"),
        Search(scope="open"),
        Search(progress=Progress.TRIGGERED),
        Search(progress=Progress.PROCESSING),
        *(Search(severity=severity) for severity in severities),
    )
    return Counts(mine, open_, triggered, processing, dict(zip(severities, by_severity, strict=True)))


def stats(viewer: Membership, now: datetime) -> Stats:
    """Figures of what the viewer sees: each of the last days in the organisation's zone up to DAY_CAP incidents,
    medians of the newest MEDIAN_OF.
    """
    zone = ZoneInfo(viewer.tenant.timezone)
    first = now.astimezone(zone).date() - timedelta(days=STATS_DAYS - 1)
    days = [first + timedelta(days=n) for n in range(STATS_DAYS + 1)]
    edges = [datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC) for day in days]
    visible = visible_incidents(viewer)
    counted = [
        _capped(select(Incident.id).where(visible, Incident.started_at >= since, Incident.started_at < until), DAY_CAP)
        for since, until in pairwise(edges)
    ]
    per_day = db.session.execute(select(*counted)).one()
    newest = (
        select(Incident.started_at, Incident.acknowledged_at, Incident.closed_at)
        .where(visible, Incident.started_at >= edges[0])
        .order_by(Incident.started_at.desc(), Incident.id.desc())
        .limit(MEDIAN_OF)
    )
    rows = db.session.execute(newest).all()
    return Stats(
        list(zip(days, per_day, strict=False)),
        _median([(row.acknowledged_at - row.started_at).total_seconds() for row in rows if row.acknowledged_at]),
        _median([(row.closed_at - row.started_at).total_seconds() for row in rows if row.closed_at]),
    )


@dataclass(frozen=True)
class _Place:
    """A row's place in the order, and which way to go from there."""

    at: datetime
    id: int
    is_backwards: bool


By = InstrumentedAttribute[datetime]
"""The column that a list is sorted by, with the id behind it."""


def _order(search: Search) -> By:
    """Days are of the trigger: then the list is in their order, too, and an index leads to the first of them."""
    return Incident.started_at if search.since or search.until else Incident.changed_at


def _parts(search: Search) -> Sequence[ColumnElement[bool]]:
    """Open and closed ones have an index each in the order of changes: a list of both is merged from them."""
    is_of_both = search.scope == "all" and search.progress is None and _order(search) is Incident.changed_at
    return (IS_OPEN, IS_CLOSED) if is_of_both else (true(),)


def _rows(
    conditions: Sequence[ColumnElement[bool]],
    parts: Sequence[ColumnElement[bool]],
    limit: int,
    by: By,
    *,
    newest_first: bool,
) -> list[Incident]:
    """Find the ids first, which indexes answer alone, then read the rows of these few."""
    places = [select(Incident.id, by).where(part, *conditions).correlate(None) for part in parts]
    found = union_all(*places) if len(places) > 1 else places[0]
    merged = found.order_by(*_ordered(found.selected_columns, by, newest_first)).limit(limit).subquery()
    wanted = select(Incident).where(Incident.id.in_(select(merged.c.id)))
    shown = (selectinload(Incident.responders), selectinload(Incident.channel))
    return list(db.session.scalars(wanted.order_by(*_ordered(Incident, by, newest_first)).options(*shown)))


def _ordered(columns: Any, by: By, newest_first: bool) -> list[Any]:
    wanted = (getattr(columns, by.key), columns.id)
    return [column.desc() if newest_first else column.asc() for column in wanted]


def _floor(viewer: Membership, search: Search, place: _Place | None) -> datetime | None:
    """Where a search stops looking, so that it ends in time; None if it can look at everything.

    Numbers tell without counting how many incidents there are behind a place: those above a number were made after
    it, so they have changed since, too.
    """
    if search.scope in {"mine", "open"} or not _is_sifting(search):
        return None
    most = SCANNED if _order(search) is Incident.changed_at and search.channel_id is None else SCANNED_BY_ROW
    until = place.at if place is not None else search.until
    top = viewer.tenant.last_incident_num if until is None else _num_at(viewer.tenant_id, until)
    if top <= most:
        return None
    above = select(Incident.started_at).where(Incident.tenant_id == viewer.tenant_id, Incident.num > top - most)
    floor = db.session.scalar(above.order_by(Incident.num).limit(1))
    return None if floor is None or (search.since is not None and floor <= search.since) else floor


def _is_sifting(search: Search) -> bool:
    """Whether incidents have to be looked at one by one, because no index leads to them."""
    text = search.text.strip()
    is_number = text.startswith("#") and _number(text) is not None
    return bool(text and not is_number) or search.severity is not None or search.responder_id is not None


def _num_at(tenant_id: int, at: datetime) -> int:
    """The number of the newest incident that had begun by then; 0 if there was none."""
    begun = select(Incident.num).where(Incident.tenant_id == tenant_id, Incident.started_at <= at)
    return db.session.scalar(begun.order_by(Incident.started_at.desc(), Incident.id.desc()).limit(1)) or 0


def _count(viewer: Membership, *searches: Search) -> list[int]:
    """How many each search finds, up to the cap, in one query."""
    return list(db.session.execute(select(*(_counted(viewer, search) for search in searches))).one())


def _counted(viewer: Membership, search: Search) -> ColumnElement[int]:
    if search == Search(scope="mine"):  # a badge of every page: the viewer sees what is theirs, nothing else to ask
        return _capped(_open_of(viewer.tenant_id, viewer.user_id), COUNT_CAP)
    return _capped(select(Incident.id).where(visible_incidents(viewer), *_conditions(viewer, search)), COUNT_CAP)


def _capped(found: Select[int], cap: int) -> ColumnElement[int]:
    return select(func.count()).select_from(found.limit(cap).subquery()).scalar_subquery()


def _conditions(viewer: Membership, search: Search) -> list[ColumnElement[bool]]:
    conditions = _scope(viewer, search.scope)
    if search.severity is not None:
        conditions.append(Incident.severity == search.severity)
    if search.progress is not None:
        conditions.append(Incident.progress == search.progress)
        conditions.append(IS_CLOSED if search.progress is Progress.CLOSED else IS_OPEN)
    if search.channel_id is not None:
        conditions.append(Incident.channel_id == search.channel_id)
    if search.responder_id is not None:
        conditions.append(Incident.id.in_(_responded_by(viewer.tenant_id, search.responder_id)))
    if search.told_chat_id is not None:
        conditions.append(_told(viewer.tenant_id, search.told_chat_id))
    if search.since is not None:
        conditions.append(Incident.started_at >= search.since)
    if search.until is not None:
        conditions.append(Incident.started_at < search.until)
    if text := search.text.strip():
        conditions.append(_text_condition(text))
    return conditions


def _scope(viewer: Membership, scope: str) -> list[ColumnElement[bool]]:
    if scope == "mine":
        return [IS_OPEN, Incident.id.in_(_open_of(viewer.tenant_id, viewer.user_id))]
    if scope == "open":
        return [IS_OPEN]
    return [IS_CLOSED] if scope == "closed" else []


def _responded_by(tenant_id: int, user_id: int) -> Select[int]:
    """Ids of the incidents that a person is now assigned to."""
    mine = (Responder.user_id == user_id, Responder.tenant_id == tenant_id, Responder.is_current.is_(True))
    return select(Responder.incident_id).where(*mine)


def _told(tenant_id: int, group_chat_id: int) -> ColumnElement[bool]:
    """A message about it went to this group, or was to go there."""
    there = (Delivery.tenant_id == tenant_id, Delivery.group_chat_id == group_chat_id)
    return exists().where(Delivery.incident_id == Incident.id, *there)


def _open_of(tenant_id: int, user_id: int) -> Select[int]:
    """The open ones of these; an index answers alone."""
    return _responded_by(tenant_id, user_id).where(Responder.is_open.is_(True))


def _text_condition(text: str) -> ColumnElement[bool]:
    number = _number(text)
    if number is None:
        return _in_title(text)
    return Incident.num == number if text.startswith("#") else or_(Incident.num == number, _in_title(text))


def _number(text: str) -> int | None:
    return whole(text.removeprefix("#"), LARGEST)


def _in_title(text: str) -> ColumnElement[bool]:
    """Part of the title, upper and lower case alike. Most of what is looked for here knows no case: that is faster."""
    if text.upper() == text.lower():
        return Incident.title.contains(text, autoescape=True)
    return Incident.title.icontains(text, autoescape=True)


def _older_than(place: _Place, by: By) -> ColumnElement[bool]:
    same = and_(by == place.at, Incident.id < place.id)
    return and_(by <= place.at, or_(by < place.at, same))


def _newer_than(place: _Place, by: By) -> ColumnElement[bool]:
    same = and_(by == place.at, Incident.id > place.id)
    return and_(by >= place.at, or_(by > place.at, same))


def _cursor(direction: str, row: list[Incident], by: By) -> str | None:
    return _cursor_text(direction, getattr(row[0], by.key), row[0].id) if row else None


def _cursor_text(direction: str, at: datetime, row_id: int) -> str:
    """Direction, microseconds since 1970 and id: "n1772415060000000-17" (n: next, p: previous)."""
    return f"{direction}{(at - EPOCH) // MICROSECOND}-{row_id}"


def _read_cursor(text: str | None) -> _Place | None:
    direction, rest = (text or "")[:1], (text or "")[1:]
    typed_micros, _, typed_id = rest.partition("-")
    micros, row_id = whole(typed_micros, LARGEST_BIG), whole(typed_id, LARGEST_BIG)
    if direction not in {"n", "p"} or micros is None or row_id is None:
        return None
    try:
        return _Place(EPOCH + micros * MICROSECOND, row_id, direction == "p")
    except OverflowError:
        return None


def _median(seconds: list[float]) -> float | None:
    return statistics.median(seconds) if seconds else None
