"""What WeCom posts to us and what it is answered: bytes and values in, values and bytes out.

https://developer.work.weixin.qq.com/document/path/90238 (receiving), path/90240 (events), path/90241 (replies)
"""

from __future__ import annotations

from functools import lru_cache

from platforms.base import (
    Callback,
    CallbackReply,
    CallbackRequest,
    CardPress,
    IncidentCard,
    LicenceEvent,
    OtherEvent,
    UrlCheck,
)
from platforms.crypto import CallbackCipher
from platforms.errors import CallbackMalformed, CallbackRefused
from platforms.wecom import cards
from platforms.wecom.envelopes import Members, Query, cipher_text, decoded, identity, members
from platforms.wecom.settings import WeComSettings
from platforms.xml import element, text_element

CARD_EVENTS = {"template_card_event", "template_card_menu_event"}
UNLICENSED = "unlicensed_notify"
"""A member without licence opened the application and was shown WeCom's own page. path/95716"""
EMPTY = CallbackReply(200, b"")


@lru_cache(maxsize=128)
def cipher(settings: WeComSettings) -> CallbackCipher:
    """The callback's keys, kept for the same settings.

    Raises CallbackRefused while they are not set: without keys nothing is genuine.
    """
    return keys_for(settings.token, settings.encoding_aes_key, settings.company_id)


def keys_for(token: str, encoding_aes_key: str, receive_id: str) -> CallbackCipher:
    try:
        return CallbackCipher(token, encoding_aes_key, receive_id)
    except ValueError:
        raise CallbackRefused("callback keys are not set") from None


def opened(keys: CallbackCipher, other_receiver: str, query: Query, encrypted: str) -> bytes:
    """Check and decrypt what is for the keys' receiver or, where that is not "", for the other one.

    Messages of a third-party application name now the company, now the application.
    """
    try:
        return keys.open(query.signature, query.timestamp, query.nonce, encrypted)
    except CallbackRefused as error:
        if error.reason != "receiver" or not other_receiver:
            raise
    return keys_for(keys.token, keys.encoding_aes_key, other_receiver).decrypt(encrypted)


def read(settings: WeComSettings, request: CallbackRequest) -> Callback:
    """Verify a request on its raw bytes, decrypt it and say what it is.

    Raises CallbackRefused for what is not genuine, CallbackMalformed for what is but cannot be read.
    """
    keys = cipher(settings)
    query = Query.of(request.query)
    if request.method == "GET":
        reply = opened(keys, settings.suite_id, query, request.query.get("echostr", ""))
        return UrlCheck(*query.base, reply=decoded(reply))
    message = members(opened(keys, settings.suite_id, query, cipher_text(request.body)))
    _check_addressee(settings, message)
    return _event(settings, query, message)


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
        text_element("FromUserName", settings.company_id),
        element("CreateTime", timestamp),
        text_element("MsgType", "update_template_card"),
        cards.as_reply_xml(card),
    )
    return _sealed(cipher(settings), inner, timestamp, callback.nonce)


def _sealed(keys: CallbackCipher, inner: str, timestamp: str, nonce: str) -> CallbackReply:
    encrypted = keys.encrypt(inner.encode())  # Base64: text_element() would take as long to look through it
    outer = element(
        "xml",
        element("Encrypt", f"<![CDATA[{encrypted}]]>"),
        text_element("MsgSignature", keys.sign(timestamp, nonce, encrypted)),
        element("TimeStamp", timestamp),
        text_element("Nonce", nonce),
    )
    return CallbackReply(200, outer.encode(), "application/xml; charset=utf-8")


def _check_addressee(settings: WeComSettings, message: Members) -> None:
    """The message must be for our company and, where it names one, for our application."""
    if message["ToUserName"] != settings.company_id:
        raise CallbackRefused("ToUserName")
    agent_id = message["AgentID"]
    if agent_id and agent_id != settings.agent_id:
        raise CallbackRefused("AgentID")


def _event(settings: WeComSettings, query: Query, message: Members) -> Callback:
    event, sender = message["Event"], message["FromUserName"]
    if event not in CARD_EVENTS:
        kind = event or message["MsgType"] or "unknown"
        names = ("MsgId", "FromUserName", "CreateTime", "Event", "EventKey", "ChangeType", "UserID")
        kind_of_event = LicenceEvent if event == UNLICENSED else OtherEvent
        return kind_of_event(*query.base, event_key=identity(message, names), kind=kind[:64])
    if not sender or not message["TaskId"] or not message["EventKey"]:
        raise CallbackMalformed("card event without sender, TaskId or EventKey")
    return CardPress(
        *query.base,
        event_key=identity(message, ("FromUserName", "CreateTime", "EventKey", "TaskId", "ResponseCode")),
        external_user_id=settings.person(sender),
        reference=message["TaskId"],
        button_key=message["EventKey"],
        update_code=message["ResponseCode"] or None,
    )
