"""Scene groups (场景群): made from a template that brings the app's robot along.

https://open.dingtalk.com/document/development/create-a-scene-group
"""

from __future__ import annotations

from typing import Any

from simulator.dingtalk.context import Call
from simulator.dingtalk.errors import ApiError, OldError
from simulator.dingtalk.state import Group, awkward_id
from simulator.ids import HEX, random_text

MAX_TITLE, MAX_MEMBERS = 30, 1000

Json = dict[str, Any]


def create(call: Call) -> Json:
    """The same uuid of the same app is the same group."""
    uuid = call.text("uuid")
    key = f"{call.app.client_id}/{uuid}"
    known = call.group(call.world.state.scene_uuids.get(key, "")) if uuid else None
    group = known or _new(call)
    if uuid and known is None:
        call.world.state.scene_uuids[key] = group.cid
    call.world.store.touch()
    return {"open_conversation_id": group.cid, "chat_id": group.chat_id}


def add(call: Call) -> Json:
    """All of them or none."""
    group, wanted = _own(call), _members(call)
    members = list(dict.fromkeys([*group.members, *wanted]))
    if len(members) > MAX_MEMBERS:
        raise ApiError("member.exceed", "群成员数量超过限制")
    group.members = members
    call.world.store.touch()
    return {"success": True}


def remove(call: Call) -> Json:
    group, wanted = _own(call), _members(call)
    group.members = [member for member in group.members if member not in wanted]
    call.world.store.touch()
    return {"success": True}


def update(call: Call) -> Json:
    """Of the older family: another title."""
    group = call.group(str(call.body.get("open_conversation_id") or ""))
    if group is None or not call.came_with(group):
        raise OldError(400020, "群不是场景群或不存在", is_wrapped=True)
    if group.disbanded:
        raise OldError(400013, "群已解散", is_wrapped=True)
    group.title = str(call.body.get("title") or group.title)[:MAX_TITLE]
    call.world.store.touch()
    return {"open_conversation_id": group.cid}


def old_chat(call: Call) -> Json:
    """chat/get: groups that were made over the API, by their older id."""
    chat_id = call.query.get("chatid", "")
    group = next((each for each in call.corp.groups.values() if each.chat_id == chat_id and each.template_id), None)
    if group is None:
        raise OldError(400013, "群不存在")
    return {"chat_info": {"chatid": group.chat_id, "name": group.title, "owner": group.owner}}


def _new(call: Call) -> Group:
    title, owner, template_id = (call.text(name) for name in ("title", "owner_user_id", "template_id"))
    template = call.world.state.group_templates.get(template_id)
    if template is None:
        raise ApiError("groupTemplate.notFound", "群模板不存在")
    if template.client_id != call.app.client_id:
        raise ApiError("groupTemplate.permessionDenied.app", "群模板不属于该应用")
    if not template.enabled:
        raise ApiError("groupTemplate.notFound", "群模板未启用")
    if not 1 <= len(title) <= MAX_TITLE:
        raise ApiError("parameter.invalid", "群名称长度应为1到30")
    if call.person(owner) is None:
        raise ApiError("member.notFound", "群主不存在")
    if not call.app.can_see(owner):
        raise ApiError("permession.checkFailed", "群主不在应用可见性内")
    members = list(dict.fromkeys([owner, *_members(call)]))
    if len(members) > MAX_MEMBERS:
        raise ApiError("member.exceed", "群成员数量超过限制")
    group = Group(awkward_id("cid"), "chat" + random_text(32, HEX), title, owner, members, template_id=template_id)
    call.corp.groups[group.cid] = group
    return group


def _own(call: Call) -> Group:
    group = call.group(call.text("open_conversation_id"))
    if group is None:
        raise ApiError("cidParse.wrong", "群ID解析失败")
    if not group.template_id:
        raise ApiError("groupPermissionDenied", "不是场景群")
    if not call.came_with(group):
        raise ApiError("groupTemplatePermissionDenied", "模板不属于该应用")
    if group.disbanded:
        raise ApiError("group.disbanded", "群已经解散")
    return group


def _members(call: Call) -> list[str]:
    """Raises ApiError if one is nobody in the company."""
    wanted = [str(userid) for userid in call.body.get("user_ids") or []]
    if any(call.person(userid) is None for userid in wanted):
        raise ApiError("member.notFound", "成员不存在")
    return wanted
