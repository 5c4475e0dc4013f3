"""No faster than the platform takes it: who comes too early is told when to come again. Asks nobody, stores nothing.

The limits hold for all worker processes together: each keeps to its share of them, so that a message costs no
question. Who else is there each of them reads with its heartbeats (jobs/engine.py). For the seconds until the others
have heard of a new one they may send too much together; that the platform refuses for a moment, and it is tried again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import current_app

from platforms.base import Capabilities
from services.clock import CLOCKS_DIFFER

SECOND, MINUTE = 1.0, 60.0
ON_THE_WAY = 0.05
"""Seconds by which one call's way may be longer than another's: what leaves in two seconds may arrive in one."""
LONGEST = 30.0
"""Nobody is told to come later than in so many seconds: those who were given the moments before may be gone by then."""
SILENT_SECONDS = 9.0
"""A worker whose heartbeat stood still for so long has no share any more."""
FORGOTTEN = 10_000
"""Recipients remembered at most; beyond, those that nobody was sent anything to for a minute are let go."""


@dataclass(frozen=True)
class Rate:
    """As many as `most` in so many seconds."""

    most: int
    seconds: float = SECOND


@dataclass(frozen=True)
class Share:
    """The part of every limit that one of several processes has: number `rank`, from 0, of `of`."""

    rank: int = 0
    of: int = 1

    def part(self, rate: Rate) -> tuple[int, float]:
        """How many it may send, and in how many seconds. All parts together are the whole."""
        if rate.most < self.of:
            return 1, rate.seconds * self.of / rate.most
        return rate.most // self.of + (self.rank < rate.most % self.of), rate.seconds


class Peers:
    """The workers that are there, by their heartbeats: those that go on, whatever the clocks of their machines say."""

    def __init__(self, own_name: str) -> None:
        self._own_name = own_name
        self._seen: dict[str, tuple[datetime, float]] = {}

    def share(self, beats: Mapping[str, datetime], *, now: datetime, at: float) -> Share:
        """beats: when each worker says that it was last alive; at: of a clock that only goes forward."""
        for name, beaten_at in beats.items():
            before = self._seen.get(name)
            if before is None:
                is_old = now - beaten_at > CLOCKS_DIFFER  # of a worker that ended before
                self._seen[name] = beaten_at, at - SILENT_SECONDS if is_old else at
            elif before[0] != beaten_at:
                self._seen[name] = beaten_at, at
        self._seen = {name: seen for name, seen in self._seen.items() if name in beats}
        alive = {name for name, (_beaten_at, since) in self._seen.items() if at - since < SILENT_SECONDS}
        everybody = sorted(alive | {self._own_name})
        return Share(everybody.index(self._own_name), len(everybody))


class Pace:
    """Counts what left within the last second or minute, by key. share: of the limits, that this process may use."""

    def __init__(self) -> None:
        self.share = Share()
        self._lock = threading.Lock()
        self._left: dict[object, deque[float]] = {}
        self._promised: dict[tuple[object, bool], float] = {}

    def wait(self, limits: Mapping[Any, Rate], at: float, *, is_urgent: bool = False) -> float:
        """0 if it may leave now under all limits, by key, and is counted; else how many seconds to wait.

        Those who wait are given moments one after the other, so that they do not all come back at once; what is urgent
        is not put behind what is not.
        """
        with self._lock:
            parts = {key: self.share.part(rate) for key, rate in limits.items()}
            full = {key: part for key, part in parts.items() if len(self._recent(key, at, part[1])) >= part[0]}
            if not full:
                for key in limits:
                    self._left[key].append(at)
                return 0.0
            return max(self._promise(key, *part, at, is_urgent) for key, part in full.items()) - at

    def _recent(self, key: object, at: float, window: float) -> deque[float]:
        if len(self._left) > FORGOTTEN:
            self._forget(at)
        left = self._left.setdefault(key, deque())
        while left and left[0] <= at - window:
            left.popleft()
        return left

    def _promise(self, key: object, most: int, window: float, at: float, is_urgent: bool) -> float:
        last = self._promised.get((key, is_urgent), 0.0)
        free_at = min(max(last + window / most, self._left[key][0] + window, at), at + LONGEST)
        self._promised[key, is_urgent] = free_at
        return free_at

    def _forget(self, at: float) -> None:
        for key in [key for key, left in self._left.items() if not left or left[-1] <= at - MINUTE]:
            del self._left[key]
            for is_urgent in (True, False):
                self._promised.pop((key, is_urgent), None)


def free_at(
    integration_id: int, to: str, capabilities: Capabilities, now: datetime, *, is_urgent: bool, is_update: bool = False
) -> datetime | None:
    """When a call about this recipient may be made; None: now, and it is counted."""
    limits: dict[object, Rate] = {}
    if capabilities.sends_per_second:
        limits[integration_id] = Rate(capabilities.sends_per_second, SECOND + ON_THE_WAY)
    if capabilities.sends_per_minute:  # the platform counts each kind of call by itself
        limits[integration_id, is_update, MINUTE] = Rate(capabilities.sends_per_minute, MINUTE)
    if capabilities.sends_per_chat_second:
        limits[integration_id, to] = Rate(capabilities.sends_per_chat_second, SECOND + ON_THE_WAY)
    if not limits:
        return None
    wait = of_process().wait(limits, time.monotonic(), is_urgent=is_urgent)
    return now + timedelta(seconds=wait) if wait else None


def of_process() -> Pace:
    """What this process has sent, and its share of the limits."""
    kept: Pace = current_app.extensions.setdefault("pace", Pace())
    return kept
