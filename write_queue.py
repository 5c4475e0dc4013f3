"""The queue in front of SQLite's one writer: threads and processes wait in turn instead of asking again and again.

SQLite lets a writer that meets another one sleep, up to 100 ms a turn, and whoever asks at the right moment wins.
Here the next writer goes on within a millisecond or two, in order. It is good manners only: who does not know the
queue is still kept out by SQLite itself, and a process that dies leaves it by dying.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections import deque
from functools import cache

NEXT, WRITER = 0, 1
"""Bytes of the file: who holds the first is the next to hold the second. So nobody is overtaken again and again."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.0002, 0.002

log = logging.getLogger(__name__)


class WriteQueue:
    """Lets one writer in at a time, over all processes that share `path`.

    In this process they enter in the order in which they came, but those first that must answer by a deadline.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._file: int | None = None
        self._mutex = threading.Lock()
        self._is_taken = False
        self._hurried: deque[threading.Lock] = deque()
        self._patient: deque[threading.Lock] = deque()

    def enter(self, seconds: float, *, is_hurried: bool = False) -> None:
        """Wait for one's turn. Raises TimeoutError after so many seconds."""
        until = time.monotonic() + seconds
        self._enter_process(seconds, self._hurried if is_hurried else self._patient)
        try:
            self._enter_file(until)
        except BaseException:
            self._leave_process()
            raise

    def is_wanted(self) -> bool:
        """Whether another process waits. Only for who is inside: nobody else of this process touches the file then."""
        if not self._try_lock(NEXT):
            return True
        self._unlock(NEXT)
        return False

    def leave(self) -> None:
        self._unlock(WRITER)
        self._leave_process()

    def _enter_process(self, seconds: float, line: deque[threading.Lock]) -> None:
        with self._mutex:
            if not self._is_taken:
                self._is_taken = True
                return
            turn = threading.Lock()
            turn.acquire()
            line.append(turn)
        if turn.acquire(timeout=max(0.0, seconds)):
            return
        with self._mutex:
            if turn in line:
                line.remove(turn)
                raise TimeoutError("another thread is writing")

    def _leave_process(self) -> None:
        with self._mutex:
            line = self._hurried or self._patient
            if line:
                line.popleft().release()
            else:
                self._is_taken = False

    def _enter_file(self, until: float) -> None:
        self._lock(NEXT, until)
        try:
            self._lock(WRITER, until)
        finally:
            self._unlock(NEXT)

    def _lock(self, byte: int, until: float) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._try_lock(byte):
            if time.monotonic() + pause > until:
                raise TimeoutError("another process is writing")
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _try_lock(self, byte: int) -> bool:
        file = self._opened()
        if file is None:
            return True
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def _unlock(self, byte: int) -> None:
        if self._file is not None:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, byte)

    def _opened(self) -> int | None:
        """The file, opened once; None where there is no place for it: then SQLite's own waiting must do."""
        if self._file is None and self._path is not None:
            try:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                log.warning("Processes cannot queue to write (%s): %s", self._path, error.strerror)
                self._path = None
        return self._file


@cache
def queue_of(database: str | None) -> WriteQueue:
    """The queue of a database file, one for all engines of this process; without a file, of this process alone."""
    return WriteQueue(f"{database}-queue" if database else None)
