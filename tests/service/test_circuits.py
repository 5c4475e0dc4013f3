"""A platform that is down, or asks for a pause: nobody calls it but one message now and then, and all of it leaves."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from extensions import db
from jobs.handling import Handler
from jobs.lanes import Lanes
from jobs.outbox import Done, DueQueue
from jobs.runner import Runner
from models import Channel, Delivery, DeliveryState, Integration, Job
from platforms.errors import (
    AnswerLost,
    NetworkFailed,
    PlatformBusy,
    RateLimited,
    RecipientBusy,
    RecipientUnreachable,
)
from services import circuits, deliveries, failures, incidents, outbox
from tests.factories import NOW, make_incident, make_link, make_member
from tests.service.messaging import Office


def crowd(office: Office, count: int) -> list[Delivery]:
    people = [make_member(f"person{number}") for number in range(count)]
    for person in people:
        make_link(office.integration, person)
    return office.deliveries(office.notify(*people))


def states(told: list[Delivery]) -> set[DeliveryState]:
    ids = [one.id for one in told]
    return set(db.session.scalars(select(Delivery.state).where(Delivery.id.in_(ids))))


def test_a_platform_that_says_no_is_back(office: Office):
    """Ten recipients are out of its sight: that costs none of the others a probe's time."""
    told = crowd(office, 30)
    office.platform.errors.extend([NetworkFailed("down")] * 5)
    office.work()
    for _ in range(4):
        office.pass_time(seconds=1)
    assert circuits.is_open(db.session.get_one(Integration, office.integration.id, populate_existing=True).outage_count)
    office.platform.errors.clear()
    office.platform.errors.extend(RecipientUnreachable(platform_code=60011) for _ in range(10))
    for _ in range(15):
        office.pass_time(seconds=1)
    assert states(told) == {DeliveryState.FAILED, DeliveryState.SENT}


def test_a_backlog_is_not_tried_message_by_message_while_the_platform_is_down(office: Office):
    told = crowd(office, 20)
    office.platform.errors.extend([NetworkFailed("down")] * 100)
    office.work()
    assert office.platform.calls == circuits.OPEN_AFTER
    for _ in range(25):
        office.pass_time(seconds=1)
    assert office.platform.calls <= 12
    office.platform.errors.clear()
    for _ in range(11):
        office.pass_time(seconds=1)
    assert states(told) == {DeliveryState.SENT}


def test_a_pause_that_the_platform_asks_for_holds_everything_and_keeps_the_order(office: Office):
    first = office.notify()
    office.platform.errors.append(RateLimited("429", retry_after=timedelta(seconds=30)))
    office.work()
    second, third = office.notify(cause="escalate"), office.notify(cause="repeat")
    office.pass_time(seconds=29)
    assert office.platform.calls == 1
    for _ in range(5):
        office.pass_time(seconds=1)
    sent = [message.shown.reference for message in office.platform.messages]
    assert sent == [office.deliveries(one)[0].reference for one in (first, second, third)]


def test_a_limit_of_one_recipient_holds_up_nobody_else(office: Office):
    first, *others = crowd(office, 3)
    office.platform.errors.append(RecipientBusy("flow control", retry_after=timedelta(seconds=60)))
    office.work()
    integration = db.session.get_one(Integration, office.ids[3])
    assert (integration.paused_until, integration.outage_count) == (None, 0)
    assert states(others) == {DeliveryState.SENT}
    assert (first.state, first.next_attempt_at) == (DeliveryState.RETRYING, NOW + timedelta(seconds=60))
    office.pass_time(seconds=60)
    assert first.state is DeliveryState.SENT


def test_without_a_token_no_card_is_tried_and_all_leave_once_there_is_one(office: Office):
    told = crowd(office, 6)
    without_token = PlatformBusy("gettoken failed")
    without_token.unsent = True
    office.platform.errors.extend([without_token] * 200)
    for _ in range(300):
        office.pass_time(seconds=1)
    assert not db.session.scalars(select(Delivery.id).where(Delivery.attempts.any())).all()
    office.platform.errors.clear()
    for _ in range(12):
        office.pass_time(seconds=1)
    assert states(told) == {DeliveryState.SENT}


def test_what_we_did_not_get_to_for_an_hour_waits_for_a_persons_word(office: Office):
    (delivery,) = office.deliveries(office.notify())
    office.pass_time(minutes=61)
    assert (delivery.state, delivery.failure_code) == (DeliveryState.FAILED, "held")
    assert failures.hint(delivery) is not None
    assert office.platform.calls == 0
    again = deliveries.resend(delivery, by=office.lin, now=office.now())
    office.work()
    assert again.state is DeliveryState.SENT


def test_what_waited_for_the_platform_for_hours_is_sent_when_it_is_back(office: Office):
    told = crowd(office, 6)
    office.platform.errors.extend([NetworkFailed("down")] * 5000)
    office.work()
    for _ in range(180):
        office.pass_time(minutes=1)
    office.platform.errors.clear()
    for _ in range(20):
        office.pass_time(seconds=10)
    assert states(told) == {DeliveryState.SENT}


