"""What the product is sent: the address check, events with their repeats, and what is wrong with them on purpose."""

import json

import pytest

from simulator.feishu import crypto
from tests.simulator.feishu.conftest import KEY, TENANT, TOKEN


def opened(raw):
    return json.loads(crypto.decrypt(KEY, json.loads(raw)["encrypt"]))


def deliveries(answer):
    return [[attempt["http_status"] for attempt in delivery["attempts"]] for delivery in answer["deliveries"]]


def test_the_address_check_is_encrypted_and_not_signed(wired, product):
    raw, headers = product.posts[0]
    assert set(opened(raw)) == {"challenge", "token", "type"}
    assert opened(raw)["token"] == TOKEN
    assert not [name for name in headers if name.lower().startswith("x-lark")]


def test_without_a_key_the_check_is_plain(lab, product):
    lab.change(encrypt_key="")
    assert lab.control("feishu/event_url", {"app_id": lab.app["app_id"], "url": product.url})["ok"]
    assert json.loads(product.posts[0][0])["type"] == "url_verification"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda challenge: {"challenge": "other"}, "Challenge code 没有返回"),
        (lambda challenge: challenge, "返回数据不是合法的 JSON 格式"),
        (lambda challenge: ({"challenge": challenge}, 403), "返回 HTTP 403，应为 200"),
        (lambda challenge: {"msg": "ok"}, "Challenge code 没有返回"),
    ],
)
@pytest.mark.parametrize("name", ["event_url", "card_url"])
def test_an_address_that_does_not_answer_is_not_saved(lab, product, name, answer, reason):
    product.check = answer
    saved = lab.control(f"feishu/{name}", {"app_id": lab.app["app_id"], "url": product.url})
    assert saved == {"ok": False, "reason": reason}
    assert lab.change()["event_url"] == ""
    assert lab.change()["online"]["card_url"] == ""


@pytest.mark.parametrize(
    ("url", "reason"),
    [("ftp://x", "请填写有效的 HTTP/HTTPS URL"), ("http://127.0.0.1:9", "请求地址无法连接（Connection refused）")],
)
def test_an_address_nobody_listens_at_is_not_saved(lab, url, reason):
    assert lab.control("feishu/event_url", {"app_id": lab.app["app_id"], "url": url})["reason"] == reason


def test_an_event_is_signed_over_its_bytes(wired, product):
    group = wired.group("值班告警群")
    raw, headers = product.posts[-1]
    stamp, nonce = headers["X-Lark-Request-Timestamp"], headers["X-Lark-Request-Nonce"]
    assert headers["X-Lark-Signature"] == crypto.signature(KEY, stamp, nonce, raw)
    assert raw.startswith(b'{"encrypt":"')
    [body] = product.received
    header, event = body["header"], body["event"]
    assert (body["schema"], header["event_type"]) == ("2.0", "im.chat.member.bot.added_v1")
    assert (header["token"], header["app_id"], header["tenant_key"]) == (TOKEN, wired.app["app_id"], TENANT)
    assert len(header["create_time"]) == 13
    assert (event["chat_id"], event["name"], event["external"]) == (group, "值班告警群", False)
    assert event["operator_id"]["open_id"] == wired.open_id()


def test_what_happens_to_a_group_is_told(wired, product):
    group = wired.group("甲")
    where = {"chat_id": group}
    wired.control("feishu/groups", where | {"name": "乙", "by": "wu"}, "patch")
    wired.control("feishu/remove_bot", where | {"app_id": wired.app["app_id"]})
    wired.control("feishu/groups", where | {"name": "丙"}, "patch")  # the bot has gone
    wired.control("feishu/add_bot", where | {"app_id": wired.app["app_id"]})
    wired.control("feishu/disband", where)
    kinds = [body["header"]["event_type"].removeprefix("im.chat.") for body in product.received]
    added, removed = "member.bot.added_v1", "member.bot.deleted_v1"
    assert kinds == [added, "updated_v1", removed, added, "disbanded_v1"]
    change = product.received[1]["event"]
    assert (change["after_change"], change["before_change"]) == ({"name": "乙"}, {"name": "甲"})
    assert change["operator_id"]["open_id"] == wired.open_id("wu")


def test_nobody_is_told_when_the_members_keep_the_history(wired, product):
    group = wired.group()
    assert wired.control("feishu/disband", {"chat_id": group, "keeps_history": True}) == {"deliveries": []}
    assert wired.send(None, group)["code"] == 232009


def test_a_member_who_leaves_is_told(wired, product):
    wired.change(scopes=["contact:user.base:readonly"])
    wired.control("feishu/resign", {"tenant_key": TENANT, "person": "wu"})
    [body] = product.received
    assert body["event"]["object"]["open_id"] == wired.open_id("wu")


