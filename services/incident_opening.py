"""How incidents come to be, and how further alerts enter them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, inspect, select

from errors import InvalidInput
from extensions import db
from models import (
    Alert,
    AlertState,
    Channel,
    Incident,
    Membership,
    Progress,
    Severity,
)
from services import dispatch, openings, responders, timeline
from services.incident_changes import show_all, stage_timers
from texts import N_
from visible_text import is_visible

MAX_TITLE, MAX_TYPED_TEXT = 512, 1024


def open_from_alert(alert: Alert, source: openings.AnySource, *, now: datetime) -> Incident:
    """Make the incident of an alert, which may be new too, and dispatch it; title and labels stay this alert's.

    Raises IntegrityError if another push made the same alert at this moment.
    """
    db.session.add(alert)
    db.session.flush()
    values = {column.key: getattr(alert, column.key) for column in inspect(Alert).column_attrs}
    (opening,) = openings.open_all([values], source, now=now)
    db.session.refresh(alert, ["incident_id"])
    return db.session.get_one(Incident, opening.incident_id)


def open_by_hand(
    channel: Channel | None,
    title: str,
    description: str,
    severity: Severity,
    people: Sequence[int],
    *,
    by: Membership,
    via: str,
    now: datetime,
) -> Incident:
    """Make an incident without alerts, for `people` (user ids) or, if none are named, by the channel's policies.

    Raises InvalidInput.
    """
    title, description = title.strip(), description.strip()
    if not is_visible(title) or len(title) > MAX_TITLE:
        raise InvalidInput("title", N_("应为 1–512 个字符"))
    if len(description) > MAX_TYPED_TEXT:
        raise InvalidInput("description", N_("不能超过 1024 个字符"))
    if severity is Severity.OK:
        raise InvalidInput("severity", N_("应为严重、一般或轻微"))
    if channel is not None and not channel.is_enabled:
        raise InvalidInput("channel_id", N_("该协作空间已停用"))
    chosen = responders.people(by.tenant_id, people) if people else []
    incident = Incident(
        tenant_id=by.tenant_id,
        num=next_num(by.tenant_id),
        channel_id=channel.id if channel else None,
        channel=channel,
        title=title,
        description=description,
        severity=severity,
        status=severity,
        progress=Progress.TRIGGERED,
        labels={},
        images=[],
        started_at=now,
        last_event_at=now,
        changed_at=now,
        assignment={},
        overrides=[],
        created_by_id=by.user_id,
    )
    db.session.add(incident)
    db.session.flush()
    timeline.record(incident, "new", by=by, via=via, at=now)
    schedule_auto_close(incident, now=now)
    if chosen:
        dispatch.assign_directly(incident, chosen, kind="assign", by=by, via=via, now=now)
    else:
        dispatch.begin(incident, kind="assign", now=now)
    db.session.flush()
    return incident


def follow_alerts(held: Sequence[Incident], *, now: datetime) -> None:
    """Bring incidents of one organisation, which this transaction holds, up to date with their alerts, by one query.

    Counts, severity (the highest of its alerts, unless edited by hand) and status follow; title, description and
    labels stay.
    """
    db.session.flush()
    known = _alerts_of(held)
    shown = []
    for incident in held:
        before = (incident.severity, incident.status, incident.alert_count, incident.active_alert_count)
        _count(incident, known[incident.id])
        _follow_severity(incident, known[incident.id], now)
        if incident.is_flapping and incident.severity is before[0]:
            incident.changed_at = now  # its cards say that it flaps, which is still so
        elif before == (incident.severity, incident.status, incident.alert_count, incident.active_alert_count):
            incident.changed_at = now
        else:
            shown.append(incident)
    show_all(shown, now)


def next_num(tenant_id: int) -> int:
    """The next running number; two transactions never get the same one."""
    return openings.next_nums(tenant_id, 1)


def schedule_auto_close(incident: Incident, *, now: datetime) -> None:
    """Set the channel's time limit, if it has one, counted from now."""
    stage_timers(incident, openings.auto_close(incident.channel, now=now), now)


def _alerts_of(incidents: Sequence[Incident]) -> dict[int, list[Any]]:
    """By incident: severity, status, state, how many alerts are so, and how many events these had."""
    alike = (Alert.incident_id, Alert.severity, Alert.status, Alert.state)
    rows = db.session.execute(
        select(*alike, func.count().label("alerts"), func.coalesce(func.sum(Alert.event_count), 0).label("events"))
        .where(Alert.tenant_id == incidents[0].tenant_id, Alert.incident_id.in_([one.id for one in incidents]))
        .group_by(*alike)
    )
    known: dict[int, list[Any]] = {incident.id: [] for incident in incidents}
    for row in rows:
        known[row.incident_id].append(row)
    return known


def _count(incident: Incident, rows: Sequence[Any]) -> None:
    incident.alert_count = sum(row.alerts for row in rows)
    incident.active_alert_count = sum(row.alerts for row in rows if row.state is AlertState.FIRING)
    incident.event_count = int(sum(row.events for row in rows))


def _follow_severity(incident: Incident, rows: Sequence[Any], now: datetime) -> None:
    """Severity is the worst of all alerts, status the worst of those that still fire."""
    worst = min((row.severity for row in rows), key=lambda severity: severity.rank)
    firing = [row.status for row in rows if row.state is AlertState.FIRING]
    incident.status = min(firing, key=lambda status: status.rank, default=Severity.OK)
    incident.recovered_at = None if firing else incident.recovered_at
    if worst is not incident.severity and "severity" not in incident.overrides:
        timeline.record(incident, "severity", via="event", at=now, old=incident.severity.value, new=worst.value)
        incident.severity = worst