def test_a_lost_answer_is_not_asked_for_again_once_the_platform_has_forgotten(office: Office):
    office.platform.lost = True
    office.platform.errors.append(AnswerLost("timeout"))
    delivery = office.tell()
    db.session.execute(update(Job).where(Job.subject_id == delivery.id).values(due_at=NOW + timedelta(hours=4)))
    db.session.commit()
    office.pass_time(hours=4)
    assert (delivery.state, delivery.failure_code) == (DeliveryState.FAILED, "outcome_unknown")
    assert office.platform.calls == 1


def test_giving_up_what_was_held_ends_it(office: Office):
    (delivery,) = office.deliveries(office.notify())
    office.pass_time(minutes=61)
    deliveries.drop(delivery, by=office.lin)
    db.session.commit()
    assert (delivery.state, delivery.failure_code) == (DeliveryState.CANCELLED, "dropped")
    with pytest.raises(deliveries.NotDroppable):
        deliveries.drop(delivery, by=office.lin)


def test_a_probe_that_finds_nothing_to_send_leaves_its_turn_to_the_next(office: Office):
    office.platform.errors.extend([NetworkFailed("down")] * 3)
    for number in range(3):
        office.notify(make_linked(office, number))
    office.work()
    assert circuits.is_open(db.session.get_one(Integration, office.ids[3], populate_existing=True).outage_count)
    office.change(incidents.close)
    other = make_incident(db.session.get_one(Channel, office.incident.channel_id), responders=(office.lin,))
    office.incident = other
    (delivery,) = office.deliveries(office.notify())
    for _ in range(6):
        office.pass_time(seconds=1)
    assert delivery.state is DeliveryState.SENT


def make_linked(office: Office, number: int):
    person = make_member(f"linked{number}")
    make_link(office.integration, person)
    return person


@pytest.mark.parametrize(("age", "seconds"), [(0, 2), (10, 5), (60, 10), (299, 10), (600, 20), (3600, 60), (86400, 60)])
def test_a_platform_that_is_down_is_probed_more_and_more_seldom(age: int, seconds: int):
    assert circuits.probe_interval(timedelta(seconds=age)) == timedelta(seconds=seconds)


def test_no_lane_takes_the_threads_of_the_others():
    lanes = Lanes(32)
    assert lanes.take(_queue(7, "wecom"), 40) == 16
    assert lanes.take(_queue(8, "feishu"), 40) == 8
    assert lanes.take(_queue(9, "dingtalk"), 40) == 4


def test_no_platform_takes_the_threads_of_the_others_however_many_connections_it_has():
    lanes = Lanes(32)
    hanging = [lanes.take(_queue(lane, "feishu"), 40) for lane in range(1, 41)]
    assert hanging[0] == sum(hanging) == 16
    assert lanes.take(_queue(50, "wecom"), 40) == 8
    assert lanes.take(_queue(0, ""), 40) == 4


def test_connections_of_one_platform_share_what_it_may_have():
    lanes = Lanes(32)
    first = _queue(1, "feishu")
    assert lanes.take(first, 9) == 9
    assert lanes.take(_queue(2, "feishu"), 40) == 7
    lanes.leave(first, 9)
    assert lanes.take(_queue(3, "feishu"), 40) == 9


def _queue(lane: int, platform: str) -> DueQueue:
    return DueQueue(outbox.queue_of(lane), platform=platform)


def test_what_is_urgent_is_taken_first_and_then_who_has_least():
    lanes = Lanes(32)
    urgent, calm, other = (DueQueue(outbox.queue_of(*which)) for which in ((1, 0), (1, 2), (2, 2)))
    assert lanes.take(calm, 1) == 1
    assert lanes.in_turn([calm, other, urgent], NOW) == [urgent, other, calm]


def test_a_closed_lane_is_not_taken_from():
    paused = DueQueue(outbox.queue_of(1), paused_until=NOW + timedelta(seconds=1))
    down = DueQueue(outbox.queue_of(2), outage_count=circuits.OPEN_AFTER, probe_at=NOW + timedelta(seconds=1))
    assert Lanes(8).in_turn([paused, down], NOW) == []
    assert Lanes(8).in_turn([paused, down], NOW + timedelta(seconds=1)) == [paused, down]


def test_a_probe_that_ends_with_its_claim_leaves_its_turn_too(office: Office):
    """Whatever was found out while it was claimed: it needed no call, and the platform may be tried at once."""
    db.session.execute(update(Integration).values(outage_count=circuits.OPEN_AFTER, outage_since=NOW, probe_at=NOW))
    queue = outbox.queue_of(office.integration.id)
    outbox.enqueue("deliver", tenant_id=0, subject_id=1, due_at=NOW, now=NOW, queue=queue)
    db.session.commit()
    working = Runner(office.app, {"deliver": Handler(lambda mine: Done(), joins_claim=True)}, timedelta(seconds=60))
    assert working.run_due() == 1
    assert db.session.scalars(select(Integration.probe_at)).one() == NOW
