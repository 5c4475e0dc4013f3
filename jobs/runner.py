"""Rows of the outbox: claim, hand to the handler, record. One that cannot be handled ends dead, the rest goes on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from threading import Event, Lock

from flask import Flask, g
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm.exc import StaleDataError

from crashpoints import crash_here
from extensions import db, read_only
from group_commit import GroupCommit
from jobs import outbox
from jobs.lanes import Lanes
from jobs.outbox import Claim, Dead, DueQueue, Later, Outcome
from models import Tenant, TenantStatus
from services import circuits, retries
from services.clock import utcnow
from services.outbox import QUICK

log = logging.getLogger(__name__)

CRASHES_BEFORE_DEAD = len(retries.SCHEDULE_SECONDS)
FROZEN_FOR = timedelta(minutes=1)
CONFLICT_FOR = timedelta(milliseconds=50)
HANDFUL = 8
"""Rows of the quick queue that are claimed at once."""
THREADS = 64
RECORD_AGAIN_SECONDS = 60.0
"""How long an outcome that the database did not take is offered to it again."""


@dataclass(frozen=True)
class Settle:
    """A call was made; what is left is to write down what came of it, and that may be repeated.

    prepare  goes before, and commits what it does
    shares   record only stages statements of the session, so that several may be committed together; `locks` is the
             id of the incident that it locks first
    """

    record: Callable[[], Outcome]
    prepare: Callable[[], None] | None = None
    shares: bool = False
    locks: int = 0


class Overtaken(Exception):
    """Another worker has taken a row of the group over: each is recorded alone."""


@dataclass(frozen=True)
class Handler:
    """What to do with a kind of row.

    run          may commit in between (never call out with a transaction open) and stages its last changes
    gave_up      called when a row of this kind goes dead by exceptions, to make that visible on its subject
    joins_claim  run begins in the transaction of the claim and commits it itself before it calls out
    """

    run: Callable[[Claim], Outcome | Settle]
    gave_up: Callable[[Claim, str], None] | None = None
    joins_claim: bool = False


@dataclass
class Runner:
    """Works rows off. `running` are the claims of this process, to be kept, or given back if it has to stop.

    threads  how many run at once at most, shared out between the lanes
    """

    app: Flask
    handlers: dict[str, Handler]
    lease: timedelta
    threads: int = THREADS
    holder: str = ""
    running: dict[int, Claim] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)
    stopping: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self.lanes = Lanes(self.threads)
        self.together: GroupCommit[tuple[Claim, Settle]] = GroupCommit(self._record_group)

    def run_next(self, on_claim: Callable[[], None] = lambda: None) -> bool:
        """Work one due row off, or a handful; False if there was none. on_claim: called once rows are ours."""
        with self.app.app_context():
            remembered = self.lanes.remembered()
            if remembered and self._work_one_of(remembered, on_claim):
                return True
            with read_only():
                due = outbox.due_queues(utcnow())
            self.lanes.remember(due)
            return self._work_one_of(due, on_claim)

    def run_due(self, at_most: int = 1000) -> int:
        """Work off what is due now, in this thread; return how many claims that were."""
        done = 0
        self.lanes.forget()
        while done < at_most and self.run_next():
            self.lanes.forget()
            done += 1
        return done

    def give_back(self) -> None:
        """End the leases of rows that are still running: this process is about to end."""
        self._with_running(outbox.give_back)

    def keep(self) -> None:
        """Renew the leases of rows that are still running: a call may take as long as the platform lets it."""
        until = utcnow() + self.lease
        self._with_running(lambda claims: outbox.renew(claims, until))

    def _with_running(self, act: Callable[[list[Claim]], None]) -> None:
        with self.lock:
            left = list(self.running.values())
        if left:
            with self.app.app_context():
                act(left)
                db.session.commit()

    # --- claiming -------------------------------------------------------------------------------------------------

    def _work_one_of(self, due: list[DueQueue], on_claim: Callable[[], None]) -> bool:
        for queue in self.lanes.in_turn(due, utcnow()):
            with self.lanes.place(queue) as taken:
                if taken and self._work(queue, on_claim):
                    return True
            self.lanes.forget(queue)
        return False

    def _work(self, queue: DueQueue, on_claim: Callable[[], None]) -> bool:
        claims = self._claim(queue)
        if not claims:
            db.session.rollback()
            return False
        try:
            on_claim()
            if not self._joins_claim(claims[0]):
                db.session.commit()
                crash_here("worker.claimed")
            for mine in claims:
                self._run(mine)
                db.session.rollback()
        finally:
            db.session.rollback()
            with self.lock:
                for mine in claims:
                    self.running.pop(mine.id, None)
        return True

    def _claim(self, queue: DueQueue) -> list[Claim]:
        """Stage a claim. From the quick queue a handful; of a platform that is down one, by one worker."""
        now = utcnow()
        is_probe = circuits.is_open(queue.outage_count)
        if is_probe and not circuits.take_probe(queue.lane, queue.probe_at, now):
            return []
        with self.lock:
            here = list(self.running)
        at_most = HANDFUL if queue.number == QUICK else 1
        claims = outbox.claim(queue.number, now, self.lease, holder=self.holder, running_here=here, at_most=at_most)
        claims = [replace(mine, is_probe=is_probe) for mine in claims]
        with self.lock:
            self.running.update((mine.id, mine) for mine in claims)
        return claims

    def _joins_claim(self, mine: Claim) -> bool:
        handler = self.handlers.get(mine.kind)
        return handler is not None and handler.joins_claim

    # --- handling -------------------------------------------------------------------------------------------------

    def _run(self, mine: Claim) -> None:
        g.called_platform = False
        try:
            outcome = self._handle(mine)
            if isinstance(outcome, Settle):
                self._settle(mine, outcome)
            else:
                self._record(mine, outcome)
        except StaleDataError:
            db.session.rollback()
            self._record(mine, Later(utcnow() + CONFLICT_FOR, "changed meanwhile"))
        except DBAPIError as error:
            if not is_databases_fault(error):
                self._crashed(mine, error)
                return
            db.session.rollback()  # the database's fault, not the row's: its lease ends, or ends early
            outbox.give_back([mine])
            db.session.commit()
            raise
        except Exception as error:  # a poison row must not stop the queue
            self._crashed(mine, error)
        if mine.is_probe and not g.called_platform:
            circuits.return_probe(mine.lane, utcnow())

    def _handle(self, mine: Claim) -> Outcome | Settle:
        handler = self.handlers.get(mine.kind)
        if handler is None:
            return Dead(f"no handler for {mine.kind}")
        if not handler.joins_claim:  # who joins the claim reads the organisation together with the rest
            tenant = db.session.get(Tenant, mine.tenant_id)
            if tenant is not None and tenant.status is TenantStatus.FROZEN:
                return Later(utcnow() + FROZEN_FOR, "organisation frozen")
        return handler.run(mine)

    def _settle(self, mine: Claim, done: Settle) -> None:
        """Record what a call came to; if the database cannot take it now, offer it again, but never call again."""
        deadline, pause = time.monotonic() + RECORD_AGAIN_SECONDS, 0.05
        while True:
            try:
                if done.prepare is not None:
                    done.prepare()
                if not (done.shares and self._is_recorded_with_others(mine, done)):
                    self._record(mine, done.record())
            except (DBAPIError, StaleDataError) as error:
                db.session.rollback()
                is_passing = isinstance(error, StaleDataError) or is_databases_fault(error)
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
    return error.connection_invalidated or type(error).__name__ in {"OperationalError", "InterfaceError"}
