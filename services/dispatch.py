"""Running a policy over an incident: first match, levels, repeats, escalation, pauses.

`incident.assignment` holds where it stands:

  kind      assign | reopen | snooze_expired: by policy; reassign: directly to people
  policy    snapshot of the policy (services.policies.snapshot); absent when people were chosen directly
  level     0-based; times: messages of this level so far, 0 while the policy's delay runs
  run       raised whenever timers start or stop, so that a timer of an earlier run does nothing
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from extensions import db
from models import Alert, DispatchPolicy, Incident, Membership, Tenant
from services import filters, notifications, outbox, policies, responders, timeline
from services.incident_changes import hold, show
from services.policy_levels import NOT_CLOSED, Level

STEP = "policy_step"


def begin(incident: Incident, *, kind: str, now: datetime, source_id: int | None = None) -> None:
    """Start the first policy of the channel that matches, from its first level, after its delay.

    source_id  of the alert that the incident is made from; without it, its first alert's is looked up
    Without a match nobody is assigned or told, and the timeline says so.
    """
    policy = _matching_policy(incident, source_id or _source_id(incident), now)
    if policy is None:
        incident.assignment = {"kind": kind, "run": _run(incident) + 1}
        timeline.record(incident, "assign", via="system", at=now, kind=kind)
        return
    snapshot = policies.snapshot(policy)
    _place(incident, kind=kind, policy=snapshot, level=0, times=0)
    timeline.record(incident, "assign", via="system", at=now, kind=kind, policy=snapshot["name"])
    if snapshot["delay_seconds"]:
        _enqueue(incident, "start", now + timedelta(seconds=snapshot["delay_seconds"]), now, times=1)
    else:
        start_level(incident, 0, cause=_cause(incident), now=now)


def begin_again(incident: Incident, *, kind: str, now: datetime) -> None:
    """Run the previous policy again from level 1, or tell the people chosen directly; kind: reopen | snooze_expired.

    At once: the policy's delay is for alerts that end by themselves.
    """
    if "policy" in incident.assignment:
        _place(incident, kind=kind, policy=incident.assignment["policy"], level=0, times=0)
        start_level(incident, 0, cause=kind, now=now)
    elif people := responders.current(incident):
        incident.assignment = incident.assignment | {"run": _run(incident) + 1}
        tell(incident, [person.user_id for person in people], cause=kind, now=now)
    else:
        begin(incident, kind=kind, now=now)


def assign_directly(
    incident: Incident, people: Sequence[Membership], *, kind: str, by: Membership | None, via: str, now: datetime
) -> None:
    """Hand the incident to people instead of a policy; kind: assign | reassign. They are told by their preferences."""
    stop(incident)
    incident.assignment = {"kind": kind, "run": _run(incident)}
    users = [member.user for member in people]
    responders.retire_all_but(incident, [user.id for user in users])
    responders.assign(incident, users, source="reassign" if kind == "reassign" else "added", now=now)
    timeline.record(incident, "assign", by=by, via=via, at=now, kind=kind, people=[user.name for user in users])
    tell(incident, [user.id for user in users], cause=kind, now=now)


def tell(incident: Incident, user_ids: list[int], *, cause: str, now: datetime) -> None:
    """Notify people directly, by their own preferences."""
    db.session.flush()
    notifications.notify(
        incident, cause=cause, level=None, times=1, user_ids=user_ids, personal=None, policy_name="", now=now
    )


def start_level(incident: Incident, index: int, *, cause: str, now: datetime) -> None:
    """Assign and notify the people of a level, and set its timers, counted from now."""
    level = _levels(incident)[index]
    _place(incident, level=index, times=1)
    people = _people(incident, level)
    responders.assign(incident, [member.user for member in people], source="policy", now=now)
    _notify_level(incident, level, people, cause=cause, now=now)
    _set_timers(incident, now)


def escalate(incident: Incident, index: int, *, by: Membership | None, via: str, now: datetime) -> None:
    """Move to a level: by hand, or as a timer does (`by` None)."""
    names = [member.user.name for member in _people(incident, _levels(incident)[index])]
    policy = incident.assignment["policy"]["name"]
    timeline.record(
        incident, "assign", by=by, via=via, at=now, kind="escalate", level=index, policy=policy, people=names
    )
    start_level(incident, index, cause="escalate", now=now)
    show(incident, now)


def policy_step(incident: Incident, payload: Mapping[str, Any], *, now: datetime) -> None:
    """Do what a timer says, unless the incident has moved on since the timer was set.

    payload  {"step": start | repeat | escalate, "run": n, "level": i, "times": k}
    """
    hold(incident)
    if not _still_holds(incident, payload) or not incident.is_open or incident.is_snoozed(now):
        return
    if payload["step"] == "start":
        start_level(incident, payload["level"], cause=_cause(incident), now=now)
        show(incident, now)
    elif payload["step"] == "repeat":
        _repeat(incident, payload["times"], now)
    elif _may_escalate(incident):
        escalate(incident, payload["level"] + 1, by=None, via="system", now=now)


def note_acknowledged(incident: Incident) -> None:
    """Somebody took it on: timers that wait for nobody to do so are cancelled.

    A level that goes on until closing keeps its timers; its repeats find the incident taken on and end.
    """
    if "policy" in incident.assignment and incident.assignment["times"] and _level(incident).condition != NOT_CLOSED:
        stop(incident)


def stop(incident: Incident, *other_timers: str) -> None:
    """Cancel every timer of the policy, and those of other kinds that end with it: closed, snoozed, reassigned."""
    outbox.cancel([STEP, *other_timers], tenant_id=incident.tenant_id, subject_id=incident.id)
    incident.assignment = incident.assignment | {"run": _run(incident) + 1}


def resume(incident: Incident, *, now: datetime) -> None:
    """Set the timers of the present level again, counted from now: woken, or the last acknowledgement withdrawn."""
    stop(incident)
    if "policy" not in incident.assignment:
        return
    if incident.assignment["times"]:
        _set_timers(incident, now)
    else:
        delay = timedelta(seconds=incident.assignment["policy"]["delay_seconds"])
        _enqueue(incident, "start", now + delay, now, times=1)


def level_count(incident: Incident) -> int:
    """How many levels the running policy has; 0 without one."""
    return len(incident.assignment.get("policy", {}).get("levels", ()))


def _matching_policy(incident: Incident, source_id: int | None, now: datetime) -> DispatchPolicy | None:
    if incident.channel is None:
        return None
    tenant = db.session.get_one(Tenant, incident.tenant_id)
    tried = policies.in_channel(incident.channel)
    facts = filters.Facts(incident.severity, incident.title, incident.description, source_id, incident.labels)
    return policies.match(tried, facts, now, policies.zone_of(tenant))


def _source_id(incident: Incident) -> int | None:
    """Where its first alert came from."""
    return db.session.scalar(
        select(Alert.source_id)
        .where(Alert.tenant_id == incident.tenant_id, Alert.incident_id == incident.id)
        .order_by(Alert.id)
        .limit(1)
    )


def _run(incident: Incident) -> int:
    return incident.assignment.get("run", 0)


def _levels(incident: Incident) -> list[Level]:
    return [Level.from_json(level) for level in incident.assignment["policy"]["levels"]]


def _level(incident: Incident) -> Level:
    return _levels(incident)[incident.assignment["level"]]


def _place(incident: Incident, **place: Any) -> None:
    """Write where the dispatch stands, as a new run."""
    incident.assignment = incident.assignment | place | {"run": _run(incident) + 1}


def _cause(incident: Incident) -> str:
    """Why level 1 is told: the kind of the assignment is the cause of its first message."""
    kind: str = incident.assignment["kind"]
    return kind


def _people(incident: Incident, level: Level) -> list[Membership]:
    """Those of a level who still are on the books here, whatever their state."""
    return responders.known(incident.tenant_id, level.user_ids)


def _notify_level(incident: Incident, level: Level, people: Sequence[Membership], *, cause: str, now: datetime) -> None:
    assignment = incident.assignment
    notifications.notify(
        incident,
        cause=cause,
        level=assignment["level"],
        times=assignment["times"],
        user_ids=[member.user_id for member in people],
        members=people,
        personal=level.personal,
        policy_name=assignment["policy"]["name"],
        now=now,
    )


def _repeat(incident: Incident, times: int, now: datetime) -> None:
    """Tell the level for the times-th time, unless it was or somebody took it on."""
    if not incident.is_triggered or times != incident.assignment["times"] + 1:
        return
    incident.assignment = incident.assignment | {"times": times}
    level = _level(incident)
    _notify_level(incident, level, _people(incident, level), cause="repeat", now=now)
    _set_repeat(incident, now)


def _set_timers(incident: Incident, now: datetime) -> None:
    _set_repeat(incident, now)
    level = _level(incident)
    if level.escalate_after_minutes and _may_escalate(incident):
        _enqueue(incident, "escalate", now + timedelta(minutes=level.escalate_after_minutes), now)


def _set_repeat(incident: Incident, now: datetime) -> None:
    repeat, sent = _level(incident).repeat, incident.assignment["times"]
    if incident.is_triggered and sent <= repeat.max:
        _enqueue(incident, "repeat", now + timedelta(minutes=repeat.every_minutes), now, times=sent + 1)


def _may_escalate(incident: Incident) -> bool:
    """There is a next level, and the present one's condition holds."""
    if incident.assignment["level"] + 1 >= level_count(incident):
        return False
    return incident.is_triggered or _level(incident).condition == NOT_CLOSED


def _still_holds(incident: Incident, payload: Mapping[str, Any]) -> bool:
    return "policy" in incident.assignment and payload["run"] == _run(incident)


def _enqueue(incident: Incident, step: str, due_at: datetime, now: datetime, *, times: int = 0) -> None:
    payload = {"step": step, "run": _run(incident), "level": incident.assignment["level"], "times": times}
    outbox.enqueue(STEP, tenant_id=incident.tenant_id, subject_id=incident.id, due_at=due_at, now=now, payload=payload)
