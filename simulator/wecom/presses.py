"""A press on a card: the event with a fresh response code, the delivery, the passive reply for the presser alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from simulator.base import CannotPress
from simulator.wecom import cards, updates, xml
from simulator.wecom.callbacks import Delivery, deliver
from simulator.wecom.context import WeCom
from simulator.wecom.errors import ApiError
from simulator.wecom.state import App, Corp, Message


@dataclass
class Press:
    """What happened. problem is a text for the presser, "" when the callback was accepted."""

    response_code: str
    delivery: Delivery = field(default_factory=Delivery)
    problem: str = ""


def press(wecom: WeCom, message_id: str, userid: str, key: str, selected: dict[str, list[str]] | None = None) -> Press:
    """Press a button or menu item as this person. Raises CannotPress; takes up to 15 s when nobody answers.

    selected  chosen option ids by question_key, for drop-downs and votes.
    """
    with wecom.store.lock:
        message, corp, app = _find(wecom, message_id, userid)
        person = corp.person(userid)
        presser = person.userid if person else userid
        item = _item(message, presser, key)
        code = wecom.state.new_response_code(message, wecom.store.now())
        names = wecom.shown_corp(corp, app), wecom.shown_user(corp, app, presser)
        plaintext = _event(wecom, message, presser, item, names=names, code=code, selected=selected or {})
        wecom.store.touch()
    result = Press(code, deliver(wecom, corp, app, plaintext))
    if not result.delivery.is_accepted:
        result.problem = _problem(result.delivery)
        return result
    with wecom.store.lock:
        _apply_reply(wecom, message, presser, code, result.delivery.reply)
    return result


def _find(wecom: WeCom, message_id: str, userid: str) -> tuple[Message, Corp, App]:
    message = wecom.state.messages.get(message_id)
    found = wecom.state.app(message.corp_id, message.agent_id) if message else None
    if message is None or found is None or message.recalled or message.kind != "template_card":
        raise CannotPress("no such card")
    if userid.lower() not in (receiver.lower() for receiver in message.to):
        raise CannotPress("not a receiver of this card")
    return message, *found


def _item(message: Message, userid: str, key: str) -> dict[str, Any]:
    items = cards.pressable(message.copy_of(userid))
    item = next((item for item in items if item["key"] == key), None)
    if item is None:
        raise CannotPress("this button cannot be pressed")
    return item


def _event(
    wecom: WeCom,
    message: Message,
    userid: str,
    item: dict[str, Any],
    *,
    names: tuple[str, str],
    code: str,
    selected: dict[str, list[str]],
) -> str:
    """The XML of template_card_event or template_card_menu_event; names: of the corp and the presser, for this app."""
    to, sender = names
    card = message.copy_of(userid).card
    is_menu = bool(item.get("menu"))
    fields: list[tuple[str, str | int]] = [
        ("ToUserName", to),
        ("FromUserName", sender),
        ("CreateTime", int(wecom.store.now())),
        ("MsgType", "event"),
        ("Event", "template_card_menu_event" if is_menu else "template_card_event"),
        ("EventKey", item["key"]),
        ("TaskId", str(card.get("task_id") or message.task_id)),
        ("CardType", str(card["card_type"])),
        ("ResponseCode", code),
        ("AgentID", message.agent_id),
    ]
    inner = "".join(xml.element(name, value) for name, value in fields)
    return f"<xml>{inner}{'' if is_menu else _selected_items(card, selected)}</xml>"


def _selected_items(card: dict[str, Any], selected: dict[str, list[str]]) -> str:
    items = ""
    for question, options in (_defaults(card) | selected).items():
        ids = "".join(xml.element("OptionId", option) for option in options)
        items += f"<SelectedItem>{xml.element('QuestionKey', question)}<OptionIds>{ids}</OptionIds></SelectedItem>"
    return f"<SelectedItems>{items}</SelectedItems>" if items else ""


def _defaults(card: dict[str, Any]) -> dict[str, list[str]]:
    """What a drop-down holds when nobody touched it: selected_id, else its first option."""
    selections = [card["button_selection"]] if card.get("button_selection") else []
    found = {}
    for selection in selections + (card.get("select_list") or []):
        ids = [option["id"] for option in selection["option_list"]]
        chosen = selection.get("selected_id")
        found[selection["question_key"]] = [chosen if chosen in ids else ids[0]]
    return found


def _apply_reply(wecom: WeCom, message: Message, userid: str, code: str, reply: str) -> None:
    """update_button or update_template_card changes the presser's card and uses the code up; the rest is ignored."""
    if not reply:
        return
    try:
        change = _change(reply)
        if not change or code not in wecom.state.response_codes:
            return
        updates.check_change(wecom, message, change)
    except (xml.XmlError, ApiError):
        return
    updates.apply(message, userid, change, wecom.store.now())
    wecom.state.response_codes.pop(code, None)
    wecom.store.touch()


def _change(reply: str) -> dict[str, Any]:
    root = xml.parse(reply)
    kind = xml.text_of(root, "MsgType")
    if kind == "update_button":
        return {"replace_name": xml.text_of(root, "Button/ReplaceName")}
    card = root.find("TemplateCard")
    if kind == "update_template_card" and card is not None:
        return {"template_card": xml.card_of(card)}
    return {}


def _problem(delivery: Delivery) -> str:
    last = delivery.last
    cause = f"HTTP {last.http_status}" if last.http_status else last.error
    return f"操作失败：应用的回调地址没有正确响应（{cause}，共 {len(delivery.attempts)} 次）"
