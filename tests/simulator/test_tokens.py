"""Rows T, I and X of the enforcement list: tokens, trusted addresses, frequencies."""

import re

import pytest

from tests.simulator.conftest import CORP


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("corpid=" + CORP, 41004),
        ("corpsecret=x", 41002),
        ("", 41004),
        ("corpid=wwunknown&corpsecret=x", 40013),
        (f"corpid={CORP}&corpsecret=wrong", 40001),
    ],
)
def test_gettoken_names_what_is_wrong(lab, query, code):
    assert lab.http.get(f"/cgi-bin/gettoken?{query}").get_json()["errcode"] == code


def test_a_refusal_looks_like_the_platforms(lab):
    answer = lab.http.get(f"/cgi-bin/gettoken?corpid={CORP}&corpsecret=wrong")
    body = answer.get_json()
    pattern = (
        r"invalid credential, hint: \[\d{13}\d+\], from ip: 127\.0\.0\.1, "
        r"more info at https://open\.work\.weixin\.qq\.com/devtool/query\?e=40001"
    )
    assert answer.status_code == 200
    assert re.fullmatch(pattern, body["errmsg"])
    assert answer.headers["Error-Code"] == "40001"
    assert answer.headers["Error-Msg"] == body["errmsg"]


def test_a_disabled_app_gets_no_token(lab):
    lab.control("wecom/apps", {"corp_id": CORP, "agent_id": lab.agent_id, "enabled": False}, "patch")
    answer = lab.http.get(f"/cgi-bin/gettoken?corpid={CORP}&corpsecret={lab.secret}").get_json()
    assert answer["errcode"] == 40001


def test_the_same_token_comes_back_until_it_expires(lab):
    first = lab.http.get(f"/cgi-bin/gettoken?corpid={CORP}&corpsecret={lab.secret}").get_json()
    assert first["expires_in"] in (7199, 7200)
    assert lab.token() == first["access_token"]
    lab.advance(7201)
    assert lab.token() != first["access_token"]


def test_too_many_wrong_secrets_ban_the_address_for_an_hour(lab):
    lab.control("wecom/limits", {"wrong_secrets_per_hour": 3})
    for _ in range(3):
        lab.http.get(f"/cgi-bin/gettoken?corpid={CORP}&corpsecret=wrong")
    banned = lab.http.get(f"/cgi-bin/gettoken?corpid={CORP}&corpsecret={lab.secret}").get_json()
    assert banned["errcode"] == 45009
    lab.advance(3600)
    assert lab.token()


def test_calls_without_a_live_token_are_refused(lab):
    token = lab.token()
    lab.advance(7300)
    for query, code in (("", 41001), ("access_token=garbage", 40014), (f"access_token={token}", 42001)):
        assert lab.http.get(f"/cgi-bin/agent/get?{query}").get_json()["errcode"] == code


@pytest.mark.parametrize(("how", "code"), [("invalid", 40014), ("expired", 42001)])
def test_a_token_withdrawn_early_is_dead_and_the_next_one_works(lab, how, code):
    token = lab.token()
    lab.control("wecom/invalidate_token", {"corp_id": CORP, "agent_id": lab.agent_id, "how": how})
    assert lab.http.get(f"/cgi-bin/getcallbackip?access_token={token}").get_json()["errcode"] == code
    assert lab.call("getcallbackip")["errcode"] == 0


def test_a_token_works_only_for_its_own_app(lab):
    other = lab.new_app(name="另一个")
    body = {"touser": "zhangsan", "msgtype": "text", "agentid": lab.agent_id, "text": {"content": "x"}}
    assert lab.call("message/send", body, secret=other["secret"])["errcode"] == 301002


def test_the_contact_sync_assistant_cannot_send(lab):
    secret = lab.get("state")["wecom"]["corps"][0]["contact_sync_secret"]
    lab.control("wecom/apps", {"corp_id": CORP, "agent_id": 0, "trusted_ips": ["127.0.0.1"]}, "patch")
    lab.advance(61)
    body = {"touser": "zhangsan", "msgtype": "text", "agentid": lab.agent_id, "text": {"content": "x"}}
    assert lab.call("message/send", body, secret=secret)["errcode"] == 48002


def test_an_unlisted_address_is_refused_with_the_address_it_came_from(lab):
    lab.control("wecom/apps", {"corp_id": CORP, "agent_id": lab.agent_id, "trusted_ips": ["203.0.113.9"]}, "patch")
    answer = lab.send()
    assert answer["errcode"] == 60020
    assert "from ip: 127.0.0.1" in answer["errmsg"]


def test_a_listed_address_works_after_a_minute(lab):
    app = lab.new_app(name="新应用", trusted_ips=[])
    listed = {"corp_id": CORP, "agent_id": app["agent_id"], "trusted_ips": ["127.0.0.1"]}
    lab.control("wecom/apps", listed, "patch")
    assert lab.call("getcallbackip", secret=app["secret"])["errcode"] == 60020
    lab.advance(61)
    assert lab.call("getcallbackip", secret=app["secret"])["errcode"] == 0


def test_the_delay_of_trusted_addresses_can_be_shortened(lab):
    lab.control("wecom/corps", {"corp_id": CORP, "ip_delay_seconds": 0}, "patch")
    app = lab.new_app(name="新应用", trusted_ips=[])
    lab.control("wecom/apps", {"corp_id": CORP, "agent_id": app["agent_id"], "trusted_ips": ["127.0.0.1"]}, "patch")
    assert lab.call("getcallbackip", secret=app["secret"])["errcode"] == 0


@pytest.mark.parametrize("limit", ["corp_api_per_minute", "ip_api_per_minute"])
def test_the_base_frequency_is_kept(lab, limit):
    lab.control("wecom/limits", {limit: 2})
    codes = [lab.call("getcallbackip")["errcode"] for _ in range(2)]
    token_frequency_is_counted_too = lab.http.get(f"/cgi-bin/gettoken?corpid={CORP}&corpsecret={lab.secret}")
    assert codes == [0, 0]
    assert token_frequency_is_counted_too.get_json()["errcode"] == 45009


def test_debug_allows_five_calls_a_minute(lab):
    codes = [lab.call("getcallbackip", debug=1)["errcode"] for _ in range(6)]
    assert codes == [0, 0, 0, 0, 0, 45009]


def test_an_unknown_call_is_forbidden(lab):
    assert lab.call("nobody/knows")["errcode"] == 48002
