"""What DingTalk posts to us and what it is answered: bytes and values in, values and bytes out.

Events come encrypted to one address, presses of card buttons signed to another.
https://open.dingtalk.com/document/development/configure-stream-push (HTTP 推送), …/event-callback-card
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
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
from platforms.crypto import CallbackCipher, same
from platforms.dingtalk import cards
from platforms.dingtalk.settings import DingTalkSettings
from platforms.errors import CallbackMalformed, CallbackRefused

EVENT, CARD = "event", "card"
MAX_BODY_BYTES = 256 * 1024
MAX_NONCE_CHARACTERS = 128
EVENT_FRESH_SECONDS = 900
"""An event that was not answered comes again after 10 and 30 seconds; no window is documented."""
CARD_FRESH_SECONDS = 300
SECONDS_BELOW = 10**11
"""A time of fewer is meant in seconds, else in milliseconds: both are seen."""
CHANGES = {
    "im_cool_app_install": "added",
    "im_cool_app_uninstall": "removed",
    "chat_update_title": "renamed",
    "chat_disband": "disbanded",
}
"""EventType → what happened to the group."""
SUCCESS = b"success"
JSON_TYPE = "application/json; charset=utf-8"

Json = dict[str, Any]


def read(settings: DingTalkSettings, request: CallbackRequest) -> Callback:
    """Verify a request on its raw bytes and say what it is.

    Raises CallbackRefused for what is not genuine, CallbackMalformed for what is but cannot be read.
    """
    if request.method != "POST" or len(request.body) > MAX_BODY_BYTES:
        raise CallbackRefused("method or size")
    return _press(settings, request) if request.purpose == CARD else _event(settings, request)


def answer(settings: DingTalkSettings, callback: Callback, told: PressAnswer | None) -> CallbackReply:
    """A press is answered with the presser's new card, every event with the encrypted word "success".

    What came of a press is said where the card does not show it.
    """
    if isinstance(callback, UrlCheck):
        return CallbackReply(200, callback.reply.encode(), JSON_TYPE)
    if not isinstance(callback, CardPress):
        return CallbackReply(200, _success(cipher(settings, callback.addressed_to)).encode(), JSON_TYPE)
    content = cards.reply(told.card, told.notice) if told else {}
    return CallbackReply(200, json_text.written(content).encode(), JSON_TYPE)


# --- events -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=128)
def cipher(settings: DingTalkSettings, receive_id: str) -> CallbackCipher:
    """The callback's keys, kept for the same settings. Raises CallbackRefused while they are not set."""
    try:
        return CallbackCipher(settings.token, settings.aes_key, receive_id)
    except ValueError:
        raise CallbackRefused("callback keys are not set") from None


def _event(settings: DingTalkSettings, request: CallbackRequest) -> Callback:
    query, encrypted = request.query, _encrypted(request.body)
    signature = query.get("msg_signature") or query.get("signature", "")
    timestamp, nonce = query.get("timestamp", ""), query.get("nonce", "")
    if not signature or not nonce or len(nonce) > MAX_NONCE_CHARACTERS or len(timestamp) > MAX_NONCE_CHARACTERS:
        raise CallbackRefused("query")
    receive_id, opened = _open(settings, signature, timestamp, nonce, encrypted)
    content = _object(opened, "event")
    about: Json = {"fresh_seconds": EVENT_FRESH_SECONDS, "addressed_to": receive_id}
    base = (signature, nonce, _moment(timestamp) or request.received_at)
    kind = _text(content, "EventType")
    if kind == "check_url":
        return UrlCheck(*base, reply=_success(cipher(settings, receive_id)), **about)
    _check_company(settings, _text(content, "CorpId"))
    about["event_key"] = _event_key(content, opened)
    return _group_event(kind, content, base, about) or OtherEvent(*base, kind=kind[:64] or "unknown", **about)


def lost_event(settings: DingTalkSettings, item: Json) -> GroupEvent | None:
    """An event of a group among those that DingTalk kept since nobody answered; None for any other one.

    Its content stands under the name of its kind, in older ones without `callbackData`, the time in milliseconds.
    """
    kind = _text(item, "call_back_tag")
    kept = _member(item, kind)
    content = {"EventTime": item.get("event_time"), **(_member(kept, "callbackData") or kept)}
    opened = json.dumps([kind, content], sort_keys=True).encode()
    moment = _happened_at(content)
    try:
        _check_company(settings, _text(content, "CorpId"))
    except CallbackRefused:
        return None
    if moment is None:
        return None
    return _group_event(kind, content, ("", "", moment), {"event_key": _event_key(content, opened)})


def _group_event(kind: str, content: Json, base: tuple[str, str, datetime], about: Json) -> GroupEvent | None:
    """The event if it is about a group; base: what all callbacks have, about: what this one has beside it."""
    change, group = CHANGES.get(kind), _group(content)
    if change is None or not group.external_id:
        return None
    happened_at = _happened_at(content) or base[2]
    return GroupEvent(*base, change=change, group=group, happened_at=happened_at, **about)


