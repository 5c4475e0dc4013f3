"""Groups on pages: chosen in a policy's levels, listed and named on a connection's page, shown with their messages."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import current_app

from extensions import db
from jobs.handlers import HANDLERS
from jobs.runner import Runner
from models import Delivery, DispatchPolicy, GroupChat, Integration, IntegrationStatus, Job, Membership
from platforms import PLATFORMS
from platforms.base import Group, GroupEvent, GroupList
from platforms.errors import NetworkFailed
from platforms.quotas import calls_a_month
from services import calls, checks, groups
from services.clock import utcnow
from services.notifications import notify
from tests.factories import make_channel, make_incident, make_integration, make_level, make_link, make_policy
from tests.fakes import GroupPlatform
from tests.web.conftest import Browser
from tests.web.test_policies import basics, level


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> GroupPlatform:
    fake = GroupPlatform()
    monkeypatch.setitem(PLATFORMS, "chat", GroupPlatform)
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: fake)
    return fake


@pytest.fixture
def integration(app: Any, platform: GroupPlatform) -> Integration:
    found: Integration = make_integration(platform="chat", name="值班机器人")
    return found


@pytest.fixture
def chat(integration: Integration) -> GroupChat:
    return seen(integration, "cid-1", "生产告警群")


@pytest.fixture
def path() -> str:
    return f"/channels/{make_channel('支付核心').id}/policies/new"


def seen(integration: Integration, external_id: str, name: str) -> GroupChat:
    chat = groups.note_seen(integration, Group(external_id, name), origin="bot_added", now=utcnow())
    db.session.commit()
    return chat


def gone(chat: GroupChat) -> None:
    groups.note_gone(chat, tried_at=utcnow() + timedelta(seconds=1))
    db.session.commit()


def only() -> DispatchPolicy:
    return db.session.scalars(db.select(DispatchPolicy)).one()


# --- choosing -------------------------------------------------------------------------------------------------------


def test_a_level_of_a_group_is_saved_and_shown(admin_client: Browser, chat: GroupChat, path: str):
    page = admin_client.get(path).text
    assert "畅聊 · 值班机器人" in page
    assert "生产告警群" in page

    fields = basics() | level(groups=[str(chat.id)])
    assert admin_client.submit(path, fields, page=path).status_code == 303
    assert only().levels[0]["group_ids"] == [chat.id]
    assert "生产告警群" in admin_client.get(path.removesuffix("/new")).text
    assert f'value="{chat.id}" checked' in admin_client.get(f"/policies/{only().id}").text


def test_a_level_of_nobody_and_no_group_is_refused(admin_client: Browser, chat: GroupChat, path: str):
    answer = admin_client.submit(path, basics() | level(), page=path)
    assert answer.status_code == 422
    assert "每个环节请至少选择一人或一个群聊" in answer.text


def test_a_group_of_another_organisation_is_refused(admin_client: Browser, chat: GroupChat, path: str):
    answer = admin_client.submit(path, basics() | level(groups=["4711"]), page=path)
    assert answer.status_code == 422
    assert "所选群聊不在本组织" in answer.text


def test_a_chosen_group_that_is_gone_is_struck_through_with_the_reason(admin_client: Browser, chat: GroupChat):
    other = seen(chat.integration, "cid-2", "另一个群")
    channel = make_channel()
    policy = make_policy(channel, levels=[make_level(group_ids=[chat.id])])
    gone(chat)
    gone(other)

    page = admin_client.get(f"/policies/{policy.id}").text
    assert "<s>生产告警群</s>" in page
    assert "已移除应用" in page
    assert "另一个群" not in page


def test_a_chosen_group_whose_connection_was_deleted_stays_with_the_reason(admin_client: Browser, chat: GroupChat):
    policy = make_policy(make_channel(), levels=[make_level(group_ids=[chat.id])])
    chat_id = chat.id
    db.session.delete(chat.integration)
    db.session.commit()

    page = admin_client.get(f"/policies/{policy.id}").text
    assert f"<s>群聊 {chat_id}</s>" in page
    assert "集成已删除" in page


def test_no_group_yet_says_what_to_do_and_asks_again(admin_client: Browser, integration: Integration, path: str):
    page = admin_client.get(path).text
    for hint in GroupPlatform.capabilities.no_groups_hint:
        assert hint in page
    assert "还没有收到过群事件" in page

    news = f"/policies/groups/{integration.id}?level=levels-0"
    etag = etag_of(page)
    assert admin_client.get(news, headers={"If-None-Match": f'"{etag}"'}).status_code == 304
    chat = seen(integration, "cid-1", "生产告警群")
    answer = admin_client.get(news, headers={"If-None-Match": f'"{etag}"'})
    assert f'hx-post="/policies/groups/{integration.id}?level=levels-0&amp;shown=60"' in answer.text
    found = admin_client.submit(news, {}, page=path).text
    assert f'name="levels-0-groups" value="{chat.id}"' in found
    assert etag_of(found) != etag
    assert admin_client.get(f"/policies/groups/{integration.id}?level=x").status_code == 404
    assert admin_client.get(f"/policies/groups/{integration.id + 1}?level=levels-0").status_code == 404


def etag_of(page: str) -> str:
    found = re.search(r'"If-None-Match": "\\"([0-9a-f]+)\\""', page)
    assert found is not None
    return found[1]


def work() -> None:
    Runner(current_app._get_current_object(), HANDLERS, timedelta(seconds=60)).run_due()  # type: ignore[attr-defined]
    db.session.expire_all()


def test_the_list_is_read_by_the_worker_on_the_button_and_what_was_typed_stays(
    admin_client: Browser, chat: GroupChat, platform: GroupPlatform, path: str
):
    platform.groups = [Group("cid-1", "改了名的群")]
    fields = basics(name="夜班") | level() | {"change": f"refresh-groups:{chat.integration_id}"}
    page = admin_client.submit(path, fields, page=path).text
    assert "正在刷新群列表" in page
    assert 'value="夜班"' in page
    assert platform.groups_asked == []

    work()
    assert "改了名的群" in admin_client.get(path).text
    platform.groups = NetworkFailed("down")
    admin_client.submit(path, fields, page=path)
    work()
    page = admin_client.get(path).text
    assert "群列表没有读到：无法连接平台" in page
    assert "改了名的群" in page


def test_of_thousands_of_groups_the_first_are_offered_and_the_rest_is_found(
    admin_client: Browser, integration: Integration, path: str
):
    names = [Group(f"cid-{number}", f"群 {number:04}") for number in range(2000)]
    groups.take_list(integration, GroupList(names), asked=[], asked_at=utcnow(), now=utcnow())
    db.session.commit()
    last = db.session.scalars(db.select(GroupChat).where(GroupChat.name == "群 1999")).one()
    page = admin_client.get(path).text
    assert page.count('name="levels-0-groups"') == 60
    assert "共 2000 个群聊，先列出 60 个" in page

    offer = f"/policies/groups/{integration.id}?level=levels-0"
    looked = {f"find-{integration.id}": "1999"}
    found = admin_client.submit(offer, looked, page=path).text
    assert re.findall(r'name="levels-0-groups" value="(\d+)"', found) == [str(last.id)]
    assert "显示更多" not in found
    looked = {f"find-{integration.id}": "没有", "levels-0-groups": str(last.id)}
    found = admin_client.submit(offer, looked, page=path).text
    assert f'value="{last.id}" checked' in found
    assert "没有名称含「没有」的群聊" in found
    assert admin_client.submit(f"{offer}&shown=120", {}, page=path).text.count('name="levels-0-groups"') == 120


def test_opening_the_editor_has_the_list_read(
    admin_client: Browser, integration: Integration, path: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(GroupPlatform, "capabilities", replace(GroupPlatform.capabilities, lists_groups=True))
    admin_client.get(path)
    admin_client.get(path)
    assert len(db.session.scalars(db.select(Job).where(Job.kind == "list_groups")).all()) == 1


def test_an_empty_list_tells_which_events_have_come_and_how_the_application_is_called(
    admin_client: Browser, integration: Integration, path: str, monkeypatch: pytest.MonkeyPatch
):
    wanted = (("added", "机器人进群"), ("renamed", "群配置修改"))
    monkeypatch.setattr(GroupPlatform, "capabilities", replace(GroupPlatform.capabilities, group_events=wanted))
    event = GroupEvent(
        "", "", utcnow(), event_key="e", change="renamed", group=Group("cid-9", "新名"), happened_at=utcnow()
    )
    groups.take_event(integration, event, now=utcnow())
    checks.passed(integration, "credentials", now=utcnow(), app_name="值班铃机器人")
    for page in (path, f"/integrations/im/{integration.id}"):
        text = admin_client.get(page).text
        assert "应用在平台上的名称：值班铃机器人" in text
        assert text.index("机器人进群") < text.index("还没有收到过</span>") < text.index("群配置修改")


def test_without_a_platform_of_groups_nobody_is_asked(admin_client: Browser, path: str):
    make_integration()
    assert "群聊渠道" not in admin_client.get(path).text


# --- on the connection's page ---------------------------------------------------------------------------------------


def test_groups_are_listed_and_named(admin_client: Browser, chat: GroupChat):
    page = f"/integrations/im/{chat.integration_id}"
    assert "生产告警群" in admin_client.get(page).text

    admin_client.submit(f"{page}/groups/{chat.id}/alias", {"alias": "夜班群"}, page=page)
    shown = admin_client.get(page).text
    assert "夜班群" in shown
    assert "生产告警群 · 添加机器人" in shown


def test_a_test_card_goes_to_a_group(admin_client: Browser, admin: Membership, chat: GroupChat):
    page = f"/integrations/im/{chat.integration_id}"
    make_link(chat.integration, admin)
    shown = admin_client.get(page).text
    assert '<optgroup label="群聊">' in shown
    assert f'<option value="group-{chat.id}">生产告警群</option>' in shown

    assert admin_client.submit(f"{page}/test-card", {"recipient": f"group-{chat.id}"}, page=page).status_code == 303
    (sent,) = db.session.scalars(db.select(Delivery)).all()
    assert (sent.source, sent.group_chat_id, sent.external_user_id) == ("test", chat.id, "cid-1")

    gone(chat)
    admin_client.submit(f"{page}/test-card", {"recipient": f"group-{chat.id}"}, page=page)
    assert "请选择接收人" in admin_client.get(page).text
    assert db.session.scalars(db.select(Delivery)).all() == [sent]


def test_of_many_groups_the_first_are_listed_and_the_others_found(admin_client: Browser, integration: Integration):
    for number in range(130):
        seen(integration, f"cid-{number}", f"群 {number:03}")
    page = f"/integrations/im/{integration.id}"
    shown = admin_client.get(page).text
    assert "群 059" in shown and "群 060" not in shown and "共 130 个群聊，先列出 60 个" in shown
    assert 'value="group-' in shown and shown.count("<option ") == 50, "nor are all of them offered for a test card"

    assert "群 119" in admin_client.get(f"{page}/groups?groups_shown=120").text
    found = admin_client.get(f"{page}/groups?group=129").text
    assert "群 129" in found and "群 128" not in found
    assert "没有名称含「nobody」的群聊" in admin_client.get(f"{page}/groups?group=nobody").text

    (last,) = groups.offered(integration, find="129", at_most=2).chats
    offered = admin_client.get(f"{page}/test-card?find=129").text
    assert f'<option value="group-{last.id}">群 129</option>' in offered and "群 128" not in offered
    assert admin_client.submit(f"{page}/test-card", {"recipient": f"group-{last.id}"}, page=page).status_code == 303
    assert db.session.scalars(db.select(Delivery)).one().group_chat_id == last.id


@pytest.mark.parametrize("chosen", ["group-99", "user-99", "group-", "group-1x", "everybody-1", ""])
def test_a_test_card_goes_to_nobody_who_is_not_offered(admin_client: Browser, chat: GroupChat, chosen: str):
    page = f"/integrations/im/{chat.integration_id}"
    admin_client.submit(f"{page}/test-card", {"recipient": chosen}, page=page)
    assert "请选择接收人" in admin_client.get(page).text
    assert db.session.scalars(db.select(Delivery)).all() == []


def test_an_empty_list_says_what_to_do_and_fills_by_itself(admin_client: Browser, integration: Integration):
    page = f"/integrations/im/{integration.id}"
    assert "把应用添加到群聊。" in admin_client.get(page).text
    first = admin_client.get(f"{page}/groups")
    assert "还没有发现群聊" in first.text
    seen(integration, "cid-1", "生产告警群")
    assert "生产告警群" in admin_client.get(f"{page}/groups").text


def test_the_list_is_read_on_a_button_and_shows_how_far_it_is(
    admin_client: Browser, chat: GroupChat, platform: GroupPlatform
):
    page = f"/integrations/im/{chat.integration_id}"
    platform.groups = [Group("cid-1", "改了名的群")]
    admin_client.submit(f"{page}/groups", page=page)
    admin_client.submit(f"{page}/groups", page=page)
    assert len(db.session.scalars(db.select(Job).where(Job.kind == "list_groups")).all()) == 1
    assert "正在刷新群列表" in admin_client.get(page).text
    work()
    shown = admin_client.get(f"{page}/groups").text
    assert "改了名的群" in shown
    assert "正在刷新群列表" not in shown


def test_who_may_not_edit_names_no_group(client: Browser, responder: Membership, chat: GroupChat):
    client.sign_in(responder)
    page = f"/integrations/im/{chat.integration_id}"
    assert "生产告警群" in client.get(page).text
    assert client.submit(f"{page}/groups/{chat.id}/alias", {"alias": "x"}, page=page).status_code == 403


def test_the_months_calls_are_shown_against_a_chosen_limit(
    admin_client: Browser, integration: Integration, monkeypatch: pytest.MonkeyPatch
):
    page = f"/integrations/im/{integration.id}"
    assert "本月接口调用" not in admin_client.get(page).text
    monkeypatch.setattr(GroupPlatform, "capabilities", replace(GroupPlatform.capabilities, quota=calls_a_month(5000)))
    calls.note(integration, utcnow())
    db.session.commit()
    assert "5000" in admin_client.get(page).text

    admin_client.submit(f"{page}/quota", {"number": "1"}, page=page)
    assert "本月调用次数已达到额度" in admin_client.get(page).text
    admin_client.submit(f"{page}/quota", {"number": "many"}, page=page)
    assert "0 表示不限" in admin_client.get(page).text


# --- messages -------------------------------------------------------------------------------------------------------


def test_messages_to_groups_are_shown_by_the_groups_name(admin_client: Browser, chat: GroupChat):
    nameless = seen(chat.integration, "cidABCDEF", "")
    gone(chat)
    chat.integration.status = IntegrationStatus.ACTIVE
    incident = make_incident(make_channel())
    notify(incident, cause="assign", user_ids=[], group_ids=[chat.id, nameless.id], now=utcnow())
    db.session.commit()

    for page in ("/deliveries", f"/incidents/{incident.num}"):
        shown = admin_client.get(page, follow_redirects=True).text
        assert "生产告警群" in shown
        assert "群聊不存在、已解散或已移除应用" in shown
        assert "未命名群聊 (…ABCDEF)" in shown
        assert "畅聊 · 群聊" in shown
