"""How many alerts the worker takes at once while others wait for the database."""

from __future__ import annotations

from jobs.ingest import FEWEST_EVENTS, HOLD_SECONDS, Pace
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
