"""Group chats over the API: what a group is called, who is in it, a new one.

https://open.dingtalk.com/document/development/query-group-information
"""

from __future__ import annotations

from typing import Any

from simulator.dingtalk.context import Call
from simulator.dingtalk.errors import ApiError
from simulator.dingtalk.state import Group, awkward_id
from simulator.ids import HEX, random_text

MAX_NAME = 20

Json = dict[str, Any]


def query(call: Call) -> Json:
    group = _group(call)
    owner_is_seen = call.app.can_see(group.owner)
    if not owner_is_seen:
        raise ApiError("permession.checkFailed", "群主不在应用可见性内")
    return {
        "success": True,
        "openConversationId": group.cid,
        "templateId": group.template_id,
        "title": group.title,
        "ownerUserId": group.owner,
        "icon": "",
        "groupUrl": "",
        "status": 2 if group.disbanded else 1,
    }


def members(call: Call) -> Json:
    group = _group(call)
    names = {userid: person.name for userid in group.members if (person := call.person(userid))}
    return {
        "success": True,
        "memberUserIds": group.members,
        "unionIdList": [],
        "staffIdNickMap": names,
        "unionIdNickMap": {},
        "hasMore": False,
        "nextToken": "",
    }


def create(call: Call) -> Json:
    """An ordinary group; no robot is in it until somebody installs the cool app."""
    name, owner = call.text("name"), call.text("owner")
    if not 1 <= len(name) <= MAX_NAME or call.person(owner) is None:
        raise ApiError("parameter.invalid", "参数不合法")
    if not call.app.can_see(owner):
        raise ApiError("permession.checkFailed", "群主不在应用可见性内")
    userids = [str(userid) for userid in call.body.get("useridlist") or []]
    members = [userid for userid in dict.fromkeys([owner, *userids]) if call.person(userid)]
    group = Group(awkward_id("cid"), "chat" + random_text(32, HEX), name, owner, members)
    call.corp.groups[group.cid] = group
    call.world.store.touch()
    return {"conversationTag": 2, "openConversationId": group.cid, "chatid": group.chat_id}


def _group(call: Call) -> Group:
    """The group that may be asked about. Raises ApiError."""
    cid, code = call.text("openConversationId"), call.text("coolAppCode")
    if not cid:
        raise ApiError("paramBlank", "参数为空")
    group = call.group(cid)
    if group is None:
        is_elsewhere = any(cid in corp.groups for corp in call.world.state.corps.values())
        raise ApiError(*(("groupPermissionDenied", "无权限") if is_elsewhere else ("cidEncryptError", "群ID解析失败")))
    if group.template_id:
        if not call.came_with(group):
            raise ApiError("groupTemplatePermissionDenied", "模板不属于该应用")
        return group
    if not group.is_internal or not code:
        raise ApiError("groupPermissionDenied", "无权限，该群不是内部群，或未安装模板和酷应用")
    if code != call.app.cool_app_code:
        owners = {app.cool_app_code for _, app in call.world.state.apps()}
        known = ("coolAppPermissionDenied", "酷应用不属于该应用")
        raise ApiError(*(known if code in owners else ("coolAppUnexist", "酷应用不存在")))
    if call.app.client_id not in group.installed:
        raise ApiError("coolAppUninstalled", "无权限，该群没有安装群聊酷应用")
    return group
