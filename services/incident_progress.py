"""The state machine of an incident: taking it on, closing it, opening it again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from errors import InvalidInput
from models import Incident, Membership, Progress, Severity
from services import dispatch, incident_decisions, outbox, responders, timeline
from services.incident_changes import Outcome, already_closed, apply, apply_all, hold, show, show_all
from services.timers import AUTO_CLOSE
from texts import N_, Text

MAX_TYPED_TEXT = 1024


def acknowledge(incident: Incident, *, by: Membership, via: str, now: datetime) -> Outcome:
    """Take on an open incident: repeats stop, and escalation unless its level goes on until closing.

    Whoever was not assigned becomes a responder. Repeating changes nothing; to come second adds one's own
    acknowledgement and says who was first.
    """
    hold(incident)
    return apply(incident, incident_decisions.acknowledge(incident, by.user, now), by=by, via=via, now=now)


def unacknowledge(incident: Incident, *, by: Membership, via: str, now: datetime) -> Outcome:
    """Withdraw one's own acknowledgement; with the last one the incident waits again and its level's timers restart."""
    hold(incident)
    if not incident.is_open:
        return already_closed(incident)
    own = responders.of(incident, by.user_id)
    if own is None or own.acknowledged_at is None:
        return Outcome(False, Text(N_("您尚未认领该故障")))
    own.acknowledged_at = None
    timeline.record(incident, "unack", by=by, via=via, at=now)
    if not responders.acknowledged(incident):
        incident.progress, incident.acknowledged_at = Progress.TRIGGERED, None
        if not incident.is_snoozed(now):
            dispatch.resume(incident, now=now)
    show(incident, now)
    return Outcome(True, Text(N_("已取消认领")))


def close(
    incident: Incident, *, by: Membership, via: str, now: datetime, root_cause: str = "", resolution: str = ""
) -> Outcome:
    """End an open incident by hand: its alerts close with it, timers stop, waiting messages are cancelled.

    root_cause, resolution  ≤ 1024 characters, kept as they are when empty. Raises InvalidInput.
    """
    root_cause, resolution = root_cause.strip(), resolution.strip()
    if len(root_cause) > MAX_TYPED_TEXT:
        raise InvalidInput("root_cause", N_("不能超过 1024 个字符"))
    if len(resolution) > MAX_TYPED_TEXT:
        raise InvalidInput("resolution", N_("不能超过 1024 个字符"))
    hold(incident)
    if incident.is_open:
        incident.root_cause = root_cause or incident.root_cause
        incident.resolution = resolution or incident.resolution
    return apply(incident, incident_decisions.close(incident, by.user, via, now), by=by, via=via, now=now)


def recover_all(held: Iterable[Incident], *, now: datetime) -> None:
    """The last alert of each turned Ok: close those whose channel closes on recovery, else only change their status.

    held  incidents of one organisation that this transaction holds; those that flap stay open
    """
    recovered = [incident for incident in held if incident.is_open and not _has_recovered(incident)]
    for incident in recovered:
        incident.status, incident.recovered_at, incident.active_alert_count = Severity.OK, now, 0
    end_recovered([incident for incident in recovered if not incident.is_flapping], now=now)


def end_recovered(recovered: Iterable[Incident], *, now: datetime) -> None:
    """Close incidents whose alerts have recovered for good, where their channels say so."""
    ended, still_open = [], []
    for incident in recovered:
        if incident.channel is None or incident.channel.closes_on_recovery:
            text = Text(N_("告警已恢复"))
            ended.append((incident, incident_decisions.end(incident, None, "event", now, text=text)))
        else:
            timeline.record(incident, "recover", via="event", at=now)
            still_open.append(incident)
    apply_all(ended, by=None, via="event", now=now)
    show_all(still_open, now)


def _has_recovered(incident: Incident) -> bool:
    return incident.recovered_at is not None and incident.status is Severity.OK


def time_out(incident: Incident, *, now: datetime) -> Outcome:
    """Close an incident whose channel's time limit has passed; too early, look again when it will have passed.

    An incident that was opened again is only closed by hand.
    """
    hold(incident)
    if not incident.is_open:
        return already_closed(incident)
    due_at = _timeout_at(incident)
    if due_at is None:
        return Outcome(False, Text(N_("未设置超时自动关闭")))
    if due_at > now:
        outbox.enqueue(AUTO_CLOSE, tenant_id=incident.tenant_id, subject_id=incident.id, due_at=due_at, now=now)
        return Outcome(False, Text(N_("将于 %(at)s 超时自动关闭"), at=due_at))
    ended = incident_decisions.end(incident, None, "timeout", now, text=Text(N_("已关闭")), ends_alerts=True)
    return apply(incident, ended, by=None, via="timeout", now=now)


def reopen(incident: Incident, *, by: Membership, via: str, now: datetime, reason: str) -> Outcome:
    """Open a closed incident again and dispatch it as before, from level 1; its alerts stay ended.

    reason  1–1024 characters. Raises InvalidInput.
    """
    reason = reason.strip()
    if not 1 <= len(reason) <= MAX_TYPED_TEXT:
        raise InvalidInput("reason", N_("应为 1–1024 个字符"))
    hold(incident)
    if incident.is_open:
        return Outcome(False, Text(N_("该故障当前未关闭")))
    incident.progress = Progress.TRIGGERED
    incident.closed_at, incident.closed_via, incident.closed_by = None, None, None
    incident.flapping_since, incident.flapped_at, incident.reminders_muted_until = None, None, None
    responders.clear_acknowledgements(incident)
    timeline.record(incident, "reopen", by=by, via=via, at=now, reason=reason)
    dispatch.begin_again(incident, kind="reopen", now=now)
    show(incident, now)
    return Outcome(True, Text(N_("已重新打开")))


def _timeout_at(incident: Incident) -> datetime | None:
    channel = incident.channel
    if channel is None or not channel.close_timeout_minutes or timeline.last_at(incident, ("reopen",)):
        return None
    since = timeline.last_at(incident, ("new",)) or incident.started_at
    if channel.timeout_from_last_merge:
        since = max(since, incident.last_event_at)
    return since + timedelta(minutes=channel.close_timeout_minutes)
