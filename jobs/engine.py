"""The worker process, and all that knows Huey: it carries an empty wake-up from whoever committed work to us.

What is to be done is read from the outbox (jobs/runner.py); a sweeper looks there too, so a lost wake-up or a
broker that is down costs half a second and nothing else.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from types import FrameType
from typing import TYPE_CHECKING, Any

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from config import Settings
from extensions import db, read_only
from jobs import outbox, periodic
from jobs.handlers import HANDLERS
from jobs.runner import Runner
from models import Heartbeat
from services import instance
from services.clock import utcnow
from services.outbox import on_commit_wake
from slim_imports import without

if TYPE_CHECKING:
    from huey import Huey

log = logging.getLogger(__name__)

SWEEP_SECONDS = 0.5
STEP_BACK_SECONDS = 1.5
"""A clock that lost more than this between two sweeps was set back."""
LISTEN_SECONDS = 0.02
"""How often the file of wake-ups is looked at; one look takes some 20 µs."""
HEARTBEAT_SECONDS = 3.0
STOP_SECONDS = 8.0
"""How long running rows may take to end after SIGTERM; then they are given back."""
BROKER_PAUSE_SECONDS = 5.0
LISTENERS = 1


def make_huey(settings: Settings) -> Huey:
    """The broker: a file of its own beside the embedded database, or Redis.

    Huey imports what its other storages use if it is there: 14 MB that a process does not need.
    """
    with without("psycopg"), nullcontext() if settings.redis_url else without("redis"):
        from huey import RedisHuey, SqliteHuey  # noqa: PLC0415

    if settings.redis_url:
        separator = "&" if "?" in settings.redis_url else "?"
        url = f"{settings.redis_url}{separator}socket_connect_timeout=0.3&socket_timeout=3"
        return RedisHuey("dutybell", url=url, results=False, read_timeout=1)
    return SqliteHuey("dutybell", filename=str(settings.home / "wakeups.sqlite"), results=False, fsync=False, timeout=1)


class Wakeups:
    """Sends and hears wake-ups. `heard` is called in the worker for each of them."""

    def __init__(self, settings: Settings, heard: Callable[[], None] = lambda: None) -> None:
        self.huey = make_huey(settings)
        self.heard = heard
        self.silent_until = 0.0
        self._task = self.huey.task(name="wake_up")(self._hear)

    def _hear(self) -> None:
        self.heard()

    def send(self) -> None:
        """Wake a worker. After a failure nobody waits for the broker for a while."""
        if time.monotonic() < self.silent_until:
            return
        try:
            self._task()
        except Exception:
            self.silent_until = time.monotonic() + BROKER_PAUSE_SECONDS
            raise


def connect(app: Flask) -> None:
    """Let commits of this process wake the worker. The broker is opened with the first of them."""
    lock = threading.Lock()

    def wake() -> None:
        with lock:
            wakeups = app.extensions.get("wakeups") or Wakeups(app.config["SETTINGS"])
            app.extensions["wakeups"] = wakeups
        wakeups.send()

    on_commit_wake(app, wake)


class Drains:
    """Threads that work the outbox off until nothing is due; up to `most` at once, started as there is work."""

    def __init__(self, runner: Runner, most: int) -> None:
        self.runner = runner
        self.most = most
        self.stopping = runner.stopping
        self._active: set[threading.Thread] = set()
        self._lock = threading.Lock()

    def wake(self) -> None:
        """Start one more drain if there is room. There may be something more urgent than what was seen so far."""
        self.runner.lanes.forget()
        self.add()

    def add(self) -> None:
        with self._lock:
            if self.stopping.is_set() or len(self._active) >= self.most:
                return
            thread = threading.Thread(target=self._drain, name="drain", daemon=True)
            self._active.add(thread)
            thread.start()

    def _drain(self) -> None:
        try:
            while not self.stopping.is_set() and self.runner.run_next(on_claim=self.add):
                pass
        except SQLAlchemyError as error:
            log.warning("The database cannot be used now; the sweeper will try again: %s", error)
        except Exception:  # the next wake-up starts another thread
            log.exception("A drain ended unexpectedly.")
        finally:
            with self._lock:
                self._active.discard(threading.current_thread())

    def stop(self, seconds: float) -> None:
        """Claim nothing more; let running rows end, and give back what does not within `seconds`."""
        self.stopping.set()
        deadline = time.monotonic() + seconds
        with self._lock:
            threads = list(self._active)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self.runner.give_back()


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
        self.clock = Clock()
        on_commit_wake(app, self.drains.wake)  # what this process commits, it can do itself
        self.wakeups = Wakeups(settings, self.drains.wake)

    def run(self) -> None:
        """Work until SIGTERM or SIGINT; at most 10 s later it is over."""
        consumer = self._listen()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        log.info("%s started", self.name)
        self._take_over()
        while not self.stopped.wait(SWEEP_SECONDS):
            self.sweep()
        log.info("%s is stopping", self.name)
        if consumer is not None:
            consumer.stop_flag.set()
        self.drains.stop(STOP_SECONDS)
        self._leave()

    def _listen(self) -> Any:
        """Start hearing wake-ups; None if the broker cannot be used, and the sweeper does it alone."""
        try:
            consumer = self.wakeups.huey.create_consumer(
                workers=LISTENERS,
                periodic=False,
                initial_delay=LISTEN_SECONDS,
                max_delay=LISTEN_SECONDS,
                scheduler_interval=60,
            )
            consumer.start()
        except Exception:  # whatever the broker's client raises
            log.warning("No wake-ups can be heard; work is looked for every %s s.", SWEEP_SECONDS, exc_info=True)
            return None
        return consumer

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopped.set()

    def sweep(self) -> None:
        """Look for work that nobody woke us for, stage periodic rows, beat the heart."""
        try:
            with self.app.app_context():
                self._sweep()
        except SQLAlchemyError as error:
            log.warning("The database cannot be used now: %s", error)

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

    def _sweep(self) -> None:
        now = utcnow()
        step = self.clock.set_back()
        if step:
            log.warning("The clock was set back by %.0f s.", step.total_seconds())
            outbox.after_step_back(step, now, self.lease)
            db.session.commit()
        if time.monotonic() - self.kept_at > self.lease.total_seconds() / 4:
            self.runner.keep()
            self.kept_at = time.monotonic()
        if time.monotonic() - self.beaten_at > HEARTBEAT_SECONDS:
            self._beat()
        if not periodic.is_staged(now, self.slots):
            periodic.stage_due(now, self.slots)
            db.session.commit()
        with read_only():
            due = outbox.is_due(now)
        if due:
            self.drains.wake()

    def _beat(self) -> None:
        now = utcnow()
        tenant = instance.default_tenant(now=now)  # also of an empty instance: it must become ready to be set up
        db.session.flush()
        db.session.merge(Heartbeat(name=self.name, tenant_id=tenant.id, at=now))
        db.session.commit()
        if (file := self.app.config["SETTINGS"].heartbeat_file) is not None:
            file.touch()  # for a container's health check, which has no port to ask
        self.beaten_at = time.monotonic()

    def _leave(self) -> None:
        try:
            with self.app.app_context():
                heartbeat = db.session.get(Heartbeat, self.name)
                if heartbeat is not None:
                    db.session.delete(heartbeat)
                db.session.commit()
        except SQLAlchemyError as error:
            log.warning("The heartbeat could not be taken back: %s", error)
