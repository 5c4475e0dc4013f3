"""When a message is tried again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services import retries

SECONDS = {0: 0, 1: 1, 2: 5, 3: 15, 4: 60, 5: 300, 6: 900, 7: 900, 100: 900}


@pytest.mark.parametrize(("tries", "seconds"), SECONDS.items())
def test_the_schedule_grows_to_a_quarter_of_an_hour(tries, seconds):
    assert retries.delay(tries) == timedelta(seconds=seconds)


def test_a_day_is_the_end():
    assert not retries.is_over(timedelta(hours=23), timedelta(minutes=15))
    assert retries.is_over(timedelta(hours=23, minutes=50), timedelta(minutes=15))


@pytest.mark.parametrize(("share", "seconds"), [(0, 80), (0.5, 100), (1, 120)])
def test_jitter_spreads_by_a_fifth(share, seconds):
    assert retries.with_jitter(timedelta(seconds=100), share) == timedelta(seconds=seconds)


def test_drawn_jitter_stays_within_a_fifth():
    waits = {retries.with_jitter(timedelta(seconds=100)).total_seconds() for _ in range(200)}
    assert min(waits) >= 80
    assert max(waits) <= 120
    assert len(waits) > 100
