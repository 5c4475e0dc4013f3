"""A worker that ends between making a card and putting it before its reader."""

from __future__ import annotations

import pytest

from extensions import db
from jobs import deliver
from jobs.handlers import HANDLERS
from jobs.runner import Runner
from models import DeliveryState
from tests.faults.platforms.kinds import each
from tests.faults.platforms.world import LEASE, World


class Killed(BaseException):
    pass


def die_at(world: World, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Let the worker work until it dies there, and another one take its place."""

    def crash_here(name: str) -> None:
        if name == place:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(deliver, "crash_here", crash_here)
        with pytest.raises(Killed):
            world.pass_time(seconds=30)
    db.session.rollback()
    world.runner = Runner(world.flask, HANDLERS, LEASE)


def half_done(kind):
    return [(fault,) for fault in kind.half_done]


@each("fault", half_done)
def test_a_card_that_nobody_got_is_delivered_by_the_next_worker(world: World, fault):
    here = world.organisation(people=1)
    world.fault(fault, path=world.kind.send, count=1)
    (push,) = world.push(here)
    world.work()
    assert world.arrived(here) == [] and world.states() == {DeliveryState.RETRYING}
    world.runner = Runner(world.flask, HANDLERS, LEASE)
    world.settle()
    assert world.states() == {DeliveryState.SENT}
    assert world.card(push)
    world.check()


@each("fault", half_done)
@pytest.mark.parametrize("place", ["worker.before_send", "worker.after_send"])
def test_whether_it_got_there_nobody_knows_when_that_worker_dies(world: World, monkeypatch, fault, place):
    here = world.organisation(people=1)
    world.fault(fault, path=world.kind.send, count=1)
    world.push(here)
    world.work()

    die_at(world, monkeypatch, place)
    world.pass_time(seconds=2 * LEASE.total_seconds())

    (delivery,) = world.deliveries()
    assert (delivery.state, delivery.failure_code) == (DeliveryState.FAILED, "outcome_unknown")
    assert len(world.arrived(here)) == (1 if place == "worker.after_send" else 0)
