"""The detail of an audit entry as people read it; exports and the API keep the names and values that are stored."""

from __future__ import annotations

import json
from typing import Any

from flask_babel import gettext

from models import AuditEntry, Role
from platforms import PLATFORMS
from services import field_names
from services.wording import listed
from texts import N_

NAMES = {
    "added": N_("新增"),
    "after": N_("之后"),
    "api_tokens_ended": N_("失效的 API 令牌"),
    "before": N_("之前"),
    "changed": N_("修改的字段"),
    "closed_incidents": N_("关闭的故障"),
    "count": N_("数量"),
    "field": N_("字段"),
    "fields": N_("字段"),
    "is_known": N_("账号存在"),
    "platform": N_("聊天平台"),
    "reason": N_("原因"),
    "removed": N_("移出"),
    "role": N_("角色"),
    "source": N_("来源"),
    "via": N_("方式"),
}
WAYS = {
    "api": N_("API"),
    "card": N_("卡片"),
    "console": N_("控制台"),
    "password": N_("密码"),
    "sso": N_("单点登录"),
}


def describe(entry: AuditEntry) -> list[tuple[str, str]]:
    """The detail of an entry as (name, value) pairs in the reader's language; what has no word stays as it is."""
    return [
        (gettext(NAMES[name]) if name in NAMES else gettext(field_names.label(name)), _value(_kind(entry, name), value))
        for name, value in entry.detail.items()
        if value not in ("", None, [])
    ]


def _kind(entry: AuditEntry, name: str) -> str:
    return "role" if entry.event == "member.role_changed" and name in {"before", "after"} else name


def _value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return gettext("是") if value else gettext("否")
    if isinstance(value, list):
        return listed(_value(name, each) for each in value)
    if name in {"field", "fields", "changed"}:
        return gettext(field_names.label(str(value)))
    if name in {"via", "platform"}:
        return gettext(_way(str(value)))
    if name == "role" and value in list(Role):
        return gettext(Role(value).label)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _way(value: str) -> str:
    return PLATFORMS[value].label if value in PLATFORMS else WAYS.get(value, value)
