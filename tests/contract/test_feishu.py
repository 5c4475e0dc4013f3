"""What only Feishu does, against the simulator."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from platforms.base import CardPress, Group, GroupEvent, OtherEvent, Picture
from platforms.errors import CardTooOld, GroupGone, PlatformError, QuotaExhausted
from platforms.feishu.callbacks import HistoricPress
from platforms.feishu.errors import (
    AppDisabled,
    AppNotReleased,
    BotMissing,
    CardLocked,
    ChatTooFrequent,
    GroupDissolved,
    IpNotAllowed,
    RedirectNotRegistered,
    ScopeMissing,
    TooFrequent,
)
from tests.contract.conftest import make_card
from tests.contract.feishu import REDIRECT_URL, make_connection

ADDED = "im.chat.member.bot.added_v1"


@pytest.fixture
def connection(simulator, receiver):
    return make_connection(simulator, receiver)


@pytest.fixture
def platform(connection):
    return connection.platform


@pytest.fixture
def lin(connection):
    return connection.member("lin")


# --- callbacks ----------------------------------------------------------------------------------------------------


def test_a_group_is_heard_of_from_its_beginning_to_its_end(connection):
    group = connection.make_group("值班群")
    about = {"chat_id": group.external_id}
    connection.simulator.control("feishu/groups", about | {"name": "新名"}, method="PATCH")
    connection.simulator.control("feishu/remove_bot", about | {"app_id": connection.app_id})
    connection.simulator.control("feishu/add_bot", about | {"app_id": connection.app_id})
    connection.simulator.control("feishu/disband", about)
    heard = [event for event in connection.receiver.callbacks if isinstance(event, GroupEvent)]
    assert [event.change for event in heard] == ["added", "renamed", "removed", "added", "disbanded"]
    assert [event.group.name for event in heard[:2]] == ["值班群", "新名"]
    assert {event.group.external_id for event in heard} == {group.external_id}
    assert len({event.event_key for event in heard}) == 5


def test_an_event_that_we_do_not_act_on_is_answered(connection):
    answer = connection.event("contact.user.updated_v3", {"object": {"open_id": "ou_1"}})
    assert answer["http_status"] == 200
    assert isinstance(connection.receiver.callbacks[-1], OtherEvent)


@pytest.mark.parametrize("tamper", ["signature", "unsigned", "token", "app_id", "plaintext", "base64", "padding"])
@pytest.mark.parametrize("to", ["event", "card"])
def test_what_is_not_genuine_is_refused(connection, tamper, to):
    before = len(connection.receiver.callbacks)
    answer = connection.event(ADDED, {"chat_id": "oc_1", "name": "x"}, tamper=tamper, to=to)
    assert answer["http_status"] == 403
    assert len(connection.receiver.callbacks) == before


def test_a_replayed_event_is_the_same_event(connection):
    connection.event(ADDED, {"chat_id": "oc_1", "name": "x"})
    connection.event(ADDED, {"chat_id": "oc_1", "name": "x"}, tamper="replay")
    first, again = connection.receiver.callbacks[-2:]
    assert (first.event_key, first.signature) == (again.event_key, again.signature)


def test_both_addresses_take_both(connection):
    connection.event(ADDED, {"chat_id": "oc_1", "name": "x"}, to="card")
    assert isinstance(connection.receiver.callbacks[-1], GroupEvent)


def test_without_an_encrypt_key_everything_works_in_clear(connection, simulator, receiver, card):
    plain = make_connection(simulator, receiver, encrypt_key="")
    sent = plain.platform.send_card(plain.member("lin"), card)
    assert plain.press(sent, "acknowledge")["http_status"] == 200
    assert isinstance(receiver.callbacks[-1], CardPress)
    assert plain.event(ADDED, {"chat_id": "oc_1", "name": "x"}, tamper="token")["http_status"] == 403


def test_a_press_is_told_what_came_of_it(connection, platform, lin, card):
    sent = platform.send_card(lin, card)
    connection.receiver.answer_text = "已开始处理"
    assert connection.press(sent, "acknowledge")["toast"] == {"type": "success", "content": "已开始处理"}
    connection.receiver.answer_text, connection.receiver.is_refusal = "您没有处理该故障的权限", True
    pressed = connection.press(sent, "close")
    assert (pressed["code"], pressed["toast"]["type"]) == (0, "error")


def test_the_answer_shows_everybody_in_the_group_the_new_card(connection, platform, card):
    group = connection.make_group("值班群")
    sent = platform.send_card(group, card)
    connection.receiver.answer_card = lambda callback: replace(card, title="[严重] 已认领")
    connection.press(sent, "acknowledge", by="wu")
    assert connection.title_of(connection.messages("lin")[-1]) == "[严重] 已认领"


def historic_address(connection):
    url = f"{connection.receiver.url}/card"
    connection.simulator.control("feishu/card_url", {"app_id": connection.app_id, "url": url, "historic": True})


@pytest.fixture
def plain(simulator, receiver):
    """An application without an Encrypt Key."""
    return make_connection(simulator, receiver, encrypt_key="")


def test_the_historic_address_works_too_and_its_card_is_shown(plain, card):
    historic_address(plain)
    plain.change_app(callbacks=[])
    sent = plain.platform.send_card(plain.member("lin"), card)
    plain.receiver.answer_card = lambda callback: replace(card, title="[严重] 已认领")
    plain.receiver.answer_text = "好"
    pressed = plain.press(sent, "acknowledge")
    assert isinstance(plain.receiver.callbacks[-1], HistoricPress)
    assert (pressed["code"], pressed["toast"]["content"]) == (0, "好")
    assert plain.title_of(plain.messages("lin")[-1]) == "[严重] 已认领"


def test_with_both_addresses_a_press_comes_twice_and_is_one_event(plain, card):
    historic_address(plain)
    sent = plain.platform.send_card(plain.member("lin"), card)
    pressed = plain.press(sent, "acknowledge")
    assert (pressed["attempts"], pressed["code"]) == (2, 0)
    first, second = plain.receiver.callbacks[-2:]
    assert (first.button_key, second.button_key) == ("acknowledge", "acknowledge")
    assert first.event_key == second.event_key
    assert first.message_id == second.message_id == sent.message_id


def test_with_an_encrypt_key_and_both_addresses_the_present_shape_alone_is_taken(connection, platform, lin, card):
    historic_address(connection)
    sent = platform.send_card(lin, card)
    before = len(connection.receiver.callbacks)
    pressed = connection.press(sent, "acknowledge")
    assert (pressed["attempts"], pressed["code"]) == (2, 0)
    (taken,) = connection.receiver.callbacks[before:]
    assert isinstance(taken, CardPress) and not isinstance(taken, HistoricPress)
    assert taken.message_id == sent.message_id


# --- messages -----------------------------------------------------------------------------------------------------


def test_a_card_is_sent_once_an_hour_under_one_reference(connection, platform, lin, card):
    sent = platform.send_card(lin, card)
    assert platform.send_card(lin, card, earlier_try_unanswered=True).was_repeat
    connection.simulator.control("clock", {"advance_seconds": 3700})
    assert platform.send_card(lin, card).message_id != sent.message_id


def test_a_card_cannot_be_changed_after_14_days(connection, platform, lin, card):
    sent = platform.send_card(lin, card)
    connection.simulator.control("clock", {"advance_seconds": platform.capabilities.update_days * 86400 + 60})
    connection.tokens.values.clear()
    with pytest.raises(CardTooOld):
        platform.update_card(connection.handle(sent, card), card)


def test_a_card_cannot_be_changed_while_it_is_pressed(connection, platform, lin, card):
    sent = platform.send_card(lin, card)
    failures = []

    def change_too_early(callback):
        try:
            platform.update_card(connection.handle(sent, card), card)
        except PlatformError as failure:
            failures.append(failure)

    connection.receiver.answer_card = change_too_early
    connection.press(sent, "acknowledge")
    assert [type(failure) for failure in failures] == [CardLocked]
    assert failures[0].retryable
    platform.update_card(connection.handle(sent, card), card)


@pytest.mark.parametrize("message_id", ["", "om_x/../y", "om_unknown1234", "bm-1"])
def test_a_message_that_is_not_ours_is_not_changed(connection, platform, card, lin, message_id):
    sent = platform.send_card(lin, card)
    handle = replace(connection.handle(sent, card), message_id=message_id)
    with pytest.raises(PlatformError) as failure:
        platform.update_card(handle, card)
    assert not failure.value.retryable


def test_no_text_of_an_alert_mentions_anybody(connection, platform, lin):
    hostile = '<at id=all></at> <at user_id="all">x</at> [a](https://evil.example)'
    card = make_card(title=hostile, source=hostile, body=(hostile,), footer=hostile)
    platform.send_card(lin, card)
    platform.send_text(lin, hostile)
    shown, text = connection.messages("lin")
    assert "<at" not in json.dumps(shown) + text["text"]
    marked = [part["content"] for part in shown["card"]["body"]["elements"] if part["tag"] == "markdown"]
    assert marked and not any("](" in content for content in (*marked, text["text"]))


def test_a_templates_markup_that_feishu_will_not_draw_does_not_lose_the_news(connection, platform, lin, card):
    wrong = replace(card, body=("**值班** <at id=ou_nobody></at>",), body_is_markup=True)
    sent = platform.send_card(lin, wrong)
    platform.update_card(connection.handle(sent, card), replace(wrong, title="新"))
    (seen,) = connection.messages("lin")
    assert connection.title_of(seen) == "新"
    assert "＜at id&#61;ou&#95;nobody" in json.dumps(seen["card"], ensure_ascii=False)


PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 64


def drawn_images(connection, of: str = "lin") -> list[str]:
    (seen,) = connection.messages(of)
    return re.findall(r"img_v3_[0-9a-z]+", str(seen))


def test_a_picture_is_uploaded_once_and_shown(connection, simulator, platform, lin, card):
    key = platform.upload_picture(PNG, "image/png")
    assert platform.upload_picture(PNG, "image/png") == key
    uploads = [call for call in simulator.control("wire") if call["path"].endswith("im/v1/images")]
    assert len(uploads) == 1
    shown = Picture("https://grafana.example.com/a.png", "磁盘 <at id=all></at>", key)
    platform.send_card(lin, replace(card, pictures=(shown,)))
    assert key in drawn_images(connection)


def test_a_picture_that_feishu_does_not_know_does_not_lose_the_news(connection, platform, lin, card):
    unknown = Picture("https://grafana.example.com/a.png", "", "img_v3_000000000000")
    platform.send_card(lin, replace(card, pictures=(unknown,)))
    assert drawn_images(connection) == []


def test_what_is_no_picture_or_may_not_be_uploaded_is_refused(connection, platform):
    with pytest.raises(PlatformError) as failure:
        platform.upload_picture(b"<html>", "image/png")
    assert not failure.value.retryable
    connection.change_app(scopes=["im:chat", "im:message"])
    with pytest.raises(ScopeMissing):
        platform.upload_picture(PNG + b"1", "image/png")


def test_a_group_that_we_left_or_that_is_gone_is_told(connection, platform, card):
    group = connection.make_group("值班群")
    connection.simulator.control("feishu/remove_bot", {"chat_id": group.external_id, "app_id": connection.app_id})
    with pytest.raises(GroupGone) as failure:
        platform.send_card(group, card)
    assert failure.value.platform_code == "230002"
    another = connection.make_group("另一个群")
    connection.simulator.control("feishu/disband", {"chat_id": another.external_id})
    with pytest.raises(GroupDissolved):
        platform.send_card(another, card)


def test_every_group_is_listed_however_many_pages_there_are(connection, platform):
    assert platform.read_groups([]).groups == []
    made = {connection.make_group(f"群 {number}").external_id for number in range(3)}
    gone = connection.make_group("已解散")
    connection.simulator.control("feishu/disband", {"chat_id": gone.external_id})
    listed = platform.read_groups([]).groups
    assert {group.external_id for group in listed} == made
    assert all(group.member_count for group in listed)
    assert {group.name for group in listed} == {"群 0", "群 1", "群 2"}


def test_pages_are_followed_to_the_last(connection, platform, monkeypatch):
    monkeypatch.setattr("platforms.feishu.client.PAGE_SIZE", 2)
    made = {connection.make_group(f"群 {number}").external_id for number in range(5)}
    known = [Group(external_id, member_count=9) for external_id in made]
    found = platform.read_groups(known).groups
    assert {(group.external_id, group.member_count) for group in found} == {(one, 9) for one in made}
    assert len(connection.simulator.calls("im/v1/chats")) == 3


# --- trouble ------------------------------------------------------------------------------------------------------


def test_the_months_quota_is_told_from_a_burst(connection, simulator, platform, lin, card):
    platform.send_text(lin, "token fetched")
    limits = simulator.control("feishu/limits", {})
    try:
        simulator.control("feishu/limits", {"monthly_calls": 1})
        with pytest.raises(QuotaExhausted) as failure:
            platform.send_card(lin, card)
        assert failure.value.failure == "quota_exhausted"
        assert not failure.value.retryable
        simulator.control("feishu/limits", limits | {"api_per_second": 1})
        with pytest.raises(TooFrequent) as burst:
            for number in range(3):
                platform.send_card(lin, replace(card, reference=f"r{number}"))
        assert burst.value.retry_after == timedelta(seconds=1)
    finally:
        simulator.control("feishu/limits", limits)


def test_one_persons_limit_has_a_pause_of_its_own(connection, platform, lin, card):
    with pytest.raises(ChatTooFrequent) as failure:
        for number in range(20):
            platform.send_card(lin, replace(card, reference=f"r{number}"))
    assert failure.value.retry_after == timedelta(seconds=2)


@pytest.mark.parametrize(
    ("change", "kind", "failure"),
    [
        ({"allowed_ips": ["203.0.113.9"]}, IpNotAllowed, "ip_not_allowed"),
        ({"scopes": ["im:chat"]}, ScopeMissing, "permission_missing"),
        ({"bot": False}, BotMissing, "permission_missing"),
        ({"enabled": False}, AppDisabled, "integration_disabled"),
    ],
)
def test_what_an_administrator_changed_is_explained(connection, platform, lin, card, change, kind, failure):
    connection.change_app(**change)
    with pytest.raises(kind) as refused:
        platform.send_card(lin, card)
    assert refused.value.failure == failure
    assert refused.value.hint % refused.value.params


def test_the_address_that_feishu_saw_is_named(connection, platform, lin, card):
    connection.change_app(allowed_ips=["203.0.113.9"])
    with pytest.raises(IpNotAllowed) as failure:
        platform.send_card(lin, card)
    assert failure.value.params["ip"] == "127.0.0.1"
    assert failure.value.params["log_id"]


def test_an_application_that_was_never_released_says_so(connection, simulator, lin, card):
    made = simulator.control("feishu/apps", {"tenant_key": connection.tenant_key, "released": False})
    fresh = connection.with_settings(app_id=made["app_id"], app_secret=made["secret"])
    with pytest.raises(AppNotReleased):
        fresh.send_card(lin, card)
    assert fresh.run_check("credentials").passed
    for name in ("ip_allowlist", "scopes", "groups", "redirect_url"):
        assert fresh.run_check(name).is_premature
    assert not fresh.run_check("bot").is_premature


def test_a_withdrawn_token_is_replaced_and_another_secret_is_noticed(connection, simulator, platform, lin, card):
    platform.send_text(lin, "eins")
    simulator.control("feishu/invalidate_token", {"app_id": connection.app_id})
    platform.send_card(lin, card)
    assert connection.tokens.fetches == 2


def test_a_wrong_path_is_told_as_such(connection, simulator, platform, lin, card):
    platform.client._base = f"{simulator.url}/open-apis/nowhere"
    with pytest.raises(PlatformError) as failure:
        platform.send_card(lin, card)
    assert failure.value.code == "feishu.address_wrong"


# --- signing in ---------------------------------------------------------------------------------------------------


def test_a_person_comes_back_from_the_sign_in_page(connection, platform):
    url = platform.sign_in_url(REDIRECT_URL, "state1", in_client=True)
    query = parse_qs(urlsplit(url).query)
    assert urlsplit(url).path == "/open-apis/authen/v1/authorize"
    assert query["redirect_uri"] == [REDIRECT_URL]
    assert (query["client_id"], query["state"]) == ([connection.app_id], ["state1"])
    assert requests.get(url, timeout=10, allow_redirects=False).status_code in {200, 302}
    code = connection.sign_in_code("lin", REDIRECT_URL)
    assert platform.identify(code, in_client=False).external_user_id == connection.id_of("lin")


def test_a_code_for_another_address_is_explained(connection, platform):
    code = connection.sign_in_code("lin", REDIRECT_URL)
    with pytest.raises(RedirectNotRegistered):
        platform.identify(code, in_client=False, redirect_uri="http://localhost:8000/elsewhere")


# --- checks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["credentials", "ip_allowlist", "bot", "scopes"])
def test_a_check_passes_by_really_trying(connection, platform, name):
    assert platform.run_check(name).passed


def test_the_credentials_fit_though_the_address_is_not_allowed(connection, platform):
    connection.change_app(allowed_ips=["203.0.113.9"])
    assert platform.run_check("credentials").passed
    refused = platform.run_check("ip_allowlist")
    assert (refused.passed, refused.is_premature) == (False, False)
    assert refused.detail["params"]["ip"] == "127.0.0.1"
    assert platform.run_check("scopes").is_premature


def test_missing_permissions_are_named(connection, platform):
    connection.change_app(scopes=["im:message"])
    result = platform.run_check("scopes")
    assert result.detail["params"]["scopes"] == "im:chat"
    connection.change_app(scopes=["im:message:send_as_bot", "im:chat:readonly"])
    result = platform.run_check("scopes")
    assert result.passed
    assert result.detail["recommended"] == "im:resource:upload"


def test_groups_are_waited_for(connection, platform):
    assert platform.run_check("groups").is_premature
    connection.make_group("值班群")
    assert platform.run_check("groups").passed


def test_the_redirect_url_is_compared_where_it_may_be_read(connection, platform):
    assert platform.run_check("redirect_url").is_premature
    connection.change_app(scopes=["im:chat", "im:message", "application:application:self_manage"])
    assert platform.run_check("redirect_url").passed
    connection.change_app(redirect_urls=["http://localhost:8000/h5/feishu/another/oauth"])
    result = platform.run_check("redirect_url")
    assert not result.passed
    assert result.detail["params"]["expected"] == REDIRECT_URL


def test_a_value_that_is_missing_is_asked_for_first(connection):
    result = connection.with_settings(app_secret="").run_check("credentials")
    assert result.is_premature
