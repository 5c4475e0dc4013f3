"""im/v1/messages: send, reply, update, recall and read.

https://open.feishu.cn/document/ukTMukTMukTM/reference/im-v1/message/create and patch
"""

from __future__ import annotations

import json
from typing import Any

from simulator import faults
from simulator.feishu import cards, images
from simulator.feishu.context import Call, Feishu
from simulator.feishu.errors import ApiError, CardRefused, bad_parameter
from simulator.feishu.state import App, Chat, Message, Person, new_id

KINDS = {"text", "post", "image", "file", "audio", "media", "sticker", "interactive", "share_chat", "share_user"}
ID_TYPES = {"open_id": "ou_", "user_id": "", "union_id": "on_", "email": "", "chat_id": "oc_"}
UNKNOWN_ID = {"open_id": 99992351, "user_id": 99992360, "union_id": 99992364, "chat_id": 99992356}
MAX_TEXT_BYTES, MAX_CARD_BYTES = 150 * 1024, 30 * 1024
MAX_UUID = 50
UUID_SECONDS = 3600
UPDATE_SECONDS = 14 * 86400
RECALL_SECONDS = 86400

Json = dict[str, Any]


def send(call: Call) -> Json:
    """Post a message to one person or chat; the same uuid within an hour is the same message."""
    kind, content = _content(call)
    if not call.app.has_bot:
        raise ApiError(230006)
    chat = _target(call)
    return _post(call, chat, kind, content)


def reply(call: Call) -> Json:
    """A message under another one of a chat that the bot is in."""
    kind, content = _content(call)
    parent = _message(call)
    chat = call.feishu.state.chats[parent.chat_id]
    _check_chat(call, chat)
    return _post(call, chat, kind, content, parent_id=parent.id)


def update(call: Call) -> Json:
    """Replace a card that this application sent, for everybody who sees it."""
    message, now = _own_message(call), call.now
    if message.kind != "interactive":
        raise bad_parameter("This message is NOT a card")
    if now - message.at > UPDATE_SECONDS:
        raise ApiError(230031)
    content = call.body.get("content")
    if len(call.raw) > MAX_CARD_BYTES:
        raise ApiError(230025)
    card = _object(content)
    if not call.feishu.windows.admit(("update", message.id), now, call.feishu.state.limits.message_updates_per_second):
        raise ApiError(230020)
    check_update(call.feishu, call.app, message, card)
    if message.id in call.feishu.clicked and cards.is_v2(message.content):
        raise CardRefused(11310, message="card action is lock").as_api_error()
    apply(message, card, now)
    call.feishu.store.touch()
    return {}


def recall(call: Call) -> Json:
    """Take back one's own message within a day."""
    message = _own_message(call, 230026)
    if call.now - message.at > RECALL_SECONDS:
        raise ApiError(230009)
    message.recalled = True
    call.feishu.store.touch()
    return {}


def read(call: Call) -> Json:
    message = _message(call)
    return {"items": [shown(call, message, call.feishu.state.chats[message.chat_id])]}


def check_card(feishu: Feishu, app: App, card: Any) -> None:
    """Raises CardRefused."""
    knows, has = (lambda given: can_mention(feishu, app, given)), (lambda key: images.may_show(feishu, app, key))
    cards.check(card, knows, has)


def check_update(feishu: Feishu, app: App, message: Message, card: Json) -> None:
    """Refuse a card that may not replace the message's: not shared, of an older schema, or wrong in itself."""
    try:
        if not cards.says_update_multi(message.content) or not cards.says_update_multi(card):
            raise CardRefused(200621, "ROOT -> config -> update_multi", message="update_multi must be true")
        if cards.is_v2(message.content) and not cards.is_v2(card):
            raise CardRefused(200830)
        check_card(feishu, app, card)
    except CardRefused as refusal:
        raise refusal.as_api_error() from refusal


