"""The intake journal: alerts that were answered with 2xx, on disk, waiting to become incidents.

A source that pushes many alerts is answered once they are here. The worker takes a source's rows in their order,
many in one transaction, and deletes them by id in the transaction that stores what became of them. So a crash at
any moment loses nothing and doubles nothing, and how long dispatching takes is not the sender's to wait for.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm.exc import StaleDataError

from extensions import db
from models import AlertSource, Membership, Severity, StoredPush
from services import alert_sources, alerts, audit, outbox, rights
from services.statements import Statement, inserting
from sources import IncomingEvent, Push

INGEST = "ingest"
EVENTS_A_ROW = 25
EVENTS_A_TURN = 50
"""What one transaction takes at most: on SQLite everybody else who writes waits for it."""
ERROR_CHARS = 500

log = logging.getLogger(__name__)

_WAITING = (
    select(StoredPush.id, StoredPush.event_count)
    .where(StoredPush.source_id == bindparam("source_id"), StoredPush.error.is_(None))
    .order_by(StoredPush.id)
    .limit(EVENTS_A_TURN)
)
_THESE = select(StoredPush).where(StoredPush.id.in_(bindparam("ids", expanding=True))).order_by(StoredPush.id)
_IS_WAITING = Statement(
    select(StoredPush.id).where(StoredPush.source_id == bindparam("source_id"), StoredPush.error.is_(None)).limit(1)
)
_INSERT = insert(StoredPush)
_STORE = inserting(StoredPush, "source_id", "tenant_id", "received_at", "truncated", "events", "event_count")


@dataclass(frozen=True)
class Backlog:
    """What waits: rows, their alerts, when the oldest was received (None: nothing waits), alerts set aside."""

    pushes: int
    alerts: int
    oldest_at: datetime | None
    set_aside: int


def rows_of(push: Push, *, source_id: int, tenant_id: int, now: datetime) -> list[dict[str, Any]]:
    """The rows that hold a push; a long one is cut, so that no transaction that takes one is long."""
    shared = {"source_id": source_id, "tenant_id": tenant_id, "received_at": now, "truncated": push.truncated}
    return [
        shared | {"events": [_to_json(event) for event in part], "event_count": len(part)}
        for part in _parts(push.events, EVENTS_A_ROW)
    ]


def insert_rows(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Stage rows of any sources. With them belongs `outbox.ensure_pending(INGEST)` for each of these sources."""
    _STORE.run_each(connection, rows)


def drain(source_id: int, *, now: datetime, at_most: int = EVENTS_A_TURN) -> int:
    """Stage what the oldest waiting pushes of a source say, so many alerts or one row; how many that were.

    One transaction at a time does this for a source; what is inserted meanwhile is for the next one.
    """
    source = alert_sources.hold(source_id)
    if source is None:
        return 0  # deleted, and its rows with it
    ids = _first(db.session.execute(_WAITING, {"source_id": source_id}), at_most)
    if not ids:
        return 0
    rows = db.session.scalars(_THESE, {"ids": ids}).all()
    try:
        with db.session.begin_nested():
            _ingest(source, rows, now)
    except (OperationalError, InterfaceError, StaleDataError):
        raise  # the database's fault: nothing is stored, the same again later
    except Exception:  # whatever one of them broke must not hold up the others
        log.exception("pushes of source %s are taken alert by alert", source_id)
        for row in rows:
            _ingest_singly(source, row, now)
    _delete(rows)
    events = sum(row.event_count for row in rows)
    alert_sources.count_push(source, events=events, rejections=[], now=rows[-1].received_at)
    return events


def drain_all(source: AlertSource, *, now: datetime) -> None:
    """Stage everything that waits, before the source is deleted; nothing new is stored until the transaction ends."""
    db.session.execute(select(AlertSource.id).where(AlertSource.id == source.id).with_for_update())
    while drain(source.id, now=now):
        pass


def is_waiting(source_id: int) -> bool:
    """Whether a source has rows to be taken."""
    return bool(_IS_WAITING.rows(db.session.connection(), {"source_id": source_id}))


def backlog(tenant_id: int | None = None) -> Backlog:
    """What waits in an organisation, or in all."""
    waiting = StoredPush.error.is_(None)
    statement = select(
        func.count().filter(waiting),
        func.coalesce(func.sum(StoredPush.event_count).filter(waiting), 0),
        func.min(StoredPush.received_at).filter(waiting),
        func.coalesce(func.sum(StoredPush.event_count).filter(~waiting), 0),
    )
    if tenant_id is not None:
        statement = statement.where(StoredPush.tenant_id == tenant_id)
    pushes, waiting_alerts, oldest_at, set_aside = db.session.execute(statement).one()
    return Backlog(pushes, int(waiting_alerts), oldest_at, int(set_aside))


