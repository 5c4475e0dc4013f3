"""No faster than the platform takes it: who comes too early is told when to come again. Asks nobody, stores nothing.

Each process keeps to the limit for itself. What several of them send too much the platform refuses for a moment,
and it is tried again; so this saves calls and keeps the order, and need not be exact.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from datetime import datetime, timedelta

from flask import current_app

from platforms.base import Capabilities

WINDOW = 1.0
LONGEST = 30.0
"""Nobody is told to come later than in so many seconds: those who were given the moments before may be gone by then."""
FORGOTTEN = 10_000
"""Recipients remembered at most; beyond, those that nobody was sent anything to for a second are let go."""


class Pace:
    """Counts what left within the last second, by key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: dict[object, deque[float]] = {}
        self._promised: dict[tuple[object, bool], float] = {}

    def wait(self, limits: dict[object, int], at: float, *, is_urgent: bool = False) -> float:
        """0 if it may leave now under all limits (key → per second), and is counted; else how many seconds to wait.

        Those who wait are given moments one after the other, so that they do not all come back at once; what is urgent
        is not put behind what is not.
        """
        with self._lock:
            full = {key: most for key, most in limits.items() if len(self._recent(key, at)) >= most}
            if not full:
                for key in limits:
                    self._left[key].append(at)
                return 0.0
            return max(self._promise(key, most, at, is_urgent) for key, most in full.items()) - at

    def _recent(self, key: object, at: float) -> deque[float]:
        if len(self._left) > FORGOTTEN:
            self._forget(at)
        left = self._left.setdefault(key, deque())
        while left and left[0] <= at - WINDOW:
            left.popleft()
        return left

    def _promise(self, key: object, most: int, at: float, is_urgent: bool) -> float:
        last = self._promised.get((key, is_urgent), 0.0)
        free_at = min(max(last + WINDOW / most, self._left[key][0] + WINDOW, at), at + LONGEST)
        self._promised[key, is_urgent] = free_at
        return free_at

    def _forget(self, at: float) -> None:
        for key in [key for key, left in self._left.items() if not left or left[-1] <= at - WINDOW]:
            del self._left[key]
            for is_urgent in (True, False):
                self._promised.pop((key, is_urgent), None)


def free_at(
    integration_id: int, to: str, capabilities: Capabilities, now: datetime, *, is_urgent: bool
) -> datetime | None:
    """When a call about this recipient may be made; None: now, and it is counted."""
    limits: dict[object, int] = {}
    if capabilities.sends_per_second:
        limits[integration_id] = capabilities.sends_per_second
    if capabilities.sends_per_chat_second:
        limits[integration_id, to] = capabilities.sends_per_chat_second
    if not limits:
        return None
    kept: Pace = current_app.extensions.setdefault("pace", Pace())
    wait = kept.wait(limits, time.monotonic(), is_urgent=is_urgent)
    return now + timedelta(seconds=wait) if wait else None
