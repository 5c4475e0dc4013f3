"""Which queue a worker process takes from next: what is urgent, from whoever has least of the threads.

A lane is one connection to a platform, or our own work. None may take more than half of the threads that the others
left, and neither may all connections to one platform together: so one that hangs until the timeout leaves threads to
the rest, however many organisations are connected to it.
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime
from threading import Lock

from jobs.outbox import DueQueue
from services import circuits

REMEMBERED_SECONDS = 0.05
"""How long what was due is taken for due still; a wake-up ends it."""


class Lanes:
    """Counts the running rows of this process by lane and by platform. Safe to share between threads."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._running: Counter[int] = Counter()
        self._of_platform: Counter[str] = Counter()
        self._served: dict[int, int] = {}
        self.claims = 0
        """How often places were taken so far."""
        self._due: list[DueQueue] = []
        self._read_at = 0.0
        self._lock = Lock()
        self.is_short = False
        """Whether something that is due was left, since its lane had no place."""

    def remembered(self) -> list[DueQueue] | None:
        """What was found due a moment ago; None if it is time to look."""
        with self._lock:
            is_fresh = self._due and time.monotonic() - self._read_at < REMEMBERED_SECONDS
            return list(self._due) if is_fresh else None

    def remember(self, due: list[DueQueue]) -> None:
        with self._lock:
            self._due, self._read_at = list(due), time.monotonic()

    def forget(self, *queues: DueQueue) -> None:
        """Look again before anything is claimed; or only know that these hold nothing any more."""
        with self._lock:
            self._due = [queue for queue in self._due if queue not in queues] if queues else []

    def in_turn(self, due: list[DueQueue], now: datetime) -> list[DueQueue]:
        """Those that may be taken from, the most urgent first, then the lane with the fewest running rows."""
        with self._lock:
            callable_now = [queue for queue in due if not circuits.closed_until(queue, now)]
            free = [queue for queue in callable_now if self._has_room(queue)]
            self.is_short = len(free) < len(callable_now)
            return sorted(free, key=lambda q: (q.urgency, self._running[q.lane], self._served.get(q.lane, 0)))

    def take(self, queue: DueQueue, most: int) -> int:
        """Take places for threads in a queue's lane, so many at most; how many there were."""
        taken = 0
        with self._lock:
            while taken < most and self._has_room(queue):
                taken += 1
                self._count(queue, 1)
            if taken:
                self.claims += 1
                self._served[queue.lane] = self.claims
        return taken

    def leave(self, queue: DueQueue, places: int) -> None:
        """Give places back."""
        with self._lock:
            self._count(queue, -places)

    def _count(self, queue: DueQueue, more: int) -> None:
        self._running[queue.lane] += more
        self._of_platform[queue.platform] += more

    def _has_room(self, queue: DueQueue) -> bool:
        running = self._running.total()
        in_lane, of_platform = self._running[queue.lane], self._of_platform[queue.platform]
        return all(mine < self._share(running - mine) for mine in (in_lane, of_platform))

    def _share(self, elsewhere: int) -> int:
        """Half of the threads that others left; one at least."""
        return max(1, (self.threads - elsewhere + 1) // 2)
