"""Threads that come together share a commit.

The first one in leads: it opens a transaction, takes along everything that waits by then, and commits. Whoever comes
meanwhile waits, and the first of them leads the next commit. A commit costs a flush of the disk, so sixteen that
share one are sixteen times as cheap; alone, nobody waits for company.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Taken = Callable[[], list[Item]]


@dataclass
class _Entry(Generic[Item]):
    """called: set when this one is stored, or leads. Only those who wait have one: it takes 5 µs to make and set."""

    item: Item
    leads: bool = False
    error: BaseException | None = None
    called: threading.Event | None = None

    def call(self) -> None:
        if self.called is not None:
            self.called.set()


class GroupCommit(Generic[Item]):
    """Items of one process on their way to the disk.

    write  opens a transaction, calls its argument, which may be done only once, for what is to be written, and
           commits. Runs in the thread of one of those who wait.
    """

    def __init__(self, write: Callable[[Taken[Item]], None], *, most: int = 32) -> None:
        self._write = write
        self._most = most
        self._lock = threading.Lock()
        self._waiting: list[_Entry[Item]] = []
        self._has_leader = False

    def add(self, item: Item) -> None:
        """Return once the item is on disk. Raises what `write` raised; then nothing of its group is stored."""
        entry = _Entry(item)
        with self._lock:
            self._waiting.append(entry)
            if self._has_leader:
                entry.called = threading.Event()
            entry.leads, self._has_leader = not self._has_leader, True
        if entry.called is not None:
            entry.called.wait()
        if entry.leads:
            self._lead()
        if entry.error is not None:
            raise entry.error

    def _lead(self) -> None:
        group: list[_Entry[Item]] = []

        def take() -> list[Item]:
            group.extend(self._take())
            return [entry.item for entry in group]

        try:
            self._write(take)
        except BaseException as error:
            group = group or self._take()
            for entry in group:
                entry.error = error
            if not isinstance(error, Exception):
                raise
        finally:
            self._hand_on()
            for entry in group:
                entry.call()

    def _take(self) -> list[_Entry[Item]]:
        with self._lock:
            taken, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        return taken

    def _hand_on(self) -> None:
        with self._lock:
            self._has_leader = bool(self._waiting)
            if self._has_leader:
                self._waiting[0].leads = True
                self._waiting[0].call()
