"""A click on a card: the callback in its new and its historic form, and what the answer does.

https://open.feishu.cn/document/uAjLw4CM/ukzMukzMukzM/feishu-cards/card-callback-communication
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from simulator import outbound
from simulator.base import CannotPress
from simulator.feishu import cards, crypto, messages, pushes
from simulator.feishu.cards import Pressable
from simulator.feishu.context import Click, Feishu
from simulator.feishu.errors import CardRefused
from simulator.feishu.scopes import granted
from simulator.feishu.state import CARD_CALLBACK, HISTORIC_CALLBACK, App, CardToken, Chat, Message, Person

DAY = 86400
TOASTS = {"info", "success", "error", "warning"}
REASONS = {
    200340: "应用没有配置回调地址或没有添加卡片回传交互，或者配置后还没有发布版本",
    200341: "应用 3 秒内没有响应",
    200342: "无法连接应用的回调地址",
    200343: "回调地址的域名无法解析",
    200530: "表单中的组件没有 name",
    200671: "应用返回的 HTTP 状态码不是 200",
    200672: "应用返回的内容不合法",
    200673: "应用返回的卡片不合法",
    200830: "JSON 2.0 的卡片不能更新为 JSON 1.0 的卡片",
}

Json = dict[str, Any]


@dataclass
class Press:
    """What happened. code: the error number the client shows, 0 for none; toast: as the application sent it.

    card_token  the right to update the card later; answers: one per request that was made
    """

    card_token: str = ""
    answers: list[pushes.Attempt] = field(default_factory=list)
    code: int = 0
    toast: Json | None = None
    is_updated: bool = False

    @property
    def problem(self) -> str:
        """For whoever clicked."""
        return f"出错了，请稍后重试（code: {self.code}）：{REASONS[self.code]}" if self.code else ""


class _Invalid(Exception):
    """An answer that is not one. code: as in REASONS."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


@dataclass
class _Clicked:
    """A click on its way: everything that the requests tell."""

    app: App
    chat: Chat
    message: Message
    person: Person
    item: Pressable
    token: str
    form: Json


def press(feishu: Feishu, message_id: str, user_id: str, key: str, form: Json | None = None) -> Press:
    """Press a button or menu item as this person; takes up to 3 s a request when nobody answers.

    form  what was typed, by the inputs' names. Raises CannotPress.
    """
    with feishu.store.lock:
        clicked = _begin(feishu, message_id, user_id, key, form or {})
        result = Press(clicked.token)
        if clicked.item.form and not _is_named(clicked):
            result.code = 200530
            return result
        routes = _routes(clicked.app)
        if not routes:
            result.code = 200340
            return result
        _lock_card(feishu, clicked.message)
        requests = [(url, is_old, *_request(feishu, clicked, is_old=is_old)) for url, is_old in routes]
        feishu.store.touch()
    codes = []
    try:
        for url, is_old, plaintext, headers in requests:
            answer = _post(feishu, clicked.app, url, plaintext, headers)
            result.answers.append(pushes.Attempt(answer.status, answer.body.decode("utf-8", "replace"), answer.error))
            with feishu.store.lock:
                codes.append(_apply(feishu, clicked, answer, result, is_old=is_old))
    finally:
        with feishu.store.lock:
            _unlock_card(feishu, clicked.message, keeps=result.is_updated)
    result.code = min(codes)  # any success counts
    return result


def _begin(feishu: Feishu, message_id: str, user_id: str, key: str, form: Json) -> _Clicked:
    message = feishu.state.messages.get(message_id)
    chat = feishu.state.chats.get(message.chat_id) if message else None
    app = feishu.state.apps.get(message.app_id) if message else None
    if message is None or chat is None or app is None or message.recalled or message.kind != "interactive":
        raise CannotPress("no such card")
    person = feishu.state.tenant_of(app).people.get(user_id)
    if person is None or user_id not in chat.people:
        raise CannotPress("not a member of this chat")
    card = message.seen_by(user_id)
    days = 14 if cards.is_v2(card) else 30
    if feishu.now - message.at > days * DAY:
        raise CannotPress(f"该卡片发送时间已超过 {days} 天，无法进行互动")
    item = next((item for item in cards.pressable(card) if item.key == key), None)
    if item is None:
        raise CannotPress("this button cannot be pressed")
    _check_form(card, item, form)
    token = f"c-{secrets.token_hex(17)}"
    feishu.state.card_tokens[token] = CardToken(message.id, app.app_id, user_id, feishu.now)
    return _Clicked(app, chat, message, person, item, token, form)


def _check_form(card: Json, item: Pressable, given: Json) -> None:
    """The client itself asks for what is required and not filled in; nothing is sent then."""
    holder = cards.form_of(card, item.form) if item.form else None
    for element in cards.walk(holder.get("elements") if holder else None):
        if element.get("required") and not given.get(str(element.get("name"))):
            raise CannotPress(f"required: {element.get('name')}")


def _is_named(clicked: _Clicked) -> bool:
    """Has every interactive component of the form a name?"""
    holder = cards.form_of(clicked.message.seen_by(clicked.person.user_id), clicked.item.form)
    inside = cards.walk(holder.get("elements") if holder else None)
    return all(element.get("name") for element in inside if element.get("tag") in cards.components.INTERACTIVE)


def _routes(app: App) -> list[tuple[str, bool]]:
    """Where requests go, and whether in the historic form; a click may cause two."""
    online = app.online
    if online is None:
        return []
    found = []
    if CARD_CALLBACK in online.callbacks and online.card_url:
        found.append((online.card_url, False))
    historic_url = online.historic_card_url or (online.card_url if HISTORIC_CALLBACK in online.callbacks else "")
    if historic_url:
        found.append((historic_url, True))
    return found


