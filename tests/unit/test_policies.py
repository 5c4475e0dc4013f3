"""The values that make up a policy, and which policy takes an alert."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from errors import InvalidInput
from models import DispatchPolicy, Severity
from services import policies
from services.filters import Facts
from services.policy_levels import Level, Personal, Repeat, TimeWindow

SHANGHAI = ZoneInfo("Asia/Shanghai")
FACTS = Facts(Severity.WARNING, "延迟升高", labels={"service": "checkout"})
LEVEL = {"user_ids": [1]}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def policy(id: int, **values) -> DispatchPolicy:
    defaults = {"name": f"p{id}", "priority": 100, "is_enabled": True, "filters": [], "time_windows": []}
    return DispatchPolicy(id=id, **(defaults | values))


def test_a_level_has_sensible_defaults():
    level = Level.from_json(LEVEL)
    assert (level.escalate_after_minutes, level.condition) == (30, "not_closed_and_not_acked")
    assert (level.repeat.max, level.personal.mode) == (0, "follow_preference")


def test_what_was_read_is_given_back():
    data = {
        "user_ids": [3, 1],
        "group_ids": [3],
        "personal": {"mode": "unified", "unified": {"Critical": ["wecom_app", "email"], "Info": ["wecom_app"]}},
        "repeat": {"max": 6, "every_minutes": 0.5},
        "escalate_after_minutes": 720,
        "condition": "not_closed",
    }
    assert Level.from_json(data).to_json() == data


def test_teams_and_schedules_of_earlier_versions_are_read_over():
    """Nothing was ever dispatched to them."""
    old = {"user_ids": [], "group_ids": [], "team_ids": [4], "schedule_ids": [2]}
    with pytest.raises(InvalidInput):
        Level.from_json(old)
    assert Level.stored(old) == Level(user_ids=())
    assert Level.from_json(old | {"user_ids": [3]}) == Level(user_ids=(3,))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"user_ids": []}, "user_ids"),
        ({"user_ids": ["1"]}, "user_ids"),
        ({"user_ids": list(range(201))}, "user_ids"),
        ({"escalate_after_minutes": 721}, "escalate_after_minutes"),
        ({"escalate_after_minutes": -1}, "escalate_after_minutes"),
        ({"condition": "whenever"}, "condition"),
        ({"repeat": {"max": 7}}, "repeat"),
        ({"repeat": {"max": 1, "every_minutes": 0.4}}, "repeat"),
        ({"repeat": {"max": 1, "every_minutes": 121}}, "repeat"),
        ({"repeat": {"max": True}}, "repeat"),
        ({"personal": {"mode": "loud"}}, "personal"),
        ({"personal": {"mode": "unified", "unified": {}}}, "personal"),
        ({"personal": {"mode": "unified", "unified": {"Critical": ["WeCom!"]}}}, "personal"),
    ],
)
def test_a_wrong_level_names_its_field(change, field):
    with pytest.raises(InvalidInput) as refused:
        Level.from_json(LEVEL | change)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "名" * 40}, "name"),
        ({"priority": 201}, "priority"),
        ({"delay_seconds": 3601}, "delay_seconds"),
        ({"levels": []}, "levels"),
        ({"description": "长" * 501}, "description"),
        ({"filter_groups": [[]]}, "filters"),
        ({"time_windows": [{"weekdays": [8], "start": "09:00", "end": "18:00"}]}, "time_windows"),
        ({"time_windows": [{"weekdays": [1], "start": "9点", "end": "18:00"}]}, "time_windows"),
    ],
)
def test_a_wrong_policy_names_its_field(change, field):
    with pytest.raises(InvalidInput) as refused:
        policies.draft(**({"name": "默认策略", "levels": [LEVEL]} | change))
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("window", "moment", "inside"),
    [  # 2026-03-02 is a Monday
        ({"weekdays": [1], "start": "09:00", "end": "18:00"}, "2026-03-02T09:00", True),
        ({"weekdays": [1], "start": "09:00", "end": "18:00"}, "2026-03-02T18:00", False),
        ({"weekdays": [1], "start": "09:00", "end": "18:00"}, "2026-03-03T10:00", False),
        ({"weekdays": [1], "start": "22:00", "end": "06:00"}, "2026-03-02T23:00", True),
        ({"weekdays": [1], "start": "22:00", "end": "06:00"}, "2026-03-03T05:59", True),
        ({"weekdays": [1], "start": "22:00", "end": "06:00"}, "2026-03-03T06:00", False),
        ({"weekdays": [1], "start": "22:00", "end": "06:00"}, "2026-03-02T05:00", False),
        ({"weekdays": [7], "start": "22:00", "end": "06:00"}, "2026-03-02T05:00", True),
        ({"weekdays": [1], "start": "00:00", "end": "00:00"}, "2026-03-02T23:59", True),
        ({"weekdays": [1], "start": "00:00", "end": "00:00"}, "2026-03-03T00:00", False),
    ],
)
def test_a_window_may_cross_midnight(window, moment, inside):
    assert TimeWindow.from_json(window).holds(at(moment)) is inside
    assert TimeWindow.from_json(window).to_json() == window


def test_the_first_match_by_priority_wins():
    checkout = [[{"key": "labels.service", "op": "IN", "vals": ["checkout"]}]]
    critical = [[{"key": "severity", "op": "IN", "vals": ["Critical"]}]]
    tried = [
        policy(1, priority=200),
        policy(2, priority=50, filters=checkout),
        policy(3, priority=10, filters=critical),
        policy(4, priority=20, filters=checkout, is_enabled=False),
        policy(5, priority=50, filters=checkout),
    ]
    found = policies.match(tried, FACTS, at("2026-03-02T10:00"), SHANGHAI)
    assert found is not None and found.id == 2


def test_windows_are_read_in_the_organisations_zone():
    night = policy(1, time_windows=[{"weekdays": [1], "start": "22:00", "end": "06:00"}])
    moment = datetime.fromisoformat("2026-03-02T15:00+00:00")
    assert policies.match([night], FACTS, moment, SHANGHAI) is night
    assert policies.match([night], FACTS, moment, ZoneInfo("UTC")) is None


def test_nothing_matches_when_no_policy_fits():
    assert policies.match([], FACTS, at("2026-03-02T10:00"), SHANGHAI) is None


def test_values_are_values():
    assert Repeat() == Repeat(0, 10) and Personal() == Personal.from_json({})
