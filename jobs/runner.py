"""Rows of the outbox: claim, hand to the handler, record. One that cannot be handled ends dead, the rest goes on."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from threading import Event, Lock

from flask import Flask, g
from sqlalchemy import Connection, bindparam, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm.exc import StaleDataError

from crashpoints import crash_here
from extensions import db, reading, writing
from jobs import outbox
from jobs.handling import Go, Handler, Overtaken, Settle
from jobs.lanes import Lanes
from jobs.outbox import Claim, Dead, DueQueue, Later, Outcome
from jobs.recording import Recorder, is_databases_fault, is_deadlock
from models import Tenant, TenantStatus
from services import circuits
from services.clock import utcnow
from services.outbox import INTAKE, QUICK
from services.statements import Statement

log = logging.getLogger(__name__)

FROZEN_FOR = timedelta(minutes=1)
CONFLICT_FOR = timedelta(milliseconds=50)
AT_ONCE = {QUICK: 8, INTAKE: 40}
"""Rows of our own queues that are claimed by one transaction; elsewhere one."""
CALLS_AT_ONCE = 8
"""The same of a connection, as far as there are threads for them."""
THREADS = 64

_STATUS = Statement(select(Tenant.status).where(Tenant.id == bindparam("of_tenant")))


@dataclass(frozen=True)
class Begun:
    """A row that was claimed and holds a place in its lane, for the next thread that comes.

    go       None to run it from its beginning; is_ours: False if the claim was rolled back and must be made again
    """

    mine: Claim
    queue: DueQueue
    go: Go | None
    is_ours: bool = True


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
        self.recorder = Recorder(self.handlers, self.lease, self.holder, self.stopping)
        self.begun: deque[Begun] = deque()
        self._calls_at_once = CALLS_AT_ONCE

    def run_next(self, on_claim: Callable[[], None] = lambda: None) -> bool:
        """Work one due row off, or a handful; False if there was none. on_claim: called once rows are ours."""
        with self.app.app_context():
            if self._carry_on(on_claim):
                return True
            remembered = self.lanes.remembered()
            if remembered and self._work_one_of(remembered, on_claim):
                return True
            with reading() as on:
                due = outbox.due_queues(on, utcnow())
            self.lanes.remember(due)
            return self._work_one_of(due, on_claim)

    def run_due(self, at_most: int = 1000) -> int:
        """Work off what is due now, in this thread, one row after the other; return how many claims that were."""
        done, self._calls_at_once = 0, 1
        self.lanes.forget()
        while done < at_most and self.run_next():
            self.lanes.forget()
            done += 1
        return done

    def return_begun(self) -> None:
        """Free the rows that were begun and no thread has taken, as if they had not been: this process is to end.

        A call may last for longer than it has left.
        """
        with self.app.app_context():
            while self._with_begun(self._undo):
                pass

    def give_back(self) -> None:
        """End the leases of rows that are still running: this process is about to end."""
        self._with_running(outbox.give_back)

    def keep(self) -> None:
        """Renew the leases of rows that are still running: a call may take as long as the platform lets it."""
        self._with_running(lambda claims: outbox.renew(claims, utcnow(), self.lease))

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
            places = self.lanes.take(queue, self._calls_at_once if queue.lane else 1)
            work = self._call_out if queue.lane else self._work_at_home
            if places and work(queue, places, on_claim):
                return True
            self.lanes.forget(queue)
        return False

    def _work_at_home(self, queue: DueQueue, places: int, on_claim: Callable[[], None]) -> bool:
        """Claim rows of our own work and do them all in this thread."""
        claims: list[Claim] = []
        try:
            with writing() as on:
                claims = self._claim(on, queue, AT_ONCE.get(queue.number, places))
            if claims:
                on_claim()
                crash_here("worker.claimed")
                self._do_own(claims)
            return bool(claims)
        finally:
            db.session.rollback()
            self.lanes.leave(queue, places)
            self._let_go(*claims)

    def _call_out(self, queue: DueQueue, places: int, on_claim: Callable[[], None]) -> bool:
        """Claim rows that call a platform; do the first in this thread, and leave the others begun."""
        claims: list[Claim] = []
        try:
            claims = self._claim_calls(queue, places)
            if not claims:
                return False
            begun = self._begin(queue, claims)
            self._return_unused_probe(claims, begun)
            claims, places = [one.mine for one in begun[:1]], self._keep_places(queue, places, len(begun))
            self.begun.extend(begun[1:])
            on_claim()
            if begun:
                self._go(begun[0])
            return True
        finally:
            db.session.rollback()
            self.lanes.leave(queue, places)
            self._let_go(*claims)

    def _claim_calls(self, queue: DueQueue, places: int) -> list[Claim]:
        """Stage a claim; of a platform that is down of one row, by one worker."""
        if not circuits.is_open(queue.outage_count):
            return self._claim(db.session.connection(), queue, places)
        if not circuits.take_probe(queue.lane, queue.probe_at, utcnow()):
            return []
        return [replace(mine, is_probe=True) for mine in self._claim(db.session.connection(), queue, 1)]

    def _claim(self, on: Connection, queue: DueQueue, at_most: int) -> list[Claim]:
        with self.lock:
            here = list(self.running)
        now, number = utcnow(), queue.number
        claims = outbox.claim(on, number, now, self.lease, holder=self.holder, running_here=here, at_most=at_most)
        with self.lock:
            self.running.update((mine.id, mine) for mine in claims)
        return claims

    def _let_go(self, *claims: Claim) -> None:
        with self.lock:
            for mine in claims:
                self.running.pop(mine.id, None)

    # --- our own work ---------------------------------------------------------------------------------------------

    def _do_own(self, claims: list[Claim]) -> None:
        if not self._are_done_together(claims):
            for mine in claims:
                self._run(mine, self._handling(mine))
                db.session.rollback()

    def _are_done_together(self, claims: list[Claim]) -> bool:
        """Whether their handler did them all at once; whatever went wrong is seen again when each is run alone."""
        handler = self.handlers.get(claims[0].kind)
        if handler is None or handler.run_all is None or {mine.kind for mine in claims} != {claims[0].kind}:
            return False
        try:
            if any(self._is_frozen(tenant_id) for tenant_id in {mine.tenant_id for mine in claims}):
                return False
            handler.run_all(claims)
        except Exception as error:
            db.session.rollback()
            log.info("%s rows of %s go alone: %s", len(claims), claims[0].kind, type(error).__name__)
            return False
        return True

    # --- calls ----------------------------------------------------------------------------------------------------

    def _begin(self, queue: DueQueue, claims: list[Claim]) -> list[Begun]:
        """Commit the claims with all that can be done before a call; what is left to do."""
        try:
            self._hold(claims)
            staged = [(mine, handler.run(mine) if (handler := self._joining(mine)) else None) for mine in claims]
            now = utcnow()
            for mine, what in staged:
                if isinstance(what, Outcome) and not outbox.finish(mine, what, now):
                    raise Overtaken
            db.session.commit()
        except Exception as error:
            if isinstance(error, DBAPIError) and is_databases_fault(error):
                raise
            db.session.rollback()  # each claims itself once more, and fails alone
            return [Begun(mine, queue, None, is_ours=False) for mine in claims]
        crash_here("worker.claimed")
        left = [Begun(mine, queue, what) for mine, what in staged if what is None or isinstance(what, Go)]
        self._let_go(*(mine for mine, what in staged if isinstance(what, Outcome)))
        return left

    def _return_unused_probe(self, claims: list[Claim], begun: list[Begun]) -> None:
        """What was done with the claim needed no call, so it found nothing out."""
        if not begun and claims[0].is_probe:
            circuits.return_probe(claims[0].lane, utcnow())

    def _joining(self, mine: Claim) -> Handler | None:
        handler = self.handlers.get(mine.kind)
        return handler if handler is not None and handler.joins_claim else None

    def _hold(self, claims: list[Claim]) -> None:
        """Lock what these rows are about, in the order in which others do; of one alone, its run does."""
        for kind in sorted({mine.kind for mine in claims}) if len(claims) > 1 else ():
            some = [mine for mine in claims if mine.kind == kind]
            handler = self._joining(some[0])
            if handler is not None and handler.hold is not None:
                handler.hold(some)

    def _keep_places(self, queue: DueQueue, places: int, wanted: int) -> int:
        """Leave the places in a lane that nothing begun needs; those of this thread are what is returned."""
        self.lanes.leave(queue, places - max(wanted, 1))
        return 1

    def _carry_on(self, on_claim: Callable[[], None]) -> bool:
        """Do a row that was begun; False if there is none."""

        def go(one: Begun) -> None:
            on_claim()
            self._go(one)

        return self._with_begun(go)

    def _with_begun(self, act: Callable[[Begun], None]) -> bool:
        try:
            one = self.begun.popleft()
        except IndexError:
            return False
        try:
            act(one)
        finally:
            db.session.rollback()
            self.lanes.leave(one.queue, 1)
            self._let_go(one.mine)
        return True

    def _go(self, one: Begun) -> None:
        mine = one.mine
        if one.go is not None:
            self._run(mine, one.go.act)
        elif one.is_ours:
            self._run(mine, self._handling(mine))
        else:
            self._run(mine, lambda: self._claim_again(mine))

    def _undo(self, one: Begun) -> None:
        if not one.is_ours:
            return
        if one.go is not None and one.go.undo is not None:
            one.go.undo()
        self.recorder.record(one.mine, Later(one.mine.due_at))

    def _claim_again(self, mine: Claim) -> Outcome | Settle:
        """Run a row whose claim was rolled back together with others'."""
        if not outbox.take_again(mine, utcnow(), self.lease, self.holder):
            return Later(utcnow(), "taken over")
        handler = self._joining(mine)
        if handler is None:
            db.session.commit()
            return self._handle(mine)
        what = handler.run(mine)
        if not isinstance(what, Go):
            return what
        db.session.commit()
        crash_here("worker.claimed")
        return what.act()

    # --- handling -------------------------------------------------------------------------------------------------

    def _run(self, mine: Claim, handling: Callable[[], Outcome | Settle]) -> None:
        g.called_platform = False
        try:
            outcome = handling()
            if isinstance(outcome, Settle):
                self.recorder.settle(mine, outcome)
            else:
                self.recorder.record(mine, outcome)
        except StaleDataError:
            self._put_off(mine)
        except DBAPIError as error:
            if is_deadlock(error):
                self._put_off(mine)
                return
            if not is_databases_fault(error):
                self.recorder.crashed(mine, error)
                return
            db.session.rollback()  # the database's fault, not the row's: its lease ends, or ends early
            outbox.give_back([mine])
            db.session.commit()
            raise
        except Exception as error:  # a poison row must not stop the queue
            self.recorder.crashed(mine, error)
        if mine.is_probe and not g.called_platform:
            circuits.return_probe(mine.lane, utcnow())

    def _put_off(self, mine: Claim) -> None:
        """Try again in a moment what somebody else's work came in the way of."""
        db.session.rollback()
        self.recorder.record(mine, Later(utcnow() + CONFLICT_FOR, "changed meanwhile"))

    def _handling(self, mine: Claim) -> Callable[[], Outcome | Settle]:
        return lambda: self._handle(mine)

    def _handle(self, mine: Claim) -> Outcome | Settle:
        handler = self.handlers.get(mine.kind)
        if handler is None:
            return Dead(f"no handler for {mine.kind}")
        if self._is_frozen(mine.tenant_id):
            return Later(utcnow() + FROZEN_FOR, "organisation frozen")
        what = handler.run(mine)
        return what.act() if isinstance(what, Go) else what

    def _is_frozen(self, tenant_id: int) -> bool:
        with reading() as on:
            found = _STATUS.rows(on, {"of_tenant": tenant_id})
        return [status for (status,) in found] == [TenantStatus.FROZEN]
