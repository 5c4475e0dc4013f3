"""A call that another thread makes, so that whoever asked for it can do something else while the disk is waited for.

A commit takes a third of a millisecond, in which its thread writes to the system and waits for the disk. It does that
on another processor than the process is kept on, where there is one; to hand the call over and to hear that it is done
costs a third of that.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue

import processors

Call = Callable[[], None]

log = logging.getLogger(__name__)


def make_both(call: Call, meanwhile: Call, *, afterwards: Call | None = None) -> None:
    """Make the two at once, `call` in another thread; return when both are done. Raises what the call raised first.

    Pays where the call waits without the interpreter's lock for longer than it takes to do the other. Where the
    system has no thread for it, the call comes first.
    afterwards  follows the call in its thread, unless that raised something; nobody waits for it
    """
    helper = _helper()
    if helper is None:
        call()
        if afterwards is not None:
            afterwards()
        meanwhile()
        return
    helper.begin(call, afterwards)
    try:
        meanwhile()
    finally:
        helper.end()


class _Helper:
    """A thread that makes one call after another."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[tuple[Call, Call | None]] = SimpleQueue()
        self._ends: SimpleQueue[BaseException | None] = SimpleQueue()
        self._begun = threading.Lock()  # held until a call has begun
        self._begun.acquire()
        threading.Thread(target=self._run, name="under way", daemon=True).start()

    def begin(self, call: Call, afterwards: Call | None) -> None:
        """Waits for its beginning: the interpreter would stay here for milliseconds, and the call wait for it."""
        self._calls.put((call, afterwards))
        self._begun.acquire()

    def end(self) -> None:
        error = self._ends.get()
        _idle.append(self)
        if error is not None:
            raise error

    def _run(self) -> None:
        processors.keep_apart()
        while True:
            self._make(*self._calls.get())

    def _make(self, call: Call, afterwards: Call | None) -> None:
        self._begun.release()
        try:
            call()
        except BaseException as raised:
            self._ends.put(raised)
            return
        self._ends.put(None)
        if afterwards is not None:
            try:
                afterwards()
            except Exception:
                log.exception("What follows a call failed.")


def _helper() -> _Helper | None:
    """None if all are busy and the system has no thread for another one."""
    with suppress(IndexError):
        return _idle.pop()
    with suppress(RuntimeError):
        return _Helper()
    return None


_idle: list[_Helper] = []
"""As many as there have been calls at once: on SQLite, whose writer is one, hardly more than one."""
os.register_at_fork(after_in_child=_idle.clear)  # their threads stay behind
