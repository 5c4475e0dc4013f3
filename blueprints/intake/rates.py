"""How often one source may push: 100 requests a second and 1000 a minute, over all web processes with Redis."""

from __future__ import annotations

import math
import threading
import time

from flask import current_app
from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.errors import StorageError
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from services.instance import current_settings

LIMITS: tuple[RateLimitItem, ...] = (RateLimitItemPerSecond(100), RateLimitItemPerMinute(1000))
EXTENSION = "intake_rates"


class OwnCounts:
    """Counts of this process, in sliding windows: the present one, and the last as far as it still reaches."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._limits = [(limit.amount, limit.get_expiry()) for limit in LIMITS]
        self._windows: dict[tuple[int, int], tuple[int, int, int]] = {}
        """By source and seconds. Plain numbers: to hash a RateLimitItem takes longer than all else here."""

    def hit(self, source_id: int) -> int:
        """Count one request; 0 if it may pass, else whole seconds until the next one may."""
        now = time.time()
        with self._lock:
            return max([self._hit(source_id, amount, seconds, now) for amount, seconds in self._limits])

    def _hit(self, source_id: int, amount: int, seconds: int, now: float) -> int:
        number, passed = divmod(now, seconds)
        stored, hits, before = self._windows.get((source_id, seconds), (0, 0, 0))
        if stored != number:
            hits, before = 0, hits if stored == number - 1 else 0
        if hits + before * (1 - passed / seconds) >= amount:
            return max(1, math.ceil(seconds - passed))
        self._windows[source_id, seconds] = (int(number), hits + 1, before)
        return 0


class SharedCounts:
    """Counts of all processes, in Redis. A Redis that fails never costs an alert: then each counts for itself."""

    def __init__(self, redis_url: str) -> None:
        from redis_pool import pool_of  # noqa: PLC0415 - others do without Redis' client

        storage = RedisStorage(redis_url, pool_of(redis_url), wrap_exceptions=True)
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._own = OwnCounts()

    def hit(self, source_id: int) -> int:
        """As OwnCounts.hit."""
        try:
            return self._hit(source_id)
        except StorageError:
            return self._own.hit(source_id)

    def _hit(self, source_id: int) -> int:
        for limit in LIMITS:
            if not self._limiter.hit(limit, "intake", str(source_id)):
                reset_at = self._limiter.get_window_stats(limit, "intake", str(source_id)).reset_time
                return max(1, math.ceil(reset_at - time.time()))
        return 0


def seconds_to_wait(source_id: int) -> int:
    """Count one request; 0 if it may pass, else whole seconds until the next one may."""
    counts = current_app.extensions.get(EXTENSION)
    if counts is None:
        url = current_settings().redis_url
        counts = current_app.extensions.setdefault(EXTENSION, SharedCounts(url) if url else OwnCounts())
    return int(counts.hit(source_id))
