"""interactive/v1/card/update: a card that was clicked changes later, by the token that the click brought.

https://open.feishu.cn/document/ukTMukTMukTM/uMDO1YjLzgTN24yM4UjN
"""

from __future__ import annotations

from typing import Any

from simulator.feishu import cards, messages
from simulator.feishu.context import Call
from simulator.feishu.errors import ApiError, CardRefused
from simulator.feishu.state import CardToken, Message

TOKEN_SECONDS, MAX_USES = 1800, 2

Json = dict[str, Any]


def update_clicked_card(call: Call) -> Json:
    """Once the click is answered. Before that it succeeds, and what it showed is lost when the answer comes."""
    known = _token(call)
    message = call.feishu.state.messages.get(known.message_id)
    if message is None or message.recalled:
        raise ApiError(230011)
    card = call.body.get("card")
    if not isinstance(card, dict):
        raise ApiError(11311)
    open_ids = card.pop("open_ids", None)
    _check(call, message, card)
    known.uses += 1
    click = call.feishu.clicked.get(message.id)
    if click is not None:
        click.is_early = True
    if cards.is_shared(message.content):
        messages.apply(message, card, call.now)
    else:
        for user_id in _exclusive(call, open_ids):
            messages.apply(message, card, call.now, user_id)
    call.feishu.store.touch()
    return {}


def _token(call: Call) -> CardToken:
    known = call.feishu.state.card_tokens.get(str(call.body.get("token")))
    if known is None:
        raise ApiError(300020)
    if known.app_id != call.app.app_id:
        raise ApiError(200310)
    if call.now - known.at > TOKEN_SECONDS:
        raise ApiError(300030)
    if known.uses >= MAX_USES:
        raise ApiError(300040)
    return known


def _check(call: Call, message: Message, card: Json) -> None:
    try:
        if cards.is_v2(message.content) and not cards.is_v2(card):
            raise CardRefused(200830)
        messages.check_card(call.feishu, call.app, card)
    except CardRefused as refusal:
        raise ApiError(11311) from refusal


def _exclusive(call: Call, open_ids: Any) -> list[str]:
    """The people whose card changes, where everybody has one of their own."""
    if not isinstance(open_ids, list) or not open_ids:
        raise ApiError(300090)
    by_open_id = {call.app.open_id(user_id): user_id for user_id in call.tenant.people}
    return [by_open_id[given] for given in open_ids if given in by_open_id]
