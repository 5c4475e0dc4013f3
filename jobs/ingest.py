"""Turning stored pushes of a source into alerts and incidents, in their order."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from crashpoints import crash_here
from extensions import db
from jobs import outbox as jobs_outbox
from jobs.handling import Overtaken
from jobs.outbox import Claim, Done, Later, Outcome
from services import alert_sources, outbox, stored_pushes
from services.clock import utcnow
from sqlite_transactions import sqlite_file
from write_queue import queue_of

SLICE_SECONDS = 5.0
"""After so long other rows get their turn; well below a lease."""
HOLD_SECONDS = 0.012
"""How long one transaction should hold SQLite's write lock: people's presses and other pushes wait for it.

With 0.025 clients that send one alert after the other got a sixth less in, and waited while the web process had
nothing to do; the worker, which commits more often for it, is done a second later.
"""
FEWEST_EVENTS = 5
"""Alerts of a transaction, however slow the machine is: 25 of them held the lock for a tenth of a second there."""
IDLE_PAUSE, LEAST_BUSY_PAUSE, BUSY_PAUSE = 0.1, 1.0, 2.0
"""Pause after a transaction, as a share of what it took: if nobody waited meanwhile, and if another process did.

With 0.6 a crowd of presses beside a storm could wait for seconds. With 1.0 clients that send one alert after the
other got 7 % less in than with 2.0, and with 3.0 no more. A slow machine could not take 100 alerts a second with
2.0, and presses waited no less, so the pause is that long only where ALERTS_A_SECOND are taken all the same.
"""
ALERTS_A_SECOND = 300


@dataclass
class Turn:
    """One transaction. taken: its alerts; is_wanted: whether another process waited for the write lock by its end."""

    taken: int = 0
    is_wanted: bool = False

    def before_commit(self) -> None:
        """See who waits for the write lock while it is still held."""
        if file := sqlite_file(db.engine):
            self.is_wanted = queue_of(file).is_wanted()


class Pace:
    """How much the drains of this process take at once, and how long they leave the write lock to others.

    On SQLite one at a time: all of them together are one writer beside those who answer people. What was accepted is
    safe and may wait; under a storm it does.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self.events = stored_pushes.EVENTS_A_TURN

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """One transaction, which begins here."""
        mine = Turn()
        if db.engine.dialect.name != "sqlite":
            yield mine
            return
        with self._turn:
            db.session.connection()
            began = time.monotonic()
            yield mine
            if db.session().in_transaction():
                return  # nothing was waiting: who records that it is done lets go
            held = time.monotonic() - began
            self.follow(held, is_wanted=mine.is_wanted)
            time.sleep(pause_after(held, mine))

    def follow(self, held: float, *, is_wanted: bool) -> None:
        """Take less if that was too long for those who waited, more again if nobody did or it was short."""
        if held > HOLD_SECONDS and is_wanted:
            self.events = max(FEWEST_EVENTS, self.events * 3 // 4)
        elif held < HOLD_SECONDS / 2 or not is_wanted:
            self.events = min(stored_pushes.EVENTS_A_TURN, self.events + 10)


def pause_after(held: float, turn: Turn) -> float:
    """How long the write lock is left to others after a turn that held it for so many seconds."""
    if not turn.is_wanted:
        return held * IDLE_PAUSE
    return min(held * BUSY_PAUSE, max(held * LEAST_BUSY_PAUSE, turn.taken / ALERTS_A_SECOND - held))


PACE = Pace()


def run_all(claims: Sequence[Claim]) -> None:
    """Take what waits of several sources in one short transaction, which ends the rows that are drained by it.

    Whatever one of them broke is raised; then each is run alone.
    """
    in_order = sorted(claims, key=lambda one: (one.tenant_id, one.subject_id))  # as pushes lock their sources
    db.session.rollback()
    with PACE.turn() as turn:
        most = PACE.events
        alert_sources.hold_all([mine.subject_id for mine in in_order])
        for mine in in_order:
            if (left := most - turn.taken) > 0:
                turn.taken += stored_pushes.drain(mine.subject_id, now=utcnow(), at_most=left, is_careful=False)
        now = utcnow()
        for mine in in_order:
            outbox.hold(mine.id)
            is_waiting = stored_pushes.is_waiting(mine.subject_id)
            if not jobs_outbox.finish(mine, Later(now) if is_waiting else Done(), now):
                raise Overtaken
        turn.before_commit()
        crash_here("drain.before_commit")
        db.session.commit()
        crash_here("drain.after_commit")


def run(mine: Claim) -> Outcome:
    """Work off what waits of one source, one short transaction after the other."""
    deadline = time.monotonic() + SLICE_SECONDS
    db.session.rollback()  # what the runner has read: nobody may wait for a turn with the write lock in hand
    while True:
        with PACE.turn() as turn:
            if _is_drained(mine, turn):
                return Done()
        if time.monotonic() > deadline:
            return Later(utcnow())


def _is_drained(mine: Claim, turn: Turn) -> bool:
    """Take one transaction's worth and commit it; True, with nothing committed, if this row may end.

    That is looked at behind its lock, so that a push stored now finds it ended, or is found.
    """
    turn.taken = stored_pushes.drain(mine.subject_id, now=utcnow(), at_most=PACE.events)
    if not turn.taken:
        outbox.hold(mine.id)
        if not stored_pushes.is_waiting(mine.subject_id):
            return True
    turn.before_commit()
    crash_here("drain.before_commit")
    db.session.commit()
    crash_here("drain.after_commit")
    return False
