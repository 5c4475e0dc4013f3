"""What only WeCom does, against the simulator."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from platforms.base import CardHandle, IncidentCard, OtherEvent, Recipient
from platforms.errors import AddressRefused, RecipientUnreachable
from platforms.http import Transport
from platforms.outbound import AddressGuard
from platforms.wecom.errors import AgentMismatch, DayUsedUp, IpNotTrusted, TooFrequent, from_answer
from platforms.wecom.platform import WeCom
from tests.contract.wecom import make_connection
from tests.tokens import MemoryTokens

TEXT = (
    "<xml><ToUserName><![CDATA[{corp}]]></ToUserName><FromUserName><![CDATA[lin]]></FromUserName>"
    "<CreateTime>1718000123</CreateTime><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[{event}]]></Event>"
    "<AgentID>{agent}</AgentID></xml>"
)


@pytest.fixture
def connection(simulator, receiver):
    return make_connection(simulator, receiver)


@pytest.fixture
def platform(connection):
    return connection.platform


def plain(connection, event: str = "enter_agent", agent: int = 1000002) -> str:
    return TEXT.format(corp=connection.corp_id, event=event, agent=agent)


def test_other_events_are_understood_and_answered_empty(connection):
    answer = connection.event(plain(connection))
    event = connection.receiver.callbacks[-1]
    assert (answer["http_status"], answer["answer"]) == (200, "")
    assert isinstance(event, OtherEvent)
    assert event.kind == "enter_agent"


@pytest.mark.parametrize("tamper", ["signature", "receive_id", "ciphertext", "unsigned"])
def test_what_is_not_genuine_is_refused(connection, tamper):
    before = len(connection.receiver.callbacks)
    answer = connection.event(plain(connection), tamper=tamper)
    assert answer["http_status"] == 403
    assert answer["answer"] == ""
    assert len(connection.receiver.callbacks) == before


def test_an_event_of_another_application_is_refused(connection):
    assert connection.event(plain(connection, agent=1000009))["http_status"] == 403


def test_a_card_asks_for_the_duplicate_check_in_plain_utf8(connection, platform, card):
    platform.send_card(connection.member("lin"), card)
    (call,) = connection.simulator.calls("message/send")
    assert '"enable_duplicate_check":1' in call["request"]
    assert "值班铃" in call["request"]
    assert "\\u" not in call["request"]


def test_an_address_that_is_not_trusted_is_named(connection, platform, card):
    connection.change_app(trusted_ips=["203.0.113.9"])
    with pytest.raises(IpNotTrusted) as failure:
        platform.send_card(connection.member("lin"), card)
    assert failure.value.params["ip"] == "127.0.0.1"
    assert failure.value.failure == "ip_not_allowed"


def test_an_application_without_callback_address_sends_the_news_without_buttons(connection, platform, card):
    connection.change_app(callback=None)
    sent = platform.send_card(connection.member("lin"), card)
    assert sent.lacks_buttons and sent.update_code is None
    (message,) = connection.messages("lin")
    assert message["buttons"] == []
    assert card.title in message["card"]["main_title"]["title"]


def test_a_secret_of_another_application_is_recognised(connection, card):
    other = connection.simulator.control("wecom/apps", {"corp_id": connection.corp_id, "trusted_ips": ["127.0.0.1"]})
    platform = connection.with_settings(secret=other["secret"])
    with pytest.raises(AgentMismatch):
        platform.send_card(connection.member("lin"), card)
    assert platform.run_check("credentials").detail["code"] == "wecom.agent_mismatch"


def test_a_userid_is_the_same_in_any_case(connection, platform, card):
    platform.send_card(connection.member("LIN"), card)
    assert len(connection.messages("lin")) == 1


def test_a_very_long_text_is_cut_at_a_character(connection, platform):
    platform.send_text(connection.member("lin"), "警" * 2000)
    content = connection.messages("lin")[0]["card"]["content"]
    assert len(content.encode()) <= 2048
    assert content == "警" * (len(content) - 1) + "…"


def test_everybody_is_reached_by_one_message_and_only_when_meant(connection, platform):
    everybody = platform.capabilities.everybody
    with pytest.raises(RecipientUnreachable):
        platform.send_text(Recipient(everybody), "演练")
    platform.send_text(Recipient(everybody, is_everybody=True), "演练")
    assert [connection.messages(person)[0]["card"]["content"] for person in ("lin", "wu")] == ["演练", "演练"]


@pytest.mark.parametrize("name", ["credentials", "trusted_ip", "visible_range", "domain"])
def test_the_checks_pass_on_a_right_set_up(platform, name):
    assert platform.run_check(name).passed


def test_the_trusted_ip_check_names_the_address(connection, platform):
    connection.change_app(trusted_ips=[])
    result = platform.run_check("trusted_ip")
    assert not result.passed
    assert result.detail["params"]["ip"] == "127.0.0.1"
    assert platform.run_check("credentials").passed


def test_the_whole_company_is_recognised(connection, platform):
    connection.change_app(visible="all")
    assert platform.run_check("visible_range").detail["whole_company"] is True


def test_another_domain_is_shown(connection, platform):
    connection.change_app(trusted_domain="other.example.com")
    result = platform.run_check("domain")
    assert result.detail["params"]["found"] == "other.example.com"


def test_the_domain_is_taken_on_trust_while_the_address_is_not_trusted(connection, platform):
    connection.change_app(trusted_ips=[])
    result = platform.run_check("domain")
    assert result.passed
    assert result.detail["confirmed"] is False


def test_the_sign_in_inside_the_client_is_silent(connection, platform):
    url = platform.sign_in_url("https://a.example.com/h5?x=1", "s1", in_client=True)
    assert url.startswith(f"{connection.simulator.url}/connect/oauth2/authorize?")
    assert url.endswith("#wechat_redirect")
    query = parse_qs(urlsplit(url).query)
    assert query["redirect_uri"] == ["https://a.example.com/h5?x=1"]
    assert query["scope"] == ["snsapi_base"]
    assert query["agentid"] == ["1000002"]


def test_the_sign_in_outside_the_client_is_the_web_login(platform):
    url = platform.sign_in_url("https://a.example.com/h5", "s1", in_client=False)
    query = parse_qs(urlsplit(url).query)
    assert urlsplit(url).path == "/wwlogin/sso/login"
    assert query["login_type"] == ["CorpApp"]


def test_too_frequent_calls_wait_at_least_a_minute():
    assert from_answer(45009, "api freq out of limit").retry_after == timedelta(seconds=60)


def test_a_used_up_day_is_told_from_other_calls_that_are_too_frequent(connection, simulator, platform, card):
    """Only messages use it up: cards that are there can be changed."""
    lin = connection.member("lin")
    sent = platform.send_card(lin, card)
    limits = simulator.control("wecom/limits", {})
    try:
        simulator.control("wecom/limits", {"account_limit": 0})
        for send in (lambda: platform.send_text(lin, "x"), lambda: platform.send_card(lin, another(card))):
            with pytest.raises(DayUsedUp) as failure:
                send()
            assert (failure.value.failure, failure.value.retryable) == ("quota_exhausted", True)
            assert failure.value.retry_after == timedelta(seconds=60)
        platform.update_card(CardHandle(lin, card.reference, sent.message_id, sent.update_code or ""), card)
    finally:
        simulator.control("wecom/limits", limits)
    assert platform.send_card(lin, another(card)).update_code


def test_a_token_that_is_asked_for_too_often_is_no_used_up_day(connection, simulator, card):
    platform, limits = connection.platform, simulator.control("wecom/limits", {})
    platform.client._tokens = MemoryTokens()
    try:
        simulator.control("wecom/limits", {"wrong_secrets_per_hour": 0})
        with pytest.raises(TooFrequent) as failure:
            platform.send_card(connection.member("lin"), card)
    finally:
        simulator.control("wecom/limits", limits)
    assert not isinstance(failure.value, DayUsedUp)


def another(card: IncidentCard) -> IncidentCard:
    return replace(card, reference=f"{card.reference}-2")


def test_a_private_deployment_is_reached_through_the_guard_of_entered_addresses(connection, card):
    """As the demo allows it: the operator listed the simulator, which is neither https nor elsewhere."""
    own = ("http://localhost:8000", "127.0.0.1")
    guard = AddressGuard([connection.simulator.url], own_addresses=own, is_demo=True)
    private = replace(connection.platform.settings, is_private=True, endpoint=connection.simulator.url)
    nowhere = {"api": "http://nowhere.invalid"}
    guard.check(private.endpoint)
    platform = WeCom(private, nowhere, MemoryTokens(), Transport(resolve=guard.resolve))
    assert platform.run_check("endpoint").passed
    assert platform.send_card(connection.member("lin"), card).update_code


def test_outside_a_demo_the_same_address_is_refused(connection):
    with pytest.raises(AddressRefused):
        AddressGuard([connection.simulator.url]).check(connection.simulator.url)
