"""How long who waits for an answer has waited already."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

import arrival


def in_a_thread_of_its_own(ask: Callable[[], float]) -> float:
    """What is noted is the thread's."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(ask).result()


def left(*, came_seconds_ago: float) -> float:
    arrival.note(time.monotonic() - came_seconds_ago)
    return arrival.left_of(5, at_least=0.25)


@pytest.mark.parametrize(("came_seconds_ago", "expected"), [(3, 2), (4.9, 0.25), (60, 0.25)])
def test_the_time_before_a_thread_was_free_counts(came_seconds_ago: float, expected: float):
    found = in_a_thread_of_its_own(lambda: left(came_seconds_ago=came_seconds_ago))
    assert found == pytest.approx(expected, abs=0.2)
    assert found >= 0.25


def test_a_request_that_no_server_noted_is_new():
    assert in_a_thread_of_its_own(lambda: arrival.left_of(5, at_least=0.25)) == pytest.approx(5)
