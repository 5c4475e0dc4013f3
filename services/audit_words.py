"""The detail of an audit entry as people read it; exports and the API keep the names and values that are stored."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from typing import Any

from flask_babel import format_datetime, gettext

from models import AuditEntry, Role, Severity
from platforms import PLATFORMS
from services import admission, api_tokens, field_names
from services.wording import LANGUAGES, listed
from sources import SOURCES
from texts import N_

NAMES = {severity.value: severity.label for severity in Severity} | {
    "added": N_("新增"),
    "address": N_("邮箱"),
    "after": N_("之后"),
    "api_tokens_ended": N_("失效的 API 令牌"),
    "app": N_("聊天平台"),
    "before": N_("之前"),
    "changed": N_("修改的字段"),
    "channel": N_("协作空间"),
    "channel_kind": N_("渠道"),
    "closes_on_recovery": N_("恢复后自动关闭"),
    "closed_incidents": N_("关闭的故障"),
    "copy_of": N_("复制自"),
    "count": N_("数量"),
    "created": N_("新建"),
    "due_at": N_("开始删除"),
    "failed": N_("失败"),
    "field": N_("字段"),
    "fields": N_("字段"),
    "group": N_("群聊"),
    "incident": N_("故障"),
    "initial_passwords": N_("初始密码"),
    "is_default": N_("默认模板"),
    "is_enabled": N_("启用"),
    "is_known": N_("账号存在"),
    "is_private": N_("私有"),
    "is_secret_new": N_("更换了 Client Secret"),
    "kind": N_("类型"),
    "kinds": N_("渠道"),
    "levels_left": N_("不再有人的分派环节"),
    "links": N_("生效的关联"),
    "mode": N_("接入方式"),
    "new": N_("之后"),
    "new_accounts": N_("新账号"),
    "number": N_("门牌号"),
    "old": N_("之前"),
    "old_ends_at": N_("旧密钥有效至"),
    "order": N_("新的顺序"),
    "outcome": N_("结果"),
    "owner": N_("所有者"),
    "people": N_("处理人员"),
    "platform": N_("聊天平台"),
    "prefix": N_("开头"),
    "reason": N_("原因"),
    "receivers": N_("接收人"),
    "removed": N_("移出"),
    "replaced": N_("原来的账号"),
    "review": N_("审核"),
    "role": N_("角色"),
    "rows": N_("删除的记录"),
    "skipped": N_("跳过"),
    "source": N_("来源"),
    "sync": N_("同步编号"),
    "team": N_("所属团队"),
    "template": N_("消息模板"),
    "timeout_from_last_merge": N_("从最近一次事件起算"),
    "until": N_("有效至"),
    "updated": N_("更新"),
    "via": N_("登录方式"),
    "was_default": N_("曾是默认模板"),
    "what": N_("更改"),
}
VALUES = {
    "flapping": {"mark": N_("标记为抖动"), "mute": N_("标记为抖动，并暂停循环通知 120 分钟"), "off": N_("不检测")},
    "initial_passwords": {"account": N_("与账号相同"), "random": N_("随机一次性密码")},
    "kind": {
        "assign": N_("分派"),
        "escalate": N_("升级"),
        "reassign": N_("重新分派"),
        "reopen": N_("重新打开"),
        "snooze_expired": N_("屏蔽到期"),
    },
    "locale": LANGUAGES,
    "outcome": {"accepted": N_("已受理")},
    "source": admission.SOURCES | {"admin": admission.SOURCES["manual"], "login": N_("本人登录")},
    "theme": {"auto": N_("跟随系统"), "light": N_("浅色"), "dark": N_("深色")},
    "via": {
        "api": N_("API"),
        "card": N_("卡片"),
        "console": N_("控制台"),
        "password": N_("密码"),
        "sso": N_("单点登录"),
    },
    "what": {
        "apart": N_("取消配对"),
        "excluded": N_("本次不同步"),
        "included": N_("恢复"),
        "paired": N_("绑定"),
        "paired_outside": N_("绑定组织外账号"),
    },
}
"""What stored values are called, by the name they stand under; those of platforms and their modes are added."""


def describe(entry: AuditEntry) -> list[tuple[str, str]]:
    """The detail of an entry as (name, value) pairs in the reader's language; what has no word stays as it is."""
    return [
        (gettext(NAMES.get(name) or field_names.label(name)), _value(_kind(entry, name), value))
        for name, value in entry.detail.items()
        if value not in ("", None, [])
    ]


def _kind(entry: AuditEntry, name: str) -> str:
    """Under which name the words of a value are found: what changed says what its two values are."""
    if name not in {"before", "after", "old", "new"}:
        return name
    return CHANGED.get(entry.event) or str(entry.detail.get("field", name))


CHANGED = {"integration.mode_changed": "mode", "incident.severity": "severity", "member.role_changed": "role"}
TIMES = {"due_at", "old_ends_at", "until"}


def _value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return gettext("是") if value else gettext("否")
    if isinstance(value, list):
        return listed(_value(name, each) for each in value)
    if name in {"field", "fields", "changed"}:
        return _difference(str(value))
    if name in TIMES:
        return _time(str(value))
    if isinstance(value, str):
        return gettext(_words(name).get(value, value))
    return json.dumps(value, ensure_ascii=False)


def _difference(text: str) -> str:
    """ "name: old → new" with the field's word. What only a program can read, lists and what they hold, is left out."""
    name, _colon, sides = text.partition(": ")
    label = gettext(NAMES.get(name) or field_names.label(name))
    old, arrow, new = sides.partition(" → ")
    if not arrow or any(side.startswith(("[", "{")) for side in (old, new)):
        return label
    return gettext("%(name)s：%(old)s → %(new)s", name=label, old=_side(name, old), new=_side(name, new))


def _side(name: str, text: str) -> str:
    said = {"true": True, "false": False}.get(text, text)
    return "—" if text in ("", "null") else _value(name, said)


def _time(text: str) -> str:
    try:
        return format_datetime(datetime.fromisoformat(text), "yyyy-MM-dd HH:mm")
    except ValueError:
        return text


@cache
def _words(name: str) -> dict[str, str]:
    """The catalogue ids of the values that may stand under a name."""
    platforms = {slug: kind.label for slug, kind in PLATFORMS.items()}
    channels = {kind.capabilities.channel_kind: kind.label for kind in PLATFORMS.values()}
    found = {
        "app": {kind.capabilities.sending_name: kind.label for kind in PLATFORMS.values()},
        "channel_kind": channels,
        "kinds": channels,
        "mode": {mode.slug: mode.label for kind in reversed(PLATFORMS.values()) for mode in kind.modes},
        "platform": platforms,
        "role": {role.value: role.label for role in Role},
        "scopes": {scope.value: scope.label for scope in api_tokens.Scope},
        "severity": {severity.value: severity.label for severity in Severity},
        "type": {slug: source.label for slug, source in SOURCES.items()},
        "via": VALUES["via"] | platforms,
    }
    return found.get(name) or VALUES.get(name, {})