def apply(message: Message, card: Json, now: float, user_id: str = "") -> None:
    """Show another card: to everybody, or to one person where the card is exclusive."""
    if user_id:
        message.views[user_id] = card
    else:
        message.content = card
        message.views.clear()
    message.updates, message.updated_at = message.updates + 1, now


def can_mention(feishu: Feishu, app: App, given: str) -> bool:
    """Does an id or an address in `<at …>` stand for somebody of this tenant, as this application knows them?"""
    people = feishu.state.tenant_of(app).people
    return given in people or any(given in (app.open_id(p.user_id), p.email) for p in people.values())


def shown(call: Call, message: Message, chat: Chat) -> Json:
    """A message as the API describes it. Times are milliseconds, as text."""
    sender = {"id": message.app_id, "id_type": "app_id", "sender_type": "app", "tenant_key": chat.tenant_key}
    answer = {
        "message_id": message.id,
        "msg_type": message.kind,
        "create_time": str(int(message.at * 1000)),
        "update_time": str(int((message.updated_at or message.at) * 1000)),
        "deleted": message.recalled,
        "updated": message.updates > 0,
        "chat_id": chat.chat_id,
        "sender": sender,
        "body": {"content": json.dumps(message.content, ensure_ascii=False)},
    }
    return answer | ({"parent_id": message.parent_id, "root_id": message.parent_id} if message.parent_id else {})


def find_person(app: App, people: dict[str, Person], union_id: Any, id_type: str, given: str) -> Person | None:
    """Whom an id of this type stands for. union_id: turns a user_id into its union_id."""
    ways = {
        "open_id": lambda person: app.open_id(person.user_id),
        "user_id": lambda person: person.user_id,
        "union_id": lambda person: union_id(person.user_id),
        "email": lambda person: person.email,
    }
    return next((person for person in people.values() if ways[id_type](person) == given), None)


def _post(call: Call, chat: Chat, kind: str, content: Json, parent_id: str = "") -> Json:
    """Store the message unless its uuid was used within the hour, or the chat has had five this second."""
    known = _repeat(call)
    if known is not None:
        call.feishu.repeats += 1
        return shown(call, known, call.feishu.state.chats[known.chat_id])
    limits = call.feishu.state.limits
    key = ("user", chat.people[0]) if chat.is_p2p else ("group", chat.chat_id)
    most = limits.user_per_second if chat.is_p2p else limits.group_per_second
    if not call.feishu.windows.admit((*key, call.app.app_id if chat.is_p2p else ""), call.now, most):
        raise ApiError(230020)
    if kind == "interactive":
        try:
            check_card(call.feishu, call.app, content)
        except CardRefused as refusal:
            raise refusal.as_api_error() from refusal
    message = Message(new_id("om"), call.app.app_id, chat.chat_id, kind, content, call.now, parent_id=parent_id)
    call.feishu.state.keep(message)
    if call.body.get("uuid"):
        call.feishu.state.uuids[_uuid_key(call)] = [message.id, call.now]
    call.feishu.store.touch()
    return shown(call, message, chat)


def _content(call: Call) -> tuple[str, Json]:
    """The kind of message and its object, which travels as text."""
    body = call.body
    kind, content, uuid = body.get("msg_type"), body.get("content"), body.get("uuid")
    if kind not in KINDS:
        raise bad_parameter("invalid msg_type")
    if not isinstance(content, str):
        raise bad_parameter("content is not a string in json format")
    if uuid is not None and (not isinstance(uuid, str) or len(uuid) > MAX_UUID):
        raise bad_parameter("invalid uuid")
    if len(call.raw) > (MAX_TEXT_BYTES if kind == "text" else MAX_CARD_BYTES):
        raise ApiError(230025)
    parsed = _object(content, is_card=kind == "interactive")
    if kind == "text" and not isinstance(parsed.get("text"), str):
        raise bad_parameter("invalid message content, text is required")
    if kind == "text" and not parsed["text"]:
        raise bad_parameter("content cannot be empty")
    return str(kind), parsed


