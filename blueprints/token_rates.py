"""How often one token may call: counted over all web processes with Redis, else in this one."""

from __future__ import annotations

import time

from limits import RateLimitItem
from limits.errors import StorageError

from web_extensions import limiter


def seconds_to_wait(limit: RateLimitItem, area: str, key: str) -> int:
    """Count one request; 0 if it may pass, else seconds until the next one may. A counter that fails lets pass."""
    try:
        if limiter.limiter.hit(limit, area, key):
            return 0
        reset_at = limiter.limiter.get_window_stats(limit, area, key).reset_time
    except StorageError:
        return 0
    return max(1, round(reset_at - time.time()))
