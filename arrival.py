"""What server and application agree on about a request: how long it may be, and when it was there.

Whoever sent it counts from then, not from when a thread was free. The server notes it (whole_requests.py); under
another one, or none, a request is always new.
"""

from __future__ import annotations

import threading
import time

LARGEST_BODY = 1024 * 1024
"""Bytes, however they are sent."""

_of_thread = threading.local()


def note(moment: float) -> None:
    """The request that this thread answers next had come in whole then, by the monotonic clock."""
    _of_thread.moment = moment


def left_of(seconds: float, *, at_least: float) -> float:
    """What is left of so many seconds since then.

    at_least  for who waited long for a thread: of a crowd in front of a locked database each is refused in its turn,
              and none in front of one that is merely busy
    """
    now = time.monotonic()
    return max(at_least, getattr(_of_thread, "moment", now) + seconds - now)
