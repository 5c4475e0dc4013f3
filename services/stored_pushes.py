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
from services.alert_sources import SourceValues
from services.statements import Statement, inserting
from sources import IncomingEvent, Push

INGEST = "ingest"
EVENTS_A_ROW = 25
EVENTS_A_TURN = 50
"""What one transaction takes at most: on SQLite everybody else who writes waits for it."""
ERROR_CHARS = 500

log = logging.getLogger(__name__)

_OF_SOURCE = (StoredPush.source_id == bindparam("source_id"), StoredPush.error.is_(None))
_WAITING = Statement(
    select(StoredPush.id, StoredPush.event_count).where(*_OF_SOURCE).order_by(StoredPush.id).limit(EVENTS_A_TURN)
)
_UP_TO = Statement(
    select(StoredPush.id, StoredPush.received_at, StoredPush.truncated, StoredPush.event_count, StoredPush.events)
    .where(*_OF_SOURCE, StoredPush.id <= bindparam("last_id"))
    .order_by(StoredPush.id)
)
_IS_WAITING = Statement(select(StoredPush.id).where(*_OF_SOURCE).limit(1))
_DELETE = Statement(delete(StoredPush.__table__).where(StoredPush.id == bindparam("of_id")))  # type: ignore[arg-type]
_INSERT = insert(StoredPush)
_STORE = inserting(StoredPush, "source_id", "tenant_id", "received_at", "truncated", "events", "event_count")


@dataclass(slots=True)
class Waiting:
    """A row that waits in its order."""

    id: int
    received_at: datetime
    truncated: int
    event_count: int
    events: list[dict[str, Any]]


@dataclass(frozen=True)
class Backlog:
    """What waits: alerts, when the oldest was received (None: nothing waits), alerts set aside."""

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


def insert_rows(connection: Connection, rows: list[dict[str, Any]], *, now: datetime) -> bool:
    """Stage rows of any sources, and that they will be taken. True if the worker must be woken for it."""
    _STORE.later_each(connection, rows)
    sources = {(row["tenant_id"], row["source_id"]) for row in rows}
    is_new = [_have_taken(connection, source_id, tenant_id, now) for tenant_id, source_id in sorted(sources)]
    return any(is_new)


def _have_taken(on: Connection, source_id: int, tenant_id: int, now: datetime) -> bool:
    return outbox.ensure_pending(on, INGEST, tenant_id=tenant_id, subject_id=source_id, now=now, queue=outbox.INTAKE)


def drain(source_id: int, *, now: datetime, at_most: int = EVENTS_A_TURN, is_careful: bool = True) -> int:
    """Stage what the oldest waiting pushes of a source say, so many alerts or one row; how many that were.

    is_careful  set alerts aside that cannot be taken; else that is raised, and nothing may be committed

    One transaction at a time does this for a source; what is inserted meanwhile is for the next one.
    """
    source = alert_sources.hold(source_id)
    if source is None:
        return 0  # deleted, and its rows with it
    rows = _oldest(source_id, at_most)
    if not rows:
        return 0
    if is_careful:
        _ingest_carefully(source, rows, now)
    else:
        _ingest(source, rows, now)
    _delete(rows)
    events = sum(row.event_count for row in rows)
    alert_sources.count_push(source, events=events, rejections=[], now=rows[-1].received_at)
    return events


def delete_source(source: AlertSource, *, confirmation: str, by: Membership, now: datetime) -> None:
    """Stage that a source and its keys go. What was accepted stays accepted: everything that waits is taken before.

    Nothing new is stored until the transaction ends. Raises InvalidInput unless its name was typed: then roll back.
    """
    db.session.execute(select(AlertSource.id).where(AlertSource.id == source.id).with_for_update())
    while drain(source.id, now=now):
        pass
    alert_sources.delete(source, confirmation=confirmation, by=by)


def is_waiting(source_id: int) -> bool:
    """Whether a source has rows to be taken."""
    return bool(_IS_WAITING.rows(db.session.connection(), {"source_id": source_id}))


def backlog(tenant_id: int | None = None) -> Backlog:
    """What waits in an organisation, or in all."""
    waiting = StoredPush.error.is_(None)
    statement = select(
        func.coalesce(func.sum(StoredPush.event_count).filter(waiting), 0),
        func.min(StoredPush.received_at).filter(waiting),
        func.coalesce(func.sum(StoredPush.event_count).filter(~waiting), 0),
    )
    if tenant_id is not None:
        statement = statement.where(StoredPush.tenant_id == tenant_id)
    waiting_alerts, oldest_at, set_aside = db.session.execute(statement).one()
    return Backlog(int(waiting_alerts), oldest_at, int(set_aside))


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
    if _have_taken(on, source.id, source.tenant_id, now):
        outbox.wake_after_commit()
    audit.record("alert_source.tried_again", by=by, target=source.name)
    return count


def _set_aside_of(source: AlertSource) -> tuple[ColumnElement[bool], ...]:
    mine = (StoredPush.tenant_id == source.tenant_id, StoredPush.source_id == source.id)
    return *mine, StoredPush.error.is_not(None)


def _parts(events: Sequence[IncomingEvent], size: int) -> Iterable[Sequence[IncomingEvent]]:
    return (events[start : start + size] for start in range(0, len(events), size))


def _oldest(source_id: int, at_most: int) -> list[Waiting]:
    """As many as make up a turn, at least one."""
    on, last_id, events = db.session.connection(), None, 0
    for id, event_count in _WAITING.rows(on, {"source_id": source_id}):
        events += event_count
        if last_id is not None and events > at_most:
            break
        last_id = id
    if last_id is None:
        return []
    return [Waiting(*row) for row in _UP_TO.rows(on, {"source_id": source_id, "last_id": last_id})]


def _ingest_carefully(source: SourceValues, rows: Sequence[Waiting], now: datetime) -> None:
    try:
        with db.session.begin_nested():
            _ingest(source, rows, now)
    except (OperationalError, InterfaceError, StaleDataError):
        raise  # the database's fault: nothing is stored, the same again later
    except Exception:  # whatever one of them broke must not hold up the others
        log.exception("pushes of source %s are taken alert by alert", source.id)
        for row in rows:
            _ingest_singly(source, row, now)


def _ingest(source: SourceValues, rows: Iterable[Waiting], now: datetime) -> None:
    alerts.ingest_all(source, [_arrival(row, row.events) for row in rows], now=now)


def _arrival(row: Waiting, stored: Iterable[dict[str, Any]]) -> alerts.Arrival:
    return alerts.Arrival([_from_json(event) for event in stored], row.received_at, row.truncated)


def _ingest_singly(source: SourceValues, row: Waiting, now: datetime) -> None:
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


def _set_aside(source: SourceValues, row: Waiting, stored: dict[str, Any], error: str) -> None:
    values = {"source_id": source.id, "tenant_id": source.tenant_id, "received_at": row.received_at}
    values |= {"events": [stored], "event_count": 1, "truncated": row.truncated, "error": error}
    db.session.execute(_INSERT, [values])
    message = f"alert {stored['alert_key']!r} is set aside: {error}"
    alert_sources.count_refusal(source.id, source.tenant_id, code="SetAside", message=message, now=row.received_at)


def _delete(rows: Iterable[Waiting]) -> None:
    """By their ids and nothing else: an id below the last one may belong to a push that is just being stored."""
    _DELETE.later_each(db.session.connection(), [{"of_id": row.id} for row in rows])


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