@pytest.mark.parametrize("change", [{"events": []}, {"scopes": []}])
def test_events_need_a_subscription_and_a_permission(wired, product, change):
    wired.change(**change)
    wired.group()
    assert product.received == []


def test_a_subscription_waits_for_its_version(wired, product):
    wired.change(events=[])
    wired.change(events=["im.chat.member.bot.added_v1"], released=False)
    wired.group()
    assert product.received == []
    wired.control("feishu/release", {"app_id": wired.app["app_id"]})
    wired.group()
    assert len(product.received) == 1


def test_an_unanswered_event_comes_four_times_more(wired, product):
    product.respond = lambda body: ("no", 500)
    wired.group()
    for wait in (15, 300, 3600, 21600):
        assert wired.control("feishu/deliver") == {"deliveries": []}
        wired.advance(wait)
        assert deliveries(wired.control("feishu/deliver")) == [[500]]
    wired.advance(100_000)
    assert wired.control("feishu/deliver") == {"deliveries": []}
    assert len(product.received) == 5
    assert len({body["header"]["event_id"] for body in product.received}) == 1


def test_an_answer_ends_the_repeats(wired, product):
    product.respond = lambda body: ("no", 500)
    wired.group()
    product.respond = lambda body: {}
    wired.advance(15)
    assert deliveries(wired.control("feishu/deliver")) == [[200]]
    wired.advance(300)
    assert wired.control("feishu/deliver") == {"deliveries": []}


def test_a_lost_answer_is_no_answer(wired, product):
    wired.control("faults", {"platform": "feishu", "fault": "callback_lost"})
    wired.group()
    wired.advance(15)
    assert deliveries(wired.control("feishu/deliver")) == [[200]]
    assert product.received[0] == product.received[1]


def test_any_event_may_be_sent(wired, product):
    body = {"app_id": wired.app["app_id"], "type": "im.message.receive_v1", "event": {"a": 1}}
    answer = wired.control("feishu/event", body)
    assert (answer["http_status"], answer["next_at"]) == (200, 0)
    assert product.received[0]["event"] == {"a": 1}
    wired.control("feishu/event", {"app_id": wired.app["app_id"], "plaintext": '{"schema":"2.0","x":1}'})
    assert product.received[1] == {"schema": "2.0", "x": 1}


@pytest.mark.parametrize("tamper", ["signature", "unsigned", "token", "app_id", "tenant_key", "plaintext"])
def test_a_spoilt_event_is_wrong_in_one_way(wired, product, tamper):
    body = {"app_id": wired.app["app_id"], "type": "im.chat.updated_v1", "event": {}, "tamper": tamper}
    wired.control("feishu/event", body)
    raw, headers = product.posts[-1]
    stamp, nonce = headers.get("X-Lark-Request-Timestamp", ""), headers.get("X-Lark-Request-Nonce", "")
    is_signed = headers.get("X-Lark-Signature") == crypto.signature(KEY, stamp, nonce, raw)
    assert is_signed is (tamper not in ("signature", "unsigned"))
    assert raw.startswith(b'{"encrypt"') is (tamper != "plaintext")
    header = product.received[-1]["header"]
    right = {"token": TOKEN, "app_id": wired.app["app_id"], "tenant_key": TENANT}
    assert [name for name in right if header[name] != right[name]] == ([tamper] if tamper in right else [])


@pytest.mark.parametrize("tamper", ["base64", "padding"])
def test_a_spoilt_cipher_text_is_signed_but_cannot_be_read(wired, product, tamper):
    seen = len(product.posts)
    body = {"app_id": wired.app["app_id"], "type": "im.chat.updated_v1", "event": {}, "tamper": tamper}
    assert wired.control("feishu/event", body)["http_status"] == 500  # the small product stumbles over it
    assert len(product.posts) == seen


def test_the_last_post_may_be_repeated_byte_for_byte(wired, product):
    body = {"app_id": wired.app["app_id"], "type": "im.chat.updated_v1", "event": {}}
    wired.control("feishu/event", body)
    wired.control("feishu/event", body | {"tamper": "replay"})
    assert product.posts[-1][0] == product.posts[-2][0]


def test_an_event_may_be_delivered_twice(wired, product):
    body = {"app_id": wired.app["app_id"], "type": "im.chat.updated_v1", "event": {}}
    first = wired.control("feishu/event", body)
    wired.control("feishu/event", body | {"event_id": first["event_id"]})
    assert [body["header"]["event_id"] for body in product.received] == [first["event_id"]] * 2
