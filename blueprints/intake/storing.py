"""Commits a push as a whole, with those that come at the same moment, and again when two of one alert met."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from flask import current_app
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm.exc import StaleDataError

from blueprints.envelope import RefusedRequest
from blueprints.intake.patience import be_patient
from blueprints.intake.sender import Sender
from crashpoints import crash_here
from extensions import db
from group_commit import GroupCommit
from services import alert_sources, alerts, stored_pushes
from services.alert_sources import SourceValues
from sources import Push

ATTEMPTS = 6
EXTENSION = "intake_together"
DEADLOCK_STATES = ("40001", "40P01")  # PostgreSQL: serialization failure, deadlock detected

log = logging.getLogger(__name__)


@dataclass
class _Waiting:
    """A push on its way to the disk; `results` once it is there, or why it is refused."""

    sender: Sender
    push: Push
    now: datetime
    results: list[alerts.Result] = field(default_factory=list)
    refusal: RefusedRequest | None = None


def store(sender: Sender, push: Push, *, now: datetime) -> list[alerts.Result]:
    """Store everything that one request said in one transaction, and return each event's fate.

    Requests that come together share a transaction; if that fails, each has one of its own. Two may both find no open
    alert of a key: the unique index lets one win, the other starts again and finds it. Raises RefusedRequest with 503
    if that happens too often; nothing is stored then.
    """
    mine = _Waiting(sender, push, now)
    if not _is_stored_with_others(mine):
        _store_alone(mine)
    if mine.refusal is not None:
        raise mine.refusal
    return mine.results


def _is_stored_with_others(mine: _Waiting) -> bool:
    together: GroupCommit[_Waiting] = current_app.extensions.setdefault(EXTENSION, GroupCommit(_store_group))
    try:
        together.add(mine)
    except OperationalError as error:
        if not _is_deadlock(error):
            raise
        return False
    except Exception as error:  # of any push of the group
        log.info("pushes could not be stored together, each goes alone: %s", type(error).__name__)
        return False
    return True


def _store_group(take: Callable[[], list[_Waiting]]) -> None:
    be_patient()
    try:
        db.session.connection()  # may wait for its turn to write; all who come meanwhile are taken along
        _stage(sorted(take(), key=lambda one: (one.sender.tenant_id, one.sender.source_id)))
        _commit()
    except BaseException:
        db.session.rollback()
        raise


def _store_alone(mine: _Waiting) -> None:
    for _ in range(ATTEMPTS):
        try:
            _stage([mine])
            _commit()
        except (IntegrityError, StaleDataError) as error:
            _start_again(error)
        except OperationalError as error:
            if not _is_deadlock(error):
                raise
            _start_again(error)
        else:
            return
    message = "other pushes of the same alerts were faster; nothing of this one is stored: send it again"
    raise RefusedRequest(503, "InternalError", message, {"Retry-After": "1"})


def _is_deadlock(error: OperationalError) -> bool:
    return getattr(error.orig, "sqlstate", None) in DEADLOCK_STATES


def _start_again(error: Exception) -> None:
    db.session.rollback()
    log.info("push met another one, starting again: %s", type(error).__name__)


def _stage(group: Sequence[_Waiting]) -> None:
    """Sources are held before the first of their alerts is taken, as the worker does it."""
    held = _hold({waiting.sender.source_id for waiting in group})
    for waiting in group:
        waiting.refusal = None
        source = alert_sources.for_push(waiting.sender.source_id)
        if source is None:
            waiting.refusal = RefusedRequest(401, "Unauthorized", "integration_key is missing or unknown")
        elif source.id not in held or stored_pushes.is_waiting(source.id):
            _queue(waiting)
        else:
            _take(waiting, source)


def _hold(source_ids: set[int]) -> set[int]:
    """Hold those of which nothing waits: the worker holds the others, for as long as it takes what does."""
    if db.engine.dialect.name == "sqlite":
        return source_ids
    idle = {source_id for source_id in source_ids if not stored_pushes.is_waiting(source_id)}
    alert_sources.hold_all(idle)
    return idle


def _take(waiting: _Waiting, source: SourceValues) -> None:
    push, now = waiting.push, waiting.now
    waiting.results = alerts.ingest(source, push.events, now=now, truncated=push.truncated)
    rejections = [f"alerts[{rejection.index}]: {rejection.reason}" for rejection in push.rejections]
    alert_sources.count_push(source, events=len(waiting.results), rejections=rejections, now=now)


def _queue(waiting: _Waiting) -> None:
    """Behind what came before it and is not taken yet: events count in the order of their arrival."""
    sender, push, now = waiting.sender, waiting.push, waiting.now
    on = db.session.connection()
    of_source = {"source_id": sender.source_id, "tenant_id": sender.tenant_id}
    stored_pushes.insert_rows(on, stored_pushes.rows_of(push, now=now, **of_source), now=now)
    waiting.results = [alerts.Result(event.alert_key, alerts.ResultKind.ACCEPTED) for event in push.events]


def _commit() -> None:
    crash_here("intake.before_commit")
    db.session.commit()
    crash_here("intake.after_commit")
