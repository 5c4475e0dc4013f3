"""Counting pushes with and without Redis."""

from __future__ import annotations

import shutil

import pytest
from limits import RateLimitItemPerMinute, RateLimitItemPerSecond

from blueprints.intake import rates
from tests.conftest import make_settings, running_app
from tests.private_servers import free_port


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    monkeypatch.setattr(rates, "LIMITS", (RateLimitItemPerSecond(100), RateLimitItemPerMinute(3)))


@pytest.fixture
def run_with(tmp_path, sqlite_template):
    shutil.copy(sqlite_template, tmp_path / "dutybell.sqlite")
    return lambda redis_url: running_app(make_settings(tmp_path, redis_url=redis_url))


def test_redis_counts_over_all_processes(run_with, redis_url):
    with run_with(redis_url):
        assert [rates.seconds_to_wait(7) for _ in range(2)] == [0, 0]
    with run_with(redis_url):
        assert rates.seconds_to_wait(7) == 0
        assert rates.seconds_to_wait(7) >= 1
        assert rates.seconds_to_wait(8) == 0


def test_a_lost_redis_costs_no_push_and_no_limit(run_with):
    with run_with(f"redis://127.0.0.1:{free_port()}"):
        assert [rates.seconds_to_wait(7) for _ in range(3)] == [0, 0, 0]
        assert rates.seconds_to_wait(7) >= 1


def test_the_last_window_counts_as_far_as_it_reaches(monkeypatch, time_machine):
    monkeypatch.setattr(rates, "LIMITS", (RateLimitItemPerMinute(4),))
    counts = rates.OwnCounts()
    time_machine.move_to(600, tick=False)
    assert [counts.hit(7) for _ in range(5)] == [0, 0, 0, 0, 60]
    time_machine.move_to(660 + 30, tick=False)
    assert [counts.hit(7) for _ in range(3)] == [0, 0, 30], "half of the four still count"
    time_machine.move_to(900, tick=False)
    assert counts.hit(7) == 0
