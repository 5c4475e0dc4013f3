"""A press on a card: the signed call, the answer within two seconds, what it shows to whoever pressed.

https://open.dingtalk.com/document/development/event-callback-card
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from simulator import outbound, recording
from simulator.base import CannotPress
from simulator.dingtalk import faces
from simulator.dingtalk.cards import parameters
from simulator.dingtalk.context import PLATFORM, DingTalk
from simulator.dingtalk.errors import ApiError
from simulator.dingtalk.state import Card, Message, Route
from simulator.faults import Caller

ANSWER_SECONDS = 2.0

Json = dict[str, Any]


@dataclass
class Press:
    """What happened. http_status is 0 without an answer; problem is a text for the presser, "" when all went well."""

    http_status: int = 0
    answer: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Odd:
    """How a call departs from the rules. corp_id: another company's.

    tamper  "signature", "unsigned", or "no_signature": its time alone
    """

    tamper: str = ""
    timestamp: int | None = None
    corp_id: str = ""


def press(world: DingTalk, message_id: str, userid: str, key: str, odd: Odd | None = None) -> Press:
    """Press a button as this person. message_id: a carrierId or an outTrackId. Raises CannotPress."""
    with world.store.lock:
        message, card = _find(world, message_id, userid)
        button = next((each for each in faces.face(world, card, userid).buttons if each.key == key), None)
        if button is None:
            raise CannotPress("this button cannot be pressed")
        if not card.callback:
            raise CannotPress("this card calls nobody back")
        route = world.state.routes.get(card.callback)
        if route is None:
            return Press(problem="卡片的回调地址没有注册")
        body = _body(message, card, userid, button, odd or Odd())
        world.pressing.add(card.out_track_id)
    try:
        answer = _call(world, card, route, body, odd or Odd())
    finally:
        with world.store.lock:
            world.pressing.discard(card.out_track_id)
    if answer.status != 200:
        cause = f"HTTP {answer.status}" if answer.status else answer.error
        return Press(answer.status, _text(answer), f"操作失败，请稍后重试（{cause}）")
    with world.store.lock:
        problem = _apply(world, card, userid, answer.body)
    return Press(answer.status, _text(answer), problem)


def tell(world: DingTalk, message_id: str, userid: str, params: Json, odd: Odd | None = None) -> Press:
    """Call back about a press that the client would not allow; the answer is shown to nobody. Raises CannotPress."""
    with world.store.lock:
        message = world.state.messages.get(message_id)
        card = world.state.cards.get(message.card) if message else None
        route = world.state.routes.get(card.callback) if card else None
        if message is None or card is None or route is None:
            raise CannotPress("no such card, or one that calls nobody back")
        body = _body(message, card, userid, faces.Button("", params=params), odd or Odd())
    answer = _call(world, card, route, body, odd or Odd())
    return Press(answer.status, _text(answer), answer.error)


def _find(world: DingTalk, message_id: str, userid: str) -> tuple[Message, Card]:
    """The card in front of this person."""
    kept = world.state.messages
    named = [kept[message_id]] if message_id in kept else [each for each in kept.values() if each.card == message_id]
    for message in named:
        card = world.state.cards.get(message.card)
        if card is not None and not message.recalled and is_shown_to(world, message, userid):
            return message, card
    raise CannotPress("no such card in front of this person")


def is_shown_to(world: DingTalk, message: Message, userid: str) -> bool:
    """Is this the receiver, or a member of the group?"""
    if not message.is_group:
        return message.to == userid
    group = world.state.corps[message.corp_id].groups.get(message.to)
    return group is not None and userid in group.members and (not message.only or userid in message.only)


def _body(message: Message, card: Card, userid: str, button: faces.Button, odd: Odd) -> Json:
    private = {"actionIds": [button.action], "params": button.params}
    return {
        "type": "actionCallback",
        "outTrackId": card.out_track_id,
        "corpId": odd.corp_id or card.corp_id,
        "userId": userid,
        "content": json.dumps({"cardPrivateData": private}, ensure_ascii=False),
        "spaceType": "IM_GROUP" if message.is_group else "IM_ROBOT",
        "spaceId": message.to,
        "userIdType": 1,
        "extension": "{}",
    }


def _call(world: DingTalk, card: Card, route: Route, body: Json, odd: Odd) -> outbound.Answer:
    """The callback itself. Without an apiSecret it carries no signature; a signature covers the time alone."""
    headers = {"Content-Type": "application/json"}
    if route.secret and odd.tamper != "unsigned":
        stamp = str(odd.timestamp or int(world.now * 1000))
        secret = "x" if odd.tamper == "signature" else route.secret
        headers["x-ddpaas-signature-timestamp"] = stamp
        if odd.tamper != "no_signature":
            headers["x-ddpaas-signature"] = card_signature(secret, stamp)
    raw = json.dumps(body, ensure_ascii=False).encode()
    answer = outbound.send("POST", route.url, body=raw, headers=headers, seconds=ANSWER_SECONDS)
    called = Caller(PLATFORM, urlsplit(route.url).path, card.corp_id, app_id=card.client_id)
    if answer.status and world.faults.take(called, ["callback_lost"]):
        answer = outbound.Answer(0, b"", answer.ms, "fault: callback_lost")
    recording.outgoing(world.wire, PLATFORM, route.url, raw, answer, at=world.now, note=answer.error)
    return answer


def _apply(world: DingTalk, card: Card, userid: str, raw: bytes) -> str:
    """Show the answer to the presser alone; returns why it cannot be read, or ""."""
    try:
        answer = json.loads(raw)
        options = answer.get("cardUpdateOptions") or {}
        public, private = answer.get("cardData"), answer.get("userPrivateData")
        shown = parameters(public, "cardData") if public is not None else None
        own = parameters(private, "userPrivateData") if private is not None else None
    except (ValueError, AttributeError, ApiError) as error:
        return f"操作失败，请稍后重试（{error}）"
    if shown is not None:
        is_by_key = options.get("updateCardDataByKey") is True
        known = card.answered.get(userid, {}) if is_by_key else dict.fromkeys(card.public, "")
        card.answered[userid] = known | shown
    if own is not None:
        known = card.private.get(userid, {}) if options.get("updatePrivateDataByKey") is True else {}
        card.private[userid] = known | own
    if shown is not None or own is not None:
        card.answers[userid] = card.answers.get(userid, 0) + 1
    world.store.touch()
    return ""


def card_signature(api_secret: str, timestamp: str) -> str:
    """Base64 of HMAC-SHA256 over the decimal timestamp; the body is not covered."""
    return base64.b64encode(hmac.new(api_secret.encode(), timestamp.encode(), hashlib.sha256).digest()).decode()


def _text(answer: outbound.Answer) -> str:
    return answer.body.decode("utf-8", "replace")