def _request(feishu: Feishu, clicked: _Clicked, *, is_old: bool) -> tuple[str, dict[str, str]]:
    """The text of the request, and headers of its own where it is of the historic form."""
    if not is_old:
        event = {
            "operator": _operator(feishu, clicked),
            "token": clicked.token,
            "action": _action(clicked),
            "host": "im_message",
            "context": {"open_message_id": clicked.message.id, "open_chat_id": clicked.chat.chat_id},
        }
        return pushes.envelope(feishu, clicked.app, CARD_CALLBACK, event, microseconds=True), {}
    operator = _operator(feishu, clicked)
    plaintext = pushes.compact(
        {name: operator[name] for name in ("open_id", "user_id") if name in operator}
        | {
            "open_message_id": clicked.message.id,
            "open_chat_id": clicked.chat.chat_id,
            "tenant_key": clicked.app.tenant_key,
            "token": clicked.token,
            "action": _action(clicked),
        }
    )
    stamp, nonce = str(int(feishu.now)), secrets.token_hex(8)
    given = crypto.historic_signature(clicked.app.verification_token, stamp, nonce, plaintext.encode())
    headers = {"Content-Type": pushes.JSON_TYPE, "X-Refresh-Token": f"{clicked.message.id}-{clicked.message.updates}"}
    return plaintext, headers | pushes.signed_headers(stamp, nonce, given)


def _post(feishu: Feishu, app: App, url: str, plaintext: str, headers: dict[str, str]) -> outbound.Answer:
    """The historic request is never encrypted and signed its own way, the new one like an event."""
    if not headers:
        return pushes.post(feishu, app, url, plaintext)
    body = plaintext.encode()
    answer = outbound.send("POST", url, body=body, headers=headers, seconds=pushes.ANSWER_SECONDS)
    pushes.record(feishu, url, body, answer, plaintext=plaintext, note=answer.error)
    return answer


def _operator(feishu: Feishu, clicked: _Clicked) -> Json:
    tenant, user_id = feishu.state.tenant_of(clicked.app), clicked.person.user_id
    operator = {
        "tenant_key": tenant.tenant_key,
        "open_id": clicked.app.open_id(user_id),
        "union_id": tenant.union_id(user_id),
    }
    is_told = "contact:user.employee_id:readonly" in granted(clicked.app)
    return operator | ({"user_id": user_id} if is_told else {})


def _action(clicked: _Clicked) -> Json:
    """What was pressed; what does not apply is absent."""
    item = clicked.item
    action: Json = {"tag": item.tag, "timezone": "Asia/Shanghai"}
    if item.value not in (None, {}):
        action["value"] = item.value
    if item.option:
        action["option"] = item.option
    if item.name:
        action["name"] = item.name
    if item.form:
        action["form_value"] = clicked.form
    return action


def _lock_card(feishu: Feishu, message: Message) -> None:
    click = feishu.clicked.setdefault(message.id, Click(message.content))
    click.count += 1


def _unlock_card(feishu: Feishu, message: Message, *, keeps: bool) -> None:
    """The answer is in: an update that came before it is lost, unless the answer brought a card of its own."""
    click = feishu.clicked.get(message.id)
    if click is None:  # a reset came in between
        return
    click.count -= 1
    if click.count:
        return
    del feishu.clicked[message.id]
    if click.is_early and not keeps:
        message.content = click.before
        feishu.store.touch()


def _apply(feishu: Feishu, clicked: _Clicked, answer: outbound.Answer, result: Press, *, is_old: bool) -> int:
    """Show the answer's toast and card; returns the error number, 0 for none."""
    try:
        toast, card = _read(answer, is_old=is_old)
        if card is not None:
            _check_card(feishu, clicked, card)
    except _Invalid as invalid:
        return invalid.code
    result.toast = toast or result.toast
    if card is not None and feishu.now - clicked.message.at <= 14 * DAY:
        is_shared = cards.is_shared(clicked.message.content) and cards.is_shared(card)
        messages.apply(clicked.message, card, feishu.now, "" if is_shared else clicked.person.user_id)
        result.is_updated = True
        feishu.store.touch()
    return 0


def _read(answer: outbound.Answer, *, is_old: bool) -> tuple[Json | None, Json | None]:
    """Toast and card of an answer. Raises _Invalid."""
    if answer.status == 0:
        raise _Invalid(_silence(answer.error))
    if answer.status != 200:
        raise _Invalid(200671)
    try:
        said = json.loads(answer.body or b"{}")
    except ValueError as error:
        raise _Invalid(200672) from error
    if not isinstance(said, dict):
        raise _Invalid(200672)
    toast = said.pop("toast", None)
    if toast is not None and not _is_toast(toast):
        raise _Invalid(200672)
    if is_old:
        return toast, said or None
    card = said.pop("card", None)
    if said:
        raise _Invalid(200672)
    if card is None:
        return toast, None
    if not isinstance(card, dict) or card.get("type") != "raw" or not isinstance(card.get("data"), dict):
        raise _Invalid(200673)
    return toast, card["data"]


def _silence(error: str) -> int:
    if "Name or service" in error or "resolve" in error:
        return 200343
    return 200342 if "refused" in error else 200341


def _is_toast(toast: Any) -> bool:
    if not isinstance(toast, dict) or toast.get("type", "info") not in TOASTS:
        return False
    i18n = toast.get("i18n", {})
    return isinstance(toast.get("content", ""), str) and isinstance(i18n, dict)


def _check_card(feishu: Feishu, clicked: _Clicked, card: Json) -> None:
    if cards.is_v2(clicked.message.content) and not cards.is_v2(card):
        raise _Invalid(200830)
    try:
        messages.check_card(feishu, clicked.app, card)
    except CardRefused as refusal:
        raise _Invalid(200673) from refusal
