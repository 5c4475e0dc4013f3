"""Frequency counters on the simulator's clock. They are not saved."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Hashable

MINUTE, HOUR, DAY = 60, 3600, 86400
EAST = 8 * HOUR
"""How far China's clocks, by which the platforms' days begin, are ahead of UTC."""


class Counters:
    """Fixed windows for base frequencies, sliding ones for members. The caller holds the store's lock."""

    def __init__(self) -> None:
        self._windows: dict[Hashable, tuple[int, int]] = {}
        self._times: dict[Hashable, deque[float]] = defaultdict(deque)

    def add(self, key: Hashable, now: float, seconds: int, amount: int = 1) -> int:
        """Count in the current window of this length and return its total."""
        window = _window(now, seconds)
        known, total = self._windows.get((key, seconds), (window, 0))
        total = total + amount if known == window else amount
        self._windows[key, seconds] = (window, total)
        return total

    def total(self, key: Hashable, now: float, seconds: int) -> int:
        """What the current window holds, without counting."""
        window, total = self._windows.get((key, seconds), (0, 0))
        return total if window == _window(now, seconds) else 0

    def admit(self, key: Hashable, now: float, per_minute: int, per_hour: int) -> bool:
        """Let one message through unless the last minute or hour is full; what is refused is not counted."""
        times = self._times[key]
        while times and times[0] <= now - HOUR:
            times.popleft()
        in_minute = sum(1 for at in times if at > now - MINUTE) if len(times) >= per_minute else 0
        if in_minute >= per_minute or len(times) >= per_hour:
            return False
        times.append(now)
        return True

    def clear(self) -> None:
        self._windows.clear()
        self._times.clear()


def _window(now: float, seconds: int) -> int:
    """The minute, hour or day that a time lies in."""
    return int((now + EAST) // seconds)
