"""A policy as it is typed: every value as text, so that a refused form comes back exactly as it was.

Rows have numbers in their field names (`levels-0-max`, `groups-1-conditions-0-vals`); buttons that add or remove
rows send the sheet along and get it back changed, so the editor works without scripts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from werkzeug.datastructures import MultiDict

from blueprints.row_numbers import row_id
from models import DispatchPolicy
from services.filters import LABEL_PREFIX, PLAIN_KEYS
from services.policy_levels import FOLLOW_PREFERENCE, NOT_ACKNOWLEDGED, NOTIFIED_SEVERITIES

LABEL_KEY = "labels"
TICKED_KEYS = frozenset({"severity", "source_id"})
"""Fields whose values are ticked from a list, not typed."""
MOST_ROWS = 20
Form = MultiDict[str, str]


@dataclass
class Condition:
    """label: the label's name, when key is LABEL_KEY; vals: one value a line."""

    key: str = "severity"
    label: str = ""
    op: str = "IN"
    vals: str = ""

    @classmethod
    def read(cls, form: Form, prefix: str) -> Condition:
        """Values of one kind of field say nothing of another: a change of the field leaves them behind."""
        key, was = form.get(f"{prefix}-key", ""), form.get(f"{prefix}-was", "")
        is_other = was not in {"", key} and bool({was, key} & TICKED_KEYS)
        vals = "" if is_other else "\n".join(form.getlist(f"{prefix}-vals"))
        return cls(key, form.get(f"{prefix}-label", ""), form.get(f"{prefix}-op", ""), vals)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Condition:
        key = data["key"]
        label = "" if key in PLAIN_KEYS else key.removeprefix(LABEL_PREFIX)
        return cls(LABEL_KEY if label else key, label, data["op"], "\n".join(data["vals"]))

    @property
    def values(self) -> list[str]:
        return [line.strip() for line in self.vals.splitlines() if line.strip()]

    def to_json(self) -> dict[str, Any]:
        key = f"{LABEL_PREFIX}{self.label.strip()}" if self.key == LABEL_KEY else self.key
        return {"key": key, "op": self.op, "vals": self.values}


@dataclass
class Window:
    """Weekdays as "1" … "7", times as HH:MM."""

    days: list[str] = field(default_factory=lambda: ["1", "2", "3", "4", "5"])
    start: str = "09:00"
    end: str = "18:00"

    @classmethod
    def read(cls, form: Form, prefix: str) -> Window:
        return cls(form.getlist(f"{prefix}-days"), form.get(f"{prefix}-start", ""), form.get(f"{prefix}-end", ""))

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Window:
        return cls([str(day) for day in data["weekdays"]], data["start"], data["end"])

    def to_json(self) -> dict[str, Any]:
        return {"weekdays": _numbers_in(self.days), "start": self.start.strip(), "end": self.end.strip()}


@dataclass
class Level:
    people: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    mode: str = FOLLOW_PREFERENCE
    kinds: dict[str, list[str]] = field(default_factory=dict)
    max: str = "0"
    every: str = "10"
    escalate_after: str = "30"
    condition: str = NOT_ACKNOWLEDGED

    @classmethod
    def read(cls, form: Form, prefix: str) -> Level:
        texts = {
            name: form.get(f"{prefix}-{name}", "") for name in ("mode", "max", "every", "escalate_after", "condition")
        }
        kinds = {each.value: form.getlist(f"{prefix}-kinds-{each.value}") for each in NOTIFIED_SEVERITIES}
        people, groups = form.getlist(f"{prefix}-people"), form.getlist(f"{prefix}-groups")
        return cls(people=people, groups=groups, kinds=kinds, **texts)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Level:
        personal, repeat = data.get("personal") or {}, data.get("repeat") or {}
        return cls(
            people=[str(user_id) for user_id in data["user_ids"]],
            groups=[str(group_id) for group_id in data.get("group_ids", ())],
            mode=personal.get("mode", FOLLOW_PREFERENCE),
            kinds={severity: list(kinds) for severity, kinds in (personal.get("unified") or {}).items()},
            max=str(repeat.get("max", 0)),
            every=f"{repeat.get('every_minutes', 10):g}",
            escalate_after=str(data.get("escalate_after_minutes", 30)),
            condition=data.get("condition", NOT_ACKNOWLEDGED),
        )

    def user_ids(self) -> list[int]:
        return _numbers_in(self.people)

    def group_ids(self) -> list[int]:
        return _numbers_in(self.groups)


