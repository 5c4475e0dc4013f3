"""What Feishu posts to us and what it is answered: bytes and values in, values and bytes out.

Events and card presses have an address each, but both are read at either. A press may come in two shapes: the present
one, and the historic one of applications that still name an address on their robot's page.
https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/event-subscription-guide/callback-subscription/receive-and-handle-callbacks
and feishu-cards/card-callback-communication
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import json_text
from platforms.base import (
    Callback,
    CallbackReply,
    CallbackRequest,
    CardPress,
    Group,
    GroupEvent,
    OtherEvent,
    PressAnswer,
    UrlCheck,
)
from platforms.crypto import same
from platforms.errors import CallbackMalformed, CallbackRefused
from platforms.feishu import cards
from platforms.feishu.crypto import EventCipher, historic_signature, signature
from platforms.feishu.errors import HistoricRefused
from platforms.feishu.settings import FeishuSettings
from platforms.shortening import shorten

MAX_BODY_BYTES = 256 * 1024
MAX_HEADER_CHARACTERS = 128
EVENT_SECONDS = 24 * 3600
"""An event that was not answered comes again up to 6 h 5 min later; whether with a new time is nowhere said."""
PRESS = "card.action.trigger"
GROUP_CHANGES = {
    "im.chat.member.bot.added_v1": "added",
    "im.chat.member.bot.deleted_v1": "removed",
    "im.chat.disbanded_v1": "disbanded",
    "im.chat.updated_v1": "renamed",
}
TOAST_CHARACTERS = 200
DIGITS = re.compile(r"[0-9]{9,11}|[0-9]{13}|[0-9]{16}")
UNITS = {13: 10**3, 16: 10**6}
"""Digits of a time → how many of its units are a second."""
MESSAGE_ID = re.compile(r"om_[0-9A-Za-z_-]{1,120}")
JSON_TYPE = "application/json; charset=utf-8"

Json = dict[str, Any]


@dataclass(frozen=True)
class HistoricPress(CardPress):
    """A press in the historic shape, which wants its answer in another one."""


@dataclass(frozen=True)
class _Proof:
    """What the headers say of a post. sent_at: None where they do not say a time."""

    timestamp: str
    nonce: str
    signature: str

    @classmethod
    def of(cls, request: CallbackRequest) -> _Proof:
        names = ("X-Lark-Request-Timestamp", "X-Lark-Request-Nonce", "X-Lark-Signature")
        values = [request.headers.get(name) or "" for name in names]
        if any(len(value) > MAX_HEADER_CHARACTERS for value in values):
            raise CallbackRefused("headers")
        return cls(*values)

    @property
    def is_complete(self) -> bool:
        return bool(self.timestamp and self.nonce and self.signature)

    @property
    def sent_at(self) -> datetime | None:
        return _moment(self.timestamp)


def read(settings: FeishuSettings, request: CallbackRequest) -> Callback:
    """Verify a post on its raw bytes, decrypt it and say what it is.

    With an Encrypt Key everything is encrypted and, the check of the address apart, signed. Plain posts are refused
    then, the historic press among them: Feishu never encrypts it, and signs it with the Verification Token, which is
    what an Encrypt Key is to be safer than. An application that has both addresses loses nothing: each press comes in
    the present shape as well, and one answer is enough. Without a key, the token inside (the historic press: its
    signature) is all that proves where a post comes from.
    Raises CallbackRefused for what is not genuine, CallbackMalformed for what is but cannot be read.
    """
    if request.method != "POST" or len(request.body) > MAX_BODY_BYTES:
        raise CallbackRefused("method or size")
    body, proof = _object(request.body), _Proof.of(request)
    if _is_historic_press(body):
        return _historic_press(settings, request, body, proof)
    is_signed = False
    if settings.encrypt_key:
        is_signed = _check_signature(settings, request, proof)
        body = _opened(settings, body)
    elif "encrypt" in body:
        raise CallbackRefused("encrypted, but no Encrypt Key is set")
    header = _part(body, "header")
    if not same(settings.verification_token, _text(header or body, "token")):
        raise CallbackRefused("Verification Token")
    if _text(body, "type") == "url_verification":
        return UrlCheck(_identity(request.body), "", request.received_at, reply=_text(body, "challenge"))
    if settings.encrypt_key and not is_signed:
        raise CallbackRefused("not signed")
    if _text(header or _part(body, "event"), "app_id") != settings.app_id:
        raise CallbackRefused("app_id")
    return _event(request, body, header, proof if is_signed else None)


def answer(settings: FeishuSettings, callback: Callback, answer: PressAnswer | None) -> CallbackReply:
    """The bytes to answer: the check's challenge, a press's words and new card, or an empty object."""
    if isinstance(callback, UrlCheck):
        return _reply({"challenge": callback.reply})
    if not isinstance(callback, CardPress) or answer is None:
        return _reply({})
    said: Json = {}
    if answer.text:
        kind = "error" if answer.is_refusal else "success"
        said["toast"] = {"type": kind, "content": shorten(answer.text, TOAST_CHARACTERS)}
    if answer.card is None or settings.press_reply != "passive":
        return _reply(said)
    drawn = cards.as_json(answer.card)
    if isinstance(callback, HistoricPress):
        return _reply(said | drawn)
    return _reply(said | {"card": {"type": "raw", "data": drawn}})


# --- whether it is genuine ----------------------------------------------------------------------------------------


def _check_signature(settings: FeishuSettings, request: CallbackRequest, proof: _Proof) -> bool:
    """Whether the post is signed. Raises CallbackRefused for a signature that is wrong."""
    if not proof.is_complete:
        return False
    expected = signature(proof.timestamp, proof.nonce, settings.encrypt_key, request.body)
    if not same(expected, proof.signature.lower()):
        raise CallbackRefused("signature")
    return True


def _opened(settings: FeishuSettings, body: Json) -> Json:
    encrypted = body.get("encrypt")
    if not isinstance(encrypted, str):
        raise CallbackRefused("not encrypted, though an Encrypt Key is set")
    return _object(_cipher(settings.encrypt_key).decrypt(encrypted))


@lru_cache(maxsize=128)
def _cipher(encrypt_key: str) -> EventCipher:
    return EventCipher(encrypt_key)


def _is_historic_press(body: Json) -> bool:
    return "open_message_id" in body and not {"schema", "encrypt", "header"} & body.keys()


def _historic_press(settings: FeishuSettings, request: CallbackRequest, body: Json, proof: _Proof) -> Callback:
    """Flat and never encrypted; signed with the Verification Token, which it does not carry. Only without a key."""
    if settings.encrypt_key:
        raise HistoricRefused
    if not settings.verification_token or not proof.is_complete:
        raise CallbackRefused("historic press without a signature")
    expected = historic_signature(proof.timestamp, proof.nonce, settings.verification_token, request.body)
    if not same(expected, proof.signature.lower()):
        raise CallbackRefused("historic signature")
    if proof.sent_at is None:
        raise CallbackRefused("timestamp")
    key = _click(body) or _identity(request.body)
    pressed = _pressed(_part(body, "action"), _text(body, "open_id"))
    base = (proof.signature, proof.nonce, proof.sent_at)
    if pressed is None:
        return OtherEvent(*base, key, "card.action.trigger_v1")
    return HistoricPress(*base, key, *pressed, message_id=_message_id(body))


# --- what it is ---------------------------------------------------------------------------------------------------


def _event(request: CallbackRequest, body: Json, header: Json, proof: _Proof | None) -> Callback:
    """A genuine post of schema 2.0, or of the older one without a header. proof: None where posts are not signed."""
    event = _part(body, "event")
    key = _text(header, "event_id") or _text(body, "uuid")
    kind = _text(header, "event_type") or _text(event, "type")
    created = _moment(_text(header, "create_time") or _text(body, "ts").partition(".")[0])
    sent_at = (proof.sent_at if proof else None) or created
    if not key or sent_at is None:
        raise CallbackMalformed("event without id or time")
    base = (proof.signature if proof else _identity(request.body), proof.nonce if proof else "", sent_at)
    if kind == PRESS and (pressed := _pressed(_part(event, "action"), _text(_part(event, "operator"), "open_id"))):
        message_id = _message_id(_part(event, "context"))
        return CardPress(*base, _click(event) or key, *pressed, message_id=message_id)
    change, group = GROUP_CHANGES.get(kind), _group(event)
    if change and group and (group.name or change != "renamed"):
        return GroupEvent(*base, key, change, group, created or sent_at, fresh_seconds=EVENT_SECONDS)
    return OtherEvent(*base, key, kind[:64] or "unknown", fresh_seconds=EVENT_SECONDS)


def _pressed(action: Json, open_id: str) -> tuple[str, str, str] | None:
    """(who pressed, which card, which button); None for a control that we did not draw."""
    value = _part(action, "value")
    key = _text(action, "option") or _text(value, "key")
    reference = _text(value, "reference")
    return (open_id, reference, key) if open_id and key and reference else None


def _message_id(content: Json) -> str:
    """The message whose card was pressed; "" for what can be none."""
    message_id = _text(content, "open_message_id")
    return message_id if MESSAGE_ID.fullmatch(message_id) else ""


def _click(content: Json) -> str:
    """What one click has in both shapes, in which it may come twice: its token for later updates; "" without one."""
    token = _text(content, "token")
    return _identity(f"click {token}".encode()) if token.startswith("c-") else ""


def _group(event: Json) -> Group | None:
    """The group that an event is about, with its name as it is now."""
    chat_id = _text(event, "chat_id")
    return Group(chat_id, _text(event, "name") or _text(_part(event, "after_change"), "name")) if chat_id else None


# --- reading ------------------------------------------------------------------------------------------------------


def _object(source: bytes) -> Json:
    try:
        content = json.loads(source)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise CallbackRefused("not a JSON object")
    return content


def _text(content: Json, name: str) -> str:
    """A member that is a string, without what neither UTF-8 nor a database can hold; "" for anything else."""
    value = content.get(name)
    return value.encode("utf-8", "replace").decode().replace("\0", "") if isinstance(value, str) else ""


def _part(content: Json, name: str) -> Json:
    value = content.get(name)
    return value if isinstance(value, dict) else {}


def _moment(digits: str) -> datetime | None:
    """A time as Feishu writes it: seconds, milliseconds or microseconds by the number of digits."""
    if not DIGITS.fullmatch(digits):
        return None
    return datetime.fromtimestamp(int(digits) / UNITS.get(len(digits), 1), UTC)


def _identity(source: bytes) -> str:
    """64 hex digits that are the same for the same bytes."""
    return hashlib.sha256(source).hexdigest()


def _reply(content: Json) -> CallbackReply:
    return CallbackReply(200, json_text.written(content).encode(), JSON_TYPE)
