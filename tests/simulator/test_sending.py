"""Rows S of the enforcement list: receivers, kinds, limits, duplicates, recall."""

import json
from datetime import UTC, datetime

import pytest

from simulator.counters import DAY, Counters
from tests.simulator.conftest import CORP


def test_nobody_named_is_an_error_whose_number_can_be_chosen(lab):
    assert lab.send("")["errcode"] == 82001
    lab.control("wecom/pairings", {"no_receiver": 81012})
    assert lab.send("")["errcode"] == 81012


@pytest.mark.parametrize(
    ("field", "many", "code"),
    [("touser", 1001, 40032), ("toparty", 101, 82002), ("totag", 101, 82003)],
)
def test_long_lists_of_receivers_are_refused(lab, field, many, code):
    names = "|".join(str(number) for number in range(many))
    answer = lab.call(
        "message/send", {field: names, "msgtype": "text", "agentid": lab.agent_id, "text": {"content": "x"}}
    )
    assert answer["errcode"] == code


def test_some_invalid_receivers_are_listed_in_lower_case(lab):
    answer = lab.send("zhangsan|Nobody|lisi|GONE")
    assert (answer["errcode"], answer["invaliduser"]) == (0, "nobody|gone")
    assert lab.seen_by("LiSi")[0]["to"] == "LiSi"


def test_only_invalid_receivers_are_an_error_with_the_list(lab):
    answer = lab.send("nobody")
    assert answer["errcode"] == 81013
    assert answer["errmsg"].startswith("user & party & tag all invalid, hint")
    assert answer["invaliduser"] == "nobody"


def test_a_member_outside_the_visible_range_is_invalid(lab):
    lab.control("wecom/apps", {"corp_id": CORP, "agent_id": lab.agent_id, "visible": ["zhangsan"]}, "patch")
    assert lab.send("zhangsan|lisi")["invaliduser"] == "lisi"


def test_at_all_reaches_the_range_and_ignores_parties(lab):
    lab.control("wecom/apps", {"corp_id": CORP, "agent_id": lab.agent_id, "visible": [2]}, "patch")
    body = {"touser": "@all", "toparty": "99", "msgtype": "text", "agentid": lab.agent_id, "text": {"content": "x"}}
    answer = lab.call("message/send", body)
    assert "invalidparty" not in answer
    assert (len(lab.seen_by("zhou")), len(lab.seen_by("zhangsan"))) == (1, 0)


def test_a_party_reaches_its_members(lab):
    body = {"toparty": "2|77", "msgtype": "text", "agentid": lab.agent_id, "text": {"content": "x"}}
    assert lab.call("message/send", body)["invalidparty"] == "77"
    assert len(lab.seen_by("zhou")) == 1


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"msgtype": "smoke", "smoke": {}}, 40008),
        ({"msgtype": "text"}, 40063),
        ({"msgtype": "text", "text": {"content": ""}}, 44004),
        ({"msgtype": "markdown", "markdown": {"content": ""}}, 44004),
        ({"msgtype": "markdown", "markdown": {"content": "字" * 700}}, 40058),
        ({"msgtype": "textcard", "textcard": {"title": "t", "description": "d"}}, 40058),
        ({"msgtype": "textcard", "textcard": {"title": "t", "description": "d", "url": "x.example/1"}}, 45034),
        ({"msgtype": "textcard", "textcard": {"description": "d", "url": "http://x"}}, 40058),
        ({"msgtype": "news", "news": {"articles": []}}, 40058),
        ({"msgtype": "image", "image": {}}, 40058),
    ],
)
def test_wrong_messages_are_refused(lab, message, code):
    assert lab.send(**message)["errcode"] == code


def test_a_long_text_is_delivered_cut_at_2048_bytes(lab):
    lab.send(msgtype="text", text={"content": "字" * 1000})
    assert lab.seen_by()[0]["card"]["content"] == "字" * 682


def test_a_text_card_is_cut_too(lab):
    lab.send(
        msgtype="textcard",
        textcard={"title": "t" * 200, "description": "d" * 600, "url": "http://x", "btntxt": "一二三四五"},
    )
    card = lab.seen_by()[0]["card"]
    assert (len(card["title"]), len(card["description"]), card["btntxt"]) == (128, 512, "一二三四")


@pytest.mark.parametrize(("agentid", "code"), [(None, 41011), ("abc", 40056), (99, 301002)])
def test_the_agent_is_checked(lab, agentid, code):
    body = {"touser": "zhangsan", "msgtype": "text", "agentid": agentid, "text": {"content": "x"}}
    assert lab.call("message/send", body)["errcode"] == code


