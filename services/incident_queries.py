"""Reading many incidents: lists by key, capped counts, figures for the overview."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import selectinload

from extensions import db
from models import EPOCH, Alert, Incident, Membership, Progress, Severity
from services.visibility import responds, visible_incidents

PAGE_SIZE, MAX_PAGE_SIZE = 20, 100
COUNT_CAP = 1000
"""Counts stop here; the reader sees "1000+"."""
STATS_DAYS, STATS_ROWS = 14, 20_000
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Search:
    """What a list shows.

    scope       mine (open and assigned to the viewer) | open | closed | all
    text        "#1024" or "1024" finds by number too, else part of the title
    since/until of the trigger time, `until` excluded
    """

    scope: str = "open"
    severity: Severity | None = None
    progress: Progress | None = None
    channel_id: int | None = None
    responder_id: int | None = None
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Page:
    """Newest change first. Cursors are opaque texts for `page(cursor=…)`; None: nothing further that way."""

    items: list[Incident]
    next_cursor: str | None
    prev_cursor: str | None


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
    conditions = [visible_incidents(viewer), *_conditions(viewer, search)]
    if place is not None and place.is_backwards:
        items = _rows([*conditions, _newer_than(place)], limit + 1, newest_first=False)
        has_more, items = len(items) > limit, items[:limit][::-1]
        return Page(items, _cursor("n", items[-1:]), _cursor("p", items[:1]) if has_more else None)
    older = [] if place is None else [_older_than(place)]
    items = _rows([*conditions, *older], limit + 1, newest_first=True)
    has_more, items = len(items) > limit, items[:limit]
    return Page(items, _cursor("n", items[-1:]) if has_more else None, _cursor("p", items[:1]) if place else None)


def open_in_channel(channel_id: int, viewer: Membership) -> int:
    """How many open incidents the channel has, for its list; capped."""
    return _count(viewer, Search(channel_id=channel_id))[0]


def alerts_of(incident: Incident) -> list[Alert]:
    """The newest of an incident's alerts, at most a hundred."""
    newest = select(Alert).where(Alert.tenant_id == incident.tenant_id, Alert.incident_id == incident.id)
    return list(db.session.scalars(newest.order_by(Alert.id.desc()).limit(MAX_PAGE_SIZE)))


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
    """Figures of what the viewer sees, days in the organisation's zone; of at most the newest STATS_ROWS incidents."""
    zone = ZoneInfo(viewer.tenant.timezone)
    first = now.astimezone(zone).date() - timedelta(days=STATS_DAYS - 1)
    since = datetime(first.year, first.month, first.day, tzinfo=zone).astimezone(UTC)
    rows = db.session.execute(
        select(Incident.started_at, Incident.acknowledged_at, Incident.closed_at)
        .where(visible_incidents(viewer), Incident.changed_at >= since, Incident.started_at >= since)
        .order_by(Incident.changed_at.desc(), Incident.id.desc())
        .limit(STATS_ROWS)
    ).all()
    per_day = dict.fromkeys((first + timedelta(days=n) for n in range(STATS_DAYS)), 0)
    for row in rows:
        day = row.started_at.astimezone(zone).date()
        if day in per_day:
            per_day[day] += 1
    return Stats(
        list(per_day.items()),
        _median([(row.acknowledged_at - row.started_at).total_seconds() for row in rows if row.acknowledged_at]),
        _median([(row.closed_at - row.started_at).total_seconds() for row in rows if row.closed_at]),
    )


@dataclass(frozen=True)
class _Place:
    """A row's place in the order, and which way to go from there."""

    changed_at: datetime
    id: int
    is_backwards: bool


def _rows(conditions: Sequence[ColumnElement[bool]], limit: int, *, newest_first: bool) -> list[Incident]:
    order = (Incident.changed_at, Incident.id)
    ordered = [column.desc() if newest_first else column.asc() for column in order]
    shown = (selectinload(Incident.responders), selectinload(Incident.channel))
    found = select(Incident).where(*conditions).order_by(*ordered).limit(limit).options(*shown)
    return list(db.session.scalars(found))


def _count(viewer: Membership, *searches: Search) -> list[int]:
    """How many each search finds, up to the cap, in one query."""
    visible = visible_incidents(viewer)
    found = [select(Incident.id).where(visible, *_conditions(viewer, search)).limit(COUNT_CAP) for search in searches]
    numbers = [select(func.count()).select_from(some.subquery()).scalar_subquery() for some in found]
    return list(db.session.execute(select(*numbers)).one())


def _conditions(viewer: Membership, search: Search) -> list[ColumnElement[bool]]:
    conditions = _scope(viewer, search.scope)
    if search.severity is not None:
        conditions.append(Incident.severity == search.severity)
    if search.progress is not None:
        conditions.append(Incident.progress == search.progress)
    if search.channel_id is not None:
        conditions.append(Incident.channel_id == search.channel_id)
    if search.responder_id is not None:
        conditions.append(responds(search.responder_id, currently=True))
    if search.since is not None:
        conditions.append(Incident.started_at >= search.since)
    if search.until is not None:
        conditions.append(Incident.started_at < search.until)
    if text := search.text.strip():
        conditions.append(_text_condition(text))
    return conditions


def _scope(viewer: Membership, scope: str) -> list[ColumnElement[bool]]:
    is_open = Incident.progress.in_([Progress.TRIGGERED, Progress.PROCESSING])
    if scope == "mine":
        return [is_open, responds(viewer.user_id, currently=True)]
    if scope == "open":
        return [is_open]
    return [Incident.progress == Progress.CLOSED] if scope == "closed" else []


def _text_condition(text: str) -> ColumnElement[bool]:
    in_title = Incident.title.icontains(text, autoescape=True)
    digits = text.removeprefix("#")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 9):
        return in_title
    by_number = Incident.num == int(digits)
    return by_number if text.startswith("#") else or_(by_number, in_title)


def _older_than(place: _Place) -> ColumnElement[bool]:
    same = and_(Incident.changed_at == place.changed_at, Incident.id < place.id)
    return and_(Incident.changed_at <= place.changed_at, or_(Incident.changed_at < place.changed_at, same))


def _newer_than(place: _Place) -> ColumnElement[bool]:
    same = and_(Incident.changed_at == place.changed_at, Incident.id > place.id)
    return and_(Incident.changed_at >= place.changed_at, or_(Incident.changed_at > place.changed_at, same))


def _cursor(direction: str, row: list[Incident]) -> str | None:
    """Direction, microseconds since 1970 and id: "n1772415060000000-17" (n: next, p: previous)."""
    if not row:
        return None
    return f"{direction}{(row[0].changed_at - EPOCH) // MICROSECOND}-{row[0].id}"


def _read_cursor(text: str | None) -> _Place | None:
    direction, rest = (text or "")[:1], (text or "")[1:]
    micros, _, row_id = rest.partition("-")
    if direction not in {"n", "p"} or not (micros.isdigit() and row_id.isdigit() and len(rest) <= 40):
        return None
    try:
        return _Place(EPOCH + int(micros) * MICROSECOND, int(row_id), direction == "p")
    except OverflowError:
        return None


def _median(seconds: list[float]) -> float | None:
    return statistics.median(seconds) if seconds else None
