"""The platform is down, slow or out of reach for a while."""

from __future__ import annotations

import socket
import time
from datetime import timedelta

import pytest

from models import DeliveryState
from platforms.http import Transport, look_up
from tests.faults.platforms.kinds import once
from tests.faults.platforms.world import IS_SOAK, World, many, seconds_for

ALERTS = many(16)
DOWN = 25.0
OUT_WITHIN = timedelta(seconds=20)
TRIES = 10
PACED_WITHIN = timedelta(seconds=20)
"""As many of one application as its platform takes a second."""
PATIENCE_SECONDS = 0.3
FAR_FROM_NOW = timedelta(minutes=10)


def tries_of_each(world: World, organisation) -> list[int]:
    return [len(delivery.attempts) for delivery in world.deliveries(organisation)]


@pytest.mark.parametrize("fault", ["http_500_html", "http_502_html", "busy"])
def test_an_outage_of_one_application_delays_its_cards_and_no_others(world: World, fault):
    here, elsewhere = world.organisation(), world.organisation()
    world.fault(fault, path=world.kind.send, **here.app)
    world.push(here, ALERTS)
    world.push(elsewhere, ALERTS)

    world.run_until(lambda: not world.unfinished(elsewhere), PACED_WITHIN)

    assert world.states(elsewhere) == {DeliveryState.SENT}
    assert len(world.unfinished(here)) == ALERTS
    world.pass_time(seconds=DOWN)
    assert world.arrived(here) == []
    world.heal()
    assert world.settle() <= OUT_WITHIN
    assert max(tries_of_each(world, here)) <= TRIES
    world.check()


def test_a_dropped_connection_is_tried_again_at_once(world: World):
    here = world.organisation()
    world.fault("reset", path=world.kind.send, count=3)
    world.push(here, ALERTS)

    assert world.settle() <= OUT_WITHIN

    world.check()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> float:
    """Calls to the platform are cut early, so that nobody has to wait for the real deadline."""
    for call in (Transport.get, Transport.post_json, Transport.exchange):
        monkeypatch.setitem(call.__kwdefaults__ or {}, "total_seconds", PATIENCE_SECONDS)
    return PATIENCE_SECONDS


@pytest.mark.parametrize("fault", ["hang", "slow_loris"])
def test_an_answer_that_does_not_end_is_cut_and_others_go_on(world: World, impatient: float, fault):
    here, elsewhere = world.organisation(), world.organisation()
    world.push(here, 1)
    world.settle()
    world.fault(fault, path=world.kind.send, **here.app)
    world.push(here, 3)
    world.push(elsewhere, ALERTS)
    began = time.monotonic()

    world.pass_time(threads=4, seconds=seconds_for(ALERTS))

    made = [attempt.latency_ms or 0 for delivery in world.deliveries(here)[1:] for attempt in delivery.attempts]
    assert made and max(made) < 10 * impatient * 1000
    assert time.monotonic() - began < 20
    assert world.states(elsewhere) == {DeliveryState.SENT}
    world.heal()
    world.settle()
    world.check()


class Names:
    """A name server that can be broken."""

    is_broken = True

    def look_up(self, host: str, port: int) -> list[str]:
        if self.is_broken:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, port)


def test_a_name_that_cannot_be_looked_up_is_tried_again_and_said(world: World):
    here, names = world.organisation(), Names()
    world.flask.extensions["platform_transport"] = Transport(resolve=names.look_up)
    world.push(here, 4)
    world.work()
    assert {delivery.failure_code for delivery in world.deliveries()} - {None} == {"network"}
    assert len(world.unfinished()) == 4

    names.is_broken = False

    assert world.settle() <= FAR_FROM_NOW
    world.check()


@once
def test_what_could_not_be_sent_for_a_day_ends_visibly(world: World):
    here = world.organisation(people=1)
    world.fault("http_500", path=world.kind.send)
    world.push(here)

    if not IS_SOAK:  # which tries every minute of the day; here only those of the first hour and of the last
        world.pass_time(hours=1)
        world.clock.shift(timedelta(hours=22))
    world.settle(timedelta(hours=25))

    (delivery,) = world.deliveries()
    assert (delivery.state, delivery.failure_code) == (DeliveryState.FAILED, "platform_busy")
    world.check()
