"""When to try again. Pure but for the jitter, which is drawn from the system's random source."""

from __future__ import annotations

from datetime import timedelta
from random import SystemRandom

SCHEDULE_SECONDS = (0, 1, 5, 15, 60, 300)
"""Before the first, second … try; from then on every 15 minutes."""
THEN_EVERY = timedelta(minutes=15)
GIVE_UP_AFTER = timedelta(hours=24)
JITTER = 0.2

_random = SystemRandom()


def delay(tries: int) -> timedelta:
    """How long to wait after `tries` failed ones, without jitter."""
    if tries < len(SCHEDULE_SECONDS):
        return timedelta(seconds=SCHEDULE_SECONDS[tries])
    return THEN_EVERY


def with_jitter(wait: timedelta, share: float | None = None) -> timedelta:
    """Spread `wait` by ±20 %; share from 0 to 1 picks the place, drawn at random if not given."""
    drawn = _random.random() if share is None else share
    return wait * (1 - JITTER + 2 * JITTER * drawn)


def is_over(age: timedelta, wait: timedelta) -> bool:
    """Whether the next try would come after a day: then it is given up."""
    return age + wait > GIVE_UP_AFTER
