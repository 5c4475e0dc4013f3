"""message/update_template_card: form A kills the buttons, form B replaces the card; each code works once.

https://developer.work.weixin.qq.com/document/path/94888
"""

from __future__ import annotations

from typing import Any

from simulator.wecom import cards
from simulator.wecom.context import Call, WeCom
from simulator.wecom.errors import ApiError, bad_parameter
from simulator.wecom.messages import MAX_PARTIES, MAX_TAGS, MAX_USERS, check_agent
from simulator.wecom.state import RESPONSE_CODE_SECONDS, Copy, Message, ResponseCode

Json = dict[str, Any]


def update_template_card(call: Call) -> Json:
    """Update the named receivers' copies and use the code up; those who are not receivers come back as a list."""
    check_agent(call)
    code = str(call.body.get("response_code") or "")
    message = _message_of(call, code)
    change = _change(call, message)
    targets, invalid = _targets(call, message)
    if not targets:
        call.wecom.refuse("not_a_receiver")
    for userid in targets:
        apply(message, userid, change, call.now)
    del call.wecom.state.response_codes[code]
    call.wecom.store.touch()
    return {"invaliduser": invalid} if invalid else {}


def apply(message: Message, userid: str, change: Json, now: float) -> None:
    """Change one person's copy. change is `{"replace_name": …}` (form A) or `{"template_card": …}` (form B)."""
    seen = message.copy_of(userid)
    card, replaced = change.get("template_card", seen.card), change.get("replace_name", "")
    message.copies[userid.lower()] = Copy(card=card, updates=seen.updates + 1, replaced=replaced, updated_at=now)


def check_change(wecom: WeCom, message: Message, change: Json) -> None:
    """Refuse what cannot be applied: form A on a notice, or a card that is wrong in itself."""
    if "template_card" in change:
        cards.check(change["template_card"], is_update=True)
    elif message.body.get("card_type") in cards.NOTICES:
        wecom.refuse("replace_name_on_notice", "button not allowed for this card_type")


def valid_code(wecom: WeCom, code: str) -> ResponseCode | None:
    """A code that exists and is younger than 72 hours."""
    known = wecom.state.response_codes.get(code)
    if known is None or wecom.store.now() - known.at > RESPONSE_CODE_SECONDS:
        return None
    return known


def _message_of(call: Call, code: str) -> Message:
    known = valid_code(call.wecom, code)
    message = call.wecom.state.messages.get(known.message_id) if known else None
    if known is None or message is None:
        raise ApiError(call.wecom.pairing("response_code") or 60140)
    if (known.corp_id, known.agent_id) != (call.corp.corp_id, call.app.agent_id):
        raise ApiError(call.wecom.pairing("update_by_other_app") or 60140)
    return message


def _change(call: Call, message: Message) -> Json:
    card, button = call.body.get("template_card"), call.body.get("button")
    change: Json
    if isinstance(card, dict):
        change = {"template_card": card}
    elif isinstance(button, dict) and button.get("replace_name"):
        change = {"replace_name": str(button["replace_name"])}
    else:
        raise bad_parameter("button.replace_name or template_card missing")
    check_change(call.wecom, message, change)
    return change


def _targets(call: Call, message: Message) -> tuple[list[str], list[str]]:
    """The receivers to update and the lower-cased userids that are none."""
    body = call.body
    users, parties, tags = (body.get(name) or [] for name in ("userids", "partyids", "tagids"))
    if len(users) > MAX_USERS or len(parties) > MAX_PARTIES or len(tags) > MAX_TAGS:
        raise bad_parameter("userids, partyids or tagids exceed max size")
    if str(body.get("atall") or 0) == "1":
        return list(message.to), []
    if not users and not parties and not tags:
        call.wecom.refuse("no_update_target")
    receivers = {call.shown(userid).lower(): userid for userid in message.to}
    below = call.corp.below([int(party) for party in parties if str(party).isdigit()])
    wanted = [str(userid).lower() for userid in users]
    wanted += [call.shown(p.userid).lower() for p in call.corp.people.values() if not below.isdisjoint(p.departments)]
    targets = {key: receivers[key] for key in wanted if key in receivers}
    return list(targets.values()), [key.lower() for key in map(str, users) if key.lower() not in receivers]
