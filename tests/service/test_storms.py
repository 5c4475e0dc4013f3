"""More messages to one person or group than is shown or read: one summary stands for many, and nothing is lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from extensions import db
from models import Channel, Delivery, DeliveryState, GroupState, Incident, LinkState, Severity
from platforms import PLATFORMS
from platforms.base import Group, Recipient
from platforms.errors import AnswerLost, PlatformBusy, RecipientUnreachable
from services import groups, incidents, notifications, storms
from services.send_scenes import Sent
from tests.factories import NOW, make_channel, make_incident, make_integration, make_link, make_member
from tests.fakes import FakePlatform, GroupPlatform
from tests.service.messaging import Office

SINGLE = FakePlatform.capabilities.sends_per_member_minute - storms.KEPT_A_MINUTE


def break_out(office: Office, count: int, severity: Severity = Severity.WARNING) -> list[int]:
    """Tell Lin about so many new incidents; returns the ids of the deliveries."""
    channel = db.session.get_one(Channel, office.incident.channel_id)
    ids = []
    for number in range(count):
        incident = make_incident(channel, responders=(office.lin,), title=f"disk {number}", severity=severity)
        told = notifications.notify(incident, cause="assign", user_ids=[office.lin.user_id], now=office.now())
        ids.append(told.deliveries[0].id)
    db.session.commit()
    return ids


def states(ids: list[int]) -> set[DeliveryState]:
    return set(db.session.scalars(select(Delivery.state).where(Delivery.id.in_(ids))))


def summaries() -> list[Delivery]:
    return list(db.session.scalars(select(Delivery).where(Delivery.source == storms.SOURCE).order_by(Delivery.id)))


def test_a_storm_reaches_its_person_as_cards_and_one_summary_and_all_of_it_is_sent(office: Office):
    ids = break_out(office, 60)
    office.work()
    assert len(office.platform.messages) == SINGLE
    office.pass_time(seconds=3)
    assert len(office.platform.messages) == SINGLE + 1
    card = office.platform.messages[-1].card
    assert card is not None
    assert "[告警风暴]" in card.title
    assert str(60 - SINGLE) in card.title
    assert not card.buttons
    assert card.url.endswith("/incidents")
    assert states(ids) == {DeliveryState.SENT}
    (summary,) = summaries()
    merged = db.session.scalars(select(Delivery).where(Delivery.summary_id == summary.id)).all()
    assert len(merged) == 60 - SINGLE
    assert {one.platform_message_id for one in merged} == {summary.platform_message_id}


def test_what_is_urgent_leaves_first_and_leads_the_summary(office: Office):
    break_out(office, 30, Severity.WARNING)
    break_out(office, 30, Severity.CRITICAL)
    office.work()
    assert all(message.shown.title.startswith("[严重]") for message in office.platform.messages)
    office.pass_time(seconds=3)
    card = office.platform.messages[-1].shown
    assert card.tone == "critical"
    assert card.body[0].split(" ", 1)[1].startswith("[严重]")
    assert [fact.value for fact in card.facts] == [str(30 - SINGLE), "30"]


def test_what_was_sent_by_a_clock_that_was_ahead_takes_no_room_for_an_hour(office: Office):
    break_out(office, 60)
    office.work()
    office.pass_time(seconds=3)
    office.clock.shift(timedelta(hours=-1))
    ids = break_out(office, 60)
    office.work()
    office.pass_time(seconds=3)
    assert len(office.platform.messages) == 2 * (SINGLE + 1)
    assert states(ids) == {DeliveryState.SENT}


def test_a_storm_that_goes_on_stays_below_the_limit_and_nobody_waits_long(office: Office):
    ids: list[int] = []
    for _ in range(30):
        ids += break_out(office, 10)
        office.work()
        office.pass_time(seconds=5)
    for _ in range(8):
        office.pass_time(seconds=5)
    own = select(Delivery.sent_at).where(Delivery.summary_id.is_(None))
    sent_at = [at for at in db.session.scalars(own) if at is not None]
    most = max(sum(1 for other in sent_at if at <= other < at + timedelta(minutes=1)) for at in sent_at)
    assert most <= FakePlatform.capabilities.sends_per_member_minute
    assert states(ids) == {DeliveryState.SENT}
    waits = db.session.execute(select(Delivery.created_at, Delivery.sent_at).where(Delivery.id.in_(ids))).all()
    assert max(row[1] - row[0] for row in waits) <= timedelta(seconds=60)


def test_a_summary_that_cannot_be_sent_takes_all_with_it_and_says_why(office: Office):
    ids = break_out(office, SINGLE + 3)
    office.work()
    office.platform.errors.append(RecipientUnreachable("81013"))
    office.pass_time(seconds=3)
    rest = db.session.scalars(select(Delivery).where(Delivery.id.in_(ids[SINGLE:]))).all()
    assert {(one.state, one.failure_code) for one in rest} == {(DeliveryState.FAILED, "out_of_visible_range")}


def test_a_summary_is_tried_again_and_takes_in_what_came_meanwhile(office: Office):
    ids = break_out(office, SINGLE + 3)
    office.work()
    office.platform.errors.append(PlatformBusy("busy"))
    office.pass_time(seconds=3)
    ids += break_out(office, 2)
    for _ in range(10):
        office.pass_time(seconds=2)
    assert states(ids) == {DeliveryState.SENT}
    assert len(summaries()) == 1


def test_a_summary_that_may_have_arrived_keeps_what_it_said(office: Office):
    ids = break_out(office, SINGLE + 3)
    office.work()
    office.platform.lost = True
    office.platform.errors.append(AnswerLost("timeout"))
    office.pass_time(seconds=3)
    office.platform.lost = False
    ids += break_out(office, 2)
    for _ in range(30):
        office.pass_time(seconds=2)
    assert states(ids) == {DeliveryState.SENT}
    assert len(summaries()) == 2
    assert len({message.shown.reference for message in office.platform.messages}) == SINGLE + 2


def test_what_was_closed_meanwhile_is_not_told(office: Office):
    ids = break_out(office, SINGLE + 1)
    office.work()
    incident_id = db.session.scalar(select(Delivery.incident_id).where(Delivery.id == ids[-1]))
    last = incidents.lock(incident_id or 0, 0)
    assert isinstance(last, Incident)
    incidents.close(last, by=office.lin, via="console", now=office.now())
    db.session.commit()
    office.pass_time(seconds=3)
    assert len(office.platform.messages) == SINGLE
    assert states(ids[-1:]) == {DeliveryState.CANCELLED}
    assert [one.state for one in summaries()] == [DeliveryState.CANCELLED]


def test_others_are_not_held_up_by_one_persons_storm(office: Office):
    wu = make_member("wu")
    make_link(office.integration, wu, state=LinkState.ACTIVE)
    break_out(office, 40)
    (delivery,) = office.deliveries(office.notify(wu))
    office.work()
    assert db.session.get_one(Delivery, delivery.id, populate_existing=True).state is DeliveryState.SENT


@pytest.mark.parametrize(
    ("sent", "is_storm"),
    [(Sent(26, 26, 0), False), (Sent(27, 27, 0), True), (Sent(20, 20, 7), True), (Sent(0, 800, 0), True)],
)
def test_room_is_kept_for_summaries(sent: Sent, is_storm: bool):
    assert storms.is_one(sent, storms.limits(FakePlatform.capabilities, is_group=False)) is is_storm


# --- groups -------------------------------------------------------------------------------------------------------


@pytest.fixture
def group_office(app: Flask, monkeypatch: pytest.MonkeyPatch):
    """The same where a group is told: as many as 20 cards a minute are read there."""
    platform = GroupPlatform()
    read_by_people = replace(GroupPlatform.capabilities, sends_per_group_minute=20)
    monkeypatch.setattr(GroupPlatform, "capabilities", read_by_people)
    monkeypatch.setitem(PLATFORMS, "chat", GroupPlatform)
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: platform)
    with time_machine.travel(NOW, tick=False) as clock:
        lin = make_member("lin")
        integration = make_integration(platform="chat")
        make_link(integration, lin)
        incident = make_incident(make_channel(), responders=(lin,))
        yield Office(app, platform, clock, integration, incident, lin)


def break_out_in_group(office: Office, count: int, *people: int) -> list[int]:
    """Tell a group, and these people, about so many new incidents; returns the ids of the group's deliveries."""
    chat = groups.note_seen(office.integration, Group("cid-1", "生产告警群"), origin="bot_added", now=office.now())
    channel = db.session.get_one(Channel, office.incident.channel_id)
    ids = []
    for number in range(count):
        incident = make_incident(channel, responders=(office.lin,), title=f"disk {number}")
        told = notifications.notify(incident, cause="assign", user_ids=people, group_ids=[chat.id], now=office.now())
        ids += [one.id for one in told.deliveries if one.group_chat_id]
    db.session.commit()
    return ids


