"""What WeCom posts: only genuine, well-formed messages for us become events, and quickly."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from defusedxml import ElementTree

from platforms.base import CallbackRequest, CardPress, OtherEvent, UrlCheck
from platforms.crypto import CallbackCipher
from platforms.errors import CallbackMalformed, CallbackRefused
from platforms.wecom import callbacks
from platforms.wecom.settings import WeComSettings
from tests.contract.conftest import make_card

VECTORS = {v["name"]: v for v in json.loads((Path(__file__).parents[3] / "fixtures/wecom/vectors.json").read_text())}
CORP, TOKEN, KEY = "ww1234567890abcdef", "oncallCallbackToken2024", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg"
SETTINGS = WeComSettings(corp_id=CORP, agent_id="1000002", token=TOKEN, encoding_aes_key=KEY)
NOW = datetime(2024, 6, 10, tzinfo=UTC)
PRESS = VECTORS["selfbuilt_template_card_event"]["plaintext"]


def signed(body: str, encrypted: str, stamp: str = "1718000123", nonce: str = "80211") -> CallbackRequest:
    signature = CallbackCipher(TOKEN, KEY, CORP).sign(stamp, nonce, encrypted)
    query = {"msg_signature": signature, "timestamp": stamp, "nonce": nonce}
    return CallbackRequest("POST", query, {}, body.encode(), NOW)


def posted(plaintext: str, receiver: str = CORP) -> CallbackRequest:
    encrypted = CallbackCipher(TOKEN, KEY, receiver).encrypt(plaintext.encode())
    return signed(f"<xml><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>", encrypted)


def read(plaintext: str) -> Any:
    return callbacks.read(SETTINGS, posted(plaintext))


def test_the_address_check_is_answered_with_its_text():
    vector = VECTORS["selfbuilt_url_verify"]
    query = {name: vector[name] for name in ("msg_signature", "timestamp", "nonce")} | {"echostr": vector["encrypt"]}
    check = callbacks.read(SETTINGS, CallbackRequest("GET", query, {}, b"", NOW))
    assert isinstance(check, UrlCheck)
    assert callbacks.answer(SETTINGS, check, None).body == vector["plaintext"].encode()


def test_a_press_is_read_whole():
    vector = VECTORS["selfbuilt_template_card_event"]
    query = {name: vector[name] for name in ("msg_signature", "timestamp", "nonce")}
    body = f"<xml><ToUserName>x</ToUserName><Encrypt>{vector['encrypt']}</Encrypt></xml>".encode()
    press = callbacks.read(SETTINGS, CallbackRequest("POST", query, {}, body, NOW))
    assert isinstance(press, CardPress)
    assert press.external_user_id == "zhangsan"
    assert press.reference == "inc-1001@1"
    assert press.button_key == "ack"
    assert press.update_code == "RC_abc123"
    assert press.sent_at == datetime.fromtimestamp(1718000123, UTC)
    assert press.signature == vector["msg_signature"]
    assert len(press.event_key) == 64


def test_a_menu_choice_is_a_press_and_the_presser_is_folded():
    menu = PRESS.replace("template_card_event", "template_card_menu_event").replace("zhangsan", "ZhangSan")
    press = read(menu)
    assert isinstance(press, CardPress)
    assert press.external_user_id == "zhangsan"


def test_presses_in_one_second_differ_by_their_code_alone():
    assert read(PRESS).event_key == read(PRESS).event_key
    assert read(PRESS).event_key != read(PRESS.replace("RC_abc123", "RC_abc124")).event_key


def test_blanks_around_values_do_not_matter():
    press = read(PRESS.replace("<![CDATA[ack]]>", " <![CDATA[ack]]> ").replace("1000002", " 1000002 "))
    assert press.button_key == "ack"


def test_a_text_message_is_another_event():
    event = read(
        f"<xml><ToUserName>{CORP}</ToUserName><FromUserName>lin</FromUserName><CreateTime>1</CreateTime>"
        "<MsgType>text</MsgType><Content>hi</Content><MsgId>77</MsgId><AgentID>1000002</AgentID></xml>"
    )
    assert isinstance(event, OtherEvent)
    assert event.kind == "text"


@pytest.mark.parametrize(
    ("was", "becomes"),
    [(CORP, "wwffffffffffffffff"), ("<AgentID>1000002", "<AgentID>1000003"), (f"<![CDATA[{CORP}]]>", "")],
)
def test_a_message_for_somebody_else_is_refused(was, becomes):
    with pytest.raises(CallbackRefused):
        read(PRESS.replace(was, becomes))


@pytest.mark.parametrize("gone", ["<![CDATA[zhangsan]]>", "<![CDATA[inc-1001@1]]>", "<![CDATA[ack]]>"])
def test_a_press_without_its_parts_is_malformed(gone):
    with pytest.raises(CallbackMalformed):
        read(PRESS.replace(gone, ""))


@pytest.mark.parametrize("text", ["", "no xml", "<xml>", "<xml></xml><xml></xml>", "\x00"])
def test_what_is_genuine_but_no_xml_is_malformed(text):
    with pytest.raises(CallbackMalformed):
        read(text)


BOMB = "<!DOCTYPE x [<!ENTITY a 'ha'>" + "".join(
    f"<!ENTITY {chr(98 + i)} '{('&' + chr(97 + i) + ';') * 10}'>" for i in range(9)
)
ATTACKS = {
    "billion laughs": f"{BOMB}]><xml>&j;</xml>",
    "external entity": "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><xml><Encrypt>&e;</Encrypt></xml>",
    "parameter entity": "<!DOCTYPE x [<!ENTITY % p SYSTEM 'http://127.0.0.1:1/x'> %p;]><xml/>",
    "external DTD": "<!DOCTYPE xml SYSTEM 'http://127.0.0.1:1/x.dtd'><xml/>",
    "bare DTD": "<!DOCTYPE xml><xml><Encrypt>x</Encrypt></xml>",
    "XInclude": "<xml xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='file:///etc/passwd'/></xml>",
    "huge attribute": f"<xml a='{'x' * 1_000_000}'/>",
    "deep nesting": "<a>" * 8000,
    "slow envelope": "<Encrypt>" + " " * 30000,
    "unknown encoding": "<?xml version='1.0' encoding='x-none'?><xml/>",
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize("layer", ["outer", "inner"])
def test_hostile_xml_is_refused_quickly(attack, layer, monkeypatch):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("connected"))
    request = signed(attack, "x") if layer == "outer" else posted(attack)
    started = time.process_time()
    with pytest.raises(CallbackRefused):
        callbacks.read(SETTINGS, request)
    assert time.process_time() - started < 0.2


@pytest.mark.parametrize(
    "change",
    [
        {"msg_signature": ""},
        {"msg_signature": "é" * 40},
        {"timestamp": ""},
        {"timestamp": "now"},
        {"timestamp": "9" * 30},
        {"timestamp": "١٢٣"},
        {"nonce": ""},
        {"nonce": "n" * 129},
        {"timestamp": "1718000124"},
    ],
)
def test_an_odd_or_changed_query_is_refused(change):
    request = posted(PRESS)
    changed = CallbackRequest("POST", {**request.query, **change}, {}, request.body, NOW)
    with pytest.raises(CallbackRefused):
        callbacks.read(SETTINGS, changed)


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{}", b"<xml/>", b"a" * 200_000, b"<Encrypt></Encrypt>"])
def test_a_body_that_is_no_envelope_is_refused(body):
    request = posted(PRESS)
    with pytest.raises(CallbackRefused):
        callbacks.read(SETTINGS, CallbackRequest("POST", request.query, {}, body, NOW))


@pytest.mark.parametrize("gone", ["token", "encoding_aes_key", "corp_id"])
def test_without_keys_nothing_is_genuine(gone):
    values = {"corp_id": CORP, "agent_id": "1000002", "token": TOKEN, "encoding_aes_key": KEY} | {gone: ""}
    with pytest.raises(CallbackRefused):
        callbacks.read(WeComSettings(**values), posted(PRESS))


def test_the_answer_carries_the_new_card_for_the_presser():
    press = read(PRESS)
    reply = callbacks.answer(SETTINGS, press, make_card(title="a ]]> b", facts=()))
    outer = ElementTree.fromstring(reply.body)
    parts = [outer.findtext(name, "") for name in ("MsgSignature", "TimeStamp", "Nonce", "Encrypt")]
    inner = ElementTree.fromstring(CallbackCipher(TOKEN, KEY, CORP).open(*parts))
    assert inner.findtext("ToUserName") == "zhangsan"
    assert inner.findtext("FromUserName") == CORP
    assert inner.findtext("MsgType") == "update_template_card"
    card = inner.find("TemplateCard")
    assert card is not None
    assert card.findtext("MainTitle/Title") == "a ]]> b"
    assert [b.findtext("Key") for b in card.findall("ButtonList")] == ["acknowledge", "close", "snooze:120", "refresh"]
    assert len(card.findall("ActionMenu/ActionList")) == 2


def test_without_a_card_the_answer_is_empty():
    assert callbacks.answer(SETTINGS, read(PRESS), None).body == b""


def test_the_operator_can_choose_empty_answers():
    settings = WeComSettings(corp_id=CORP, token=TOKEN, encoding_aes_key=KEY, press_reply="update")
    assert callbacks.answer(settings, read(PRESS), make_card()).body == b""
