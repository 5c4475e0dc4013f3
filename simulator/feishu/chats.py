"""im/v1/chats: the groups that the bot is in.

https://open.feishu.cn/document/ukTMukTMukTM/reference/im-v1/chat/list
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from simulator.feishu.context import Call
from simulator.feishu.errors import ApiError
from simulator.feishu.state import Chat

DEFAULT_PAGE, MAX_PAGE = 20, 100

Json = dict[str, Any]


def listed(call: Call) -> Json:
    """Groups with the bot, oldest first unless asked otherwise, never single chats."""
    check_bot(call)
    chats = [chat for chat in call.feishu.state.chats.values() if _is_listed(call, chat)]
    by_activity = call.query.get("sort_type") == "ByActiveTimeDesc"
    chats.sort(key=(lambda chat: _last_active(call, chat)) if by_activity else lambda chat: chat.created_at)
    if by_activity:
        chats.reverse()
    page, more = _page(call, chats)
    return {"items": [_row(call, chat) for chat in page], **more}


def read(call: Call) -> Json:
    """A chat in detail for its members; from outside the name alone."""
    chat = chat_of(call)
    counts = {"user_count": str(len(chat.people)), "bot_count": str(len(chat.bots))}
    row = _row(call, chat) | counts | {"chat_mode": "p2p" if chat.is_p2p else "group", "chat_type": "private"}
    if call.app.app_id in chat.bots:
        return row
    return {name: row[name] for name in ("avatar", "name", "chat_status", "user_count", "bot_count")}


def is_in_chat(call: Call) -> Json:
    chat = chat_of(call)
    if chat.is_dissolved:
        raise ApiError(232009)
    return {"is_in_chat": call.app.app_id in chat.bots}


def members(call: Call) -> Json:
    """The people of a group; bots are not listed."""
    chat, id_type = chat_of(call), call.query.get("member_id_type", "open_id")
    id_of = call.id_maker(id_type)
    if call.app.app_id not in chat.bots:
        raise ApiError(232011)
    page, more = _page(call, [call.tenant.people[user] for user in chat.people if user in call.tenant.people])
    if id_of is None:
        raise ApiError(232001)
    rows = [{"member_id_type": id_type, "member_id": id_of(p.user_id), "name": p.name} for p in page]
    return {"items": [row | {"tenant_key": chat.tenant_key} for row in rows], "member_total": len(chat.people), **more}


def check_bot(call: Call) -> None:
    """232025 unless the bot ability is released."""
    if not call.app.has_bot:
        raise ApiError(232025)


def chat_of(call: Call) -> Chat:
    """The chat of the path. Raises ApiError."""
    check_bot(call)
    chat = call.feishu.state.chats.get(call.parts["chat_id"])
    if chat is None:
        raise ApiError(232006)
    if chat.tenant_key != call.app.tenant_key:
        raise ApiError(232010)
    return chat


def _is_listed(call: Call, chat: Chat) -> bool:
    return call.app.app_id in chat.bots and not chat.is_p2p and not chat.is_dissolved


def _last_active(call: Call, chat: Chat) -> float:
    return max((message.at for message in call.feishu.state.thread(chat.chat_id)), default=chat.created_at)


def _row(call: Call, chat: Chat) -> Json:
    row: Json = {
        "chat_id": chat.chat_id,
        "avatar": "",
        "name": chat.name,
        "description": chat.description,
        "external": chat.is_external,
        "tenant_key": chat.tenant_key,
        "chat_status": "dissolved" if chat.is_dissolved else "normal",
    }
    if chat.owner in call.tenant.people:  # absent where a bot owns the group
        row |= {"owner_id": call.app.open_id(chat.owner), "owner_id_type": "open_id"}
    return row


def _page(call: Call, rows: list[Any]) -> tuple[list[Any], Json]:
    """One page and where it goes on. A page_token of ours says how many rows were seen."""
    size = call.query.get("page_size", str(DEFAULT_PAGE))
    if not size.isdigit() or not 1 <= int(size) <= MAX_PAGE:
        raise ApiError(232001)
    start = _position(call.query.get("page_token", ""))
    page = rows[start : start + int(size)]
    seen = start + len(page)
    has_more = seen < len(rows)
    return page, {"has_more": has_more, "page_token": _token(seen) if has_more else ""}


def _token(position: int) -> str:
    return base64.urlsafe_b64encode(f"chats:{position}".encode()).decode()


def _position(token: str) -> int:
    if not token:
        return 0
    try:
        kind, _, number = base64.urlsafe_b64decode(token).decode().partition(":")
        if kind == "chats":
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise ApiError(232001)
