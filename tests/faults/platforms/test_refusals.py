"""People whom the platform will never reach: said at once, on the incident, with what to do about it."""

from __future__ import annotations

from models import DeliveryState
from services import failures, linking
from services.wording import say
from tests.faults.platforms.kinds import each
from tests.faults.platforms.world import World


@each("fault, code, label", lambda kind: kind.refusals)
def test_a_permanent_refusal_is_tried_once_and_shown_with_advice(world: World, fault, code, label):
    here = world.organisation(people=1)
    world.fault(fault, path=world.kind.send)
    world.push(here)

    world.work()

    (delivery,) = world.deliveries()
    assert (delivery.state, delivery.failure_code) == (DeliveryState.FAILED, code)
    assert len(delivery.attempts) == len(world.calls(world.kind.send)) == 1
    assert say(failures.label(delivery) or "").strip() == label and say(failures.hint(delivery) or "")
    world.pass_time(hours=2)
    assert len(world.calls(world.kind.send)) == 1 and world.arrived() == []
    world.check()


def test_somebody_without_a_link_costs_no_call(world: World):
    here = world.organisation(people=1)
    (link,) = world.links(here)
    linking.unlink(link)
    world.push(here)

    world.work()

    (delivery,) = world.deliveries()
    assert (delivery.state, delivery.failure_code) == (DeliveryState.FAILED, "app_not_linked")
    assert say(failures.label(delivery) or "") == "未关联应用" and world.calls(world.kind.send) == []
    world.check()


@each("fault, code", lambda kind: kind.partial)
def test_of_several_people_only_those_who_were_reached_are_recorded_as_told(world: World, fault, code):
    here = world.organisation(people=4)
    left_out = here.people[:2]
    world.fault(fault, users="|".join(left_out))
    world.push(here, 8)

    world.settle()

    told = {d.external_user_id for d in world.deliveries() if d.state is DeliveryState.SENT}
    not_told = {(d.external_user_id, d.failure_code) for d in world.deliveries() if d.state is DeliveryState.FAILED}
    assert (told, not_told) == (set(here.people[2:]), {(person, code) for person in left_out})
    assert {message["to"] for message in world.arrived()} == told
    world.check()
