"""Conditions on alerts: OR of groups, AND inside a group. Pure.

A condition is {"key", "op": "IN" | "NOTIN", "vals": [...]}; a value is taken literally unless it is
`/regex/` (linear time, found anywhere), holds `*` or `?` (whole value; `*` alone: exists),
`cidr:10.0.0.0/24`, or `num:gt:90` (gt, ge, lt, le).
"""

from __future__ import annotations

import ipaddress
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import re2

from errors import InvalidInput
from models import Severity
from texts import N_

MAX_GROUPS, MAX_CONDITIONS, MAX_VALUES = 20, 20, 50
MAX_REGEX_LENGTH = 200
MAX_VALUE_LENGTH = 512
MAX_LABEL_LENGTH = 128
REGEX_MEMORY = 1 << 20
PLAIN_KEYS = frozenset({"severity", "title", "description", "source_id"})
LABEL_PREFIX = "labels."
FIELD = "filters"
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}

Matcher = Callable[[str], bool]


@dataclass(frozen=True)
class Facts:
    """What conditions may ask about an alert or incident."""

    severity: Severity
    title: str
    description: str = ""
    source_id: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def value(self, key: str) -> str | None:
        """The value under a condition's key; None: there is no such thing."""
        if key.startswith(LABEL_PREFIX):
            return self.labels.get(key.removeprefix(LABEL_PREFIX))
        if key == "source_id":
            return None if self.source_id is None else str(self.source_id)
        return {"severity": self.severity.value, "title": self.title, "description": self.description}.get(key)


@dataclass(frozen=True)
class Condition:
    key: str
    op: str
    vals: tuple[str, ...]

    @classmethod
    def from_json(cls, data: Any) -> Condition:
        """Read one condition. Raises InvalidInput if it cannot be understood."""
        if not isinstance(data, Mapping):
            raise InvalidInput(FIELD, N_("每个条件应包含字段、方式和取值"))
        key, op, vals = data.get("key"), data.get("op"), data.get("vals")
        if not isinstance(key, str) or not _is_key(key):
            raise InvalidInput(FIELD, N_("不支持的字段"))
        if op not in {"IN", "NOTIN"}:
            raise InvalidInput(FIELD, N_("方式应为 IN 或 NOTIN"))
        if not isinstance(vals, Sequence) or isinstance(vals, str) or not 1 <= len(vals) <= MAX_VALUES:
            raise InvalidInput(FIELD, N_("每个条件应有 1–50 个取值"))
        for value in vals:
            check_value(value)
        return cls(key, op, tuple(vals))

    def to_json(self) -> dict[str, Any]:
        return {"key": self.key, "op": self.op, "vals": list(self.vals)}

    def holds(self, facts: Facts) -> bool:
        """A missing value is in nothing, so it satisfies NOTIN."""
        value = facts.value(self.key)
        found = value is not None and any(matcher(text)(value) for text in self.vals)
        return found == (self.op == "IN")


Groups = tuple[tuple[Condition, ...], ...]


def parse(data: Any) -> Groups:
    """Read groups of conditions as stored or sent. Raises InvalidInput; [] means no condition at all."""
    if not isinstance(data, Sequence) or isinstance(data, str) or len(data) > MAX_GROUPS:
        raise InvalidInput(FIELD, N_("条件组不能超过 20 个"))
    return tuple(_parse_group(group) for group in data)


def to_json(groups: Groups) -> list[list[dict[str, Any]]]:
    return [[condition.to_json() for condition in group] for group in groups]


def matches(groups: Groups, facts: Facts) -> bool:
    """Whether any group holds entirely; no groups hold for everything."""
    return not groups or any(all(condition.holds(facts) for condition in group) for group in groups)


def check_value(value: Any) -> None:
    """Raise InvalidInput if a condition's value is not understood."""
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_VALUE_LENGTH:
        raise InvalidInput(FIELD, N_("取值应为 1–512 个字符"))
    try:
        matcher(value)
    except InvalidInput:
        raise
    except (ValueError, re2.error) as error:
        raise InvalidInput(FIELD, _explain(value)) from error


@lru_cache(maxsize=4096)
def matcher(text: str) -> Matcher:
    """The test that a condition's value stands for. Raises ValueError or re2.error if it is malformed."""
    if _is_regex(text):
        return _regex(text[1:-1])
    if text.startswith("cidr:"):
        return _network(text.removeprefix("cidr:"))
    if text.startswith("num:"):
        return _comparison(text.removeprefix("num:"))
    if "*" in text or "?" in text:
        return _wildcard(text)
    return lambda value: value == text


def _parse_group(group: Any) -> tuple[Condition, ...]:
    if not isinstance(group, Sequence) or isinstance(group, str) or not 1 <= len(group) <= MAX_CONDITIONS:
        raise InvalidInput(FIELD, N_("每组应有 1–20 个条件"))
    return tuple(Condition.from_json(condition) for condition in group)


def _is_key(key: str) -> bool:
    label = key.removeprefix(LABEL_PREFIX)
    return key in PLAIN_KEYS or (label != key and 1 <= len(label) <= MAX_LABEL_LENGTH)


def _is_regex(text: str) -> bool:
    return len(text) > 2 and text.startswith("/") and text.endswith("/")


def _explain(text: str) -> str:
    if text.startswith("cidr:"):
        return N_("网段写法不正确，应如 cidr:10.0.0.0/24")
    if text.startswith("num:"):
        return N_("数值比较写法不正确，应如 num:gt:90")
    return N_("正则表达式写法不正确")


def _regex(pattern: str) -> Matcher:
    """Found anywhere in the value, in linear time."""
    if len(pattern) > MAX_REGEX_LENGTH:
        raise InvalidInput(FIELD, N_("正则表达式不能超过 200 个字符"))
    options = re2.Options()
    options.max_mem, options.log_errors, options.never_capture = REGEX_MEMORY, False, True
    compiled = re2.compile(pattern, options)
    return lambda value: compiled.search(value) is not None


def _wildcard(text: str) -> Matcher:
    """`*` any run of characters, `?` one; over the whole value."""
    translated = "".join({"*": ".*", "?": "."}.get(char) or re.escape(char) for char in text)
    options = re2.Options()
    options.max_mem, options.log_errors, options.dot_nl = REGEX_MEMORY, False, True
    compiled = re2.compile(translated, options)
    return lambda value: compiled.fullmatch(value) is not None


def _network(text: str) -> Matcher:
    network = ipaddress.ip_network(text, strict=False)

    def inside(value: str) -> bool:
        try:
            address = ipaddress.ip_address(value.strip())
        except ValueError:
            return False
        return address.version == network.version and address in network

    return inside


def _comparison(text: str) -> Matcher:
    name, _, number = text.partition(":")
    if name not in COMPARISONS:
        raise ValueError(name)
    compare, bound = COMPARISONS[name], float(number)
    if not math.isfinite(bound):
        raise ValueError(number)

    def holds(value: str) -> bool:
        try:
            return compare(float(value), bound)
        except ValueError:
            return False

    return holds
