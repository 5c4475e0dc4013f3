"""What only DingTalk does, proven against the simulator: events of groups, messages with links, its own checks."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from platforms.base import CardButton, Group, GroupEvent, OtherEvent, Recipient
from platforms.dingtalk.errors import (
    AddressBlocked,
    CardExists,
    CardUndelivered,
    ChatGone,
    CodeExpired,
    CoolAppMissing,
    CorpMismatch,
    IpNotAllowed,
    MonthlyQuotaUsed,
    NotACard,
    OutOfVisibleRange,
    PermissionMissing,
    SentBefore,
    TooFrequent,
)
from platforms.errors import CallbackRefused, CardTooOld, GroupGone, PlatformError, RecipientUnreachable
from tests.contract.dingtalk import KEY, TOKEN, make_connection

ACTIONS = (
    CardButton("k1", "开始处理", "primary", "acknowledge"),
    CardButton("k2", "直接关闭", "danger", "close"),
    CardButton("k3", "屏蔽 2 小时", "plain", "snooze:120"),
)


@pytest.fixture
def connection(simulator, receiver):
    return make_connection(simulator, receiver)


@pytest.fixture
def platform(connection):
    return connection.platform


def install(connection: Any, title: str = "值班群") -> Recipient:
    return connection.make_group(title)


def last(connection: Any) -> Any:
    return connection.receiver.callbacks[-1]


# --- events -------------------------------------------------------------------------------------------------------


def test_a_cool_app_that_is_installed_makes_a_group_known(connection):
    group = install(connection)
    event = last(connection)
    assert isinstance(event, GroupEvent)
    assert (event.change, event.group.external_id, event.group.name) == ("added", group.external_id, "")
    assert event.group.details["cool_app_code"].startswith("COOLAPP-")
    assert event.group.details["robot_code"] == connection.client_id


@pytest.mark.parametrize(
    ("does", "change"), [("uninstall", "removed"), ("rename", "renamed"), ("disband", "disbanded")]
)
def test_what_happens_to_a_group_is_told(connection, does, change):
    group = install(connection)
    body = {"client_id": connection.client_id, "cid": group.external_id, "title": "新群名"}
    told = connection.simulator.control(f"dingtalk/{does}", body)
    event = last(connection)
    assert isinstance(event, GroupEvent)
    assert (event.change, event.group.external_id) == (change, group.external_id)
    assert event.group.name == ("新群名" if change == "renamed" else "")
    assert "success" in json.dumps(told) or told


def test_events_that_were_not_answered_are_asked_for_and_are_the_same_events(connection, platform):
    connection.receiver.platform = connection.with_settings(token="somethingelse")
    body = {"corp_id": connection.corp_id, "title": "值班群", "members": [connection.id_of("lin")]}
    chat_id = connection.simulator.control("dingtalk/groups", body)["openConversationId"]
    connection.simulator.control("dingtalk/install", {"client_id": connection.client_id, "cid": chat_id})
    connection.simulator.control("dingtalk/rename", {"cid": chat_id, "title": "生产告警群"})
    for _ in range(2):
        connection.simulator.control("dingtalk/retry", {})

    lost = platform.read_lost_events()
    assert [(one.change, one.group.external_id, one.group.name) for one in lost.events] == [
        ("added", chat_id, ""),
        ("renamed", chat_id, "生产告警群"),
    ]
    assert lost.events[0].group.details["robot_code"] == connection.client_id
    assert not lost.has_more
    assert not platform.read_lost_events().events, "handed out once"

    connection.receiver.platform = platform
    connection.event({"EventType": "chat_update_title", "eventId": "e-9", "openConversationId": chat_id, "title": "x"})
    assert last(connection).event_key == "e-9"
    assert len({one.event_key for one in lost.events}) == 2


@pytest.mark.parametrize("values", [{"suffix": "corp_id"}, {"pascal_case": True}])
def test_odd_spellings_and_receivers_are_taken(connection, values):
    connection.change_app(**values)
    group = install(connection)
    assert last(connection).group.external_id == group.external_id
    assert connection.simulator.control("dingtalk/retry", {}) == []


def test_an_event_that_nobody_acts_on_is_answered_so_that_it_does_not_come_again(connection):
    connection.event({"EventType": "user_leave_org", "userId": ["x"]})
    assert isinstance(last(connection), OtherEvent)
    assert connection.simulator.control("dingtalk/retry", {}) == []


def test_the_older_name_of_the_signature_counts_too(connection):
    connection.event({"EventType": "chat_quit", "openConversationId": "cid=="}, tamper="old_name")
    assert isinstance(last(connection), OtherEvent)


@pytest.mark.parametrize("tamper", ["signature", "ciphertext", "suffix", "unsigned"])
def test_a_forged_event_is_refused(connection, tamper):
    before = len(connection.receiver.callbacks)
    connection.event({"EventType": "chat_disband", "openConversationId": "cid=="}, tamper=tamper)
    assert len(connection.receiver.callbacks) == before
    assert isinstance(connection.receiver.refusals[-1], CallbackRefused)


@pytest.mark.parametrize("changes", [{"aes_key": KEY[::-1]}, {"token": "other"}])
def test_saving_other_keys_in_the_console_fails(connection, changes):
    address = {"client_id": connection.client_id, "url": f"{connection.receiver.url}/event"}
    saved = connection.simulator.control("dingtalk/event_url", address | {"aes_key": KEY, "token": TOKEN} | changes)
    assert not saved["ok"]


# --- groups -------------------------------------------------------------------------------------------------------


def test_names_are_read_and_groups_that_are_gone_are_left_out(connection, platform):
    kept, gone, dissolved = install(connection, "生产告警群"), install(connection), install(connection)
    connection.simulator.control("dingtalk/uninstall", {"client_id": connection.client_id, "cid": gone.external_id})
    connection.simulator.control("dingtalk/disband", {"cid": dissolved.external_id})
    known = [Group(one.external_id, "", one.details) for one in (kept, gone, dissolved)]
    (found,) = platform.read_groups([*known, Group("cidNobody==")]).groups
    assert (found.external_id, found.name) == (kept.external_id, "生产告警群")
    assert found.member_count


def test_a_group_that_cannot_be_asked_about_now_is_not_lost(connection, platform):
    group = install(connection)
    connection.change_app(permissions=["qyapi_base"])
    with pytest.raises(PermissionMissing) as failure:
        platform.read_groups([Group(group.external_id, "", group.details)])
    assert failure.value.params["scope"] == "qyapi_chat_manage"


def test_a_text_reaches_a_group(connection, platform):
    group = install(connection)
    platform.send_text(group, "屏蔽到期")
    assert connection.text_of(connection.group_messages(group)[0]) == "屏蔽到期"


def test_without_the_cool_app_nothing_reaches_a_group(connection, platform, card):
    group = install(connection)
    connection.simulator.control("dingtalk/uninstall", {"client_id": connection.client_id, "cid": group.external_id})
    for send in (lambda: platform.send_card(group, card), lambda: platform.send_text(group, "x")):
        with pytest.raises(CoolAppMissing) as failure:
            send()
        assert failure.value.failure == "chat_gone"


def test_a_dissolved_group_is_gone(connection, platform, card):
    group = install(connection)
    connection.simulator.control("dingtalk/disband", {"cid": group.external_id})
    with pytest.raises(ChatGone):
        platform.send_card(group, card)
    with pytest.raises(GroupGone):
        platform.send_text(group, "x")


# --- cards --------------------------------------------------------------------------------------------------------


def test_the_way_back_is_registered_once(connection, platform, card):
    for number in range(3):
        platform.send_card(connection.member("lin"), replace(card, reference=f"ref-{number}"))
    assert len(connection.simulator.calls("callbacks/register")) == 1


def test_a_refusal_is_seen_by_whoever_pressed_and_by_nobody_else(connection, platform, card):
    group = install(connection)
    sent = platform.send_card(group, card)
    connection.receiver.answer_text, connection.receiver.is_refusal = "未关联应用", True
    connection.press(sent, "acknowledge", by="wu")
    notices = {name: connection.as_seen_by(name, group)["card"].get("notice", "") for name in ("lin", "wu")}
    assert notices == {"lin": "", "wu": "未关联应用"}


def test_the_answer_is_seen_by_whoever_pressed_until_the_card_is_changed_for_all(connection, platform, card):
    group = install(connection)
    sent = platform.send_card(group, card)
    after = replace(card, title="[严重] 已认领")
    connection.receiver.answer_card = lambda callback: after
    connection.press(sent, "acknowledge", by="wu")
    assert not platform.capabilities.reply_reaches_all
    titles = {name: connection.title_of(connection.as_seen_by(name, group)) for name in ("lin", "wu")}
    assert titles == {"lin": card.title, "wu": after.title}
    platform.update_card(replace(connection.handle(sent, card), recipient=group), after)
    assert connection.title_of(connection.as_seen_by("lin", group)) == after.title


def test_a_change_of_a_persons_card_takes_the_notice_away(connection, platform, card):
    sent = platform.send_card(connection.member("lin"), card)
    connection.receiver.answer_text, connection.receiver.is_refusal = "您没有处理该故障的权限", True
    connection.press(sent, "close")
    platform.update_card(connection.handle(sent, card), card)
    assert connection.messages("lin")[0]["card"]["notice"] == ""


def test_a_change_of_a_groups_card_takes_the_notices_away_of_those_who_are_named(connection, platform, card):
    group = install(connection)
    sent = platform.send_card(group, card)
    connection.receiver.answer_text, connection.receiver.is_refusal = "未关联应用", True
    for name in ("lin", "wu"):
        connection.press(sent, "acknowledge", by=name)
    told = [connection.id_of("wu"), "no;userid", *(f"Gone{number}" for number in range(30))]
    handle = replace(connection.handle(sent, card), recipient=group)
    platform.update_card(replace(handle, told=(connection.id_of("wu"), "no;userid")), card)
    notices = {name: connection.as_seen_by(name, group)["card"]["notice"] for name in ("lin", "wu")}
    assert notices == {"lin": "未关联应用", "wu": ""}
    changed = replace(card, title="[严重] 已认领")
    platform.update_card(replace(handle, told=tuple(told)), changed)
    assert connection.title_of(connection.as_seen_by("lin", group)) == changed.title, (
        "whoever has left is in no one's way"
    )


def test_a_card_that_is_gone_is_not_updated_for_ever(connection, platform, card):
    handle = connection.handle(platform.send_card(connection.member("lin"), card), card)
    with pytest.raises(CardTooOld) as failure:
        platform.update_card(replace(handle, reference="never-sent"), card)
    assert not failure.value.retryable


def test_a_delivery_that_failed_for_a_moment_is_made_good(connection, platform, card):
    fault = {"path": connection.send_path, "users": connection.id_of("lin")}
    connection.simulator.fault("invalid_users", **fault)
    with pytest.raises(CardUndelivered) as failure:
        platform.send_card(connection.member("lin"), card)
    assert failure.value.retryable and failure.value.is_made_unseen
    platform.send_card(connection.member("lin"), card)
    assert len(connection.messages("lin")) == 1


def test_a_card_that_was_made_but_never_delivered_is_delivered_by_the_next_try(connection, platform, card):
    platform.send_text(connection.member("wu"), "token fetched")
    lin = connection.id_of("lin")
    connection.simulator.fault("invalid_users", path=connection.send_path, users=lin)
    connection.simulator.fault("busy", path="card/instances/deliver")
    for _ in range(2):
        with pytest.raises(PlatformError) as failure:
            platform.send_card(connection.member("lin"), card)
        assert failure.value.retryable and not failure.value.uncertain
    assert connection.messages("lin") == []
    platform.send_card(connection.member("lin"), replace(card, title="[严重] 新标题"))
    (seen,) = connection.messages("lin")
    assert connection.title_of(seen) == "[严重] 新标题"


def test_two_tries_make_one_card(connection, platform, card):
    platform.send_card(connection.member("lin"), card)
    drawn = {"outTrackId": card.reference, "cardTemplateId": platform.settings.card_template_id}
    with pytest.raises(CardExists):
        platform.client.create_card(drawn | {"cardData": {"cardParamMap": {}}})
    assert platform.send_card(connection.member("lin"), card, earlier_try_unanswered=True).was_repeat
    assert len(connection.messages("lin")) == 1


# --- without cards ------------------------------------------------------------------------------------------------


def linked(card: Any) -> Any:
    return replace(card, buttons=ACTIONS, menu=())


@pytest.mark.parametrize("to_group", [False, True])
def test_without_a_template_the_news_goes_out_with_links(connection, card, to_group):
    platform = connection.with_settings(card_template_id="")
    to = install(connection) if to_group else connection.member("lin")
    sent = platform.send_card(to, linked(card))
    (seen,) = connection.group_messages(to) if to_group else connection.messages("lin")
    assert seen["kind"] == "sampleActionCard4"
    assert f"{card.url}?do=acknowledge" in json.dumps(seen["card"])
    assert connection.simulator.calls("callbacks/register") == []
    with pytest.raises(NotACard):
        platform.update_card(connection.handle(sent, card), card)


@pytest.mark.parametrize("permissions", [["qyapi_robot_sendmsg", "qyapi_chat_manage"]])
def test_without_the_right_to_cards_the_news_goes_out_with_links(connection, platform, card, permissions):
    connection.change_app(permissions=permissions)
    platform.send_card(connection.member("lin"), linked(card))
    assert connection.messages("lin")[0]["kind"] == "sampleActionCard4"


def test_with_a_wrong_template_the_news_goes_out_with_links(connection, card):
    platform = connection.with_settings(card_template_id="00000000-0000.schema")
    platform.send_card(connection.member("lin"), linked(card))
    assert connection.messages("lin")[0]["kind"] == "sampleActionCard4"


def test_a_message_with_links_is_not_repeated_on_suspicion(connection, card):
    platform = connection.with_settings(card_template_id="")
    with pytest.raises(SentBefore) as failure:
        platform.send_card(connection.member("lin"), card, earlier_try_unanswered=True)
    assert failure.value.failure == "outcome_unknown"
    assert connection.messages("lin") == []


def test_somebody_outside_the_range_is_not_told_to_have_been_told(connection, platform, card):
    with pytest.raises(OutOfVisibleRange):
        platform.send_text(connection.member("zhou"), "x")
    with pytest.raises(OutOfVisibleRange):
        platform.send_card(connection.member("zhou"), card)


# --- refusals -----------------------------------------------------------------------------------------------------


def test_the_address_that_dingtalk_saw_is_told(connection, platform, card):
    connection.change_app(ip_whitelist=["203.0.113.1"])
    with pytest.raises(IpNotAllowed) as failure:
        platform.send_card(connection.member("lin"), card)
    assert failure.value.params["ip"] == "127.0.0.1"
    assert failure.value.failure == "ip_not_allowed"


def test_the_missing_permission_is_named(connection, platform):
    connection.change_app(permissions=["qyapi_base"])
    with pytest.raises(PermissionMissing) as failure:
        platform.send_text(connection.member("lin"), "x")
    assert failure.value.params["scope"] == "qyapi_robot_sendmsg"


def test_a_used_up_month_is_no_reason_to_try_again(connection, platform):
    connection.simulator.control("dingtalk/limits", {"monthly_calls": 1})
    platform.send_text(connection.member("wu"), "the last one")
    try:
        with pytest.raises(MonthlyQuotaUsed) as failure:
            platform.send_text(connection.member("lin"), "x")
        assert not failure.value.retryable
    finally:
        connection.simulator.control("dingtalk/limits", {"monthly_calls": 5000})


def test_too_many_calls_in_a_second_wait_for_the_next(connection, platform):
    connection.simulator.fault("rate_limit", path="batchSend")
    with pytest.raises(TooFrequent) as failure:
        platform.send_text(connection.member("lin"), "x")
    assert failure.value.retry_after.total_seconds() >= 1


def test_a_blocked_address_waits_for_minutes(connection, platform):
    connection.simulator.control("dingtalk/limits", {"banned": True})
    try:
        with pytest.raises(AddressBlocked) as failure:
            platform.send_text(connection.member("lin"), "x")
        assert failure.value.retry_after.total_seconds() >= 300
    finally:
        connection.simulator.control("dingtalk/limits", {"banned": False})


# --- signing in ---------------------------------------------------------------------------------------------------


def test_a_browsers_code_says_who_it_is(connection, platform):
    identity = platform.identify(connection.sign_in_code("lin", "oauth"), in_client=False)
    assert identity.external_user_id == "Lin0001"
    assert identity.name
    in_client = platform.identify(connection.sign_in_code("lin"), in_client=True)
    assert identity.external_union_id == in_client.external_union_id


def test_a_browser_also_lets_strangers_as_far_as_us(connection, platform):
    code = connection.sign_in_code("stranger", "oauth")
    assert platform.identify(code, in_client=False).external_user_id is None


@pytest.mark.parametrize(("kind", "in_client"), [("oauth", True), ("h5", False)])
def test_the_two_kinds_of_codes_are_kept_apart(connection, platform, kind, in_client):
    with pytest.raises(CodeExpired):
        platform.identify(connection.sign_in_code("lin", kind), in_client=in_client)


def test_the_client_is_asked_for_this_company_and_application(connection, platform):
    assert platform.client_sign_in() == {"corp_id": connection.corp_id, "client_id": connection.client_id}


def test_the_sign_in_page_takes_our_address(connection, platform):
    url = platform.sign_in_url("http://localhost:8000/h5/dingtalk/k/oauth", "state1", in_client=False)
    assert url.startswith(f"{connection.simulator.url}/oauth2/auth?")
    assert "redirect_uri=http%3A%2F%2Flocalhost%3A8000" in url and "state=state1" in url


# --- checks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["credentials", "egress_ip", "permissions", "card"])
def test_everything_set_up_passes_every_check(platform, name):
    result = platform.run_check(name)
    assert result.passed, result.detail
    assert platform.run_check(name).passed


def test_another_companys_corp_id_is_found_out(connection):
    for corp_id in (connection.other_corp_id, "dingnobody0123456789"):
        result = connection.with_settings(corp_id=corp_id).run_check("credentials")
        assert not result.passed
        assert result.detail["code"] == CorpMismatch.code


@pytest.mark.parametrize(
    ("changes", "name", "code"),
    [
        ({"ip_whitelist": ["203.0.113.1"]}, "egress_ip", "dingtalk.ip_not_allowed"),
        ({"permissions": ["qyapi_base"]}, "permissions", "dingtalk.permission_missing"),
        ({"permissions": ["qyapi_chat_manage"]}, "permissions", "dingtalk.permission_missing"),
        ({"permissions": ["qyapi_base"]}, "card", "dingtalk.permission_missing"),
    ],
)
def test_what_is_missing_turns_its_own_check_red(connection, platform, changes, name, code):
    connection.change_app(**changes)
    result = platform.run_check(name)
    assert (result.passed, result.is_premature, result.detail["code"]) == (False, False, code)


@pytest.mark.parametrize("name", ["permissions", "card"])
def test_other_checks_wait_for_the_address(connection, platform, name):
    connection.change_app(ip_whitelist=["203.0.113.1"])
    assert platform.run_check(name).is_premature


def test_a_wrong_template_is_found_out(connection):
    result = connection.with_settings(card_template_id="00000000-0000.schema").run_check("card")
    assert result.detail["code"] == "dingtalk.template_wrong"


def test_permissions_can_be_checked_before_the_robot_is_published(connection, platform):
    connection.change_app(published=False)
    assert platform.run_check("permissions").passed


def test_nobody_is_a_member_who_left(connection, platform, card):
    connection.simulator.control("dingtalk/corps", {"corp_id": connection.corp_id, "remove_people": ["Lin0001"]})
    with pytest.raises(RecipientUnreachable):
        platform.send_card(connection.member("lin"), card)
