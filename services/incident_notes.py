"""What is written on an incident without changing its progress: comments, edits, a refreshed card."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from errors import InvalidInput
from models import Incident, Membership, Severity
from services import timeline
from services.incident_changes import Outcome, hold, show
from texts import N_, Text
from visible_text import is_visible

MAX_COMMENT = 1024
EDITABLE = ("title", "severity", "description", "impact", "root_cause", "resolution")
FOLLOWING_ALERTS = frozenset({"title", "severity", "description"})
"""Fields that alerts fill until somebody edits them."""


def comment(incident: Incident, *, by: Membership, via: str, now: datetime, text: str) -> Outcome:
    """Write 1–1024 characters on the timeline, in any state. Raises InvalidInput."""
    text = text.strip()
    if not 1 <= len(text) <= MAX_COMMENT:
        raise InvalidInput("text", N_("应为 1–1024 个字符"))
    hold(incident)
    timeline.record(incident, "comment", by=by, via=via, at=now, text=text)
    show(incident, now)
    return Outcome(True, Text(N_("评论已添加")))


def edit(incident: Incident, *, by: Membership, via: str, now: datetime, changes: Mapping[str, str]) -> Outcome:
    """Change texts or the severity, in any state; old and new values go to the timeline.

    changes  names of EDITABLE; title 1–512 characters, severity Critical | Warning | Info, others ≤ 1024.
    Raises InvalidInput, before anything is changed.
    """
    checked = {name: _check(name, value) for name, value in changes.items()}
    hold(incident)
    different = {name: value for name, value in checked.items() if getattr(incident, name) != value}
    if not different:
        return Outcome(False, Text(N_("内容没有变化")))
    for name, value in different.items():
        timeline.record(incident, name, by=by, via=via, at=now, old=str(getattr(incident, name)), new=str(value))
        setattr(incident, name, value)
    incident.overrides = sorted(set(incident.overrides) | (FOLLOWING_ALERTS & different.keys()))
    show(incident, now)
    return Outcome(True, Text(N_("已保存")))


def refresh(incident: Incident, *, by: Membership | None, via: str, now: datetime, external_name: str = "") -> Outcome:
    """Note that somebody asked for the present state of a card; nothing changes."""
    timeline.record(incident, "card_refresh", by=by, via=via, at=now, actor_name=external_name)
    return Outcome(False, Text(N_("已显示最新状态")))


def _check(name: str, value: str) -> str | Severity:
    if name not in EDITABLE:
        raise InvalidInput(name, N_("不支持修改该字段"))
    if name == "severity":
        if value not in {Severity.CRITICAL, Severity.WARNING, Severity.INFO}:
            raise InvalidInput(name, N_("应为严重、一般或轻微"))
        return Severity(value)
    value = value.strip()
    if name == "title" and (not is_visible(value) or len(value) > 512):
        raise InvalidInput(name, N_("应为 1–512 个字符"))
    if name != "title" and len(value) > 1024:
        raise InvalidInput(name, N_("不能超过 1024 个字符"))
    return value
