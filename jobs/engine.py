"""The worker process: it hears wake-ups (jobs/wakeups.py) and works off what the outbox holds (jobs/runner.py).

A sweeper looks there too, so a lost wake-up or a broker that is down costs half a second and nothing else.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType

from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError

from config import Settings
from extensions import db, reading
from jobs import outbox, periodic, wakeups
from jobs.handlers import HANDLERS
from jobs.runner import Runner
from models import Heartbeat
from services import circuits, instance, pacing, tokens
from services.clock import utcnow
from services.outbox import on_commit_wake

log = logging.getLogger(__name__)

SWEEP_SECONDS, BUSY_SWEEP_SECONDS, SHORTEST_SWEEP_SECONDS = 0.5, 0.1, 0.02
"""From one look for work to the next: while nothing happens; while rows are worked off, since one of them may be put
off for a moment; at least, if the next row is due before."""
STEP_BACK_SECONDS = 1.5
"""A clock that lost more than this between two sweeps was set back."""
DOUBT_SECONDS = 60.0
"""How long after it started, or after a step back, a worker looks for rows of a clock that was ahead."""
HEARTBEAT_SECONDS = 3.0
KEPT_SECONDS = 5.0
"""How long a thread without work waits for some."""
STOP_SECONDS = 8.0
"""How long running rows may take to end after SIGTERM; then they are given back."""


def connect(app: Flask) -> None:
    """Let commits of this process wake the worker. The way there is opened with the first of them."""
    lock = threading.Lock()

    def wake() -> None:
        with lock:
            way = app.extensions.get("wakeups") or wakeups.make(app.config["SETTINGS"])
            app.extensions["wakeups"] = way
        way.send()

    on_commit_wake(app, wake)


class Drains:
    """Threads that work the outbox off until nothing is due; up to `most` at once.

    One of them looks for work at a time. Once it has found some, the next one looks while it works. So a wake-up
    costs one look, however many threads there are, and a thread that has nothing to do is kept for a while.
    """

    def __init__(self, runner: Runner, most: int) -> None:
        self.runner = runner
        self.most = most
        self.stopping = runner.stopping
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        self._is_asked = False
        self._looking: threading.Thread | None = None
        self._turn = threading.Condition()

    def wake(self) -> None:
        """Have somebody look who has not begun yet: there may be something more urgent than what was seen so far."""
        self.runner.lanes.forget()
        with self._turn:
            self._ask()

    def _ask(self) -> None:
        self._is_asked = True
        if self.stopping.is_set() or self._looking is not None:
            return
        if self._idle:
            self._turn.notify()
        elif len(self._threads) < self.most:
            self._start()

    def _start(self) -> None:
        thread = threading.Thread(target=self._drain, name="drain", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the system has none to give; who asks next tries again
            log.warning("No thread could be started: %s", error)
        else:
            self._threads.add(thread)

    def _drain(self) -> None:
        try:
            while self._take_turn():
                self._look()
        except SQLAlchemyError as error:
            log.warning("The database cannot be used now; the sweeper will try again: %s", error)
        except Exception:  # the next wake-up starts another thread
            log.exception("A drain ended unexpectedly.")
        finally:
            with self._turn:
                self._threads.discard(threading.current_thread())

    def _take_turn(self) -> bool:
        """Wait until this thread is to look for work; False if it may end."""
        with self._turn:
            is_kept = True
            while is_kept and not self.stopping.is_set():
                if self._is_asked and self._looking is None:
                    self._is_asked, self._looking = False, threading.current_thread()
                    return True
                self._idle += 1
                is_kept = self._turn.wait(KEPT_SECONDS) or self._is_asked
                self._idle -= 1
            return False

    def _look(self) -> None:
        has_worked = False
        try:
            has_worked = self.runner.run_next(on_claim=self._pass_on)
        finally:
            with self._turn:
                if self._looking is threading.current_thread():
                    self._looking = None
                if has_worked and self.runner.lanes.is_short:  # there was no place for more; now there is
                    self._is_asked = True
                if self._is_asked and self._idle:
                    self._turn.notify()

    def _pass_on(self) -> None:
        with self._turn:
            if self._looking is threading.current_thread():
                self._looking = None
            self._ask()

    def stop(self, seconds: float) -> None:
        """Claim nothing more; let running rows end, and give back what does not within `seconds`."""
        self.stopping.set()
        deadline = time.monotonic() + seconds
        with self._turn:
            self._turn.notify_all()
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        try:
            self.runner.return_begun()
            self.runner.give_back()
        except SQLAlchemyError as error:
            log.warning("What was begun cannot be given back; it is free when its leases end: %s", error)


class Clock:
    """Notices that the wall clock was set back, by one that never is."""

    def __init__(self) -> None:
        self._wall, self._steady = utcnow(), time.monotonic()

    def set_back(self) -> timedelta:
        """By how much, since the last call; zero for less than STEP_BACK_SECONDS."""
        wall, steady = utcnow(), time.monotonic()
        lost = (steady - self._steady) - (wall - self._wall).total_seconds()
        self._wall, self._steady = wall, steady
        return timedelta(seconds=lost) if lost > STEP_BACK_SECONDS else timedelta()


def is_gone(holder: str, mine: str) -> bool:
    """Whether the worker process that calls itself "worker:host:pid:token" ran on this machine and has ended."""
    if holder.count(":") != mine.count(":"):
        return False
    (_, host, pid, token), (_, my_host, my_pid, my_token) = holder.rsplit(":", 3), mine.rsplit(":", 3)
    if host != my_host or not pid.isdecimal():
        return False
    if pid == my_pid:
        return token != my_token
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


class Worker:
    """One worker process: listeners for wake-ups, drains, and a sweeper that also beats the heart."""

    def __init__(self, app: Flask) -> None:
        settings: Settings = app.config["SETTINGS"]
        self.app = app
        self.name = f"worker:{socket.gethostname()}:{os.getpid()}"
        self.holder = f"{self.name}:{secrets.token_hex(4)}"
        self.lease = timedelta(seconds=settings.lease_seconds)
        self.runner = Runner(app, HANDLERS, self.lease, threads=settings.worker_threads, holder=self.holder)
        self.drains = Drains(self.runner, settings.worker_threads)
        self.stopped = threading.Event()
        self.slots: set[str] = set()
        self.beaten_at = self.kept_at = 0.0
        self.claims_seen = 0
        self.clock = Clock()
        self.step_back = timedelta()  # that nothing was done about yet
        self.doubted_until = time.monotonic() + DOUBT_SECONDS
        self.peers = pacing.Peers(self.name)
        on_commit_wake(app, self.drains.wake)  # what this process commits, it can do itself

    def run(self) -> None:
        """Work until SIGTERM or SIGINT; at most 10 s later it is over."""
        self._listen()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        log.info("%s started", self.name)
        self._take_over()
        pause = self.sweep()  # at once: its heart beats before anything is left to it
        while not self.stopped.wait(pause):
            pause = self.sweep()
        log.info("%s is stopping", self.name)
        self.drains.stop(STOP_SECONDS)
        self._leave()

    def _listen(self) -> None:
        """Start hearing wake-ups; if there is no way to, the sweeper does it alone."""
        try:
            wakeups.make(self.app.config["SETTINGS"]).listen(self.drains.wake, self.stopped)
        except Exception:  # whatever the broker's client raises
            log.warning("No wake-ups can be heard; work is looked for every %s s.", SWEEP_SECONDS, exc_info=True)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopped.set()

    def sweep(self) -> float:
        """Look for work that nobody woke us for, stage periodic rows, beat the heart; after how many seconds again."""
        try:
            with self.app.app_context():
                return self._sweep()
        except SQLAlchemyError as error:
            log.warning("The database cannot be used now: %s", error)
        except Exception:  # what the others hold needs this process, whatever one of its looks met
            log.exception("A sweep ended unexpectedly.")
        return SWEEP_SECONDS

    def _take_over(self) -> None:
        """What a worker of this machine left behind when it was killed need not wait for its lease to end."""
        try:
            with self.app.app_context():
                freed = outbox.take_from_the_dead(lambda holder: is_gone(holder, self.holder), utcnow())
                db.session.commit()
        except SQLAlchemyError as error:
            log.warning("The database cannot be used now: %s", error)
        else:
            if freed:
                log.warning("%s rows of a worker that is gone are taken over.", freed)

    def _sweep(self) -> float:
        now = utcnow()
        self.step_back += self.clock.set_back()
        if self.step_back:
            log.warning("The clock was set back by %.0f s.", self.step_back.total_seconds())
            self._put_right(self.step_back, now)
            self.step_back = timedelta()
            self.doubted_until = time.monotonic() + DOUBT_SECONDS
        if time.monotonic() - self.kept_at > self.lease.total_seconds() / 4:
            self.runner.keep()
            self.kept_at = time.monotonic()
        if time.monotonic() - self.beaten_at > HEARTBEAT_SECONDS:
            self._beat()
            if time.monotonic() < self.doubted_until:
                self._count_anew(now)
        if not periodic.is_staged(now, self.slots):
            periodic.stage_due(now, self.slots)
            db.session.commit()
        with reading() as on:
            is_due, now = outbox.is_due(on, now), utcnow()
            before, self.claims_seen = self.claims_seen, self.runner.lanes.claims
            pause = BUSY_SWEEP_SECONDS if self.claims_seen > before else SWEEP_SECONDS
            next_at = outbox.next_due(on, now, now + timedelta(seconds=pause))
        if is_due or self.runner.begun:  # what was begun is claimed, so due for nobody: whoever was to take it failed
            self.drains.wake()
        return max((next_at - now).total_seconds(), SHORTEST_SWEEP_SECONDS) if next_at else pause

    def _put_right(self, step: timedelta, now: datetime) -> None:
        """Do what a clock that was set back asks for, once: whoever does it puts right all heartbeats that lie ahead.

        Each worker of the machine notices, before its heart beats again; the second one finds its own put right. One
        whose heart has not beaten yet cannot know, and does it.
        """
        ahead = update(Heartbeat).where(Heartbeat.at > now).values(at=now).returning(Heartbeat.name)
        put_right = db.session.scalars(ahead, execution_options={"synchronize_session": False}).all()
        if self.beaten_at and self.name not in put_right:
            db.session.rollback()
            return
        circuits.after_step_back(step, now)  # first: who records a sending locks the connection before the row, too
        tokens.after_step_back(step, now)
        outbox.after_step_back(step, now, self.lease)
        db.session.commit()

    def _count_anew(self, now: datetime) -> None:
        with reading() as on:
            ahead = outbox.staged_ahead(on, now)
        if ahead:
            log.warning("%s rows that a clock which was ahead has staged count from now.", len(ahead))
            outbox.count_anew(ahead, now)
            db.session.commit()

    def _beat(self) -> None:
        now = utcnow()
        tenant = instance.default_tenant(now=now)  # also of an empty instance: it must become ready to be set up
        db.session.flush()
        db.session.merge(Heartbeat(name=self.name, tenant_id=tenant.id, at=now))
        db.session.flush()
        beats = {row.name: row.at for row in db.session.execute(select(Heartbeat.name, Heartbeat.at))}
        db.session.commit()
        pacing.of_process().share = self.peers.share(beats, now=now, at=time.monotonic())
        self.beaten_at = time.monotonic()
        if (file := self.app.config["SETTINGS"].heartbeat_file) is not None:
            self._touch(file)

    def _touch(self, file: Path) -> None:
        """For a container's health check, which has no port to ask."""
        try:
            file.touch()
        except OSError as error:
            log.warning("The heartbeat cannot be shown to a health check: %s", error)

    def _leave(self) -> None:
        try:
            with self.app.app_context():
                heartbeat = db.session.get(Heartbeat, self.name)
                if heartbeat is not None:
                    db.session.delete(heartbeat)
                db.session.commit()
        except SQLAlchemyError as error:
            log.warning("The heartbeat could not be taken back: %s", error)
