"""What is wrong with a policy, listed above its form: in the order of the page, each with its field's label."""

from __future__ import annotations

import re
from collections.abc import Mapping

from flask_babel import gettext

from texts import N_

LABELS = {
    "name": N_("策略名称"),
    "description": N_("描述"),
    "priority": N_("优先级"),
    "delay_seconds": N_("延迟通知"),
    "groups": N_("条件组 %(number)s"),
    "windows": N_("时段 %(number)s"),
    "template_id": N_("消息模板"),
    "levels": N_("第 %(number)s 环节"),
}
PARTS = {
    "people": N_("分派对象"),
    "groups": N_("群聊渠道"),
    "personal": N_("个人渠道"),
    "max": N_("循环通知次数"),
    "every": N_("循环间隔"),
    "escalate_after": N_("升级等待时长"),
    "condition": N_("升级条件"),
}
"""Of the page and of a level, from top to bottom."""
NAME = re.compile(r"([a-z_]*)(?:-(\d+)(?:-([a-z_]+)(?:-(\d+))?)?)?")


def listed(errors: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Name of the input, label and message of every error; what concerns the whole comes first, without a label."""
    return [(name, _label(name), errors[name]) for name in sorted(errors, key=_place)]


def _place(name: str) -> tuple[int, int, int, int]:
    top, row, part, inner = _parts(name)
    return _at(LABELS, top), int(row or -1), _at(PARTS, part), int(inner or -1)


def _label(name: str) -> str:
    top, row, part, _inner = _parts(name)
    if top not in LABELS:
        return ""
    if not row:
        return gettext("分派环节") if top == "levels" else gettext(LABELS[top])
    words = [gettext(LABELS[top], number=int(row) + 1), gettext(PARTS[part]) if part in PARTS else ""]
    return " · ".join(filter(None, words))


def _parts(name: str) -> tuple[str, str, str, str]:
    found = NAME.fullmatch(name)
    top, row, part, inner = found.groups("") if found else ("", "", "", "")
    return top, row, part, inner


def _at(names: Mapping[str, str], name: str) -> int:
    return list(names).index(name) if name in names else -1