def _open(settings: DingTalkSettings, signature: str, timestamp: str, nonce: str, encrypted: str) -> tuple[str, bytes]:
    """The receiver that was named at the end of the message, and the message.

    Events of an application are for its ClientID; one that was registered by a call names the company instead.
    """
    receivers = [name for name in (settings.client_id, settings.corp_id) if name]
    if not receivers:
        raise CallbackRefused("callback keys are not set")
    refusal: CallbackRefused | None = None
    for receiver in receivers:
        try:
            return receiver, cipher(settings, receiver).open(signature, timestamp, nonce, encrypted)
        except CallbackRefused as error:
            if error.reason != "receiver":
                raise
            refusal = error
    raise refusal or CallbackRefused("receiver")


def _success(keys: CallbackCipher) -> str:
    encrypted = keys.encrypt(SUCCESS)
    timestamp, nonce = str(int(time.time() * 1000)), secrets.token_hex(8)
    signature = keys.sign(timestamp, nonce, encrypted)
    return json.dumps({"msg_signature": signature, "timeStamp": timestamp, "nonce": nonce, "encrypt": encrypted})


def _encrypted(body: bytes) -> str:
    """The cipher text of the outer JSON, whose shape alone is looked at before the signature was checked."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    encrypted = content.get("encrypt") if isinstance(content, dict) else None
    if not isinstance(encrypted, str) or not encrypted.isascii():
        raise CallbackRefused("outer JSON")
    return encrypted


def _group(content: Json) -> Group:
    """The group of an event. Names of members were written in other ways once, so their case does not count."""
    known = {"cool_app_code": _text(content, "coolAppCode"), "robot_code": _text(content, "robotCode")}
    details = {name: value for name, value in known.items() if value}
    return Group(_text(content, "openConversationId"), _text(content, "title"), details)


def _happened_at(content: Json) -> datetime | None:
    found = (_moment(_text(content, name)) for name in ("operateTime", "timeStamp", "EventTime"))
    return next((moment for moment in found if moment), None)


def _event_key(content: Json, opened: bytes) -> str:
    """What is the same in all repeats of one event."""
    return _text(content, "eventId") or _text(content, "BizId") or hashlib.sha256(opened).hexdigest()


def _check_company(settings: DingTalkSettings, corp_id: str) -> None:
    """What names a company must name ours. A CorpId that was entered wrongly is told by its own check."""
    if corp_id and settings.corp_id and corp_id.casefold() != settings.corp_id.casefold():
        raise CallbackRefused("CorpId")


# --- presses ------------------------------------------------------------------------------------------------------


def _press(settings: DingTalkSettings, request: CallbackRequest) -> CardPress:
    """A pressed button. The signature covers its time alone: what the body says is trusted as far as our own keys go.

    So the time and the card make the press: the same time with another body is a repeat, which changes nothing.
    """
    timestamp = request.headers.get("x-ddpaas-signature-timestamp") or ""
    signature = request.headers.get("x-ddpaas-signature") or ""
    if not settings.client_secret or not timestamp or len(timestamp) > MAX_NONCE_CHARACTERS:
        raise CallbackRefused("signature headers")
    if not same(card_signature(settings.card_api_secret, timestamp), signature):
        raise CallbackRefused("signature")
    sent_at = _moment(timestamp)
    if sent_at is None:
        raise CallbackRefused("timestamp")
    content = _object(request.body, "press")
    _check_company(settings, _text(content, "corpId"))
    pressed = content.get("content") or content.get("value") or {}
    params = _member(_member(pressed, "cardPrivateData"), "params")
    person, reference, key = _text(content, "userId"), _text(content, "outTrackId"), _text(params, "key")
    if not person or not reference or not key:
        raise CallbackMalformed("press without userId, outTrackId or key")
    identity = hashlib.sha256(json.dumps([timestamp, reference]).encode()).hexdigest()
    return CardPress(
        signature,
        timestamp,
        sent_at,
        event_key=identity,
        external_user_id=person,
        reference=reference,
        button_key=key,
        fresh_seconds=CARD_FRESH_SECONDS,
    )


def card_signature(api_secret: str, timestamp: str) -> str:
    """Base64 of HMAC-SHA256 over the time as it was written; "" without a secret, which equals nothing."""
    if not api_secret:
        return ""
    return base64.b64encode(hmac.new(api_secret.encode(), timestamp.encode(), hashlib.sha256).digest()).decode()


# --- values -------------------------------------------------------------------------------------------------------


def _object(source: bytes, what: str) -> Json:
    try:
        content = json.loads(source)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise CallbackMalformed(f"{what} is no JSON object")
    return content


def _member(content: Any, name: str) -> Json:
    """A member that is an object, also where either of the two was written as JSON text."""
    found = _as_object(content).get(name)
    return _as_object(found)


def _as_object(content: Any) -> Json:
    if isinstance(content, str):
        return _object(content.encode("utf-8", "replace"), "member")
    return content if isinstance(content, dict) else {}


def _text(content: Mapping[str, Any], name: str) -> str:
    """A value as text, whatever the case of its name; "" for one that is no single value.

    What neither UTF-8 nor a database can hold is left out.
    """
    found = content.get(name)
    if found is None:
        wanted = name.casefold()
        found = next((value for key, value in content.items() if key.casefold() == wanted), None)
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return ""
    return str(found).encode("utf-8", "replace").decode().replace("\0", "").strip()


def _moment(text: str) -> datetime | None:
    """A time in milliseconds, or in seconds where it is too small for that; None for anything else."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 14):
        return None
    number = int(text)
    return datetime.fromtimestamp(number if number < SECONDS_BELOW else number / 1000, UTC)