@dataclass
class Sheet:
    name: str = ""
    description: str = ""
    priority: str = "100"
    is_enabled: bool = True
    delay_seconds: str = "0"
    template_id: str = ""
    version: str = ""
    windows: list[Window] = field(default_factory=list)
    groups: list[list[Condition]] = field(default_factory=list)
    levels: list[Level] = field(default_factory=lambda: [Level()])

    @classmethod
    def read(cls, form: Form) -> Sheet:
        """What was sent."""
        names = ("name", "description", "priority", "delay_seconds", "template_id", "version")
        texts = {name: form.get(name, "") for name in names}
        groups = [
            [
                Condition.read(form, f"groups-{group}-conditions-{number}")
                for number in _numbers(form, f"groups-{group}-conditions")
            ]
            for group in _numbers(form, "groups")
        ]
        return cls(
            is_enabled="is_enabled" in form,
            windows=[Window.read(form, f"windows-{number}") for number in _numbers(form, "windows")],
            groups=[group for group in groups if group],
            levels=[Level.read(form, f"levels-{number}") for number in _numbers(form, "levels")],
            **texts,
        )

    @classmethod
    def of(cls, policy: DispatchPolicy) -> Sheet:
        """What is stored."""
        return cls(
            name=policy.name,
            description=policy.description,
            priority=str(policy.priority),
            is_enabled=policy.is_enabled,
            delay_seconds=str(policy.delay_seconds),
            template_id=str(policy.template_id or ""),
            version=str(policy.version),
            windows=[Window.of(window) for window in policy.time_windows],
            groups=[[Condition.of(condition) for condition in group] for group in policy.filters],
            levels=[Level.of(level) for level in policy.levels],
        )

    def change(self, wish: str) -> str:
        """Add or remove a row, as a button says: "add-level", "remove-condition:0:1". Others change nothing.

        Returns where the reader goes on: the prefix of a row, or the wish of the button that is left.
        """
        verb, _, rest = wish.partition(":")
        places = _numbers_in(rest.split(":"))
        if verb.startswith("add-"):
            what = verb.removeprefix("add-")
            self._add(what, places)
            return self._row_near(what, places, MOST_ROWS) or wish
        if verb.startswith("remove-"):
            what = verb.removeprefix("remove-")
            self._remove(what, places)
            *outer, number = places or [0]
            return self._row_near(what, outer, number)
        return _prefix("condition", places) if verb == "field" and len(places) == 2 else wish

    def _row_near(self, what: str, outer: list[int], number: int) -> str:
        """The prefix of the row of this number, else of the last one, else the button that adds the first."""
        rows = self._rows(what, outer)
        if not rows:
            return "add-group" if what == "condition" else f"add-{what}"
        return _prefix(what, [*outer, min(number, len(rows) - 1)])

    def _add(self, what: str, places: list[int]) -> None:
        rows: list[Any] | None = self._rows(what, places)
        if rows is None or len(rows) >= MOST_ROWS:
            return
        new: dict[str, Any] = {"window": Window(), "group": [Condition()], "condition": Condition(), "level": Level()}
        rows.append(new[what])

    def _remove(self, what: str, places: list[int]) -> None:
        *outer, number = places or [-1]
        rows = self._rows(what, outer)
        if rows is None or not 0 <= number < len(rows):
            return
        del rows[number]
        self.groups = [group for group in self.groups if group]

    def _rows(self, what: str, places: list[int]) -> list[Any] | None:
        if what == "condition":
            return self.groups[places[0]] if places and places[0] < len(self.groups) else None
        known: dict[str, list[Any]] = {"window": self.windows, "group": self.groups, "level": self.levels}
        return known.get(what)


def _prefix(what: str, places: list[int]) -> str:
    if what == "condition":
        return f"groups-{places[0]}-conditions-{places[1]}"
    return f"{what}s-{places[0]}"


def _numbers_in(texts: list[str]) -> list[int]:
    return [number for text in texts if (number := row_id(text)) is not None]


def _numbers(form: Form, prefix: str) -> list[int]:
    """Which numbers a kind of row has in what was sent, in order; no more than rows are allowed."""
    pattern = re.compile(rf"{re.escape(prefix)}-(\d{{1,4}})-")
    found = {int(match[1]) for name in form if (match := pattern.match(name))}
    return sorted(found)[:MOST_ROWS]
