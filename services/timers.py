"""The timers of an incident: their kinds, and those that its dispatch policy sets where it stands. Pure.

`assignment` is what services/dispatch.py keeps in `incident.assignment`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from services.policy_levels import NOT_CLOSED, Level

STEP = "policy_step"
SNOOZE_EXPIRY = "snooze_expiry"
AUTO_CLOSE = "auto_close"
FLAPPING_END = "flapping_end"

Assignment = Mapping[str, Any]


@dataclass(frozen=True)
class Timer:
    """A row of the outbox about an incident, still to be staged."""

    kind: str
    due_at: datetime
    payload: dict[str, Any] = field(default_factory=dict)


def stopped(assignment: Assignment) -> dict[str, Any]:
    """The next run, of which no timer knows yet: those of earlier runs do nothing."""
    return {**assignment, "run": run(assignment) + 1}


def resumed(assignment: Assignment, *, is_triggered: bool, now: datetime) -> tuple[dict[str, Any], list[Timer]]:
    """The same level in a new run, with its timers counted from now."""
    fresh = stopped(assignment)
    if "policy" not in fresh:
        return fresh, []
    if fresh["times"]:
        return fresh, of_level(fresh, is_triggered=is_triggered, now=now)
    return fresh, [start(fresh, now)]


def start(assignment: Assignment, now: datetime) -> Timer:
    """The first message of the first level, after the policy's delay."""
    return _step(assignment, "start", now + timedelta(seconds=assignment["policy"]["delay_seconds"]), times=1)


def of_level(assignment: Assignment, *, is_triggered: bool, now: datetime) -> list[Timer]:
    """The next repeat and the escalation of the present level, as far as it has them."""
    timers = repeat(assignment, is_triggered=is_triggered, now=now)
    wait = level(assignment).escalate_after_minutes
    if wait and may_escalate(assignment, is_triggered=is_triggered):
        timers.append(_step(assignment, "escalate", now + timedelta(minutes=wait)))
    return timers


def repeat(assignment: Assignment, *, is_triggered: bool, now: datetime) -> list[Timer]:
    """The next repeat, while nobody has taken the incident on and there are any left."""
    again, sent = level(assignment).repeat, assignment["times"]
    if not is_triggered or sent > again.max:
        return []
    return [_step(assignment, "repeat", now + timedelta(minutes=again.every_minutes), times=sent + 1)]


def repeat_at(assignment: Assignment, times: int, due_at: datetime) -> Timer:
    """The same repeat, put off."""
    return _step(assignment, "repeat", due_at, times=times)


def ends_with_acknowledgement(assignment: Assignment) -> bool:
    """Whether the level's timers wait for nobody to take the incident on; others go on until it is closed."""
    if "policy" not in assignment or not assignment["times"]:
        return False
    standing = assignment["policy"]["levels"][assignment["level"]]  # to read all of it would take a press too long
    return bool(standing.get("condition") != NOT_CLOSED)


def may_escalate(assignment: Assignment, *, is_triggered: bool) -> bool:
    """There is a next level, and the present one's condition holds."""
    if assignment["level"] + 1 >= level_count(assignment):
        return False
    return is_triggered or level(assignment).condition == NOT_CLOSED


def run(assignment: Assignment) -> int:
    number: int = assignment.get("run", 0)
    return number


def levels(assignment: Assignment) -> list[Level]:
    return [Level.stored(one) for one in assignment["policy"]["levels"]]


def level(assignment: Assignment) -> Level:
    """The level at which the policy stands."""
    return Level.stored(assignment["policy"]["levels"][assignment["level"]])


def level_count(assignment: Assignment) -> int:
    """How many levels the running policy has; 0 without one."""
    return len(assignment.get("policy", {}).get("levels", ()))


def _step(assignment: Assignment, step: str, due_at: datetime, *, times: int = 0) -> Timer:
    return Timer(STEP, due_at, {"step": step, "run": run(assignment), "level": assignment["level"], "times": times})
