"""WeCom's scheme as wechatpy understands it: each side opens what the other seals, and both talk to the simulator."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest
from defusedxml import ElementTree

from platforms.base import CallbackRequest, CardPress, UrlCheck
from platforms.crypto import CallbackCipher
from platforms.errors import CallbackRefused
from platforms.wecom import callbacks
from platforms.wecom.settings import WeComSettings
from tests.contract.conftest import make_card
from tests.contract.wecom import KEY, TOKEN, make_connection
from tests.oracles.conftest import OracleRefused

CORP = "ww1234567890abcdef"
KEYS = {"token": TOKEN, "encoding_aes_key": KEY, "corp_id": CORP}
STAMP, NONCE = "1718000123", "80211"
OURS = CallbackCipher(TOKEN, KEY, CORP)
SETTINGS = WeComSettings(corp_id=CORP, agent_id="1000002", token=TOKEN, encoding_aes_key=KEY)
PRESS = (
    f"<xml><ToUserName><![CDATA[{CORP}]]></ToUserName><FromUserName><![CDATA[lin]]></FromUserName>"
    "<CreateTime>1718000123</CreateTime><MsgType><![CDATA[event]]></MsgType>"
    "<Event><![CDATA[template_card_event]]></Event><EventKey><![CDATA[开始处理]]></EventKey>"
    "<TaskId><![CDATA[inc-1]]></TaskId><ResponseCode><![CDATA[RC]]></ResponseCode><AgentID>1000002</AgentID></xml>"
)


def request(xml: str) -> CallbackRequest:
    """The POST that would carry an envelope made by wechatpy."""
    signature = ElementTree.fromstring(xml.encode()).findtext("MsgSignature", "")
    query = {"msg_signature": signature, "timestamp": STAMP, "nonce": NONCE}
    return CallbackRequest("POST", query, {}, xml.encode(), datetime.now(UTC))


def envelope(encrypted: str) -> str:
    return f"<xml><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"


def test_we_accept_a_callback_that_wechatpy_seals(wechatpy):
    sealed = wechatpy.ask("encrypt", **KEYS, message=PRESS, nonce=NONCE, timestamp=STAMP)
    press = callbacks.read(SETTINGS, request(sealed))
    assert isinstance(press, CardPress)
    assert (press.external_user_id, press.button_key, press.update_code) == ("lin", "开始处理", "RC")


@pytest.mark.parametrize("length", range(0, 70, 3))
def test_each_opens_what_the_other_seals_at_every_padding(wechatpy, length):
    text = "x" * length
    sealed = wechatpy.ask("encrypt", **KEYS, message=text, nonce=NONCE, timestamp=STAMP)
    encrypted = ElementTree.fromstring(sealed).findtext("Encrypt", "")
    assert OURS.decrypt(encrypted).decode() == text
    ours = OURS.encrypt(text.encode())
    signature = OURS.sign(STAMP, NONCE, ours)
    signed = {"signature": signature, "timestamp": STAMP, "nonce": NONCE}
    assert wechatpy.ask("decrypt", **KEYS, xml=envelope(ours), **signed) == text


def test_we_answer_an_address_check_as_wechatpy_would(wechatpy):
    encrypted = OURS.encrypt(b"7386429105823746152")
    query = {"timestamp": STAMP, "nonce": NONCE, "echostr": encrypted}
    signature = OURS.sign(STAMP, NONCE, encrypted)
    check = callbacks.read(
        SETTINGS, CallbackRequest("GET", query | {"msg_signature": signature}, {}, b"", datetime.now(UTC))
    )
    assert isinstance(check, UrlCheck)
    assert check.reply == wechatpy.ask("check_url", **KEYS, signature=signature, **query)


def test_wechatpy_opens_the_card_that_answers_a_press(wechatpy):
    sealed = wechatpy.ask("encrypt", **KEYS, message=PRESS, nonce=NONCE, timestamp=STAMP)
    reply = callbacks.answer(SETTINGS, callbacks.read(SETTINGS, request(sealed)), make_card())
    outer = ElementTree.fromstring(reply.body)
    signed = {"signature": outer.findtext("MsgSignature"), "timestamp": outer.findtext("TimeStamp")}
    opened = wechatpy.ask("decrypt", **KEYS, xml=reply.body.decode(), nonce=outer.findtext("Nonce"), **signed)
    inner = ElementTree.fromstring(opened)
    assert inner.findtext("MsgType") == "update_template_card"
    assert inner.findtext("TemplateCard/MainTitle/Title") == make_card().title


def test_both_refuse_another_company(wechatpy):
    foreign = KEYS | {"corp_id": "wwffffffffffffffff"}
    sealed = wechatpy.ask("encrypt", **foreign, message=PRESS, nonce=NONCE, timestamp=STAMP)
    with pytest.raises(CallbackRefused):
        callbacks.read(SETTINGS, request(sealed))
    ours = OURS.encrypt(b"x")
    signed = {"signature": OURS.sign(STAMP, NONCE, ours), "timestamp": STAMP, "nonce": NONCE}
    with pytest.raises(OracleRefused, match="InvalidCorpId"):
        wechatpy.ask("decrypt", **foreign, xml=envelope(ours), **signed)


def test_wechatpy_reads_what_the_simulator_posts(wechatpy, simulator, receiver):
    connection = make_connection(simulator, receiver)
    sent = connection.platform.send_card(connection.member("lin"), make_card())
    connection.press(sent, "acknowledge")
    post = [e for e in simulator.control("wire") if e["direction"] == "out" and e["method"] == "POST"][-1]
    query = dict(parse_qsl(post["query"]))
    opened = wechatpy.ask(
        "decrypt",
        **(KEYS | {"corp_id": connection.corp_id}),
        xml=post["request"],
        signature=query["msg_signature"],
        timestamp=query["timestamp"],
        nonce=query["nonce"],
    )
    parsed = wechatpy.ask("parse", xml=opened)
    assert (parsed["source"], parsed["target"]) == ("lin", connection.corp_id)


def test_the_simulator_serves_wechatpys_client(wechatpy, simulator, receiver):
    connection = make_connection(simulator, receiver)
    api = {"corp_id": connection.corp_id, "secret": connection.platform.settings.secret}
    api["api_base"] = f"{simulator.url}/cgi-bin/"
    member = wechatpy.ask("client", **api, method="user.get", arguments=["lin"])
    assert member["name"] == "林值班"
    agent = wechatpy.ask("client", **api, method="agent.get", arguments=["1000002"])
    assert agent["redirect_domain"] == "localhost:8000"
    sent = wechatpy.ask("client", **api, method="message.send_text", arguments=["1000002", ["lin"], "hallo"])
    assert sent["errcode"] == 0
    assert connection.messages("lin")[-1]["card"]["content"] == "hallo"


def test_wechatpys_client_is_refused_like_ours(wechatpy, simulator, receiver):
    connection = make_connection(simulator, receiver)
    api = {"corp_id": connection.corp_id, "secret": "wrong", "api_base": f"{simulator.url}/cgi-bin/"}
    with pytest.raises(OracleRefused, match="40001"):
        wechatpy.ask("client", **api, method="user.get", arguments=["lin"])