def _object(content: Any, *, is_card: bool = True) -> Json:
    if not isinstance(content, str):
        raise bad_parameter("content is not a string in json format")
    try:
        parsed = json.loads(content)
    except ValueError as error:
        if is_card:
            raise CardRefused(200621).as_api_error() from error
        raise bad_parameter("content is not a string in json format") from error
    if not isinstance(parsed, dict):
        raise bad_parameter("content is not a string in json format")
    return parsed


def _target(call: Call) -> Chat:
    """The chat that receives it; a person's chat with the bot is made when it is first needed."""
    id_type, given = call.query.get("receive_id_type", ""), str(call.body.get("receive_id"))
    if id_type not in ID_TYPES:
        raise bad_parameter("invalid receive_id_type")
    if not given.startswith(ID_TYPES[id_type]):
        raise bad_parameter("invalid receive_id")
    if id_type == "chat_id":
        chat = call.feishu.state.chats.get(given)
        if chat is None or chat.tenant_key != call.app.tenant_key:
            raise ApiError(99992356)
        _check_chat(call, chat)
        return chat
    person = find_person(call.app, call.tenant.people, call.tenant.union_id, id_type, given)
    if person is None:
        raise _nobody(call, id_type, given)
    _check_person(call, person)
    return call.feishu.state.p2p(call.app, person.user_id, call.now)


def _nobody(call: Call, id_type: str, given: str) -> ApiError:
    """Unknown, or known to another application only."""
    if id_type == "open_id" and any(
        app.open_id(user_id) == given
        for app in call.feishu.state.apps.values()
        for user_id in call.feishu.state.tenant_of(app).people
    ):
        return ApiError(99992361)
    return ApiError(UNKNOWN_ID[id_type]) if id_type in UNKNOWN_ID else bad_parameter("invalid receive_id")


def _check_person(call: Call, person: Person) -> None:
    if person.is_resigned:
        raise ApiError(230029)
    left_out = _left_out(call, person)
    if not call.app.is_for(person) or left_out == "invalid_users":
        raise ApiError(230013)
    if call.app.app_id in person.stopped or left_out:
        raise ApiError(230053)


def _left_out(call: Call, person: Person) -> str:
    """The armed fault that keeps the message from this person, "" for none."""
    if call.fault is None or call.fault.fault not in faults.PARTIAL:
        return ""
    named = call.fault.users.split("|") if call.fault.users else [person.user_id]
    return call.fault.fault if {person.user_id, call.app.open_id(person.user_id)} & set(named) else ""


def _check_chat(call: Call, chat: Chat) -> None:
    if not call.app.has_bot:
        raise ApiError(230006)
    if chat.is_dissolved:
        raise ApiError(232009)
    if call.app.app_id not in chat.bots:
        raise ApiError(230002)
    if chat.is_muted:
        raise ApiError(230018)
    if chat.is_p2p:
        _check_person(call, call.tenant.people[chat.people[0]])


def _message(call: Call) -> Message:
    message = call.feishu.state.messages.get(call.parts["message_id"])
    if message is None:
        raise bad_parameter("invalid message_id")
    if message.recalled:
        raise ApiError(230011)
    chat = call.feishu.state.chats.get(message.chat_id)
    if chat is None or call.app.app_id not in chat.bots:
        raise ApiError(230002)
    return message


def _own_message(call: Call, foreign: int = 230027) -> Message:
    message = call.feishu.state.messages.get(call.parts["message_id"])
    if message is None:
        raise bad_parameter("invalid message_id")
    if message.app_id != call.app.app_id:
        raise ApiError(foreign)
    return _message(call)


def _uuid_key(call: Call) -> str:
    return f"{call.app.app_id}/{call.body['uuid']}"


def _repeat(call: Call) -> Message | None:
    """The message that this uuid has sent already."""
    if not call.body.get("uuid"):
        return None
    message_id, at = call.feishu.state.uuids.get(_uuid_key(call), ("", float("-inf")))
    return call.feishu.state.messages.get(message_id) if call.now - at < UUID_SECONDS else None
