"""Answers that are no success, whatever they look like; and those that never came although the card arrived."""

from __future__ import annotations

from datetime import timedelta

import psutil
import pytest

from models import DeliveryState
from platforms.errors import PlatformError
from platforms.http import Transport
from tests.contract.simulator import running_simulator
from tests.faults.platforms.kinds import where
from tests.faults.platforms.world import IS_SOAK, World, many

ALERTS, SPOILT = many(8), 8
"""How many alerts, and how many calls go wrong: each of those may be followed by a pause for all."""
MOST_MEMORY_BYTES = 20 * 1024 * 1024
TRIED_AGAIN_WITHIN = timedelta(minutes=2)
GIVES_UP_HOURS = 24
SOME_CODES = 12
ARRIVED = ("sent", "repeat")
"""How a try is recorded after which the card is there; a repeat says that an earlier one had arrived."""


def test_no_error_code_in_http_200_is_ever_taken_for_success(world: World):
    """Some of them with every `make test`, where test_codes.py shows all of them to each platform alone."""
    here = world.organisation(people=1)
    for fault in world.kind.codes if IS_SOAK else world.kind.codes[:: len(world.kind.codes) // SOME_CODES]:
        hits = 0
        while not hits:
            world.fault(fault, status=200, path=world.kind.send, **here.app)
            world.push(here)
            world.work()
            hits = world.simulator.control("faults")[0]["hits"]
            world.heal()
            assert DeliveryState.SENT not in world.states(here) and world.arrived(here) == [], fault
            assert all(tried.outcome != "sent" for told in world.deliveries(here) for tried in told.attempts), fault
            if not hits or world.unfinished(here):
                here = world.organisation(people=1)  # this one is held back now, or busy with trying again


BAD_ANSWERS = ("bad_json", "html_200", "empty_200", "wrong_type", "huge_answer", "http_503_html")


@pytest.mark.parametrize("fault", BAD_ANSWERS)
def test_an_answer_that_cannot_be_read_is_a_failed_try_and_the_card_comes_once(world: World, fault):
    here = world.organisation()
    world.fault(fault, path=world.kind.send, count=SPOILT)
    world.push(here, ALERTS)

    assert world.settle(timedelta(hours=1)) <= TRIED_AGAIN_WITHIN + SPOILT * world.kind.page_pause

    tries = [attempt.outcome in ARRIVED for delivery in world.deliveries() for attempt in delivery.attempts]
    assert tries.count(False) >= SPOILT and tries.count(True) == ALERTS
    assert world.states() == {DeliveryState.SENT}
    world.check()


def test_what_an_answer_says_counts_not_how_it_is_labelled(world: World):
    here = world.organisation()
    world.fault("wrong_content_type")
    world.push(here, ALERTS)

    world.settle()

    assert world.states() == {DeliveryState.SENT}
    world.check()


def test_a_huge_answer_is_not_read_to_its_end():
    with running_simulator() as simulator:
        simulator.fault("huge_answer", count=-1)
        transport, process = Transport(), psutil.Process()
        before = process.memory_info().rss
        for _ in range(5):
            with pytest.raises(PlatformError, match="larger"):
                transport.get(f"{simulator.url}/cgi-bin/gettoken")
        assert process.memory_info().rss - before < MOST_MEMORY_BYTES


@pytest.mark.parametrize("fault", ["lost_answer", "bad_json"])
def test_a_card_that_arrived_without_an_answer_does_not_come_twice(world: World, fault):
    here = world.organisation()
    world.fault(fault, path=world.kind.send, count=SPOILT)
    world.push(here, ALERTS)

    world.settle()

    assert world.states() == {DeliveryState.SENT}
    assert len(world.arrived()) == ALERTS
    world.check(once=True)


@where(lambda capabilities: capabilities.dedupe_hours < GIVES_UP_HOURS)
def test_nor_does_it_when_the_platform_is_down_for_longer_than_it_remembers(world: World):
    here = world.organisation(people=1)
    world.fault("lost_answer", path=world.kind.send, count=1)
    world.push(here)
    world.work()
    world.fault("http_500", path=world.kind.send)
    world.pass_time(hours=world.kind.capabilities().dedupe_hours + 1)
    world.heal()

    world.settle()

    assert len(world.arrived()) == 1
    world.check(once=True)
