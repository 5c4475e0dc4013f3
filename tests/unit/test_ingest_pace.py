"""How many alerts the worker takes at once while others wait for the database."""

from __future__ import annotations

from jobs.ingest import ALERTS_A_SECOND, FEWEST_EVENTS, HOLD_SECONDS, Pace, Turn, pause_after
from services.stored_pushes import EVENTS_A_TURN

SECONDS_AN_ALERT, SLOW_SECONDS_AN_ALERT = 0.0008, 0.004
"""The second: on a machine that is short of processor time."""


def test_a_slow_machine_takes_few_alerts_at_once_and_soon_leaves_the_database_to_others():
    pace = Pace()
    for _ in range(20):
        pace.follow(pace.events * SLOW_SECONDS_AN_ALERT, is_wanted=True)
    assert pace.events == FEWEST_EVENTS


def test_who_is_waited_for_holds_the_database_for_no_longer_than_it_should():
    pace = Pace()
    for _ in range(20):
        pace.follow(pace.events * SECONDS_AN_ALERT, is_wanted=True)
    assert FEWEST_EVENTS < pace.events <= HOLD_SECONDS / SECONDS_AN_ALERT


def test_whoever_is_alone_takes_many_again():
    pace = Pace()
    pace.events = FEWEST_EVENTS
    for _ in range(10):
        pace.follow(1.0, is_wanted=False)
    assert pace.events == EVENTS_A_TURN


def test_whoever_waits_gets_the_database_for_longer_than_the_worker_had_it():
    held = 15 * SECONDS_AN_ALERT
    pause = pause_after(held, Turn(taken=15, is_wanted=True))
    assert pause > 1.5 * held
    assert 15 / (held + pause) > ALERTS_A_SECOND


def test_a_slow_machine_pauses_less_so_that_it_takes_what_comes():
    held = FEWEST_EVENTS * SLOW_SECONDS_AN_ALERT
    pause = pause_after(held, Turn(taken=FEWEST_EVENTS, is_wanted=True))
    assert held <= pause
    assert FEWEST_EVENTS / (held + pause) > 100


def test_nobody_is_left_time_who_does_not_wait():
    assert pause_after(0.05, Turn(taken=50)) < 0.01
