"""The access token ends before its time, or cannot be had at all."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from services.clock import utcnow
from tests.faults.platforms.world import World, many, seconds_for

ALERTS = many(12)


@pytest.mark.parametrize("fault", ["expired_token", "invalid_token"])
def test_a_token_that_ends_in_flight_is_renewed_once_for_all_workers(world: World, fault):
    here = world.organisation()
    world.push(here, 2)
    world.settle()
    fetched = len(world.calls(world.kind.token))
    world.push(here, ALERTS)
    world.fault(fault, path=world.kind.send, count=1)
    began, within = utcnow(), timedelta(seconds=2 + seconds_for(ALERTS))

    world.work(threads=4)

    world.settle(within)  # whoever waited for the token too long on a busy machine tries again
    assert len(world.calls(world.kind.token)) - fetched <= 2
    assert utcnow() - began <= within
    world.check()


def test_while_no_token_can_be_had_no_card_tries_and_afterwards_all_go(world: World):
    here = world.organisation()
    world.fault("http_500", path=world.kind.token)
    world.push(here, ALERTS)
    began = utcnow()

    world.pass_time(minutes=5)

    asked = [call["at"] for call in world.calls(world.kind.token)]
    assert asked and world.calls(world.kind.send) == []
    assert all(later - earlier >= 4.9 for earlier, later in pairwise(asked))
    assert len(world.unfinished()) == ALERTS
    world.heal()
    world.settle()
    assert utcnow() - began <= timedelta(minutes=8)
    world.check()


def test_a_secret_that_is_wrong_is_said_at_once_and_asked_for_once(world: World):
    here = world.organisation()
    here.application.change_secret()
    world.push(here, ALERTS)

    world.pass_time(seconds=seconds_for(ALERTS))

    assert {delivery.failure_code for delivery in world.deliveries()} == {"credential_invalid"}
    assert len(world.calls(world.kind.token)) == 1
    world.check()
