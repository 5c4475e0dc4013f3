"""The platform asks us to slow down, and what it would drop without a word."""

from __future__ import annotations

from datetime import timedelta

from models import DeliveryState
from tests.faults.platforms.kinds import each, where
from tests.faults.platforms.world import World, many

ALERTS = many(10)
STORM = many(90, 1000)
SHOWN_A_MINUTE = 30
TOLD_WITHIN = timedelta(seconds=60)
RETRY_AFTER = tuple(({"fault": "http_429", "seconds": seconds}, seconds) for seconds in (30, 300))


@each("fault, waits", lambda kind: (*kind.limits, *RETRY_AFTER))
def test_nothing_is_sent_before_the_platform_allows_it_and_others_go_on(world: World, fault, waits):
    here, elsewhere = world.organisation(), world.organisation()
    world.push(here, 1)
    world.settle()
    world.fault(fault, path=world.kind.send, count=1, **here.app)
    ended, *_ = world.push(here, ALERTS)
    world.work()
    refused_at = world.calls(world.kind.send, here)[-1]["at"]
    tried = len(world.calls(world.kind.send, here))
    world.push(elsewhere, ALERTS)
    recovered = {"event_status": "Ok", "title_rule": ended.alert_key, "alert_key": ended.alert_key}
    world.push_again(here, ended, **recovered)

    world.settle()

    assert tried == 2
    later = [call["at"] for call in world.calls(world.kind.send, here)[tried:]]
    assert len(later) == ALERTS - 1 and min(later) >= refused_at + waits
    assert max(later) <= refused_at + 2 * waits + 60
    sent_at = [delivery.sent_at.timestamp() for delivery in world.deliveries(elsewhere)]
    assert max(sent_at) < refused_at + waits or waits < 10
    assert {d.state for d in world.deliveries() if d.incident_id == world.incident(ended).id} == {
        DeliveryState.CANCELLED
    }
    world.check()


@where(lambda capabilities: capabilities.sends_per_member_minute)
def test_a_storm_is_merged_below_the_platforms_limit_and_nobody_waits_for_long(world: World):
    here = world.organisation(people=1)
    world.push(here, STORM)

    assert world.settle(timedelta(minutes=10)) <= TOLD_WITHIN

    shown = world.arrived()
    assert world.over_limit() == 0 and len({message["id"] for message in shown}) == len(shown)
    for card in shown:
        assert sum(card["at"] <= other["at"] < card["at"] + 60 for other in shown) <= SHOWN_A_MINUTE
    assert world.states() == {DeliveryState.SENT}
    world.check()
