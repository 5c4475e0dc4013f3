"""Frequencies on the simulator's clock: how often something happened within the last second or minute."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Hashable


class Windows:
    """Sliding windows by key. They are not saved; the caller holds the store's lock."""

    def __init__(self) -> None:
        self._times: dict[Hashable, deque[float]] = defaultdict(deque)

    def admit(self, key: Hashable, now: float, most: int, seconds: float = 1.0) -> bool:
        """Count once more, unless `most` in so many seconds is reached; 0 stands for no limit."""
        if not most:
            return True
        times = self._times[key, seconds]
        while times and times[0] <= now - seconds:
            times.popleft()
        if len(times) >= most:
            return False
        times.append(now)
        return True

    def clear(self) -> None:
        self._times.clear()
