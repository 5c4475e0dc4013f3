"""Events: checking the address, signatures, what is tried again, what is told of groups; the official vectors."""

from threading import Event

import pytest

from simulator import sealing
from simulator.dingtalk import events, presses
from tests.simulator.dingtalk.conftest import CLIENT, CORP, KEY, TOKEN, sealed

VECTORS = [
    (
        "mryue",
        "Yue0EfdN5900c1ce5cf6A152c63DDe1808a60c5ecd7",
        "ding6ccabc44d2c8d38b",
        ("1608001896814", "WL4PK6yA", "03044561471240d4a14bb09372dfcfd4fd0e40cb"),
        "0vJiX6vliEpwG3U45CtXqi+m8PXbQRARJ8p8BbDuD1EMTDf0jKpQ79QS93qEk7XHpP6u+oTTrd15NRPvNvmBKyDCYxxOK+HZeKju4yhELOFc"
        "hzNukR+t8SB/qk4ROMu3",
        b'{"EventType":"check_url"}',
    ),
    (
        "123456",
        "1234567890123456789012345678901234567890123",
        "dingsnotzck6pm5veliw",
        ("1614767836", "A7Co0cJLMzIDtMMI", "9a95a004dd16f5c307e849b994173f76aa26e5eb"),
        "YvkvaGe4hQxd3VxRmEty0dVlnCOAqwf56xwTRHDHoOURqhalbmBJQk5FNcRk42Gl5T0YQXZNwpwWSm1xAFJ5ZA==",
        b"success",
    ),
]


@pytest.mark.parametrize(("token", "key", "suffix", "signed", "encrypted", "plain"), VECTORS, ids=["A", "D"])
def test_the_official_vectors(token, key, suffix, signed, encrypted, plain):
    assert sealing.is_signed(token, signed[0], signed[1], encrypted, signed[2])
    assert sealing.decrypt(key, encrypted) == (plain, suffix)
    again = sealing.encrypt(key, plain, suffix, b"0123456789abcdef")
    assert sealing.decrypt(key, again) == (plain, suffix)
    with pytest.raises(sealing.CryptoError):
        sealing.decrypt(key[:-1], encrypted)
    assert presses.card_signature("cardApiSecret123", "1767225602000") == "TRpkmYInHDN2dGBsN2se9wLRuR9obEvSCWUKByf4bhA="


def save(lab, product, **changes):
    body = {"client_id": CLIENT, "url": f"{product.url}/event", "aes_key": KEY, "token": TOKEN}
    return lab.control("dingtalk/event_url", body | changes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aes_key": KEY[:-1]}, "43 位"),
        ({"token": "ab"}, "3 到 32 位"),
        ({"token": "x" * 33}, "3 到 32 位"),
        ({"url": "ftp://x"}, "http"),
        ({"token": "another"}, "HTTP 403"),
        ({"aes_key": "b" * 43}, "HTTP请求结果校验返回字段值失败"),
        ({"url": "http://127.0.0.1:9/event"}, "HTTP请求结果校验返回字段值失败"),
    ],
)
def test_addresses_that_are_not_saved(lab, product, changes, reason):
    answer = save(lab, product, **changes)
    assert answer["ok"] is False
    assert reason in answer["reason"]
    assert lab.http.get("/control/state").get_json()["dingtalk"]["corps"][0]["apps"][0]["event_url"] == ""


@pytest.mark.parametrize(
    "reply",
    [
        lambda event: ("success", 200),
        lambda event: {"encrypt": "x"},
        lambda event: sealed("ok"),
        lambda event: sealed("success", suffix=CORP),
        lambda event: sealed("success", token="other"),
        lambda event: ("", 204),
        lambda event: sealed(f"success{Event().wait(1) or ''}"),
    ],
    ids=["plain", "no signature", "other word", "other suffix", "other token", "204", "late"],
)
def test_answers_that_do_not_save_an_address(lab, product, reply, monkeypatch):
    monkeypatch.setattr(events, "ANSWER_SECONDS", 0.5)
    product.reply = reply
    assert save(lab, product)["ok"] is False
    product.reply = lambda event: "success"
    assert save(lab, product)["ok"] is True
    assert product.events[-1] == {"EventType": "check_url"}


