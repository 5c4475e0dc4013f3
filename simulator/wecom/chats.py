"""appchat/*: group chats that a self-built app makes, and what it posts there.

https://developer.work.weixin.qq.com/document/path/90245 and its neighbours
"""

from __future__ import annotations

import re
from typing import Any

from simulator.counters import DAY
from simulator.ids import random_text
from simulator.wecom import messages
from simulator.wecom.context import Call
from simulator.wecom.errors import ApiError
from simulator.wecom.state import ROOT_DEPARTMENT, Chat, Message

CHAT_ID = re.compile(r"[0-9A-Za-z]{1,32}")
LEAST, MOST, MAX_NAME = 2, 2000, 50
HOUR = 3600
KINDS = ("text", "image", "voice", "video", "file", "textcard", "news", "mpnews", "markdown")

Json = dict[str, Any]


def create(call: Call) -> Json:
    """A chat of 2 to 2000 members, the app included. Nobody sees it before the first message."""
    _check_range(call)
    chat_id = str(call.body.get("chatid") or random_text(32))
    if not CHAT_ID.fullmatch(chat_id):
        raise ApiError(86001)
    if chat_id in call.wecom.state.chats:
        raise ApiError(86215)
    people = _people(call, "userlist")
    if not LEAST <= len(people) < MOST:
        raise ApiError(86006)
    owner = str(call.body.get("owner") or people[0])
    if owner.lower() not in {person.lower() for person in people}:
        raise ApiError(86207)
    _count(call, "chats made", DAY, call.wecom.state.limits.chats_per_day)
    chat = Chat(
        chat_id, call.corp.corp_id, call.app.agent_id, str(call.body.get("name") or "群聊")[:MAX_NAME], owner, people
    )
    call.wecom.state.chats[chat_id] = chat
    call.wecom.store.touch()
    return {"chatid": chat_id}


def update(call: Call) -> Json:
    """Name, owner, members. The owner may only go if another one is named."""
    _check_range(call)
    chat = _own(call, call.body.get("chatid"))
    added, removed = _people(call, "add_user_list"), {str(one).lower() for one in call.body.get("del_user_list") or []}
    _count(call, "chats changed", HOUR, call.wecom.state.limits.chat_changes_per_hour)
    people = [person for person in dict.fromkeys([*chat.people, *added]) if person.lower() not in removed]
    owner = str(call.body.get("owner") or chat.owner)
    if owner.lower() not in {person.lower() for person in people}:
        raise ApiError(86207)
    if not LEAST <= len(people) < MOST:
        raise ApiError(86006)
    chat.people, chat.owner = people, owner
    chat.name = str(call.body.get("name") or chat.name)[:MAX_NAME]
    call.wecom.store.touch()
    return {}


def get(call: Call) -> Json:
    _check_range(call)
    chat = _own(call, call.query.get("chatid"))
    info = {"chatid": chat.id, "name": chat.name, "owner": chat.owner, "userlist": chat.people, "chat_type": 0}
    return {"chat_info": info}


def send(call: Call) -> Json:
    """The answer holds no id: nothing that was posted can be changed. Template cards are no kind of a chat's."""
    _check_range(call)
    chat, kind = _own(call, call.body.get("chatid")), str(call.body.get("msgtype"))
    if kind not in KINDS:
        raise ApiError(40008)
    content = messages.KINDS[kind](call, messages.object_of(call, kind))
    key = ("persons in chats", chat.corp_id)
    _count(call, key[0], 60, call.wecom.state.limits.chat_persons_per_minute, len(chat.people))
    reader = (call.corp.corp_id, call.app.agent_id)
    call.wecom.state.keep(Message(random_text(40), *reader, kind, content, list(chat.people), call.now, chat=chat.id))
    call.wecom.store.touch()
    return {}


def _check_range(call: Call) -> None:
    """Only for a self-built app that the whole company sees; which number says so is uncertain."""
    if call.app.suite_id or ROOT_DEPARTMENT not in call.app.visible_departments:
        call.wecom.refuse("chat_range")


def _own(call: Call, chat_id: Any) -> Chat:
    chat = call.wecom.state.chats.get(str(chat_id or ""))
    if chat is None or chat.corp_id != call.corp.corp_id:
        raise ApiError(86003)
    if chat.agent_id != call.app.agent_id:
        raise ApiError(86008)
    return chat


def _people(call: Call, name: str) -> list[str]:
    """Members as the company writes them, each once; one who is none refuses the whole call."""
    wanted = call.body.get(name) or []
    if not isinstance(wanted, list):
        raise ApiError(40031)
    found = [call.corp.person(str(one)) for one in wanted]
    if any(person is None for person in found):
        raise ApiError(86216)
    return list(dict.fromkeys(person.userid for person in found if person))


def _count(call: Call, what: str, seconds: int, most: int, number: int = 1) -> None:
    key = (what, call.corp.corp_id)
    if call.wecom.counters.total(key, call.now, seconds) + number > most:
        raise ApiError(45009)
    call.wecom.counters.add(key, call.now, seconds, number)
