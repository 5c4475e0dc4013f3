"""One row at a time: claim, hand to its handler, record. A row that cannot be handled ends dead, the rest goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock

from flask import Flask
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm.exc import StaleDataError

from crashpoints import crash_here
from extensions import db, read_only
from jobs import outbox
from jobs.outbox import Claim, Dead, Later, Outcome
from models import Tenant, TenantStatus
from services import retries
from services.clock import utcnow

log = logging.getLogger(__name__)

CRASHES_BEFORE_DEAD = len(retries.SCHEDULE_SECONDS)
FROZEN_FOR = timedelta(minutes=1)
CONFLICT_FOR = timedelta(milliseconds=50)


@dataclass(frozen=True)
class Handler:
    """What to do with a kind of row.

    run       may commit in between (never call out with a transaction open) and stages its last changes
    gave_up   called when a row of this kind goes dead by exceptions, to make that visible on its subject
    """

    run: Callable[[Claim], Outcome]
    gave_up: Callable[[Claim, str], None] | None = None


@dataclass
class Runner:
    """Works rows off. `running` are the claims of this process, to be given back if it has to stop."""

    app: Flask
    handlers: dict[str, Handler]
    lease: timedelta
    running: dict[int, Claim] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def run_next(self, on_claim: Callable[[], None] = lambda: None) -> bool:
        """Work one due row off; False if there was none. on_claim: called once a row is ours, as there may be more."""
        with self.app.app_context():
            mine = self._claim()
            if mine is None:
                return False
            on_claim()
            crash_here("worker.claimed")
            try:
                self._run(mine)
            finally:
                db.session.rollback()
                with self.lock:
                    self.running.pop(mine.id, None)
            return True

    def run_due(self, at_most: int = 1000) -> int:
        """Work off what is due now, in this thread; return how many rows that were."""
        done = 0
        while done < at_most and self.run_next():
            done += 1
        return done

    def give_back(self) -> None:
        """End the leases of rows that are still running: this process is about to end."""
        with self.lock:
            left = list(self.running.values())
        if left:
            with self.app.app_context():
                outbox.give_back(left)
                db.session.commit()

    def _claim(self) -> Claim | None:
        with read_only():
            if not outbox.is_due(utcnow()):
                return None
        with self.lock:
            here = list(self.running)
        mine = outbox.claim(utcnow(), self.lease, here)
        if mine is not None:
            with self.lock:
                self.running[mine.id] = mine
        try:
            db.session.commit()
        except BaseException:
            if mine is not None:
                with self.lock:
                    self.running.pop(mine.id, None)
            raise
        return mine

    def _run(self, mine: Claim) -> None:
        try:
            self._record(mine, self._handle(mine))
        except StaleDataError:
            db.session.rollback()
            self._record(mine, Later(utcnow() + CONFLICT_FOR, "changed meanwhile"))
        except DBAPIError as error:
            if not (error.connection_invalidated or type(error).__name__ in {"OperationalError", "InterfaceError"}):
                self._crashed(mine, error)
                return
            db.session.rollback()  # the database's fault, not the row's: its lease ends, or ends early
            outbox.give_back([mine])
            db.session.commit()
            raise
        except Exception as error:  # a poison row must not stop the queue
            self._crashed(mine, error)

    def _handle(self, mine: Claim) -> Outcome:
        tenant = db.session.get(Tenant, mine.tenant_id)
        if tenant is not None and tenant.status is TenantStatus.FROZEN:
            return Later(utcnow() + FROZEN_FOR, "organisation frozen")
        handler = self.handlers.get(mine.kind)
        if handler is None:
            return Dead(f"no handler for {mine.kind}")
        return handler.run(mine)

    def _crashed(self, mine: Claim, error: Exception) -> None:
        db.session.rollback()
        log.error("Row %s (%s) failed.", mine.id, mine.kind, exc_info=error)
        crashes = mine.payload.get("crashes", 0) + 1
        text = f"{type(error).__name__}: {error}"
        if crashes < CRASHES_BEFORE_DEAD:
            wait = retries.with_jitter(retries.delay(crashes))
            self._record(mine, Later(utcnow() + wait, text, mine.payload | {"crashes": crashes}))
            return
        self._give_up(mine, text)
        self._record(mine, Dead(text))

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

    def _record(self, mine: Claim, outcome: Outcome) -> None:
        if not outbox.finish(mine, outcome, utcnow()):
            db.session.rollback()
            log.warning("Row %s (%s) was taken over by another worker.", mine.id, mine.kind)
            return
        crash_here("worker.before_commit")
        db.session.commit()
        crash_here("worker.after_commit")