def test_the_thirty_first_message_in_a_minute_is_lost_without_an_error(lab):
    answers = [lab.send()["errcode"] for _ in range(31)]
    assert answers == [0] * 31
    assert len(lab.seen_by()) == 30
    lab.advance(61)
    lab.send()
    assert len(lab.seen_by()) == 31


def test_the_hourly_limit_of_a_member_holds_too(lab):
    lab.control("wecom/limits", {"per_member_per_hour": 2})
    for _ in range(3):
        lab.send()
        lab.advance(61)
    assert len(lab.seen_by()) == 2


def test_the_daily_quota_of_an_app_is_an_error(lab):
    lab.control("wecom/limits", {"account_limit": 0})
    assert lab.send()["errcode"] == 45009


def test_the_daily_quota_counts_people(lab):
    lab.control("wecom/limits", {"account_limit": 1})
    assert {lab.send()["errcode"] for _ in range(199)} == {0}
    assert lab.send(touser="zhangsan|lisi")["errcode"] == 45009
    assert lab.send()["errcode"] == 0
    assert lab.send()["errcode"] == 45009
    lab.advance(86400)
    assert lab.send(touser="zhangsan|lisi")["errcode"] == 0


def test_a_day_begins_at_midnight_in_china():
    counters, midnight = Counters(), datetime(2026, 3, 5, 16, tzinfo=UTC).timestamp()
    assert [counters.add("x", midnight - seconds, DAY) for seconds in (DAY, 1, 0)] == [1, 2, 1]


def test_messages_do_not_count_to_the_base_frequency(lab):
    body = {"touser": "zhangsan", "msgtype": "text", "agentid": lab.agent_id, "text": {"content": "x"}}
    path = f"/cgi-bin/message/send?access_token={lab.token()}"
    lab.control("wecom/limits", {"corp_api_per_minute": 1, "ip_api_per_minute": 1})
    assert [lab.http.post(path, json=body).get_json()["errcode"] for _ in range(3)] == [0] * 3


def test_a_duplicate_within_the_interval_answers_ok_and_is_not_delivered(lab):
    message = {"msgtype": "text", "text": {"content": "x"}, "enable_duplicate_check": 1, "duplicate_check_interval": 60}
    assert [lab.send(**message)["errcode"] for _ in range(2)] == [0, 0]
    assert len(lab.seen_by()) == 1
    lab.advance(61)
    lab.send(**message)
    assert len(lab.seen_by()) == 2


def test_a_duplicate_interval_beyond_four_hours_is_refused_or_clamped(lab):
    message = {"msgtype": "text", "text": {"content": "x"}, "enable_duplicate_check": 1}
    assert lab.send(**message, duplicate_check_interval=14401)["errcode"] == 40058
    lab.control("wecom/pairings", {"duplicate_interval_too_long": None})
    assert lab.send(**message, duplicate_check_interval=14401)["errcode"] == 0


def test_a_body_that_is_not_json_is_named(lab):
    path = f"/cgi-bin/message/send?access_token={lab.token()}"
    broken = lab.http.post(path, data="{", content_type="application/json").get_json()
    assert broken["errcode"] == 40058
    assert "Warning: wrong json format." in broken["errmsg"]
    assert lab.http.post(path, data={"touser": "zhangsan"}).get_json()["errcode"] == 40063
    assert lab.http.get(path).get_json()["errcode"] == 40058


def test_escapes_and_unknown_fields_are_accepted_until_the_switch(lab):
    path = f"/cgi-bin/message/send?access_token={lab.token()}"
    body = {"touser": "zhangsan", "msgtype": "text", "agentid": lab.agent_id, "text": {"content": "字"}, "extra": 1}
    escaped = json.dumps(body)
    assert lab.http.post(path, data=escaped).get_json()["errcode"] == 0
    lab.control("wecom/pairings", {"unicode_escapes": 40033})
    assert lab.http.post(path, data=escaped).get_json()["errcode"] == 40033


def test_a_message_can_be_recalled_once(lab):
    sent = lab.send()
    assert lab.call("message/recall", {"msgid": sent["msgid"]})["errcode"] == 0
    assert lab.seen_by() == []
    assert lab.call("message/recall", {"msgid": sent["msgid"]})["errcode"] == 40058


def test_old_messages_and_those_of_other_apps_cannot_be_recalled(lab):
    sent, other = lab.send(), lab.new_app(name="另一个")
    assert lab.call("message/recall", {"msgid": sent["msgid"]}, secret=other["secret"])["errcode"] == 40058
    lab.advance(24 * 3600 + 1)
    assert lab.call("message/recall", {"msgid": sent["msgid"]})["errcode"] == 40058
