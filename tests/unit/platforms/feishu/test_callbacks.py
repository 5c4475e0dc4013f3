"""What Feishu posts: only genuine, well-formed posts for us become events, in whichever shape they come."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from platforms.base import (
    Callback,
    CallbackRequest,
    CardPress,
    GroupEvent,
    OtherEvent,
    PressAnswer,
    UrlCheck,
)
from platforms.errors import CallbackMalformed, CallbackRefused
from platforms.feishu import callbacks, cards
from platforms.feishu.crypto import EventCipher, historic_signature, signature
from platforms.feishu.errors import HistoricRefused
from platforms.feishu.settings import FeishuSettings
from tests.contract.conftest import make_card

VECTORS = {v["name"]: v for v in json.loads((Path(__file__).parents[3] / "fixtures/feishu/vectors.json").read_text())}
APP, TOKEN, KEY = "cli_9f5343c580712544", "vt-Alert-Verify-Token-01", "AlertKey-0123456789abcdef"
SEALED = FeishuSettings(app_id=APP, verification_token=TOKEN, encrypt_key=KEY)
PLAIN = replace(SEALED, encrypt_key="")
NOW = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
STAMP, NONCE = "1700000000", "nonce-0001"
VALUE = {"key": "acknowledge.mac", "reference": "inc-1024_d-7"}


def post(body: bytes | str, **headers: str) -> CallbackRequest:
    raw = body if isinstance(body, bytes) else body.encode()
    return CallbackRequest("POST", {}, {f"X-Lark-{name}": value for name, value in headers.items()}, raw, NOW)


def signed(body: str, sign: str = "", nonce: str = NONCE, stamp: str = STAMP) -> CallbackRequest:
    proof = sign or signature(stamp, nonce, KEY, body.encode())
    return post(body, **{"Request-Timestamp": stamp, "Request-Nonce": nonce, "Signature": proof})


def sealed(content: Any) -> CallbackRequest:
    plaintext = content if isinstance(content, bytes) else json.dumps(content).encode()
    return signed(json.dumps({"encrypt": EventCipher(KEY).encrypt(plaintext)}))


def event(kind: str, content: Any, **header: Any) -> dict[str, Any]:
    head = {"event_id": "e1", "token": TOKEN, "create_time": "1700000000000", "event_type": kind, "app_id": APP}
    return {"schema": "2.0", "header": head | header, "event": content}


def press(value: Any = VALUE, **action: Any) -> dict[str, Any]:
    operator = {"open_id": "ou_lin", "union_id": "on_lin", "tenant_key": "t"}
    content = {"operator": operator, "token": "c-1", "action": {"value": value, "tag": "button"} | action}
    return event("card.action.trigger", content, create_time="1700000000000000")


def vector(name: str, **changes: str) -> CallbackRequest:
    found = VECTORS[name] | changes
    if "signature" not in found:
        return post(found["body"])
    return signed(found["body"], found["signature"], found["nonce"], found["timestamp"])


def refusal(settings: FeishuSettings, request: CallbackRequest) -> str:
    with pytest.raises(CallbackRefused) as refused:
        callbacks.read(settings, request)
    assert refused.value.status in {400, 403}
    return refused.value.reason


# --- the vendor's and the libraries' own vectors ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["official_cipher", "block_aligned"])
def test_cipher_texts_of_others_are_opened(name):
    known = VECTORS[name]
    assert EventCipher(known["encrypt_key"]).decrypt(known["encrypt"]).decode() == known["plaintext"]


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 31, 32])
def test_what_is_sealed_is_opened_again(length):
    assert EventCipher(KEY).decrypt(EventCipher(KEY).encrypt(b"x" * length)) == b"x" * length


def test_the_address_check_is_answered_though_nobody_signs_it():
    check = callbacks.read(SEALED, vector("url_check"))
    assert isinstance(check, UrlCheck)
    reply = callbacks.answer(SEALED, check, None)
    assert (reply.status, reply.content_type) == (200, "application/json; charset=utf-8")
    assert json.loads(reply.body) == {"challenge": "ajls384kdjx98XX"}


def test_an_event_with_chinese_inside_is_read_whole():
    added = callbacks.read(SEALED, vector("bot_added"))
    assert isinstance(added, GroupEvent)
    assert (added.change, added.group.external_id) == ("added", "oc_5ad11d72b830411d72b836c20")
    assert added.group.name == "值班告警群"
    assert added.event_key == "5e3702a84e847582be8db7fb73283c02"
    assert added.sent_at == datetime.fromtimestamp(1700000000, UTC)
    assert added.happened_at == datetime.fromtimestamp(1608725989, UTC)


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        (SEALED, {"nonce": "nonce-0002"}),
        (SEALED, {"timestamp": "1700000001"}),
        (SEALED, {"body": VECTORS["bot_added"]["body"].replace('{"encrypt":"', '{"encrypt": "')}),
        (SEALED, {"signature": "0" * 64}),
        (replace(SEALED, encrypt_key="another key"), {}),
        (replace(SEALED, verification_token="another token"), {}),
        (replace(SEALED, verification_token=""), {}),
        (replace(SEALED, app_id="cli_another"), {}),
        (PLAIN, {}),
    ],
)
def test_a_forged_or_foreign_event_is_refused(settings, changes):
    refusal(settings, vector("bot_added", **changes))


def test_an_event_without_a_signature_is_refused():
    assert refusal(SEALED, post(VECTORS["bot_added"]["body"])) == "not signed"


def test_an_event_in_clear_is_refused_once_there_is_a_key():
    assert "not encrypted" in refusal(SEALED, signed(VECTORS["plain_event_1_0"]["body"]))
    assert "not encrypted" in refusal(SEALED, post(VECTORS["url_check"]["plaintext"]))


def test_a_press_of_somebody_elses_card_is_only_noted():
    pressed = callbacks.read(SEALED, vector("card_press"))
    assert isinstance(pressed, OtherEvent)
    assert pressed.kind == "card.action.trigger"


def test_an_old_event_without_a_key_is_known_by_its_token():
    created = callbacks.read(PLAIN, vector("plain_event_1_0"))
    assert isinstance(created, OtherEvent)
    assert (created.kind, created.event_key) == ("p2p_chat_create", "41b5f371157e3d5341b38b20396e77e3")
    body = VECTORS["plain_event_1_0"]["body"].replace(TOKEN, "bad")
    assert refusal(PLAIN, post(body)) == "Verification Token"


def test_a_historic_press_is_known_by_its_own_signature():
    noted = callbacks.read(PLAIN, vector("historic_press"))
    assert isinstance(noted, OtherEvent)
    body = VECTORS["historic_press"]["body"].encode()
    refusal(PLAIN, vector("historic_press", signature=signature("1700000200", "a1b2c3d4", TOKEN, body)))
    refusal(PLAIN, post(body))


def test_with_a_key_nothing_plain_is_taken_not_even_a_genuine_historic_press():
    with pytest.raises(HistoricRefused) as refused:
        callbacks.read(SEALED, vector("historic_press"))
    assert refused.value.status == 403
    refusal(SEALED, historic({"value": VALUE, "tag": "button"}))


# --- presses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [SEALED, PLAIN], ids=["sealed", "plain"])
def test_a_press_is_read_whole(settings):
    request = sealed(press()) if settings is SEALED else post(json.dumps(press()))
    found = callbacks.read(settings, request)
    assert isinstance(found, CardPress)
    assert (found.external_user_id, found.reference, found.button_key) == ("ou_lin", "inc-1024_d-7", "acknowledge.mac")
    assert found.sent_at == NOW
    assert found.fresh_seconds == 300


def test_one_click_is_one_press_in_whichever_shape_it_comes():
    new = callbacks.read(SEALED, sealed(press()))
    old = callbacks.read(PLAIN, historic({"value": VALUE, "tag": "button"}, token="c-1"))
    another = callbacks.read(PLAIN, historic({"value": VALUE, "tag": "button"}, token="c-2"))
    assert isinstance(new, CardPress) and isinstance(old, CardPress) and isinstance(another, CardPress)
    assert new.event_key == old.event_key != another.event_key
    bare = press()
    del bare["event"]["token"]
    without = callbacks.read(SEALED, sealed(bare))
    assert isinstance(without, CardPress)
    assert without.event_key == "e1"


def test_a_choice_of_the_menu_brings_its_own_key():
    found = callbacks.read(SEALED, sealed(press({"reference": "r"}, tag="overflow", option="snooze:240.mac")))
    assert isinstance(found, CardPress)
    assert (found.reference, found.button_key) == ("r", "snooze:240.mac")


def historic(action: Any, token: str = "c-1") -> CallbackRequest:
    content = {"open_id": "ou_lin", "open_message_id": "om_1", "tenant_key": "t", "token": token, "action": action}
    body = json.dumps(content)
    return signed(body, historic_signature(STAMP, NONCE, TOKEN, body.encode()))


def test_a_historic_press_is_the_same_press_and_answered_in_its_own_shape():
    found = callbacks.read(PLAIN, historic({"value": VALUE, "tag": "button"}))
    assert isinstance(found, CardPress)
    assert (found.external_user_id, found.button_key) == ("ou_lin", "acknowledge.mac")
    card = make_card()
    said = json.loads(callbacks.answer(PLAIN, found, PressAnswer(card, "已开始处理")).body)
    assert said.pop("toast") == {"type": "success", "content": "已开始处理"}
    assert said == cards.as_json(card)


@pytest.mark.parametrize(
    "value", [None, "text", [], {}, {"key": "k"}, {"reference": "r"}, {"key": 1, "reference": "r"}]
)
def test_a_press_of_an_unknown_control_is_no_press(value):
    assert isinstance(callbacks.read(SEALED, sealed(press(value))), OtherEvent)


def test_a_press_is_answered_with_words_and_the_new_card():
    found = callbacks.read(SEALED, sealed(press()))
    card = make_card()
    said = json.loads(callbacks.answer(SEALED, found, PressAnswer(card, "已开始处理")).body)
    assert said["toast"] == {"type": "success", "content": "已开始处理"}
    assert said["card"] == {"type": "raw", "data": cards.as_json(card)}
    refused = json.loads(callbacks.answer(SEALED, found, PressAnswer(None, "未关联应用", is_refusal=True)).body)
    assert refused == {"toast": {"type": "error", "content": "未关联应用"}}
    assert callbacks.answer(SEALED, found, None).body == b"{}"
    assert callbacks.answer(SEALED, found, PressAnswer()).body == b"{}"


def test_an_operator_can_keep_cards_out_of_answers():
    found = callbacks.read(SEALED, sealed(press()))
    said = callbacks.answer(replace(SEALED, press_reply="update"), found, PressAnswer(make_card(), "好"))
    assert json.loads(said.body) == {"toast": {"type": "success", "content": "好"}}


# --- groups -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "content", "change", "name"),
    [
        ("im.chat.member.bot.added_v1", {"chat_id": "oc_1", "name": "值班群"}, "added", "值班群"),
        ("im.chat.member.bot.deleted_v1", {"chat_id": "oc_1", "name": "值班群"}, "removed", "值班群"),
        ("im.chat.disbanded_v1", {"chat_id": "oc_1"}, "disbanded", ""),
        ("im.chat.updated_v1", {"chat_id": "oc_1", "after_change": {"name": "新名"}}, "renamed", "新名"),
    ],
)
def test_what_happens_to_a_group_is_told(kind, content, change, name):
    found = callbacks.read(SEALED, sealed(event(kind, content)))
    assert isinstance(found, GroupEvent)
    assert (found.change, found.group.external_id, found.group.name) == (change, "oc_1", name)
    assert found.happened_at == NOW


@pytest.mark.parametrize(
    "content",
    [event("im.chat.updated_v1", {"chat_id": "oc_1", "after_change": {"avatar": "x"}}),
     event("im.chat.member.bot.added_v1", {}), event("contact.user.updated_v3", {"object": {}}),
     event("im.chat.disbanded_v1", [])],
)  # fmt: skip
def test_anything_else_is_noted_and_answered(content):
    found = callbacks.read(SEALED, sealed(content))
    assert isinstance(found, OtherEvent)
    reply = callbacks.answer(SEALED, found, None)
    assert (reply.status, reply.body) == (200, b"{}")


def test_an_event_is_still_fresh_when_it_is_delivered_for_the_last_time():
    found: Callback = callbacks.read(SEALED, sealed(event("im.chat.disbanded_v1", {"chat_id": "oc_1"})))
    assert timedelta(seconds=found.fresh_seconds) > timedelta(hours=7, minutes=10)


# --- nonsense -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    ["", "null", "[]", "{", '"x"', "[" * 5000, '{"encrypt": 5}', '{"encrypt": ""}', '{"encrypt": "!!"}',
     '{"encrypt": "AAAA"}', '{"encrypt": "AAECAwQFBgcICQoLDA0ODw=="}', "\udcff".encode("utf-8", "surrogatepass")],
)  # fmt: skip
def test_nonsense_is_refused(body):
    refusal(SEALED, post(body))
    if isinstance(body, str):
        refusal(SEALED, signed(body))


@pytest.mark.parametrize("inner", [b"null", b"[]", b"\xff", b"{}", b'{"token": 1}', b'{"token": "\\ud800"}'])
def test_nonsense_that_is_sealed_is_refused(inner):
    refusal(SEALED, sealed(inner))


@pytest.mark.parametrize("header", [{"event_id": ""}, {"create_time": "x"}])
def test_a_genuine_event_that_cannot_be_placed_is_malformed(header):
    with pytest.raises(CallbackMalformed):
        callbacks.read(PLAIN, post(json.dumps(event("x", {}, **header))))


def test_nothing_that_a_database_cannot_hold_comes_through():
    found = callbacks.read(SEALED, sealed(event("im.chat.disbanded_v1", {"chat_id": "oc_1", "name": "a\0b\ud800"})))
    assert isinstance(found, GroupEvent)
    assert found.group.name == "ab?"


def test_other_methods_and_large_bodies_are_refused():
    refusal(SEALED, replace(vector("url_check"), method="GET"))
    refusal(SEALED, post(b"{" + b" " * callbacks.MAX_BODY_BYTES + b"}"))
    refusal(SEALED, signed(VECTORS["bot_added"]["body"], nonce="n" * 200))