def recipients(office: Office) -> list[Recipient]:
    assert isinstance(office.platform, GroupPlatform)
    return office.platform.recipients


def test_a_storm_reaches_a_group_as_cards_and_one_summary(group_office: Office):
    office, single = group_office, 20 - storms.KEPT_A_MINUTE
    ids = break_out_in_group(office, 30)
    office.work()
    assert len(office.platform.messages) == single
    office.pass_time(seconds=3)

    assert len(office.platform.messages) == single + 1
    assert {(to.external_id, to.is_group) for to in recipients(office)} == {("cid-1", True)}
    card = office.platform.messages[-1].shown
    assert card.title == f"[告警风暴] {30 - single} 条告警合并通知"
    assert "本群" in card.subtitle
    assert card.url.endswith("/incidents?filter=open")
    assert states(ids) == {DeliveryState.SENT}
    (summary,) = summaries()
    assert (summary.recipient_name, summary.external_user_id) == ("生产告警群", "cid-1")


def test_a_person_is_told_of_each_while_their_group_gets_a_summary(group_office: Office):
    office = group_office
    break_out_in_group(office, 25, office.lin.user_id)
    office.work()
    assert sum(1 for to in recipients(office) if not to.is_group) == 25


def test_a_summary_for_a_group_that_is_gone_says_so_for_each(group_office: Office):
    office = group_office
    ids = break_out_in_group(office, 25)
    office.work()
    (summary,) = summaries()
    assert summary.group_chat is not None
    summary.group_chat.state = GroupState.REMOVED
    office.pass_time(seconds=3)
    rest = db.session.scalars(select(Delivery).where(Delivery.summary_id == summary.id)).all()
    assert {one.id for one in rest} <= set(ids)
    assert {(one.state, one.failure_code) for one in rest} == {(DeliveryState.FAILED, "chat_gone")}
