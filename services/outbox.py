"""Work to be done later or elsewhere, written in the same transaction as the change that asks for it.

A row is the truth; what goes to the worker after the commit is an empty wake-up. If that gets lost, the worker's
sweeper finds the row.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any

from flask import Flask, current_app, has_app_context
from sqlalchemy import ColumnElement, Connection, Select, bindparam, event, literal_column, select, update
from sqlalchemy.orm import Session

from extensions import db, insert_into, insert_once
from models import EPOCH, Job, JobState
from services import leases
from services.statements import Statement, inserting

WAKE_WITHIN = timedelta(milliseconds=500)
"""Rows that are due later than this are left to the sweeper."""
ONE_AT_A_TIME, QUICK, INTAKE = 0, 1, 2
"""Queues of our own work: what may take its time, what takes a few statements, and what the intake journal holds."""
PICTURES, MAIL = -1, -3
"""Queues of what calls neither: a lane of its own, so that hosts that answer slowly hold up no timer and no alert."""
QUICK_KINDS = frozenset({"policy_step", "snooze_expiry", "auto_close", "flapping_end", "refresh_cards"})
STALE_AFTER = timedelta(hours=1)
"""What is told to somebody and was not got to for so long is no news any more: a worker that was away, a backup."""
URGENCIES = 4
"""Queues of each connection, the most urgent one first."""
OUTAGE = "outage: "
"""How the error of a row begins that waits because a platform is down; the end of the outage releases it."""
IN_ORDER = "in order: "
"""The same of a message that waits for an earlier one about the same incident."""

IS_PENDING: ColumnElement[bool] = Job.state == literal_column("'pending'")
"""Written out, since SQLite would prepare a statement anew at each execution to see whether the value allows it to use
the indexes of pending rows."""

_CANCEL = (
    update(Job)
    .where(Job.tenant_id == bindparam("of_tenant"), Job.subject_id.in_(bindparam("of_subjects", expanding=True)))
    .where(Job.kind.in_(bindparam("kinds", expanding=True)), IS_PENDING)
    .values(state=JobState.CANCELLED)
    .returning(Job.id)
)

_PENDING = {"state": JobState.PENDING, "lease_until": EPOCH, "attempts": 0}
_COLUMNS = ("kind", "tenant_id", "subject_id", "due_at", "created_at", "payload", "queue", *_PENDING)
_ONE_OF_A_KIND = ("unique_key", *_COLUMNS)
_WRITE = inserting(Job, *_COLUMNS)

_HELD = Statement(select(Job.id).where(Job.id == bindparam("of_id")).with_for_update())
_PENDING_OF = Statement(select(Job.id).where(Job.unique_key == bindparam("unique_key"), IS_PENDING))

log = logging.getLogger(__name__)


def enqueue(
    kind: str,
    *,
    tenant_id: int,
    subject_id: int,
    due_at: datetime,
    now: datetime,
    payload: dict[str, Any] | None = None,
    unique_key: str | None = None,
    queue: int | None = None,
) -> Job:
    """Stage a row; the worker is woken after the commit if it is due soon. Its id comes with the next flush.

    kind        names the handler (jobs/handlers.py); subject_id the row that it is about
    queue       of a connection that will be called (`queue_of`); by default one of our own work
    unique_key  for ever only one row of this key, until it is purged; a second call returns the first row
    """
    values = row(kind, tenant_id=tenant_id, subject_id=subject_id, due_at=due_at, now=now, payload=payload, queue=queue)
    values["unique_key"] = unique_key
    if is_urgent(values):
        wake_after_commit()
    if unique_key is not None:
        return _once(values)
    job = Job(**values)
    db.session.add(job)
    return job


def row(
    kind: str,
    *,
    tenant_id: int,
    subject_id: int,
    due_at: datetime,
    now: datetime,
    payload: dict[str, Any] | None = None,
    queue: int | None = None,
) -> dict[str, Any]:
    """The columns of a row to be done, for statements that write several; see enqueue()."""
    return {
        "kind": kind,
        "tenant_id": tenant_id,
        "subject_id": subject_id,
        "due_at": due_at,
        "created_at": now,
        "payload": payload or {},
        "queue": queue if queue is not None else QUICK if kind in QUICK_KINDS else ONE_AT_A_TIME,
    }


def is_urgent(values: dict[str, Any]) -> bool:
    """Whether the worker is to be woken for a row, after the commit."""
    return bool(values["due_at"] - values["created_at"] <= WAKE_WITHIN)


def write(on: Connection, rows: list[dict[str, Any]]) -> None:
    """Stage rows by one statement. Whoever commits calls wake_worker() if one of them is urgent."""
    if rows:
        _WRITE.later_each(on, [_PENDING | one for one in rows])


def stage(rows: Iterable[dict[str, Any]]) -> None:
    """Stage rows by one statement of the session; the worker is woken after the commit if one is due soon."""
    staged = list(rows)
    write(db.session.connection(), staged)
    if any(is_urgent(values) for values in staged):
        wake_after_commit()


def ensure_pending(
    connection: Connection,
    kind: str,
    *,
    tenant_id: int,
    subject_id: int,
    now: datetime,
    payload: dict[str, Any] | None = None,
    queue: int = ONE_AT_A_TIME,
) -> bool:
    """Have the one row of this kind and subject pending: made, or begun again. True if the worker must be woken.

    For work that is "whatever is there for this subject": many calls before it is done are one run of it. On
    PostgreSQL the row stays locked until the commit, which the run waits for before it ends (`hold`). On SQLite nobody
    else writes meanwhile, so a look is enough where it is pending already, for a third of what the statement takes.
    """
    unique_key = f"{kind}:{subject_id}"
    if connection.dialect.name == "sqlite" and _PENDING_OF.rows(connection, {"unique_key": unique_key}):
        return False
    values = {
        "kind": kind,
        "tenant_id": tenant_id,
        "subject_id": subject_id,
        "unique_key": unique_key,
        "due_at": now,
        "created_at": now,
        "payload": payload or {},
        "queue": queue,
    }
    return bool(_ensure_pending(connection.dialect.name).rows(connection, _PENDING | values))


@cache
def _ensure_pending(dialect: str) -> Statement:
    fresh = {"state": JobState.PENDING, "finished_at": None, "error": None, "lease_until": EPOCH}
    statement = insert_into(dialect, Job.__table__).values({name: bindparam(name) for name in _ONE_OF_A_KIND})
    executable = statement.on_conflict_do_update(
        index_elements=["unique_key"],
        set_=fresh | {name: statement.excluded[name] for name in ("due_at", "payload", "queue")},
        where=~IS_PENDING,
    ).returning(Job.id)
    return Statement(executable)


def hold(job_id: int) -> None:
    """Lock a row until the transaction ends: whoever wants it pending once more waits, and finds it ended."""
    on = db.session.connection()
    if on.dialect.name != "sqlite":  # there, a transaction that may write holds everything
        _HELD.later(on, {"of_id": job_id})


def _once(values: dict[str, Any]) -> Job:
    job = insert_once(Job, values, key=("unique_key",))
    return job or db.session.execute(select(Job).where(Job.unique_key == values["unique_key"])).scalar_one()


def queue_of(integration_id: int, urgency: int = 1) -> int:
    """The queue of calls for one connection. urgency: 0 first, below URGENCIES (a severity's rank).

    So a worker finds what is urgent without reading what is not, and one connection's backlog, or its silence,
    does not keep the others waiting.
    """
    return integration_id * URGENCIES + min(urgency, URGENCIES - 1)


def cancel(kinds: str | Iterable[str], *, tenant_id: int, subject_id: int, on: Connection | None = None) -> int:
    """Stage that pending rows will not be run; return how many. One that is running now ends its run."""
    return cancel_all(kinds, tenant_id=tenant_id, subject_ids=[subject_id], on=on)


def cancel_all(
    kinds: str | Iterable[str], *, tenant_id: int, subject_ids: Collection[int], on: Connection | None = None
) -> int:
    """cancel() for many subjects by one statement."""
    if not subject_ids:
        return 0
    names = [kinds] if isinstance(kinds, str) else list(kinds)
    about = {"of_tenant": tenant_id, "of_subjects": list(subject_ids), "kinds": names}
    return len((on or db.session).execute(_CANCEL, about).all())


def pending(kind: str, subject_id: int) -> Job | None:
    """The next row of this kind about this subject, running or not."""
    return next(iter(unfinished(kind, subject_id)), None)


def unfinished(kind: str, subject_id: int) -> list[Job]:
    """The rows of this kind about this subject that are not done with, the next one first."""
    return list(db.session.scalars(_unfinished(kind, subject_id)))


def waiting(kind: str, subject_id: int, *, now: datetime) -> list[Job]:
    """Those of the unfinished rows that nobody works on."""
    return list(db.session.scalars(_unfinished(kind, subject_id).where(leases.has_ended(now))))


def _unfinished(kind: str, subject_id: int) -> Select[Job]:
    known = select(Job).where(Job.kind == kind, Job.subject_id == subject_id, IS_PENDING)
    return known.order_by(Job.due_at, Job.id)


# --- waking the worker --------------------------------------------------------------------------------------------


def on_commit_wake(app: Flask, wake: Callable[[], None]) -> None:
    """Let `wake` be called after commits that staged work due now. It is a hint and may fail."""
    app.extensions["wake_worker"] = wake


def wake_after_commit() -> None:
    """Have the worker woken when the session commits; a rollback forgets it."""
    db.session.info["wake_worker"] = True


def wake_worker() -> None:
    """Send the empty wake-up, if anybody registered one. Never fails the caller: the sweeper finds the row."""
    if has_app_context():
        _wake(current_app.extensions.get("wake_worker"))


def waking_worker() -> Callable[[], None]:
    """wake_worker() for later, when there is no application's context any more."""
    return partial(_wake, current_app.extensions.get("wake_worker"))


def _wake(wake: Callable[[], None] | None) -> None:
    if wake is None:
        return
    try:
        wake()
    except Exception:  # whatever the broker's client raises: nothing depends on it but speed
        log.warning("The worker could not be woken; its sweeper will find the work.", exc_info=True)


@event.listens_for(db.session, "after_commit")
def _wake_after_commit(session: Session) -> None:
    if not session.in_nested_transaction() and session.info.pop("wake_worker", False):
        wake_worker()


@event.listens_for(db.session, "after_rollback")
def _forget_after_rollback(session: Session) -> None:
    session.info.pop("wake_worker", None)
