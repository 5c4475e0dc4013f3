"""im/v1/chats: groups that the bot makes itself, who is called into them, and their end.

https://open.feishu.cn/document/ukTMukTMukTM/reference/im-v1/chat/create and chat-members/create
"""

from __future__ import annotations

from typing import Any

from simulator.feishu.chats import chat_of, check_bot
from simulator.feishu.context import Call
from simulator.feishu.errors import ApiError
from simulator.feishu.messages import find_person
from simulator.feishu.state import Chat, Person, new_id

MAX_PEOPLE, MAX_BOTS, MAX_UUID = 50, 5, 50
UUID_SECONDS = 36_000
ID_TYPES = ("open_id", "user_id", "union_id")
ALL_OR_NONE, WHO_CAN, STRICT = "0", "1", "2"

Json = dict[str, Any]


def create(call: Call) -> Json:
    """A group with the bot in it; the same uuid within ten hours is the same group."""
    check_bot(call)
    uuid, known = call.query.get("uuid", ""), None
    if len(uuid) > MAX_UUID:
        raise ApiError(232001)
    if uuid:
        chat_id, at = call.feishu.state.uuids.get(_uuid_key(call), ("", float("-inf")))
        known = call.feishu.state.chats.get(chat_id) if call.now - at < UUID_SECONDS else None
    chat = known or _new(call)
    owner = call.app.open_id(chat.owner) if chat.owner in call.tenant.people else ""
    return {
        "chat_id": chat.chat_id,
        "name": chat.name,
        "description": chat.description,
        "owner_id": owner,
        "owner_id_type": "open_id",
        "chat_mode": "group",
        "chat_type": "private",
        "external": False,
        "tenant_key": chat.tenant_key,
    }


def add_members(call: Call) -> Json:
    """People, or bots by their app_id. succeed_type 1 takes those who can be added and names the others."""
    chat, wanted = _own_chat(call), _ids(call, "id_list")
    id_type, way = call.query.get("member_id_type", "open_id"), call.query.get("succeed_type", ALL_OR_NONE)
    if way not in (ALL_OR_NONE, WHO_CAN, STRICT):
        raise ApiError(232001)
    if id_type == "app_id":
        return _add_bots(call, chat, wanted)
    if len(wanted) > MAX_PEOPLE:
        raise ApiError(232001)
    found = {given: _person(call, id_type, given) for given in wanted}
    unknown = [given for given, person in found.items() if person is None]
    barred = [given for given, person in found.items() if person and not _may_join(call, person)]
    resigned = [given for given in barred if (person := found[given]) and person.is_resigned]
    refused = {ALL_OR_NONE: [given for given in unknown + barred if given not in resigned], WHO_CAN: []}
    if refused.get(way, unknown + barred):
        raise ApiError(232024 if barred and not unknown else 232043)
    for given, person in found.items():
        if person and given not in barred and person.user_id not in chat.people:
            chat.people.append(person.user_id)
    call.feishu.store.touch()
    return {"invalid_id_list": barred, "not_existed_id_list": unknown, "pending_approval_id_list": []}


def delete(call: Call) -> Json:
    """Only a group that the bot owns."""
    chat = _own_chat(call)
    if chat.owner != call.app.app_id:
        raise ApiError(232017)
    chat.is_dissolved = True
    call.feishu.store.touch()
    return {}


def _new(call: Call) -> Chat:
    people = [_person(call, call.query.get("user_id_type", "open_id"), given) for given in _ids(call, "user_id_list")]
    bots = _ids(call, "bot_id_list")
    if len(people) > MAX_PEOPLE or len(bots) > MAX_BOTS:
        raise ApiError(232001)
    if any(person is None for person in people):
        raise ApiError(232043)
    members = [person for person in people if person]
    if any(person.is_resigned for person in members):
        raise ApiError(232022)
    if not all(_may_join(call, person) for person in members):
        raise ApiError(232024)
    if any(bot not in call.feishu.state.apps for bot in bots):
        raise ApiError(232021)
    owner = _person(call, call.query.get("user_id_type", "open_id"), str(call.body.get("owner_id") or ""))
    chat = Chat(
        new_id("oc"),
        call.app.tenant_key,
        str(call.body.get("name") or "（无主题）"),
        owner.user_id if owner else call.app.app_id,
        str(call.body.get("description") or ""),
        list(dict.fromkeys(person.user_id for person in [*members, *([owner] if owner else [])])),
        list(dict.fromkeys([call.app.app_id, *bots])),
        call.now,
    )
    call.feishu.state.chats[chat.chat_id] = chat
    if call.query.get("uuid"):
        call.feishu.state.uuids[_uuid_key(call)] = [chat.chat_id, call.now]
    call.feishu.store.touch()
    return chat


def _add_bots(call: Call, chat: Chat, wanted: list[str]) -> Json:
    unknown = [given for given in wanted if given not in call.feishu.state.apps]
    if len(wanted) > MAX_BOTS or unknown:
        raise ApiError(232001 if len(wanted) > MAX_BOTS else 232021)
    chat.bots += [given for given in wanted if given not in chat.bots]
    call.feishu.store.touch()
    return {"invalid_id_list": [], "not_existed_id_list": [], "pending_approval_id_list": []}


def _own_chat(call: Call) -> Chat:
    chat = chat_of(call)
    if chat.is_dissolved:
        raise ApiError(232009)
    if call.app.app_id not in chat.bots:
        raise ApiError(232011)
    return chat


def _person(call: Call, id_type: str, given: str) -> Person | None:
    if id_type not in ID_TYPES:
        raise ApiError(232001)
    return find_person(call.app, call.tenant.people, call.tenant.union_id, id_type, given)


def _may_join(call: Call, person: Person) -> bool:
    return not person.is_resigned and call.app.is_for(person)


def _ids(call: Call, name: str) -> list[str]:
    values = call.body.get(name) or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ApiError(232001)
    return values


def _uuid_key(call: Call) -> str:
    return f"{call.app.app_id}/chat/{call.query['uuid']}"
