"""Answers that are no success, whatever they look like; and those that never came although the card arrived."""

from __future__ import annotations

from datetime import timedelta

import psutil
import pytest

from models import DeliveryState
from platforms.errors import PlatformError
from platforms.http import Transport
from tests.contract.simulator import running_simulator
from tests.faults.platforms.world import SEND, World, many

ALERTS = many(8)
MOST_MEMORY_BYTES = 20 * 1024 * 1024
TRIED_AGAIN_WITHIN = timedelta(minutes=2)

# Every code of https://developer.work.weixin.qq.com/document/path/90313 that one of our calls can meet.
CODES = [
    *(-1, 6000, 40001, 40003, 40008, 40013, 40014, 40029, 40031, 40032, 40033, 40035, 40039, 40050, 40056, 40057),
    *(40058, 40063, 40077, 40078, 40082, 40084, 40085, 40091, 40093, 40094, 40102, 41001, 41002, 41004, 41008, 41011),
    *(42001, 42007, 42009, 42012, 42014, 42022, 43004, 43012, 44004, 45002, 45009, 45033, 45034, 46004, 48001, 48002),
    *(48004, 48006, 48009, 50001, 50002, 50003, 60003, 60011, 60020, 60021, 60030, 60031, 60111, 60123, 60140, 80001),
    *(81012, 81013, 82001, 82002, 82003, 82004, 82101, 82102, 84014, 84015, 84090, 85004, 85005, 85006, 85007, 85008),
    *(85010, 85011, 85111, *range(86001, 86009), 86101, *range(86201, 86218), 92000, 301002, 301005, 301007, 301042),
    *(701008, 701016, 701017, 701030, 701071, 701082, 701099, 2000002),
    *(1, 99999, 987654321),  # one that nobody has heard of is no success either
]


def test_no_error_code_in_http_200_is_ever_taken_for_success(world: World):
    here = world.organisation(people=1)
    for code in CODES:
        hits = 0
        while not hits:
            world.fault("errcode", code=code, path=SEND, **here.app)
            world.push(here)
            world.work()
            hits = world.simulator.control("faults")[0]["hits"]
            world.heal()
            assert DeliveryState.SENT not in world.states(here) and world.arrived(here) == [], code
            if not hits or world.unfinished(here):
                here = world.organisation(people=1)  # this one is held back now, or busy with trying again
    assert all(tried.outcome != "sent" for delivery in world.deliveries() for tried in delivery.attempts[:1])


BAD_ANSWERS = ("bad_json", "html_200", "empty_200", "wrong_type", "huge_answer", "http_503_html")


@pytest.mark.parametrize("fault", BAD_ANSWERS)
def test_an_answer_that_cannot_be_read_is_a_failed_try_and_the_card_comes_once(world: World, fault):
    here = world.organisation()
    world.fault(fault, path=SEND, count=ALERTS)
    world.push(here, ALERTS)

    world.work()

    assert DeliveryState.SENT not in {d.state for d in world.deliveries() if len(d.attempts) == 1}
    assert world.settle() <= TRIED_AGAIN_WITHIN
    assert world.states() == {DeliveryState.SENT}
    world.check()


def test_what_an_answer_says_counts_not_how_it_is_labelled(world: World):
    here = world.organisation()
    world.fault("wrong_content_type")
    world.push(here, ALERTS)

    world.work()

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
    world.fault(fault, path=SEND, count=ALERTS)
    world.push(here, ALERTS)

    world.settle()

    assert world.states() == {DeliveryState.SENT}
    assert len(world.arrived()) == ALERTS
    world.check(once=True)


def test_nor_does_it_when_the_platform_is_down_for_longer_than_it_remembers(world: World):
    here = world.organisation(people=1)
    world.fault("lost_answer", path=SEND, count=1)
    world.push(here)
    world.work()
    world.fault("http_500", path=SEND)
    world.pass_time(hours=5)
    world.heal()

    world.settle()

    assert len(world.arrived()) == 1
    world.check(once=True)
