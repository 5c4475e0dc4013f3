"""People whom the platform will never reach: said at once, on the incident, with what to do about it."""

from __future__ import annotations

import pytest

from models import DeliveryState
from services import failures, linking
from services.wording import say
from tests.faults.platforms.world import SEND, World

REFUSALS = [
    ({"name": "errcode", "code": 60011}, "out_of_visible_range", "不在应用可见范围"),
    ({"name": "errcode", "code": 81013}, "out_of_visible_range", "不在应用可见范围"),
    ({"name": "errcode", "code": 701008}, "wecom_license_missing", "未开通企微许可"),
    ({"name": "errcode", "code": 701016}, "wecom_license_missing", "未开通企微许可"),
    ({"name": "errcode", "code": 50003}, "integration_disabled", "集成已停用"),
    ({"name": "errcode", "code": 301007}, "app_unauthorised", "应用已被取消授权"),
    ({"name": "ip_refused"}, "ip_not_allowed", "平台拒绝了服务器 IP 127.0.0.1"),
    ({"name": "invalid_users"}, "out_of_visible_range", "不在应用可见范围"),
    ({"name": "unlicensed_users"}, "wecom_license_missing", "未开通企微许可"),
]


@pytest.mark.parametrize(("fault", "code", "label"), REFUSALS)
def test_a_permanent_refusal_is_tried_once_and_shown_with_advice(world: World, fault, code, label):
    here = world.organisation(people=1)
    world.fault(**fault, path=SEND)
    world.push(here)

    world.work()

    (delivery,) = world.deliveries()
    assert (delivery.state, delivery.failure_code) == (DeliveryState.FAILED, code)
    assert len(delivery.attempts) == len(world.calls(SEND)) == 1
    assert say(failures.label(delivery) or "") == label and say(failures.hint(delivery) or "")
    world.pass_time(hours=2)
    assert len(world.calls(SEND)) == 1 and world.arrived() == []
    world.check()


def test_somebody_without_a_link_costs_no_call(world: World):
    here = world.organisation(people=1)
    (link,) = world.links(here)
    linking.unlink(link)
    world.push(here)

    world.work()

    (delivery,) = world.deliveries()
    assert (delivery.state, delivery.failure_code) == (DeliveryState.FAILED, "app_not_linked")
    assert say(failures.label(delivery) or "") == "未关联应用" and world.calls(SEND) == []
    world.check()


@pytest.mark.parametrize("fault", ["invalid_users", "unlicensed_users"])
def test_of_several_people_only_those_who_were_reached_are_recorded_as_told(world: World, fault):
    here = world.organisation(people=4)
    left_out = here.people[:2]
    world.fault(fault, path=SEND, users="|".join(left_out))
    world.push(here, 8)

    world.settle()

    told = {d.external_user_id for d in world.deliveries() if d.state is DeliveryState.SENT}
    not_told = {d.external_user_id for d in world.deliveries() if d.state is DeliveryState.FAILED}
    assert (told, not_told) == (set(here.people[2:]), set(left_out))
    world.check()
