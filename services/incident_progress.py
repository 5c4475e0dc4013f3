"""The state machine of an incident: taking it on, closing it, opening it again."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import update

from errors import InvalidInput
from extensions import db
from models import Alert, AlertState, Incident, Membership, Progress, Severity
from services import deliveries, dispatch, outbox, responders, timeline
from services.incident_changes import (
    Outcome,
    acknowledged_text,
    already_closed,
    hold,
    show,
)
from services.incident_opening import AUTO_CLOSE
from texts import N_, Text

MAX_TYPED_TEXT = 1024
SNOOZE_EXPIRY = "snooze_expiry"


def acknowledge(incident: Incident, *, by: Membership, via: str, now: datetime) -> Outcome:
    """Take on an open incident: repeats stop, and escalation unless its level goes on until closing.

    Whoever was not assigned becomes a responder. Repeating changes nothing; to come second adds one's own
    acknowledgement and says who was first.
    """
    hold(incident)
    if not incident.is_open:
        return already_closed(incident)
    own = responders.of(incident, by.user_id)
    if own is not None and own.is_current and own.acknowledged_at is not None:
        return Outcome(False, Text(N_("您已在处理")))
    earlier = acknowledged_text(incident)
    responders.acknowledge(incident, by.user, now=now)
    incident.progress = Progress.PROCESSING
    incident.acknowledged_at = incident.acknowledged_at or now
    timeline.record(incident, "ack", by=by, via=via, at=now)
    if earlier is None:
        dispatch.note_acknowledged(incident)
    show(incident, now)
    return Outcome(True, earlier or Text(N_("已开始处理")))


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
        raise InvalidInput(N_("故障根因"), N_("不能超过 1024 个字符"))
    if len(resolution) > MAX_TYPED_TEXT:
        raise InvalidInput(N_("解决办法"), N_("不能超过 1024 个字符"))
    hold(incident)
    if not incident.is_open:
        return already_closed(incident)
    incident.root_cause = root_cause or incident.root_cause
    incident.resolution = resolution or incident.resolution
    _close_alerts(incident, now)
    outbox.cancel(AUTO_CLOSE, tenant_id=incident.tenant_id, subject_id=incident.id)
    _end(incident, by=by, via=via, now=now)
    return Outcome(True, Text(N_("已关闭")))


def recover(incident: Incident, *, now: datetime) -> Outcome:
    """The last alert turned Ok: close the incident if its channel closes on recovery, else only change its status."""
    hold(incident)
    if not incident.is_open:
        return already_closed(incident)
    if incident.recovered_at is not None and incident.status is Severity.OK:
        return Outcome(False, Text(N_("告警已于 %(at)s 恢复"), at=incident.recovered_at))
    incident.status, incident.recovered_at, incident.active_alert_count = Severity.OK, now, 0
    if incident.channel is None or incident.channel.closes_on_recovery:
        outbox.cancel(AUTO_CLOSE, tenant_id=incident.tenant_id, subject_id=incident.id)
        _end(incident, by=None, via="event", now=now)
    else:
        timeline.record(incident, "recover", via="event", at=now)
        show(incident, now)
    return Outcome(True, Text(N_("告警已恢复")))


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
    _close_alerts(incident, now)
    _end(incident, by=None, via="timeout", now=now)
    return Outcome(True, Text(N_("已关闭")))


def reopen(incident: Incident, *, by: Membership, via: str, now: datetime, reason: str) -> Outcome:
    """Open a closed incident again and dispatch it as before, from level 1; its alerts stay ended.

    reason  1–1024 characters. Raises InvalidInput.
    """
    reason = reason.strip()
    if not 1 <= len(reason) <= MAX_TYPED_TEXT:
        raise InvalidInput(N_("重新打开的原因"), N_("应为 1–1024 个字符"))
    hold(incident)
    if incident.is_open:
        return Outcome(False, Text(N_("该故障当前未关闭")))
    incident.progress = Progress.TRIGGERED
    incident.closed_at, incident.closed_via, incident.closed_by = None, None, None
    responders.clear_acknowledgements(incident)
    timeline.record(incident, "reopen", by=by, via=via, at=now, reason=reason)
    dispatch.begin_again(incident, kind="reopen", now=now)
    show(incident, now)
    return Outcome(True, Text(N_("已重新打开")))


def _end(incident: Incident, *, by: Membership | None, via: str, now: datetime) -> None:
    dispatch.stop(incident, SNOOZE_EXPIRY)
    incident.progress = Progress.CLOSED
    incident.closed_at, incident.closed_via, incident.closed_by = now, via, by.user if by else None
    incident.snoozed_until, incident.snoozed_by = None, None
    timeline.record(incident, "close", by=by, via=via, at=now)
    deliveries.cancel_pending(incident, now=now)
    show(incident, now)


def _close_alerts(incident: Incident, now: datetime) -> None:
    """A closed alert takes no further events; the next one of its key starts anew."""
    db.session.execute(
        update(Alert)
        .where(
            Alert.tenant_id == incident.tenant_id,
            Alert.incident_id == incident.id,
            Alert.state == AlertState.FIRING,
        )
        .values(state=AlertState.CLOSED, ended_at=now)
    )
    incident.active_alert_count = 0


def _timeout_at(incident: Incident) -> datetime | None:
    channel = incident.channel
    if channel is None or not channel.close_timeout_minutes or timeline.last_at(incident, ("reopen",)):
        return None
    since = timeline.last_at(incident, ("new",)) or incident.started_at
    if channel.timeout_from_last_merge:
        since = max(since, incident.last_event_at)
    return since + timedelta(minutes=channel.close_timeout_minutes)
