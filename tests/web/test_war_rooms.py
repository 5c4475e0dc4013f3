"""War rooms on the pages: the switch at a connection, and an incident's room in the console and in the app."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blueprints import war_room_parts
from extensions import db
from models import GroupChat, GroupState, Progress, RoomState, WarRoom, WarRoomMember
from platforms import PLATFORMS
from services import incidents, war_room_switch, war_rooms
from services.clock import utcnow
from tests.factories import make_channel, make_incident, make_integration, make_link, make_member, make_tenant

HTMX = {"HX-Request": "true"}


@pytest.fixture
def feishu():
    return make_integration(platform="feishu", name="飞书", enhanced={"war_room": True})


@pytest.fixture
def lin(client, responder, feishu):
    make_link(feishu, responder, external_user_id="ou_lin")
    assert client.sign_in(responder).status_code == 303
    return client


@pytest.fixture
def incident(responder):
    return make_incident(make_channel(), title="db-03 磁盘将满", responders=(responder,))


def press(client, incident, verb="room", headers=None, **fields):
    path, known = f"/incidents/{incident.num}/{verb}", {"headers": headers or {}, "follow_redirects": True}
    return client.submit(path, fields, page="/me", **known)


def the_room() -> WarRoom:
    return db.session.scalars(db.select(WarRoom)).one()


def test_an_incident_offers_a_room_and_writes_down_the_wish(lin, incident):
    assert "创建作战室…" in lin.get(f"/incidents/{incident.num}").text
    page = press(lin, incident).text
    assert "正在创建作战室「[严重] #1 db-03 磁盘将满」" in page
    assert the_room().state is RoomState.CREATING
    assert "创建作战室…" not in page


def test_everybody_is_listed_only_where_the_form_is_offered(lin, incident, feishu, monkeypatch):
    """An open page asks for itself every few seconds, and an organisation has thousands of people."""
    listed, form_of = [], war_room_parts.room_form

    def noting(incident):
        listed.append(incident.num)
        return form_of(incident)

    monkeypatch.setattr(war_room_parts, "room_form", noting)
    in_app = f"/h5/feishu/{feishu.public_key}/incidents/{incident.num}"
    assert (lin.get(in_app).status_code, listed) == (200, [])
    assert (lin.get(f"/incidents/{incident.num}").status_code, listed) == (200, [incident.num])
    feishu.enhanced = {}
    assert (lin.get(f"/incidents/{incident.num}").status_code, listed) == (200, [incident.num])


def test_too_few_people_are_said_on_the_page_where_one_pressed(lin, incident, responder):
    stranger = make_member("zhou")
    alone = make_incident(make_channel("另一个"), responders=(stranger,))
    for headers in ({}, HTMX):
        page = press(lin, alone, headers=headers).text
        assert "飞书群聊至少需要 1 名已关联的成员" in page
        assert "周宁（未关联应用）" in page
    assert db.session.scalars(db.select(WarRoom)).all() == []


def test_who_is_missing_is_listed_with_the_reason_and_can_be_tried_again(lin, incident, responder, feishu):
    zhou = make_member("zhou")
    room = made(incident, feishu)
    room.members += [WarRoomMember(tenant_id=0, user_id=responder.user_id, source="responder", state="joined")]
    absent = {"state": "failed", "reason": "app_not_linked"}
    room.members += [WarRoomMember(tenant_id=0, user_id=zhou.user_id, source="chosen", **absent)]
    page = lin.get(f"/incidents/{incident.num}").text
    assert "周宁 · 未关联应用" in page
    assert "https://chat.example/1" in page
    press(lin, incident, "room/invite")
    assert {member.state for member in the_room().members} == {"joined", "pending"}


@pytest.mark.parametrize("number", ["9" * 24, "-1", "nobody"])
def test_people_whom_the_form_did_not_offer_are_left_out(lin, incident, feishu, number):
    assert "正在创建作战室" in press(lin, incident, **{"room-people": number}).text
    assert the_room().state is RoomState.CREATING
    assert "正在邀请成员进入作战室" in press(lin, incident, "room/invite", **{"room-people": number}).text


def test_a_room_ends_only_after_its_incident(lin, incident, responder, feishu):
    made(incident, feishu)
    assert "故障尚未关闭，作战室不能结束" in press(lin, incident, "room/dismiss").text
    incidents.close(incident, by=responder, via="console", now=utcnow())
    assert "结束作战室" in lin.get(f"/incidents/{incident.num}").text
    assert "正在结束作战室" in press(lin, incident, "room/dismiss").text
    assert the_room().state is RoomState.DISMISSING


def test_another_organisations_incident_has_no_room_for_us(lin, feishu):
    theirs = make_incident(tenant=make_tenant("邻居"), num=77)
    assert press(lin, theirs).status_code == 404
    assert db.session.scalars(db.select(WarRoom)).all() == []


def test_a_viewer_is_offered_nothing(client, incident, feishu, viewer):
    client.sign_in(viewer)
    assert "创建作战室" not in client.get(f"/incidents/{incident.num}").text
    assert press(client, incident).status_code == 403


# --- the switch ---------------------------------------------------------------------------------------------------


@pytest.fixture
def admin_page(client, admin):
    assert client.sign_in(admin).status_code == 303
    return client


def switch(client, integration, **fields):
    path = f"/integrations/im/{integration.id}"
    return client.submit(f"{path}/war_room", fields, page=path, follow_redirects=True).text


def test_the_box_is_checked_live_before_anything_is_on(admin_page):
    integration = make_integration(platform="feishu", name="飞书")
    assert "未开启" in admin_page.get(f"/integrations/im/{integration.id}").text
    page = switch(admin_page, integration, war_room="1")
    assert "正在检查开启条件" in page
    assert not integration.enhanced.get("war_room")


def test_what_the_platform_wants_to_be_told_is_asked_and_looked_at(admin_page):
    integration = make_integration(platform="dingtalk", name="钉钉")
    assert "模板 ID 无效：请填写" in switch(admin_page, integration, war_room="1")
    assert "模板 ID 应为字母" in switch(
        admin_page, integration, war_room="1", room_template_id="??", room_robot_code="x"
    )
    values = {"room_template_id": "tmpl-1234", "room_robot_code": "dingrobot1"}
    assert "正在检查开启条件" in switch(admin_page, integration, war_room="1", **values)
    assert integration.settings["room_template_id"] == "tmpl-1234"


def test_a_second_connection_asks_before_it_takes_over(admin_page, feishu):
    second = make_integration(platform="feishu", name="第二个", platform_key="feishu:2")
    assert "作战室已在集成「飞书」中开启" in switch(admin_page, second, war_room="1")
    assert "正在检查开启条件" in switch(admin_page, second, war_room="1", replace="1")


def test_switching_off_leaves_the_rooms_that_there_are(admin_page, feishu, incident):
    made(incident, feishu)
    assert "作战室已关闭" in switch(admin_page, feishu)
    assert not feishu.enhanced["war_room"]
    assert the_room().state is RoomState.ACTIVE


def test_a_mode_without_rooms_disables_the_box_and_refuses(admin_page, monkeypatch):
    reason = "作战室仅支持企业自建应用"
    (mode,) = PLATFORMS["feishu"].modes
    monkeypatch.setattr(PLATFORMS["feishu"], "modes", (replace(mode, withheld={"war_room": reason}),))
    integration = make_integration(platform="feishu", name="飞书")
    page = admin_page.get(f"/integrations/im/{integration.id}").text
    assert reason in page
    assert '<fieldset class="stack" disabled>' in page
    assert reason in switch(admin_page, integration, war_room="1")
    assert not war_room_switch.is_being_checked(integration)


def made(incident, integration) -> WarRoom:
    """A room that is there."""
    chat = GroupChat(
        tenant_id=0, integration_id=integration.id, external_id="oc_1", origin="war_room", first_seen_at=utcnow()
    )
    chat.state = GroupState.ACTIVE
    db.session.add(chat)
    db.session.flush()
    room = WarRoom(
        tenant_id=0,
        incident_id=incident.id,
        integration_id=integration.id,
        platform=integration.platform,
        group_chat_id=chat.id,
        reference="1" * 32,
        name="[严重] #1",
        share_link="https://chat.example/1",
        state=RoomState.ACTIVE,
        created_via="console",
        created_at=utcnow(),
    )
    db.session.add(room)
    db.session.commit()
    assert incident.progress is not Progress.CLOSED
    assert war_rooms.of_incident(incident) is room
    return room
