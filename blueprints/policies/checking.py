"""From what was typed to a policy: every mistake found at once, each named by the field it stands in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask_babel import gettext

from blueprints.policies.sheet import Level, Sheet
from errors import AppError, InvalidInput
from services import filters, policies, policy_levels
from services.policies import Draft
from services.policy_levels import TimeWindow
from services.wording import error_sentence, say_reason
from whole_numbers import LARGEST, whole

TOP_FIELDS = frozenset({"name", "description", "priority", "delay_seconds", "levels", "template_id"})
INPUTS = {"user_ids": "people", "group_ids": "groups", "repeat": "max", "escalate_after_minutes": "escalate_after"}
"""Parts of a level that the form writes otherwise than the API."""


class Checked:
    """A sheet after a look at it: a draft to store, or errors by field name (and "" for the whole)."""

    def __init__(self, sheet: Sheet) -> None:
        self.errors: dict[str, str] = {}
        self.draft: Draft | None = None
        windows = [window.to_json() for window in sheet.windows]
        groups = [[condition.to_json() for condition in group] for group in sheet.groups]
        levels = [self._level(number, level) for number, level in enumerate(sheet.levels)]
        self._pieces(windows, groups, levels)
        self._whole(sheet, windows, groups, levels)

    def add(self, error: AppError) -> None:
        """Put what a service refused beside its field, or above all."""
        if isinstance(error, InvalidInput) and error.field in TOP_FIELDS:
            self.errors.setdefault(error.field, say_reason(error))
        else:
            self.errors.setdefault("", error_sentence(error))

    def _pieces(self, windows: list[Any], groups: list[Any], levels: list[Any]) -> None:
        for number, window in enumerate(windows):
            self._try(TimeWindow.from_json, window, f"windows-{number}")
        for place, group in enumerate(groups):
            for number, condition in enumerate(group):
                name = f"groups-{place}-conditions-{number}"
                self._try(filters.Condition.from_json, condition, name)
        for number, level in enumerate(levels):
            if not any(name.startswith(f"levels-{number}-") for name in self.errors):
                self._level_try(level, f"levels-{number}")

    def _whole(self, sheet: Sheet, windows: list[Any], groups: list[Any], levels: list[Any]) -> None:
        priority = self._number(sheet.priority, "priority")
        delay = self._number(sheet.delay_seconds, "delay_seconds")
        template_id = self._number(sheet.template_id, "template_id") if sheet.template_id else None
        has_sound_parts = not any("-" in name for name in self.errors)
        try:
            draft = policies.draft(
                name=sheet.name,
                description=sheet.description,
                priority=priority,
                is_enabled=sheet.is_enabled,
                delay_seconds=delay,
                template_id=template_id,
                time_windows=windows if has_sound_parts else (),
                filter_groups=groups if has_sound_parts else (),
                levels=levels if has_sound_parts else [{"user_ids": [1]}],
            )
        except InvalidInput as error:
            self.add(error)
        else:
            self.draft = None if self.errors else draft

    def _try(self, read: Callable[[Any], object], piece: Any, name: str) -> None:
        try:
            read(piece)
        except InvalidInput as error:
            self.errors.setdefault(name, say_reason(error))

    def _level_try(self, level: dict[str, Any], prefix: str) -> None:
        try:
            policy_levels.Level.from_json(level)
        except InvalidInput as error:
            self.errors.setdefault(f"{prefix}-{INPUTS.get(error.field, error.field)}", say_reason(error))

    def _level(self, number: int, typed: Level) -> dict[str, Any]:
        prefix = f"levels-{number}"
        return {
            "user_ids": typed.user_ids(),
            "group_ids": typed.group_ids(),
            "personal": {"mode": typed.mode, "unified": typed.kinds},
            "repeat": {
                "max": self._number(typed.max, f"{prefix}-max"),
                "every_minutes": self._decimal(typed.every, f"{prefix}-every"),
            },
            "escalate_after_minutes": self._number(typed.escalate_after, f"{prefix}-escalate_after"),
            "condition": typed.condition,
        }

    def _number(self, text: str, name: str) -> int:
        number = whole(text.strip(), LARGEST)
        if number is not None:
            return number
        self.errors[name] = gettext("请填写整数")
        return 0

    def _decimal(self, text: str, name: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if policy_levels.MIN_EVERY_MINUTES <= value <= policy_levels.MAX_EVERY_MINUTES:
            return value
        self.errors[name] = gettext("间隔应为 0.5–120 分钟")
        return policy_levels.Repeat.every_minutes
