"""The empty wake-up that goes from whoever committed work to the workers. Nothing depends on it but speed.

On one machine it is a byte in a named pipe beside the embedded database: heard within a fraction of a millisecond, at
the price of three system calls. With servers it goes through Redis (jobs/broker.py).
"""

from __future__ import annotations

import errno
import logging
import os
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from config import Settings

LOOK_FOR_STOP_SECONDS = 0.5
MOST_BYTES = 65536
"""What a pipe holds; however many wake-ups wait there, they are one."""

log = logging.getLogger(__name__)


class Wakeups(Protocol):
    """Sends and hears wake-ups."""

    def send(self) -> None:
        """Wake a worker. Raises whatever the way there raises."""

    def listen(self, heard: Callable[[], None], stopping: threading.Event) -> None:
        """Start threads that call `heard` for wake-ups until `stopping`. Raises whatever the way raises."""


def make(settings: Settings) -> Wakeups:
    """The way between the processes of this instance."""
    if settings.redis_url:
        from jobs.broker import Broker  # noqa: PLC0415 - others do without Huey and Redis' client

        return Broker(settings.redis_url)
    return Pipe(settings.home / "wakeups")


class Pipe:
    """A named pipe. Several workers may read it: each byte wakes one of them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def send(self) -> None:
        """Nobody listens while there is no worker: the next one looks for work when it starts."""
        try:
            pipe = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in (errno.ENXIO, errno.ENOENT):
                return
            raise
        try:
            with suppress(BlockingIOError, BrokenPipeError):  # full of wake-ups; the worker ended at this moment
                os.write(pipe, b".")
        finally:
            os.close(pipe)

    def listen(self, heard: Callable[[], None], stopping: threading.Event) -> None:
        with suppress(FileExistsError):
            os.mkfifo(self.path, 0o600)
        pipe = os.open(self.path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)  # with a writer: no end of the file
        threading.Thread(target=_read, args=(pipe, heard, stopping), name="listener", daemon=True).start()


def _read(pipe: int, heard: Callable[[], None], stopping: threading.Event) -> None:
    try:
        while not stopping.is_set():
            if select.select([pipe], [], [], LOOK_FOR_STOP_SECONDS)[0]:
                with suppress(BlockingIOError):  # another worker was faster
                    os.read(pipe, MOST_BYTES)
                    heard()
    except Exception:
        log.exception("No wake-ups can be heard any more.")
    finally:
        os.close(pipe)
