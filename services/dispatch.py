"""Running a policy over an incident: first match, levels, repeats, escalation, pauses.

`incident.assignment` holds where it stands:

  kind      assign | reopen | snooze_expired: by policy; reassign: directly to people
  policy    snapshot of the policy (services.policies.snapshot); absent when people were chosen directly
  level     0-based; times: messages of this level so far, 0 while the policy's delay runs
  run       raised whenever timers start or stop, so that a timer of an earlier run does nothing
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from extensions import db
from models import Alert, DispatchPolicy, Incident, Membership, Tenant
from services import filters, groups, notifications, outbox, policies, responders, timeline, timers
from services.incident_changes import hold, show, stage_timers
from services.policies import PolicyValues
from services.policy_levels import Level
from services.timers import STEP


def begin(incident: Incident, *, kind: str, now: datetime, source_id: int | None = None) -> None:
    """Start the first policy of the channel that matches, from its first level, after its delay.

    source_id  of the alert that the incident is made from; without it, its first alert's is looked up
    Without a match nobody is assigned or told, and the timeline says so.
    """
    policy = _matching_policy(incident, source_id or _source_id(incident), now)
    snapshot = policies.snapshot(policy) if policy else None
    incident.assignment, entry = beginning(kind, snapshot, incident.assignment)
    timeline.record(incident, "assign", via="system", at=now, **entry)
    if snapshot is None:
        return
    if snapshot["delay_seconds"]:
        stage_timers(incident, [timers.start(incident.assignment, now)], now)
    else:
        start_level(incident, 0, cause=_cause(incident), now=now)


def beginning(
    kind: str, snapshot: Mapping[str, Any] | None, assignment: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Where a dispatch stands before its first message, and its timeline entry; `snapshot` None: nobody is told."""
    if snapshot is None:
        return timers.stopped({"kind": kind, "run": timers.run(assignment)}), {"kind": kind}
    return placed(assignment, kind=kind, policy=snapshot, level=0, times=0), {"kind": kind, "policy": snapshot["name"]}


def placed(assignment: Mapping[str, Any], **place: Any) -> dict[str, Any]:
    """The dispatch at another place, as a new run."""
    return timers.stopped({**assignment, **place})


def begin_again(incident: Incident, *, kind: str, now: datetime) -> None:
    """Run the previous policy again from level 1, or tell the people chosen directly; kind: reopen | snooze_expired.

    At once: the policy's delay is for alerts that end by themselves.
    """
    if "policy" in incident.assignment:
        _place(incident, kind=kind, policy=incident.assignment["policy"], level=0, times=0)
        start_level(incident, 0, cause=kind, now=now)
    elif people := responders.current(incident):
        incident.assignment = timers.stopped(incident.assignment)
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
    level = _levels(incident)[index]
    names = [member.user.name for member in _people(incident, level)]
    names += [groups.plain_name(chat) for chat in groups.known(incident.tenant_id, level.group_ids)]
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
    elif timers.may_escalate(incident.assignment, is_triggered=incident.is_triggered):
        escalate(incident, payload["level"] + 1, by=None, via="system", now=now)


def stop(incident: Incident, *other_timers: str) -> None:
    """Cancel every timer of the policy, and those of other kinds that end with it: closed, snoozed, reassigned."""
    outbox.cancel([STEP, *other_timers], tenant_id=incident.tenant_id, subject_id=incident.id)
    incident.assignment = timers.stopped(incident.assignment)


def resume(incident: Incident, *, now: datetime) -> None:
    """Set the timers of the present level again, counted from now: woken, or the last acknowledgement withdrawn."""
    outbox.cancel(STEP, tenant_id=incident.tenant_id, subject_id=incident.id)
    resumed, running = timers.resumed(incident.assignment, is_triggered=incident.is_triggered, now=now)
    incident.assignment = resumed
    stage_timers(incident, running, now)


def level_count(incident: Incident) -> int:
    """How many levels the running policy has; 0 without one."""
    return timers.level_count(incident.assignment)


def _matching_policy(incident: Incident, source_id: int | None, now: datetime) -> DispatchPolicy | PolicyValues | None:
    if incident.channel is None:
        return None
    tenant = db.session.get_one(Tenant, incident.tenant_id)
    tried = policies.values_in_channel(incident.channel.id, tenant_id=incident.tenant_id)
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
    return timers.run(incident.assignment)


def _levels(incident: Incident) -> list[Level]:
    return timers.levels(incident.assignment)


def _place(incident: Incident, **place: Any) -> None:
    """Write where the dispatch stands, as a new run."""
    incident.assignment = placed(incident.assignment, **place)


def _cause(incident: Incident) -> str:
    """Why level 1 is told: the kind of the assignment is the cause of its first message."""
    kind: str = incident.assignment["kind"]
    return kind


def _people(incident: Incident, level: Level) -> list[Membership]:
    """Those of a level who still are on the books here, whatever their state."""
    return responders.known(incident.tenant_id, level.user_ids)


def _notify_level(
    incident: Incident,
    level: Level,
    people: Sequence[Membership],
    *,
    cause: str,
    now: datetime,
    times: int | None = None,
    skip: str = "",
) -> None:
    """times: for which time, else as the assignment says; skip: see notifications.notify."""
    assignment = incident.assignment
    notifications.notify(
        incident,
        cause=cause,
        level=assignment["level"],
        times=assignment["times"] if times is None else times,
        user_ids=[member.user_id for member in people],
        group_ids=level.group_ids,
        personal=level.personal,
        policy_name=assignment["policy"]["name"],
        now=now,
        skip=skip,
    )


def _repeat(incident: Incident, times: int, now: datetime) -> None:
    """Tell the level for the times-th time, unless it was or somebody took it on; while reminders rest, later."""
    if not incident.is_triggered or times != incident.assignment["times"] + 1:
        return
    level = timers.level(incident.assignment)
    if (until := incident.reminders_muted_until) is not None and now < until:
        people = _people(incident, level)
        _notify_level(incident, level, people, cause="repeat", now=now, times=times, skip="flapping_muted")
        stage_timers(incident, [timers.repeat_at(incident.assignment, times, until)], now)
        return
    incident.assignment = incident.assignment | {"times": times}
    _notify_level(incident, level, _people(incident, level), cause="repeat", now=now)
    stage_timers(incident, timers.repeat(incident.assignment, is_triggered=incident.is_triggered, now=now), now)


def _set_timers(incident: Incident, now: datetime) -> None:
    stage_timers(incident, timers.of_level(incident.assignment, is_triggered=incident.is_triggered, now=now), now)


def _still_holds(incident: Incident, payload: Mapping[str, Any]) -> bool:
    return "policy" in incident.assignment and payload["run"] == _run(incident)
