"""A call that another thread makes, so that whoever asked for it can do something else while the disk is waited for.

A commit takes a third of a millisecond, in which its thread writes to the system and waits for the disk. It does that
on another processor than the process is kept on, where there is one; to hand the call over and to hear that it is done
costs a third of that.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue

import processors

Call = Callable[[], None]


@contextmanager
def under_way(call: Call) -> Iterator[None]:
    """Entered once another thread makes the call, left when it has returned. Raises what the call raised.

    Pays where the call waits without the interpreter's lock for longer than it takes to do what stands within. Where
    the system has no thread for it, the call comes first.
    """
    helper = _helper()
    if helper is None:
        call()
        yield
        return
    helper.begin(call)
    try:
        yield
    finally:
        helper.end()


class _Helper:
    """A thread that makes one call after another."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Call] = SimpleQueue()
        self._ends: SimpleQueue[BaseException | None] = SimpleQueue()
        self._begun = threading.Lock()  # held until a call has begun
        self._begun.acquire()
        threading.Thread(target=self._run, name="under way", daemon=True).start()

    def begin(self, call: Call) -> None:
        """Waits for its beginning: the interpreter would stay here for milliseconds, and the call wait for it."""
        self._calls.put(call)
        self._begun.acquire()

    def end(self) -> None:
        error = self._ends.get()
        _idle.append(self)
        if error is not None:
            raise error

    def _run(self) -> None:
        processors.keep_apart()
        while True:
            self._make(self._calls.get())

    def _make(self, call: Call) -> None:
        error: BaseException | None = None
        self._begun.release()
        try:
            call()
        except BaseException as raised:
            error = raised
        self._ends.put(error)


def _helper() -> _Helper | None:
    """None if all are busy and the system has no thread for another one."""
    with suppress(IndexError):
        return _idle.pop()
    with suppress(RuntimeError):
        return _Helper()
    return None


_idle: list[_Helper] = []
"""As many as there have been calls at once: on SQLite, whose writer is one, a single one."""
os.register_at_fork(after_in_child=_idle.clear)  # their threads stay behind
