"""War rooms: one group for one incident, whatever gets lost; who is in it, what it is told, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from errors import AccessDenied
from extensions import db
from models import (
    AuditEntry,
    Delivery,
    GroupChat,
    Integration,
    IntegrationStatus,
    Membership,
    Role,
    RoomState,
    TimelineEntry,
    WarRoom,
)
from platforms import PLATFORMS
from platforms.errors import AddressRefused, AnswerLost, ContentRefused, PlatformBusy, RecipientUnreachable
from platforms.setup import SetupMode
from services import groups, incidents, timeline, war_room_switch, war_rooms
from services.clock import utcnow
from services.war_room_switch import NotOffered, OtherSwitchedOn
from services.war_rooms import RoomsSwitchedOff, StillOpen, TooFewToMeet
from services.wording import say
from tests.factories import NOW, make_channel, make_incident, make_integration, make_link, make_member, make_tenant
from tests.fakes import FakeRooms, GroupPlatform
from tests.service.messaging import Office

Limit = Callable[..., None]
on_one = pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
"""What asks nothing of the database that the others do not."""


@pytest.fixture
def office(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    platform = GroupPlatform()
    monkeypatch.setitem(PLATFORMS, "chat", GroupPlatform)
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: platform)
    with time_machine.travel(NOW, tick=False) as clock:
        lin = make_member("lin")
        integration = make_integration(platform="chat", name="值班", enhanced={"war_room": True})
        make_link(integration, lin)
        incident = make_incident(make_channel(), title="db-03 磁盘将满", responders=(lin,))
        yield Office(app, platform, clock, integration, incident, lin)


@pytest.fixture
def rooms(office: Office) -> FakeRooms:
    return office.platform.rooms


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Limit:
    def change(**values: Any) -> None:
        assert GroupPlatform.capabilities.rooms is not None
        limits = replace(GroupPlatform.capabilities.rooms, **values)
        monkeypatch.setattr(GroupPlatform, "capabilities", replace(GroupPlatform.capabilities, rooms=limits))

    return change


def make_room(office: Office, *people: Membership, **values: Any) -> WarRoom:
    office.change(war_rooms.create, user_ids=[person.user_id for person in people], **values)
    office.work()
    return the_room()


def the_room() -> WarRoom:
    return db.session.scalars(select(WarRoom).order_by(WarRoom.id.desc()).limit(1)).one()


def inside(rooms: FakeRooms) -> list[str]:
    (people,) = rooms.people.values()
    return people


def said(type: str) -> list[str]:
    entries = select(TimelineEntry).where(TimelineEntry.type == type).order_by(TimelineEntry.id)
    return [say(timeline.describe(entry)) for entry in db.session.scalars(entries)]


def linked(office: Office, name: str) -> Membership:
    member = make_member(name)
    make_link(office.integration, member)
    return member


# --- making -------------------------------------------------------------------------------------------------------


def test_a_room_is_made_by_the_worker_with_its_responders_and_the_chosen(office, rooms):
    wu = linked(office, "wu")
    office.change(war_rooms.create, user_ids=[wu.user_id])
    assert rooms.asked == 0
    office.work()
    room = the_room()
    assert (room.state, room.name) == (RoomState.ACTIVE, "[严重] #1 db-03 磁盘将满")
    assert room.share_link == f"https://chat.example/{room.reference}"
    assert sorted(inside(rooms)) == ["lin", "wu"]
    assert said("war_room_create") == ["林晓 创建了作战室「[严重] #1 db-03 磁盘将满」（畅聊）"]
    assert said("war_room_member") == ["吴凡、林晓 进入作战室"]


@on_one
def test_the_card_in_the_room_is_kept_true_like_the_others(office, rooms):
    room = make_room(office)
    (sent,) = [one for one in office.platform.messages if one.to == room.group_chat.external_id]
    assert sent.card.title.endswith("db-03 磁盘将满")
    office.change(incidents.acknowledge)
    office.pass_time(seconds=5)
    assert "处理中" in sent.shown.subtitle
    assert db.session.scalars(select(Delivery)).one().source == "war_room"


def test_a_second_wish_finds_the_room_that_there_is(office, rooms):
    make_room(office)
    office.change(war_rooms.create)
    office.work()
    assert (rooms.asked, len(rooms.groups)) == (1, 1)
    assert len(db.session.scalars(select(WarRoom)).all()) == 1


def test_a_lost_answer_never_makes_two_rooms(office, rooms):
    rooms.errors.append(AnswerLost("cut"))
    rooms.lost = True
    make_room(office)
    assert the_room().state is RoomState.CREATING
    office.pass_time(seconds=10)
    assert the_room().state is RoomState.ACTIVE
    assert (rooms.asked, len(rooms.groups)) == (2, 1)


@on_one
def test_a_room_that_failed_is_tried_again_under_the_same_reference(office, rooms):
    rooms.errors.append(ContentRefused("no"))
    first = make_room(office).reference
    assert the_room().state is RoomState.FAILED
    assert said("war_room_create") == ["林晓 创建作战室「[严重] #1 db-03 磁盘将满」失败（畅聊）：内容被平台拒绝"]
    assert make_room(office).reference == first
    assert (the_room().state, len(rooms.groups)) == (RoomState.ACTIVE, 1)


@on_one
def test_an_order_that_the_platform_has_forgotten_is_looked_for_first(office, rooms):
    rooms.lost = True
    rooms.errors.append(AnswerLost("cut"))
    make_room(office)
    room = the_room()
    db.session.delete(office.pending("war_room")[0])
    room.state = RoomState.FAILED
    db.session.commit()
    office.pass_time(hours=11)
    make_room(office)
    assert (the_room().state, rooms.looked, rooms.asked) == (RoomState.ACTIVE, 1, 1)


@on_one
def test_a_refusal_does_not_undo_that_an_earlier_try_was_never_answered(office, rooms):
    rooms.lost = True
    rooms.errors.append(AnswerLost("cut"))
    make_room(office)
    db.session.delete(office.pending("war_room")[0])
    the_room().state = RoomState.FAILED  # as when it is given up
    rooms.lost = False
    rooms.errors.append(ContentRefused("no"))
    make_room(office)
    assert (the_room().state, the_room().is_unanswered) == (RoomState.FAILED, True)
    office.pass_time(hours=11)
    make_room(office)
    assert (the_room().state, rooms.looked, len(rooms.groups)) == (RoomState.ACTIVE, 1, 1)


@on_one
def test_where_nothing_can_be_looked_up_an_old_order_is_not_repeated(office, rooms, limit):
    limit(finds=False)
    rooms.lost = True
    rooms.errors.append(AnswerLost("cut"))
    make_room(office)
    office.clock.shift(11 * 3600)
    office.work()
    assert (the_room().state, rooms.asked) == (RoomState.FAILED, 1)
    assert "无法确认作战室是否已经建立" in said("war_room_create")[-1]


@on_one
def test_a_busy_platform_is_asked_again_and_given_up_after_an_hour(office, rooms):
    rooms.errors.extend(PlatformBusy("busy") for _ in range(200))
    make_room(office)
    for _ in range(12):
        office.pass_time(minutes=6)
    assert the_room().state is RoomState.FAILED


@on_one
def test_nobody_waits_for_a_room_of_an_incident_that_is_closed(office, rooms):
    office.change(incidents.close)
    office.change(war_rooms.create)
    office.work()
    assert (rooms.asked, db.session.scalars(select(WarRoom)).all()) == (0, [])


# --- who may, and what there has to be ----------------------------------------------------------------------------


@on_one
def test_too_few_linked_people_are_said_at_once_with_their_reasons(office, limit):
    limit(least_people=2)
    zhou = make_member("zhou")
    with pytest.raises(TooFewToMeet) as refused:
        office.change(war_rooms.create, user_ids=[zhou.user_id])
    assert [say(person) for person in refused.value.params["people"]] == ["周宁（未关联应用）"]


@on_one
def test_without_a_connection_that_makes_rooms_there_are_none(office):
    office.integration.enhanced = {}
    db.session.commit()
    with pytest.raises(RoomsSwitchedOff):
        office.change(war_rooms.create)


@on_one
def test_a_viewer_makes_none(office):
    viewer = make_member("zhou", Role.VIEWER)
    with pytest.raises(AccessDenied):
        war_rooms.create(office.incident, by=viewer, via="console", now=utcnow())


# --- people -------------------------------------------------------------------------------------------------------


@on_one
def test_who_is_missing_is_named_with_the_reason(office, rooms):
    wu, zhou = linked(office, "wu"), make_member("zhou")
    rooms.barred.add("wu")
    room = make_room(office, wu, zhou)
    reasons = {
        member.user.name: reason and say(reason)
        for member in room.members
        if (reason := war_rooms.reason_of(member)) or True
    }
    assert reasons == {"林晓": None, "吴凡": "不在应用可见范围", "周宁": "未关联应用"}
    assert said("war_room_member") == ["林晓 进入作战室；未能加入：吴凡（不在应用可见范围）、周宁（未关联应用）"]


def test_new_responders_are_invited_automatically(office, rooms):
    make_room(office)
    wu = linked(office, "wu")
    office.change(incidents.add_responders, user_ids=[wu.user_id])
    office.work()
    assert sorted(inside(rooms)) == ["lin", "wu"]
    assert said("war_room_member")[-1] == "吴凡 进入作战室"


@on_one
def test_somebody_who_links_later_can_be_invited_again(office, rooms):
    zhou = make_member("zhou")
    make_room(office, zhou)
    make_link(office.integration, zhou)
    office.change(war_rooms.invite, user_ids=[])
    office.work()
    assert sorted(inside(rooms)) == ["lin", "zhou"]


@on_one
def test_earlier_responders_come_as_observers_if_wished(office, rooms):
    wu = linked(office, "wu")
    office.change(incidents.reassign, user_ids=[wu.user_id])
    make_room(office, with_observers=True)
    assert sorted(inside(rooms)) == ["lin", "wu"]
    assert {member.user.name: member.source for member in the_room().members} == {
        "吴凡": "responder",
        "林晓": "observer",
    }


# --- what it is told ----------------------------------------------------------------------------------------------


@on_one
def test_comments_are_told_once_and_in_their_order(office):
    room = make_room(office)
    office.change(incidents.comment, text="已切换到备库")
    office.change(incidents.comment, text="恢复中")
    office.work()
    texts = [one.text for one in office.platform.messages if one.to == room.group_chat.external_id and one.text]
    assert texts == ["林晓：已切换到备库", "林晓：恢复中"]


@on_one
def test_a_comment_that_may_have_arrived_is_not_told_twice_where_nobody_knows_it_again(office, monkeypatch):
    make_room(office)
    sent: list[str] = []

    def lose(to: Any, content: str, *, reference: str = "") -> Any:
        sent.append(content)
        raise AnswerLost("cut")

    monkeypatch.setattr(office.platform, "send_text", lose)
    office.change(incidents.comment, text="只说一次")
    office.work()
    office.pass_time(minutes=5)
    assert sent == ["林晓：只说一次"]


@on_one
def test_where_cards_cannot_be_changed_each_progress_is_posted_anew(office, limit):
    limit(keeps_cards=False)
    office.platform.send_card = lambda to, card, **_: office.platform.messages.append((to.external_id, card.subtitle))
    make_room(office)
    office.change(incidents.acknowledge)
    office.pass_time(seconds=5)
    office.change(incidents.comment, text="没有变化的进度")
    office.pass_time(seconds=5)
    shown = [one[1].split(" · ")[1] for one in office.platform.messages if isinstance(one, tuple)]
    assert shown == ["待处理", "处理中"]


# --- the end ------------------------------------------------------------------------------------------------------


def test_a_room_ends_after_its_incident_with_a_last_word(office, rooms):
    room = make_room(office)
    with pytest.raises(StillOpen):
        office.change(war_rooms.dismiss)
    db.session.rollback()
    office.change(incidents.close)
    office.change(war_rooms.dismiss)
    office.work()
    assert (the_room().state, the_room().is_dissolved) == (RoomState.DISMISSED, True)
    last = [one.text for one in office.platform.messages if one.to == room.group_chat.external_id][-1]
    assert last.startswith("林晓 结束了作战室。")
    assert list(rooms.ended.values()) == ["[已结束] [严重] #1 db-03 磁盘将满"]
    assert said("war_room_dismiss") == ["林晓 结束了作战室「[严重] #1 db-03 磁盘将满」，群聊已解散"]


@on_one
def test_where_nothing_dissolves_it_is_renamed_and_left(office, rooms):
    rooms.dissolves = False
    make_room(office)
    office.change(incidents.close)
    office.change(war_rooms.dismiss)
    office.work()
    assert (the_room().state, the_room().is_dissolved) == (RoomState.DISMISSED, False)


@on_one
def test_a_room_that_somebody_dissolved_is_over(office, rooms):
    room = make_room(office)
    rooms.gone.add(room.group_chat.external_id)
    office.change(incidents.add_responders, user_ids=[linked(office, "wu").user_id])
    office.work()
    assert the_room().state is RoomState.DISMISSED
    assert said("war_room_dismiss") == ["作战室「[严重] #1 db-03 磁盘将满」的群聊已不存在"]


@on_one
def test_after_a_room_ended_a_reopened_incident_may_have_another(office, rooms):
    make_room(office)
    office.change(incidents.close)
    office.change(war_rooms.dismiss)
    office.work()
    office.change(incidents.reopen, reason="又满了")
    make_room(office)
    assert (the_room().state, len(rooms.groups)) == (RoomState.ACTIVE, 2)


@on_one
def test_a_stopped_connection_makes_no_room_and_says_so(office, rooms):
    office.change(war_rooms.create)
    office.integration.status = IntegrationStatus.DISABLED
    office.work()
    assert (the_room().state, rooms.asked) == (RoomState.FAILED, 0)
    assert "集成已停用" in said("war_room_create")[-1]


@on_one
def test_a_room_that_cannot_end_goes_on_and_can_be_ended_later(office, rooms, monkeypatch):
    make_room(office)
    office.change(incidents.close)
    office.change(war_rooms.dismiss)
    office.integration.status = IntegrationStatus.DISABLED
    office.work()
    assert (the_room().state, war_rooms.problem_of(the_room()).code) == (
        RoomState.ACTIVE,
        "war_room.integration_stopped",
    )
    office.integration.status = IntegrationStatus.ACTIVE
    office.change(war_rooms.dismiss)
    with monkeypatch.context() as broken:
        broken.setattr(rooms, "end", lambda group, last_name: {}["a fault of ours"])
        for _ in range(20):
            office.pass_time(hours=1)
    assert (the_room().state, war_rooms.problem_of(the_room()).code) == (RoomState.ACTIVE, "war_room.our_fault")
    office.change(war_rooms.dismiss)
    office.work()
    assert the_room().state is RoomState.DISMISSED


@on_one
def test_nobody_chooses_a_war_room_for_anything_else(office):
    make_room(office)
    assert db.session.scalars(select(GroupChat)).one().origin == "war_room"
    assert groups.offered(office.integration, at_most=10).chats == []
    assert groups.of_integration(office.integration) == []


# --- the switch ---------------------------------------------------------------------------------------------------


@pytest.fixture
def admin(office: Office) -> Membership:
    office.integration.enhanced = {}
    db.session.commit()
    return make_member("admin", Role.ADMIN)


def switch_on(office: Office, admin: Membership, **values: Any) -> None:
    war_room_switch.switch_on(office.integration, {}, by=admin, now=utcnow(), **values)
    office.work()


def test_rooms_are_switched_on_once_the_requirements_were_seen(office, admin):
    war_room_switch.switch_on(office.integration, {}, by=admin, now=utcnow())
    assert not war_room_switch.is_on(office.integration)
    office.work()
    assert war_room_switch.is_on(office.integration)
    events = db.session.scalars(select(AuditEntry.event)).all()
    assert "integration.war_room_on" in events


@on_one
def test_a_requirement_that_is_not_met_is_explained_and_nothing_is_on(office, admin, rooms):
    rooms.requirement = RecipientUnreachable("range")
    switch_on(office, admin)
    assert not war_room_switch.is_on(office.integration)
    assert not war_room_switch.is_being_checked(office.integration)
    failed = war_room_switch.failure(office.integration)
    assert failed is not None
    assert failed.detail["code"] == "platform.recipient_unreachable"


@on_one
def test_a_look_at_the_requirements_that_breaks_is_not_waited_for_any_longer(office, admin, rooms, monkeypatch):
    monkeypatch.setattr(rooms, "check", lambda: {}["a fault of ours"])
    switch_on(office, admin)
    assert war_room_switch.is_being_checked(office.integration)
    for _ in range(20):
        office.pass_time(hours=1)
    assert not war_room_switch.is_being_checked(office.integration)
    failed = war_room_switch.failure(office.integration)
    assert failed is not None
    assert failed.detail["code"] == "war_room.our_fault"


@on_one
def test_an_address_that_may_not_be_called_is_said_at_once(office, rooms, monkeypatch):
    def refuse(integration: Integration) -> None:
        raise AddressRefused("10.0.0.1")

    monkeypatch.setattr("services.integrations.platform_for", refuse)
    assert make_room(office).state is RoomState.FAILED
    assert war_rooms.problem_of(the_room()).code == AddressRefused.code


@on_one
def test_an_application_of_a_mode_without_rooms_is_not_offered_them(office, admin, monkeypatch):
    mode = SetupMode("self_built", "第三方应用", (), (), withheld={"war_room": "作战室仅支持企业自建应用"})
    monkeypatch.setattr(GroupPlatform, "modes", (mode,))
    with pytest.raises(NotOffered) as refused:
        switch_on(office, admin)
    assert refused.value.params["reason"] == "作战室仅支持企业自建应用"


@on_one
def test_one_connection_has_rooms_at_a_time(office, admin):
    other = make_integration(platform="chat", name="另一个", enhanced={"war_room": True}, platform_key="chat:2")
    with pytest.raises(OtherSwitchedOn):
        switch_on(office, admin)
    switch_on(office, admin, replaces_other=True)
    assert war_room_switch.is_on(office.integration)
    assert not war_room_switch.is_on(db.session.get_one(Integration, other.id))


@on_one
def test_another_organisations_switch_counts_for_nothing(office, admin):
    tenant = make_tenant("邻居")
    make_integration(platform="chat", tenant=tenant, enhanced={"war_room": True}, platform_key="chat:3")
    switch_on(office, admin)
    assert war_room_switch.is_on(office.integration)


@on_one
def test_a_responder_switches_nothing(office, admin):
    with pytest.raises(AccessDenied):
        war_room_switch.switch_on(office.integration, {}, by=office.lin, now=utcnow())
