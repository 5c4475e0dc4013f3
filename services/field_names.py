"""What a refused value is called where people read: the API's name for it, and the word on the pages."""

from __future__ import annotations

from functools import cache

from platforms import PLATFORMS
from texts import N_

LABELS = {
    "account": N_("账号"),
    "account_limit": N_("账号上限数"),
    "alias": N_("群聊别名"),
    "channel_id": N_("协作空间"),
    "client_id": "Client ID",
    "close_timeout_minutes": N_("超时自动关闭"),
    "condition": N_("升级条件"),
    "confirm_name": N_("确认名称"),
    "days": N_("有效期"),
    "delay_seconds": N_("延迟通知"),
    "description": N_("描述"),
    "email": N_("邮箱"),
    "escalate_after_minutes": N_("升级等待时长"),
    "expires_at": N_("有效期"),
    "filters": N_("筛选条件"),
    "flapping": N_("抖动检测"),
    "group_ids": N_("群聊渠道"),
    "house_number": N_("门牌号"),
    "impact": N_("影响范围"),
    "issuer": "Issuer",
    "language": N_("语言"),
    "level": N_("分派环节"),
    "levels": N_("分派环节"),
    "locale": N_("语言"),
    "minutes": N_("屏蔽时长"),
    "monthly_limit": N_("每月额度"),
    "name": N_("名称"),
    "options": N_("选项"),
    "parent_id": N_("上级部门"),
    "personal": N_("个人渠道"),
    "priority": N_("优先级"),
    "real_name": N_("姓名"),
    "reason": N_("重新打开的原因"),
    "repeat": N_("循环通知"),
    "resolution": N_("解决办法"),
    "root_cause": N_("故障根因"),
    "scopes": N_("权限范围"),
    "seats": N_("License 数量"),
    "severity": N_("严重程度"),
    "snooze_presets": N_("屏蔽时长"),
    "team_id": N_("所属团队"),
    "template_id": N_("消息模板"),
    "text": N_("评论"),
    "theme": N_("外观"),
    "time_windows": N_("生效时段"),
    "timezone": N_("时区"),
    "title": N_("标题"),
    "type": N_("类型"),
    "user_ids": N_("处理人员"),
    "username": N_("用户名"),
}


def label(name: str) -> str:
    """The word for a field, as a catalogue id; a name that is no field of ours, as it is."""
    return LABELS.get(name) or _of_platforms().get(name, name)


@cache
def _of_platforms() -> dict[str, str]:
    """What is entered for a chat platform is called as its console calls it; of several, the first one's word."""
    fields = [field for kind in PLATFORMS.values() for mode in kind.modes for field in mode.fields]
    fields += [field for kind in PLATFORMS.values() if (rooms := kind.capabilities.rooms) for field in rooms.fields]
    kinds = {kind.capabilities.channel_kind: kind.label for kind in PLATFORMS.values()}
    return kinds | {field.name: field.label for field in reversed(fields)}
