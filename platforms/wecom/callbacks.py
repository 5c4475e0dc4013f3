"""What WeCom posts to us and what it is answered: bytes and values in, values and bytes out.

https://developer.work.weixin.qq.com/document/path/90238 (receiving), path/90240 (events), path/90241 (replies)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from platforms.base import Callback, CallbackReply, CallbackRequest, CardPress, IncidentCard, OtherEvent, UrlCheck
from platforms.crypto import CallbackCipher
from platforms.errors import CallbackMalformed, CallbackRefused
from platforms.wecom import cards
from platforms.wecom.settings import WeComSettings
from platforms.xml import element, text_element

MAX_BODY_BYTES = 32 * 1024
"""A text message is at most 2 KiB, an event less."""
MAX_TAGS = 1000
MAX_NONCE_CHARACTERS = 128
CARD_EVENTS = {"template_card_event", "template_card_menu_event"}
EMPTY = CallbackReply(200, b"")


@lru_cache(maxsize=128)
def cipher(settings: WeComSettings) -> CallbackCipher:
    """The callback's keys, kept for the same settings.

    Raises CallbackRefused while they are not set: without keys nothing is genuine.
    """
    try:
        return CallbackCipher(settings.token, settings.encoding_aes_key, settings.corp_id)
    except ValueError:
        raise CallbackRefused("callback keys are not set") from None


def read(settings: WeComSettings, request: CallbackRequest) -> Callback:
    """Verify a request on its raw bytes, decrypt it and say what it is.

    Raises CallbackRefused for what is not genuine, CallbackMalformed for what is but cannot be read.
    """
    keys = cipher(settings)
    query = _Query.of(request.query)
    if request.method == "GET":
        reply = keys.open(query.signature, query.timestamp, query.nonce, request.query.get("echostr", ""))
        return UrlCheck(query.signature, query.nonce, query.sent_at, reply=_decoded(reply))
    encrypted = _envelope(request.body)
    message = _parsed(keys.open(query.signature, query.timestamp, query.nonce, encrypted))
    _check_addressee(settings, message)
    return _event(query, message)


def answer(settings: WeComSettings, callback: Callback, card: IncidentCard | None) -> CallbackReply:
    """The bytes to answer: the URL check's own text, the presser's new card, or nothing (all of them status 200)."""
    if isinstance(callback, UrlCheck):
        return CallbackReply(200, callback.reply.encode())
    if not isinstance(callback, CardPress) or card is None or settings.press_reply != "passive":
        return EMPTY
    timestamp = str(int(callback.sent_at.timestamp()))
    inner = element(
        "xml",
        text_element("ToUserName", callback.external_user_id),
        text_element("FromUserName", settings.corp_id),
        element("CreateTime", timestamp),
        text_element("MsgType", "update_template_card"),
        cards.as_reply_xml(card),
    )
    return _sealed(cipher(settings), inner, timestamp, callback.nonce)


def _sealed(keys: CallbackCipher, inner: str, timestamp: str, nonce: str) -> CallbackReply:
    encrypted = keys.encrypt(inner.encode())
    outer = element(
        "xml",
        text_element("Encrypt", encrypted),
        text_element("MsgSignature", keys.sign(timestamp, nonce, encrypted)),
        element("TimeStamp", timestamp),
        text_element("Nonce", nonce),
    )
    return CallbackReply(200, outer.encode(), "application/xml; charset=utf-8")


class _Query:
    """The signed parameters of the address."""

    def __init__(self, signature: str, timestamp: str, nonce: str, sent_at: datetime) -> None:
        self.signature, self.timestamp, self.nonce, self.sent_at = signature, timestamp, nonce, sent_at

    @classmethod
    def of(cls, query: Mapping[str, str]) -> _Query:
        signature, timestamp, nonce = (query.get(name, "") for name in ("msg_signature", "timestamp", "nonce"))
        if not signature or not nonce or len(nonce) > MAX_NONCE_CHARACTERS:
            raise CallbackRefused("query")
        if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 11):
            raise CallbackRefused("timestamp")
        return cls(signature, timestamp, nonce, datetime.fromtimestamp(int(timestamp), UTC))


def _envelope(body: bytes) -> str:
    """The cipher text of the outer XML. It is searched for, so that no parser meets what is not yet verified."""
    if len(body) > MAX_BODY_BYTES:
        raise CallbackRefused("body too large")
    _, opened, rest = body.partition(b"<Encrypt>")
    encrypted, closed, _ = rest.partition(b"</Encrypt>")
    encrypted = encrypted.strip().removeprefix(b"<![CDATA[").removesuffix(b"]]>").strip()
    if not opened or not closed or not encrypted.isascii() or b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise CallbackRefused("outer XML")
    return encrypted.decode()


def _parsed(message: bytes) -> Element:
    try:
        return _tree(message)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise CallbackMalformed("inner XML") from None


def _tree(source: bytes) -> Element:
    if source.count(b"<") > MAX_TAGS:
        raise ValueError("too many tags")
    return ElementTree.fromstring(source, forbid_dtd=True, forbid_entities=True, forbid_external=True)


def _value(message: Element, name: str) -> str:
    return (message.findtext(name) or "").strip()


def _decoded(message: bytes) -> str:
    try:
        return message.decode()
    except UnicodeDecodeError:
        raise CallbackMalformed("echostr") from None


def _check_addressee(settings: WeComSettings, message: Element) -> None:
    """The message must be for our company and, where it names one, for our application."""
    if _value(message, "ToUserName") != settings.corp_id:
        raise CallbackRefused("ToUserName")
    agent_id = _value(message, "AgentID")
    if agent_id and agent_id != settings.agent_id:
        raise CallbackRefused("AgentID")


def _event(query: _Query, message: Element) -> Callback:
    event, sender = _value(message, "Event"), _value(message, "FromUserName")
    base = (query.signature, query.nonce, query.sent_at)
    if event not in CARD_EVENTS:
        kind = event or _value(message, "MsgType") or "unknown"
        names = ("MsgId", "FromUserName", "CreateTime", "Event", "EventKey", "ChangeType", "UserID")
        return OtherEvent(*base, event_key=_identity(message, names), kind=kind[:64])
    if not sender or not _value(message, "TaskId") or not _value(message, "EventKey"):
        raise CallbackMalformed("card event without sender, TaskId or EventKey")
    return CardPress(
        *base,
        event_key=_identity(message, ("FromUserName", "CreateTime", "EventKey", "TaskId", "ResponseCode")),
        external_user_id=sender.lower(),
        reference=_value(message, "TaskId"),
        button_key=_value(message, "EventKey"),
        update_code=_value(message, "ResponseCode") or None,
    )


def _identity(message: Element, names: tuple[str, ...]) -> str:
    """What is the same in all repeats of one event, as 64 hex digits. Two quick presses differ by ResponseCode."""
    parts = [_value(message, name) for name in names]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
