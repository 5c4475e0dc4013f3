"""What DingTalk posts: only genuine messages for us become events and presses, and each is answered as it wants."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from platforms.base import CallbackRequest, CardPress, GroupEvent, OtherEvent, PressAnswer, UrlCheck
from platforms.crypto import CallbackCipher
from platforms.dingtalk import callbacks
from platforms.dingtalk.settings import DingTalkSettings
from platforms.errors import CallbackMalformed, CallbackRefused
from tests.contract.conftest import make_card

FIXTURE = json.loads((Path(__file__).parents[3] / "fixtures/dingtalk/vectors.json").read_text())
VECTORS = {vector["name"]: vector for vector in FIXTURE["events"]}
E1 = VECTORS["E1"]
CORP, CLIENT = "dingcorptest0001", E1["receive_id"]
SETTINGS = DingTalkSettings(
    corp_id=CORP,
    client_id=CLIENT,
    client_secret="s" * 64,
    aes_key=E1["aes_key"],
    token=E1["token"],
    card_callback_url="https://oncall.example.com/callback/dingtalk/k/card",
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
STAMP = "1767225602000"


def settings_of(vector: dict[str, str]) -> DingTalkSettings:
    keys = {name: vector[name] for name in ("aes_key", "token")}
    return replace(SETTINGS, client_id=vector["receive_id"], corp_id="", **keys)


def request_of(vector: dict[str, str], signature: str = "msg_signature") -> CallbackRequest:
    query = {signature: vector["msg_signature"], "timestamp": vector["timestamp"], "nonce": vector["nonce"]}
    return CallbackRequest("POST", query, {}, json.dumps({"encrypt": vector["encrypt"]}).encode(), NOW, "event")


def posted(content: Any, receiver: str = CLIENT, stamp: str = STAMP) -> CallbackRequest:
    keys = CallbackCipher(E1["token"], E1["aes_key"], receiver)
    encrypted = keys.encrypt(content if isinstance(content, bytes) else json.dumps(content).encode())
    query = {"msg_signature": keys.sign(stamp, "nonce", encrypted), "timestamp": stamp, "nonce": "nonce"}
    return CallbackRequest("POST", query, {}, json.dumps({"encrypt": encrypted}).encode(), NOW, "event")


def read(content: Any, **how: str) -> Any:
    return callbacks.read(SETTINGS, posted(content, **how))


def said(body: bytes, receiver: str = CLIENT) -> bytes:
    """What an answer says to whoever checks it as DingTalk does."""
    answer = json.loads(body)
    assert set(answer) == {"msg_signature", "timeStamp", "nonce", "encrypt"}
    keys = CallbackCipher(E1["token"], E1["aes_key"], receiver)
    return keys.open(answer["msg_signature"], answer["timeStamp"], answer["nonce"], answer["encrypt"])


# --- events -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_the_published_vectors_open(vector):
    settings = settings_of(vector)
    keys = callbacks.cipher(settings, settings.client_id)
    opened = keys.open(vector["msg_signature"], vector["timestamp"], vector["nonce"], vector["encrypt"])
    assert opened.decode() == vector["plaintext"]


@pytest.mark.parametrize("name", ["E1", "E2", "E3", "E4"])
def test_what_we_seal_is_what_others_seal(name):
    vector = VECTORS[name]
    keys = callbacks.cipher(settings_of(vector), vector["receive_id"])
    assert keys.encrypt(vector["plaintext"].encode(), b"0123456789abcdef") == vector["encrypt"]


@pytest.mark.parametrize("signature", ["msg_signature", "signature"])
@pytest.mark.parametrize("name", ["A", "E1"])
def test_the_address_check_is_answered_with_the_encrypted_word(name, signature):
    settings = settings_of(VECTORS[name])
    check = callbacks.read(settings, request_of(VECTORS[name], signature))
    assert isinstance(check, UrlCheck)
    answer = json.loads(callbacks.answer(settings, check, None).body)
    keys = callbacks.cipher(settings, settings.client_id)
    opened = keys.open(answer["msg_signature"], answer["timeStamp"], answer["nonce"], answer["encrypt"])
    assert opened == b"success"
    assert answer["timeStamp"].isdigit()


def test_an_installed_cool_app_is_a_group_without_a_name():
    event = callbacks.read(SETTINGS, request_of(VECTORS["E2"]))
    assert isinstance(event, GroupEvent)
    assert (event.change, event.group.external_id, event.group.name) == ("added", "cidTESTGROUP0001==", "")
    assert event.group.details == {"cool_app_code": "COOLAPP-1-TEST0001", "robot_code": CLIENT}
    assert event.event_key == "evt-0001"
    assert event.happened_at == datetime.fromtimestamp(1767225600.1, UTC)
    assert event.fresh_seconds >= 60


def test_a_rename_tells_the_name():
    event = callbacks.read(SETTINGS, request_of(VECTORS["E3"]))
    assert isinstance(event, GroupEvent)
    assert (event.change, event.group.name) == ("renamed", "生产告警群")
    assert event.happened_at == datetime.fromtimestamp(1767225601, UTC)


@pytest.mark.parametrize(("kind", "change"), [("im_cool_app_uninstall", "removed"), ("chat_disband", "disbanded")])
def test_older_spellings_of_members_are_understood(kind, change):
    content = {
        "EventType": kind,
        "CorpId": CORP,
        "BizId": "b-1",
        "OpenConversationId": "cid1==",
        "TimeStamp": 1767225601000,
    }
    event = read(content)
    assert isinstance(event, GroupEvent)
    assert (event.change, event.group.external_id, event.event_key) == (change, "cid1==", "b-1")


@pytest.mark.parametrize(
    "content",
    [
        {"EventType": "user_leave_org", "CorpId": CORP, "UserId": ["a"], "eventId": "e"},
        {"EventType": "org_suite_auth", "eventId": "e"},
        {"EventType": "chat_update_title", "title": "ohne Gruppe", "eventId": "e"},
        {"EventType": "", "eventId": "e"},
        {"eventId": "e"},
    ],
)
def test_whatever_else_comes_is_answered_too(content):
    event = read(content)
    assert isinstance(event, OtherEvent)
    assert event.event_key == "e"
    assert said(callbacks.answer(SETTINGS, event, None).body) == b"success"


def test_what_no_database_holds_is_left_out_of_an_event():
    content = {"EventType": "chat_update_title", "openConversationId": "cid1==", "title": "值班\ud83d\0群"}
    event = read(content | {"eventId": "e\0\udc00"})
    assert (event.group.name, event.event_key) == ("值班?群", "e?")


def test_an_event_without_an_id_is_known_by_its_content():
    first, again = read({"EventType": "x", "a": 1}), read({"EventType": "x", "a": 1})
    assert first.event_key == again.event_key != read({"EventType": "x", "a": 2}).event_key


def test_a_message_for_the_company_is_answered_for_the_company():
    event = read({"EventType": "chat_quit", "eventId": "e"}, receiver=CORP)
    assert said(callbacks.answer(SETTINGS, event, None).body, CORP) == b"success"


@pytest.mark.parametrize("stamp", ["1767225602000", "1767225602"])
def test_times_are_read_in_both_units(stamp):
    assert read({"EventType": "check_url"}, stamp=stamp).sent_at == datetime.fromtimestamp(1767225602, UTC)


def test_a_time_that_is_none_does_not_lose_the_event():
    assert read({"EventType": "check_url"}, stamp="now").sent_at == NOW


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (replace(request_of(E1), body=json.dumps({"encrypt": "A" + E1["encrypt"][1:]}).encode()), "signature"),
        (replace(request_of(E1), query={}), "query"),
        (replace(request_of(E1), body=b"<xml/>"), "outer JSON"),
        (replace(request_of(E1), body=b'{"encrypt": 1}'), "outer JSON"),
        (replace(request_of(E1), method="GET"), "method or size"),
        (posted({"EventType": "check_url"}, receiver="dingsomebodyelse"), "receiver"),
        (posted({"EventType": "chat_quit", "CorpId": "dingother"}), "CorpId"),
    ],
)
def test_what_is_not_genuine_is_refused(request_, reason):
    with pytest.raises(CallbackRefused) as refusal:
        callbacks.read(SETTINGS, request_)
    assert refusal.value.reason == reason


@pytest.mark.parametrize(
    "changes", [{"aes_key": E1["aes_key"][:42]}, {"aes_key": ""}, {"token": ""}, {"client_id": "", "corp_id": ""}]
)
def test_without_keys_nothing_is_genuine(changes):
    with pytest.raises(CallbackRefused):
        callbacks.read(replace(SETTINGS, **changes), request_of(E1))


@pytest.mark.parametrize("content", [b"success", b"[1]", b"\xff\xfe"])
def test_what_cannot_be_read_says_so(content):
    with pytest.raises(CallbackMalformed):
        read(content)


# --- presses ------------------------------------------------------------------------------------------------------


def pressed(told: Any = None, *, secret: str = "", stamp: str = STAMP, **changes: Any) -> CallbackRequest:
    inside = {"cardPrivateData": {"actionIds": ["acknowledge"], "params": {"key": "acknowledge.mac"}}}
    body = {"type": "actionCallback", "outTrackId": "ref-1", "corpId": CORP, "userId": "Manager0001", "userIdType": 1}
    body |= {"content": json.dumps(inside)} if told is None else told
    signature = callbacks.card_signature(secret or SETTINGS.card_api_secret, stamp)
    headers = {"x-ddpaas-signature-timestamp": stamp, "x-ddpaas-signature": signature}
    return CallbackRequest("POST", {}, headers, json.dumps(body | changes).encode(), NOW, "card")


def press_of(request: CallbackRequest) -> Any:
    return callbacks.read(SETTINGS, request)


def test_the_signature_is_the_documented_one():
    card = FIXTURE["card"]
    assert callbacks.card_signature(card["api_secret"], card["timestamp"]) == card["signature"]


def test_a_press_is_read_whole():
    press = press_of(pressed())
    assert isinstance(press, CardPress)
    assert (press.external_user_id, press.reference, press.button_key) == ("Manager0001", "ref-1", "acknowledge.mac")
    assert press.sent_at == datetime.fromtimestamp(1767225602, UTC)
    assert press.update_code is None


@pytest.mark.parametrize("name", ["content", "value"])
@pytest.mark.parametrize("is_text", [True, False])
def test_the_parameters_may_be_written_in_every_documented_way(name, is_text):
    inside = {"cardPrivateData": {"params": {"key": "k"}}}
    press = press_of(pressed({name: json.dumps(inside) if is_text else inside}))
    assert press.button_key == "k"


def test_what_no_database_holds_is_left_out_of_a_press():
    inside = {"cardPrivateData": {"params": {"key": "k\ud800\0"}}}
    press = press_of(pressed({"content": json.dumps(inside, ensure_ascii=False)}, userId="Lin\0", outTrackId="r\udfff"))
    assert (press.external_user_id, press.reference, press.button_key) == ("Lin", "r?", "k?")


def test_the_same_signature_with_another_body_is_the_same_press():
    first = press_of(pressed())
    assert press_of(pressed(userId="somebody")).event_key == first.event_key
    assert press_of(pressed(stamp="1767225602001")).event_key != first.event_key


@pytest.mark.parametrize(
    "request_",
    [
        pressed(secret="another"),
        replace(pressed(), headers={}),
        replace(pressed(), headers={"x-ddpaas-signature-timestamp": STAMP, "x-ddpaas-signature": ""}),
        pressed(stamp="soon"),
        pressed(corpId="dingother"),
    ],
)
def test_a_forged_press_is_refused(request_):
    with pytest.raises(CallbackRefused):
        press_of(request_)


def test_without_a_secret_no_press_is_genuine():
    without = replace(SETTINGS, client_secret="")
    headers = {"x-ddpaas-signature-timestamp": STAMP, "x-ddpaas-signature": callbacks.card_signature("", STAMP)}
    with pytest.raises(CallbackRefused):
        callbacks.read(without, replace(pressed(), headers=headers))


@pytest.mark.parametrize(
    "changes", [{"userId": ""}, {"outTrackId": None}, {"content": "{"}, {"content": "[]"}, {"content": "{}"}]
)
def test_a_press_without_its_parts_cannot_be_read(changes):
    with pytest.raises(CallbackMalformed):
        press_of(pressed(**changes))


def test_the_presser_sees_the_new_card_and_no_old_notice():
    press = press_of(pressed())
    told = PressAnswer(make_card(title="[严重] 已认领"), "已开始处理")
    answer = json.loads(callbacks.answer(SETTINGS, press, told).body)
    assert "已认领" in answer["cardData"]["cardParamMap"]["title"]
    assert answer["userPrivateData"]["cardParamMap"] == {"notice": ""}
    assert answer["cardUpdateOptions"] == {"updateCardDataByKey": True, "updatePrivateDataByKey": True}


def test_a_refusal_is_told_to_the_presser_alone():
    press = press_of(pressed())
    answer = json.loads(callbacks.answer(SETTINGS, press, PressAnswer(None, "未关联应用", is_refusal=True)).body)
    assert answer["userPrivateData"]["cardParamMap"] == {"notice": "未关联应用"}
    assert "cardData" not in answer


def test_no_news_is_an_empty_answer():
    assert callbacks.answer(SETTINGS, press_of(pressed()), None).body == b"{}"
