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
from dataclasses import dataclass, field
from functools import cache

NEXT, WRITER = 0, 1
"""Bytes of the file: who holds the first is the next to hold the second. So nobody is overtaken again and again."""
RUN_SECONDS = 0.05
"""How long after it came in a process may let its next thread in before another process."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.0002, 0.002

log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Turn:
    """A thread that waits in line: until `come` can be taken. has_file: whoever let it in left it the file as well."""

    come: threading.Lock = field(default_factory=threading.Lock)
    has_file: bool = False

    def __post_init__(self) -> None:
        self.come.acquire()


class WriteQueue:
    """Lets one writer in at a time, over all processes that share `path`.

    In this process they enter in the order in which they came, but those first that must answer by a deadline. When
    one of these has its turn, whoever else waits here goes in after it, for RUN_SECONDS: were each of a crowd to wait
    for another process's long transaction first, it would grow faster than it got through.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._file: int | None = None
        self._mutex = threading.Lock()
        self._is_taken = False
        self._hurried: deque[_Turn] = deque()
        self._patient: deque[_Turn] = deque()
        self._run_until = 0.0
        self._is_hurried_run = False

    def enter(self, seconds: float, *, is_hurried: bool = False) -> None:
        """Wait for one's turn. Raises TimeoutError after so many seconds."""
        until = time.monotonic() + seconds
        has_file = self._enter_process(seconds, self._hurried if is_hurried else self._patient)
        if not has_file:
            try:
                self._enter_file(until)
            except BaseException:
                self._leave_process()
                raise
            self._run_until, self._is_hurried_run = time.monotonic() + RUN_SECONDS, False
        self._is_hurried_run |= is_hurried

    def is_wanted(self) -> bool:
        """Whether another process waits. Only for who is inside: nobody else of this process touches the file then."""
        if not self._try_lock(NEXT):
            return True
        self._unlock(NEXT)
        return False

    @property
    def has_line(self) -> bool:
        """Whether another thread of this process waits."""
        return bool(self._hurried or self._patient)

    def leave(self) -> None:
        if not self._hand_on_file():
            self._unlock(WRITER)
            self._leave_process()

    def _enter_process(self, seconds: float, line: deque[_Turn]) -> bool:
        """Wait to be this process's writer; whether the file is ours then."""
        with self._mutex:
            if not self._is_taken:
                self._is_taken = True
                return False
            turn = _Turn()
            line.append(turn)
        if turn.come.acquire(timeout=max(0.0, seconds)):
            return turn.has_file
        with self._mutex:
            if turn in line:
                line.remove(turn)
                raise TimeoutError("another thread is writing")
        return turn.has_file

    def _hand_on_file(self) -> bool:
        """Let the next thread of this run in, with the file; False if the run is over."""
        with self._mutex:
            line = self._hurried or (self._patient if self._is_hurried_run else None)
            if not line or time.monotonic() > self._run_until:
                return False
            turn = line.popleft()
            turn.has_file = True
            turn.come.release()
        return True

    def _leave_process(self) -> None:
        with self._mutex:
            line = self._hurried or self._patient
            if line:
                line.popleft().come.release()
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
