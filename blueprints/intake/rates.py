"""How often one source may push: 100 requests a second and 1000 a minute, over all web processes with Redis."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass

from flask import current_app
from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.errors import StorageError
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter

from services.instance import current_settings

LIMITS: tuple[RateLimitItem, ...] = (RateLimitItemPerSecond(100), RateLimitItemPerMinute(1000))
REDIS_SECONDS = 0.2
EXTENSION = "intake_rates"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Counters:
    shared: SlidingWindowCounterRateLimiter
    own: SlidingWindowCounterRateLimiter


def seconds_to_wait(source_id: int) -> int:
    """Count one request; 0 if it may pass, else whole seconds until the next one may.

    Without Redis each web process counts for itself. A Redis that fails never costs an alert: then too.
    """
    counters = _counters()
    try:
        return _hit(counters.shared, source_id)
    except StorageError:
        log.warning("counting pushes in this process: Redis does not answer")
        return _hit(counters.own, source_id)


def _hit(limiter: SlidingWindowCounterRateLimiter, source_id: int) -> int:
    for limit in LIMITS:
        if not limiter.hit(limit, "intake", str(source_id)):
            reset_at = limiter.get_window_stats(limit, "intake", str(source_id)).reset_time
            return max(1, math.ceil(reset_at - time.time()))
    return 0


def _counters() -> _Counters:
    counters = current_app.extensions.get(EXTENSION)
    if not isinstance(counters, _Counters):
        counters = current_app.extensions.setdefault(EXTENSION, _make_counters(current_settings().redis_url))
    return counters


def _make_counters(redis_url: str | None) -> _Counters:
    own = SlidingWindowCounterRateLimiter(MemoryStorage())
    if redis_url is None:
        return _Counters(own, own)
    patience = {"socket_timeout": REDIS_SECONDS, "socket_connect_timeout": REDIS_SECONDS}
    storage = storage_from_string(redis_url, wrap_exceptions=True, **patience)
    return _Counters(SlidingWindowCounterRateLimiter(storage), own)
