"""Writing down what came of a row: alone, together with others, again if the database could not, or as a crash."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm.exc import StaleDataError

from crashpoints import crash_here
from extensions import db
from group_commit import GroupCommit
from jobs import outbox
from jobs.handling import Handler, Overtaken, Settle
from jobs.outbox import Claim, Dead, Later, Outcome
from services import retries
from services.clock import utcnow

log = logging.getLogger(__name__)

CRASHES_BEFORE_DEAD = len(retries.SCHEDULE_SECONDS)
RECORD_AGAIN_SECONDS = 60.0
"""How long an outcome that the database did not take is offered to it again."""
DEADLOCK = "40P01"


@dataclass
class Recorder:
    """Records the outcomes of a worker process.

    lease, holder  for a row whose lease has ended and that nobody else has taken since
    stopping       set when the process is to end: nothing is offered again then
    """

    handlers: dict[str, Handler]
    lease: timedelta
    holder: str = ""
    stopping: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self.together: GroupCommit[tuple[Claim, Settle]] = GroupCommit(self._record_group)

    def settle(self, mine: Claim, done: Settle) -> None:
        """Record what a call came to; if the database cannot take it now, offer it again, but never call again."""
        deadline, pause = time.monotonic() + RECORD_AGAIN_SECONDS, 0.05
        while True:
            try:
                if done.prepare is not None:
                    done.prepare()
                if not (done.shares and self._is_recorded_with_others(mine, done)):
                    self.record(mine, done.record())
            except (DBAPIError, StaleDataError) as error:
                db.session.rollback()
                is_passing = isinstance(error, StaleDataError) or is_deadlock(error) or is_databases_fault(error)
                if not is_passing or time.monotonic() > deadline or self.stopping.wait(pause):
                    raise
                pause = min(pause * 2, 2.0)
            else:
                return

    def _is_recorded_with_others(self, mine: Claim, done: Settle) -> bool:
        """Record together with what other threads record at this moment; False if that failed, and each goes alone."""
        db.session.rollback()  # nothing may be open while we wait for whoever leads
        try:
            self.together.add((mine, done))
        except Exception as error:
            db.session.rollback()
            log.info("A group of outcomes could not be recorded: %s", type(error).__name__)
            return False
        return True

    def _record_group(self, take: Callable[[], list[tuple[Claim, Settle]]]) -> None:
        db.session.connection()  # may wait for its turn to write; all who come meanwhile are taken along
        now = utcnow()
        for mine, done in sorted(take(), key=lambda one: (one[1].locks, one[0].subject_id)):
            if not outbox.finish(mine, done.record(), now):
                raise Overtaken
        crash_here("worker.before_commit")
        db.session.commit()
        crash_here("worker.after_commit")

    def crashed(self, mine: Claim, error: Exception) -> None:
        """Have a row tried again that its handler could not do, later each time, and in the end no more."""
        db.session.rollback()
        log.error("Row %s (%s) failed.", mine.id, mine.kind, exc_info=error)
        crashes = mine.payload.get("crashes", 0) + 1
        text = f"{type(error).__name__}: {error}"
        if crashes < CRASHES_BEFORE_DEAD:
            wait = retries.with_jitter(retries.delay(crashes))
            self.record(mine, Later(utcnow() + wait, text, outbox.noted(mine) | {"crashes": crashes}))
            return
        self._give_up(mine, text)
        self.record(mine, Dead(text))

    def _give_up(self, mine: Claim, error: str) -> None:
        handler = self.handlers.get(mine.kind)
        if handler is None or handler.gave_up is None:
            return
        try:
            handler.gave_up(mine, error)
            db.session.flush()
        except Exception:  # the row must go dead even if what it is about cannot say so
            db.session.rollback()
            log.exception("Row %s (%s) could not be shown as failed.", mine.id, mine.kind)

    def record(self, mine: Claim, outcome: Outcome) -> None:
        """Commit what is staged with what came of its row, unless another worker has the row by now."""
        now = utcnow()
        is_ours = outbox.finish(mine, outcome, now)
        if not is_ours and outbox.take_again(mine, now, self.lease, self.holder):
            is_ours = outbox.finish(mine, outcome, now)
        if not is_ours:
            db.session.rollback()
            log.warning("Row %s (%s) was taken over by another worker.", mine.id, mine.kind)
            return
        crash_here("worker.before_commit")
        db.session.commit()
        crash_here("worker.after_commit")


def is_databases_fault(error: DBAPIError) -> bool:
    """Whether the database was away, locked or full: nothing that the row did."""
    if is_deadlock(error):
        return False
    return error.connection_invalidated or type(error).__name__ in {"OperationalError", "InterfaceError"}


def is_deadlock(error: Exception) -> bool:
    """Whether PostgreSQL ended one of two transactions that waited for each other: the same once more succeeds."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == DEADLOCK