def set_aside_of(source: AlertSource) -> int:
    """How many alerts of a source could not be taken and wait for somebody to try again."""
    waiting = select(func.coalesce(func.sum(StoredPush.event_count), 0)).where(*_set_aside_of(source))
    return int(db.session.scalar(waiting) or 0)


def try_again(source: AlertSource, *, by: Membership, now: datetime) -> int:
    """Have the worker take what was set aside once more, before newer pushes; returns how many alerts.

    For an administrator, when what broke them was mended: by itself that would fail the same way each time.
    """
    rights.require(by, "integration.edit")
    count = set_aside_of(source)
    if not count:
        return 0
    again = update(StoredPush).where(*_set_aside_of(source)).values(error=None)
    db.session.execute(again.execution_options(synchronize_session=False))
    on = db.session.connection()
    is_new = outbox.ensure_pending(on, INGEST, tenant_id=source.tenant_id, subject_id=source.id, now=now)
    db.session.info["wake_worker"] = is_new
    audit.record("alert_source.tried_again", by=by, target=source.name)
    return count


def _set_aside_of(source: AlertSource) -> tuple[ColumnElement[bool], ...]:
    mine = (StoredPush.tenant_id == source.tenant_id, StoredPush.source_id == source.id)
    return *mine, StoredPush.error.is_not(None)


def _parts(events: Sequence[IncomingEvent], size: int) -> Iterable[Sequence[IncomingEvent]]:
    return (events[start : start + size] for start in range(0, len(events), size))


def _first(waiting: Iterable[Any], at_most: int) -> list[int]:
    """The ids of as many as make up a turn, at least one."""
    taken: list[int] = []
    events = 0
    for id, event_count in waiting:
        events += event_count
        if taken and events > at_most:
            break
        taken.append(id)
    return taken


def _ingest(source: AlertSource, rows: Iterable[StoredPush], now: datetime) -> None:
    alerts.ingest_all(source, [_arrival(row, row.events) for row in rows], now=now)


def _arrival(row: StoredPush, stored: Iterable[dict[str, Any]]) -> alerts.Arrival:
    return alerts.Arrival([_from_json(event) for event in stored], row.received_at, row.truncated)


def _ingest_singly(source: AlertSource, row: StoredPush, now: datetime) -> None:
    """Take what can be taken; what cannot is set aside with its error, for the page of the source and its metric."""
    for stored in row.events:
        try:
            with db.session.begin_nested():
                alerts.ingest_all(source, [_arrival(row, [stored])], now=now)
        except (OperationalError, InterfaceError, StaleDataError):
            raise
        except Exception as error:
            log.exception("an alert of source %s is set aside", source.id)
            _set_aside(source, row, stored, f"{type(error).__name__}: {error}"[:ERROR_CHARS])


def _set_aside(source: AlertSource, row: StoredPush, stored: dict[str, Any], error: str) -> None:
    values = {"source_id": source.id, "tenant_id": source.tenant_id, "received_at": row.received_at}
    values |= {"events": [stored], "event_count": 1, "truncated": row.truncated, "error": error}
    db.session.execute(_INSERT, [values])
    message = f"alert {stored['alert_key']!r} is set aside: {error}"
    alert_sources.count_refusal(source.id, source.tenant_id, code="SetAside", message=message, now=row.received_at)


def _delete(rows: Sequence[StoredPush]) -> None:
    """By their ids and nothing else: an id below the last one may belong to a push that is just being stored."""
    ids = [row.id for row in rows]
    db.session.execute(delete(StoredPush).where(StoredPush.id.in_(ids)).execution_options(synchronize_session=False))


def _to_json(event: IncomingEvent) -> dict[str, Any]:
    return {
        "status": event.status.value,
        "title": event.title,
        "description": event.description,
        "alert_key": event.alert_key,
        "labels": event.labels,
        "images": event.images,
        "event_at": event.event_at.isoformat() if event.event_at else None,
        "raw": event.raw,
    }


def _from_json(stored: dict[str, Any]) -> IncomingEvent:
    event_at = stored["event_at"]
    return IncomingEvent(
        **stored
        | {"status": Severity(stored["status"]), "event_at": datetime.fromisoformat(event_at) if event_at else None}
    )
