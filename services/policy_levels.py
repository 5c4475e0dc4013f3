"""The parts of a dispatch policy as values: levels, repeats, personal channels, time windows. Pure.

`from_json` reads what is stored or sent and raises InvalidInput naming the field; `to_json` gives it back. What they do
not know is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from errors import InvalidInput
from models import Severity
from texts import N_

FOLLOW_PREFERENCE, UNIFIED = "follow_preference", "unified"
NOT_CLOSED, NOT_ACKNOWLEDGED = "not_closed", "not_closed_and_not_acked"
NOTIFIED_SEVERITIES = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)
MAX_REPEATS, MIN_EVERY_MINUTES, MAX_EVERY_MINUTES = 6, 0.5, 120
MAX_ESCALATE_MINUTES = 720
MAX_PEOPLE = 200
CHANNEL_KIND = re.compile(r"[a-z][a-z0-9_]{0,15}")
CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True)
class Repeat:
    """Tell the same level again: at most `max` times (0–6), every 0.5–120 minutes."""

    max: int = 0
    every_minutes: float = 10

    @classmethod
    def from_json(cls, data: Any) -> Repeat:
        data = _mapping(data, "repeat")
        repeat = cls(_whole(data.get("max", 0), "repeat"), data.get("every_minutes", cls.every_minutes))
        if not 0 <= repeat.max <= MAX_REPEATS:
            raise InvalidInput("repeat", N_("次数应为 0–6"))
        if not _is_number(repeat.every_minutes) or not MIN_EVERY_MINUTES <= repeat.every_minutes <= MAX_EVERY_MINUTES:
            raise InvalidInput("repeat", N_("间隔应为 0.5–120 分钟"))
        return repeat

    def to_json(self) -> dict[str, Any]:
        return {"max": self.max, "every_minutes": self.every_minutes}


@dataclass(frozen=True)
class Personal:
    """Through what a person is reached: their own preferences, or the same for all, {severity: channel kinds}."""

    mode: str = FOLLOW_PREFERENCE
    unified: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Any) -> Personal:
        data = _mapping(data, "personal")
        mode = data.get("mode", FOLLOW_PREFERENCE)
        if mode not in {FOLLOW_PREFERENCE, UNIFIED}:
            raise InvalidInput("personal", N_("应为遵循个人偏好或统一设置"))
        unified = _mapping(data.get("unified") or {}, "personal")
        kinds = {severity: _kinds(unified.get(severity.value, ())) for severity in NOTIFIED_SEVERITIES}
        chosen = {severity.value: kinds[severity] for severity in NOTIFIED_SEVERITIES if kinds[severity]}
        if mode == UNIFIED and not chosen:
            raise InvalidInput("personal", N_("请至少选择一种渠道"))
        return cls(mode, chosen)

    def to_json(self) -> dict[str, Any]:
        return {"mode": self.mode, "unified": {severity: list(kinds) for severity, kinds in self.unified.items()}}


@dataclass(frozen=True)
class Level:
    """One step of a policy.

    escalate_after_minutes  from this level's first message to the next level, 0–720; 0: never
    condition               what must still be true then: not_closed | not_closed_and_not_acked
    group_ids               group chats of the organisation that get a card of their own
    """

    user_ids: tuple[int, ...]
    personal: Personal = Personal()
    repeat: Repeat = Repeat()
    escalate_after_minutes: int = 30
    condition: str = NOT_ACKNOWLEDGED
    group_ids: tuple[int, ...] = ()

    @classmethod
    def from_json(cls, data: Any) -> Level:
        level = cls.stored(data)
        level._check()
        return level

    @classmethod
    def stored(cls, data: Any) -> Level:
        """A level that a policy holds. In 0.1.0 it could name teams or schedules alone: it reaches nobody."""
        data = _mapping(data, "levels")
        return cls(
            user_ids=_ids(data.get("user_ids", ())),
            personal=Personal.from_json(data.get("personal") or {}),
            repeat=Repeat.from_json(data.get("repeat") or {}),
            escalate_after_minutes=_whole(data.get("escalate_after_minutes", 30), "escalate_after_minutes"),
            condition=data.get("condition", NOT_ACKNOWLEDGED),
            group_ids=_ids(data.get("group_ids", ()), "group_ids"),
        )

    def _check(self) -> None:
        if not (self.user_ids or self.group_ids):
            raise InvalidInput("user_ids", N_("每个环节请至少选择一人或一个群聊"))
        if not 0 <= self.escalate_after_minutes <= MAX_ESCALATE_MINUTES:
            raise InvalidInput("escalate_after_minutes", N_("应为 0–720 分钟"))
        if self.condition not in {NOT_CLOSED, NOT_ACKNOWLEDGED}:
            raise InvalidInput("condition", N_("应为未关闭，或未关闭且未认领"))

    def to_json(self) -> dict[str, Any]:
        return {
            "user_ids": list(self.user_ids),
            "group_ids": list(self.group_ids),
            "personal": self.personal.to_json(),
            "repeat": self.repeat.to_json(),
            "escalate_after_minutes": self.escalate_after_minutes,
            "condition": self.condition,
        }


@dataclass(frozen=True)
class TimeWindow:
    """Hours of the week in the organisation's zone.

    weekdays    1 Monday … 7 Sunday, of the day on which the window begins
    start, end  minutes after midnight, end excluded; end ≤ start runs into the next day
    """

    weekdays: tuple[int, ...]
    start: int
    end: int

    @classmethod
    def from_json(cls, data: Any) -> TimeWindow:
        """Shape: {"weekdays": [1, 2], "start": "22:00", "end": "06:00"}."""
        data = _mapping(data, "time_windows")
        weekdays = tuple(sorted(set(_ids(data.get("weekdays", ()), "time_windows"))))
        if not weekdays or not all(1 <= day <= 7 for day in weekdays):
            raise InvalidInput("time_windows", N_("请至少选择一天"))
        return cls(weekdays, _minutes(data.get("start")), _minutes(data.get("end")))

    def to_json(self) -> dict[str, Any]:
        return {"weekdays": list(self.weekdays), "start": _clock(self.start), "end": _clock(self.end)}

    def holds(self, at: datetime) -> bool:
        """Whether a local time lies in the window."""
        minute, weekday = at.hour * 60 + at.minute, at.isoweekday()
        if self.start < self.end:
            return weekday in self.weekdays and self.start <= minute < self.end
        yesterday = (weekday - 2) % 7 + 1
        return (weekday in self.weekdays and minute >= self.start) or (yesterday in self.weekdays and minute < self.end)


def _minutes(text: Any) -> int:
    found = CLOCK.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise InvalidInput("time_windows", N_("时间写法应如 09:00"))
    return int(found[1]) * 60 + int(found[2])


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _mapping(data: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise InvalidInput(name, N_("内容格式不正确"))
    return data


def _whole(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidInput(name, N_("应为整数"))
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ids(values: Any, name: str = "user_ids") -> tuple[int, ...]:
    """Whole numbers without repeats, in the order given."""
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) > MAX_PEOPLE:
        raise InvalidInput(name, N_("内容格式不正确"))
    return tuple(dict.fromkeys(_whole(value, name) for value in values))


def _kinds(values: Any) -> tuple[str, ...]:
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise InvalidInput("personal", N_("内容格式不正确"))
    if not all(isinstance(kind, str) and CHANNEL_KIND.fullmatch(kind) for kind in values):
        raise InvalidInput("personal", N_("包含未知的渠道"))
    return tuple(dict.fromkeys(values))
