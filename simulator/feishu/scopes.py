"""Permissions (权限管理): which exist, and which of an application's work now.

https://open.feishu.cn/document/ukTMukTMukTM/ukTMukTMukTM/application-scope/introduction
"""

from __future__ import annotations

from simulator.feishu.state import App

SEND = ("im:message", "im:message:send_as_bot", "im:message:send")
UPDATE = ("im:message", "im:message:send_as_bot", "im:message:update")
IMAGES = ("im:resource", "im:resource:upload")
RECALL = ("im:message", "im:message:send_as_bot", "im:message:recall")
READ = ("im:message", "im:message:readonly")
CHATS = ("im:chat", "im:chat:readonly", "im:chat:read")
CREATE_CHAT = ("im:chat", "im:chat:create")
ADD_MEMBERS = ("im:chat", "im:chat.members:write_only")
DELETE_CHAT = ("im:chat", "im:chat:delete")
CHAT_MEMBERS = (*CHATS, "im:chat.members:read")
USER_IDS = ("contact:user.id:readonly",)
USERS = (
    "contact:contact.base:readonly",
    "contact:contact:readonly_as_app",
    "contact:contact:access_as_app",
    "contact:department.organize:readonly",
)
SELF = ("application:application:self_manage", "admin:app.info:readonly")

NAMES = {
    "im:message": "获取与发送单聊、群组消息",
    "im:message:send_as_bot": "以应用的身份发消息",
    "im:message:update": "更新消息",
    "im:message:recall": "撤回消息",
    "im:message:readonly": "获取单聊、群组消息",
    "im:resource": "获取与上传图片或文件资源",
    "im:resource:upload": "上传图片或文件资源",
    "im:chat": "获取与更新群组信息",
    "im:chat:readonly": "获取群组信息",
    "im:chat:read": "查看群信息",
    "im:chat:create": "创建群",
    "im:chat.members:read": "查看群成员",
    "im:chat.members:bot_access": "订阅机器人进、出群事件",
    "im:chat.members:write_only": "添加、移除群成员",
    "contact:user.id:readonly": "通过手机号或邮箱获取用户 ID",
    "contact:user.base:readonly": "获取用户基本信息",
    "contact:user.email:readonly": "获取用户邮箱信息",
    "contact:user.phone:readonly": "获取用户手机号",
    "contact:user.employee_id:readonly": "获取用户 user ID",
    "contact:user.department:readonly": "获取用户组织架构信息",
    "contact:contact.base:readonly": "获取通讯录基本信息",
    "contact:department.base:readonly": "获取部门基础信息",
    "contact:department.organize:readonly": "获取通讯录部门组织架构信息",
    "application:application:self_manage": "获取应用信息",
    "event:ip_list": "获取事件出口 IP",
}
WITHOUT_REVIEW = {"im:chat:readonly", "im:chat:read", "im:chat.members:bot_access", "im:message:send_as_bot"}

EVENTS = {
    "im.chat.member.bot.added_v1": "机器人进群",
    "im.chat.member.bot.deleted_v1": "机器人被移出群",
    "im.chat.updated_v1": "群配置修改",
    "im.chat.disbanded_v1": "群解散",
    "contact.user.deleted_v3": "员工离职",
}
CHAT_EVENTS = ("im:chat", "im:chat:read", "im:chat:readonly")
EVENT_SCOPES = {
    "im.chat.member.bot.added_v1": ("im:chat", "im:chat.members:bot_access", "im:chat:readonly"),
    "im.chat.member.bot.deleted_v1": ("im:chat", "im:chat.members:bot_access", "im:chat:readonly"),
    "im.chat.updated_v1": CHAT_EVENTS,
    "im.chat.disbanded_v1": CHAT_EVENTS,
    "contact.user.deleted_v3": ("contact:user.base:readonly", *USERS),
}


def granted(app: App) -> set[str]:
    """The permissions that work: those of the released version, and those that nobody has to review."""
    released = set(app.online.scopes) if app.online else set()
    return released | (set(app.draft.scopes) & WITHOUT_REVIEW)


def may_receive(app: App, event_type: str) -> bool:
    """Is the event subscribed in the released version, with a permission that it needs?"""
    needed = EVENT_SCOPES.get(event_type, ())
    return (
        app.online is not None and event_type in app.online.events and (not needed or bool(granted(app) & set(needed)))
    )