def test_what_a_push_looks_like(wired, product):
    wired.control("dingtalk/uninstall", {"client_id": CLIENT, "cid": wired.cid, "operator": "wu"})
    event, query = product.events[-1], product.queries[-1]
    assert query["signature"] == query["msg_signature"]
    assert (len(query["timestamp"]), len(query["nonce"])) == (13, 8)
    assert {"EventTime", "CorpId", "BizId", "eventId"} <= set(event)
    assert (event["EventType"], event["operator"], event["robotCode"]) == ("im_cool_app_uninstall", "wu", CLIENT)
    assert (event["openConversationId"], event["coolAppCode"]) == (wired.cid, wired.cool_app_code)
    assert isinstance(event["operateTime"], str)
    assert "title" not in event


def test_groups_are_told_of_while_the_cool_app_is_in_them(wired, product):
    seen = len(product.events)
    wired.control("dingtalk/rename", {"cid": wired.new_group(), "title": "无关的群"})
    assert len(product.events) == seen
    wired.control("dingtalk/rename", {"cid": wired.cid, "title": "生产告警群"})
    event = product.events[-1]
    assert (event["EventType"], event["title"]) == ("chat_update_title", "生产告警群")
    assert isinstance(event["timeStamp"], int)
    wired.control("dingtalk/disband", {"cid": wired.cid})
    assert product.events[-1]["EventType"] == "chat_disband"


def test_only_ticked_events_are_pushed(wired, product):
    save(wired, product, tags=["im_cool_app_install"])
    seen = len(product.events)
    assert wired.control("dingtalk/rename", {"cid": wired.cid, "title": "x"})[0]["problem"] == "not subscribed"
    assert len(product.events) == seen


def test_older_modes(wired, product):
    wired.change(suffix="corp_id", pascal_case=True)
    product.suffix = CORP
    assert wired.control("dingtalk/rename", {"cid": wired.cid, "title": "旧式"})[0]["problem"] == ""
    event = product.events[-1]
    assert (event["Title"], event["OpenConversationId"]) == ("旧式", wired.cid)
    assert "operator" not in {name.lower() for name in event}


def test_what_is_not_taken_comes_again_after_ten_and_thirty_seconds(wired, product):
    product.reply = lambda event: ("no", 500)
    wired.control("dingtalk/rename", {"cid": wired.cid, "title": "x"})
    first = product.events[-1]["eventId"]
    seen = len(product.events)
    for seconds, tries in ((9, 0), (2, 1), (28, 1), (3, 2), (3600, 2)):
        wired.control("clock", {"advance_seconds": seconds})
        assert len(product.events) == seen + tries
    assert {event["eventId"] for event in product.events[seen:]} == {first}
    failed = wired.old("/call_back/get_call_back_failed_result")
    assert (failed["has_more"], len(failed["failed_list"])) == (False, 1)
    assert failed["failed_list"][0]["call_back_tag"] == "chat_update_title"
    assert wired.old("/call_back/get_call_back_failed_result")["failed_list"] == []


def test_a_lost_answer_and_a_retry_by_hand(wired, product):
    wired.control("faults", {"platform": "dingtalk", "fault": "callback_lost", "path": "/event"})
    assert wired.control("dingtalk/rename", {"cid": wired.cid, "title": "x"})[0]["problem"]
    assert [each["problem"] for each in wired.control("dingtalk/retry", {})] == [""]
    assert product.events[-1]["eventId"] == product.events[-2]["eventId"]
    assert wired.control("dingtalk/retry", {}) == []


@pytest.mark.parametrize("tamper", ["signature", "suffix", "ciphertext", "unsigned"])
def test_pushes_against_the_rules(wired, product, tamper):
    event = {"EventType": "chat_disband", "openConversationId": wired.cid}
    seen = len(product.events)
    answer = wired.control("dingtalk/event", {"client_id": CLIENT, "event": event, "tamper": tamper})
    assert (answer["http_status"], len(product.events)) == (403, seen)
    assert wired.control("dingtalk/event", {"client_id": CLIENT, "event": event, "tamper": "old_name"})["problem"] == ""


def test_the_monthly_quota_of_pushes(wired, product):
    wired.control("dingtalk/limits", {"monthly_pushes": 1})
    told = [wired.control("dingtalk/rename", {"cid": wired.cid, "title": f"x{n}"})[0]["problem"] for n in range(2)]
    assert told == ["", "monthly quota of pushes used up"]
