"""From what a monitoring system pushed to alerts and incidents: one transaction for all that one request said."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Update, bindparam, func, literal_column, select, update

from extensions import db
from models import Alert, AlertEvent, AlertState, Flapping, Incident, Severity
from services import flapping, incidents, openings, timeline
from services.incident_access import note_held
from services.openings import AnySource
from services.statements import Statement, among, inserting
from sources import IncomingEvent
from sources.base import LABELS


class ResultKind(enum.StrEnum):
    """What became of one event, as it is answered to the sender."""

    CREATED = "alert_created"
    UPDATED = "alert_updated"
    RECOVERED = "alert_recovered"
    DUPLICATE = "duplicate"
    DROPPED = "dropped"
    WITHOUT_ALERT = "recovery_without_alert"
    ACCEPTED = "accepted"
    """On disk; what becomes of it is found out later, in its turn."""


AT_ONCE = timedelta(seconds=1)
"""What is taken so soon after it was received cannot have been overtaken by a person who closed its alert."""
IS_CLOSED: ColumnElement[bool] = Alert.state == literal_column("'closed'")
CHANGES = (ResultKind.CREATED, ResultKind.UPDATED, ResultKind.RECOVERED)
_EVENTS = inserting(
    AlertEvent,
    *("tenant_id", "alert_id", "event_status", "title", "description", "labels", "event_at", "received_at", "raw"),
)
_IS_FIRING = (
    Alert.tenant_id == bindparam("of_tenant"),
    Alert.source_id == bindparam("of_source"),
    Alert.state == literal_column("'firing'"),
)
_FIRING_INCIDENTS = Statement(
    select(Alert.alert_key, Alert.incident_id).where(*_IS_FIRING, among(Alert.alert_key, "keys"))
)
_FIRING_INCIDENT = Statement(select(Alert.incident_id).where(*_IS_FIRING, Alert.alert_key == bindparam("key")))
_CLOSED_AT = Statement(
    select(func.max(Alert.ended_at)).where(*_IS_FIRING[:2], IS_CLOSED, Alert.alert_key == bindparam("key"))
)
_FIRING = (
    select(Alert)
    .where(*_IS_FIRING, Alert.alert_key.in_(bindparam("keys", expanding=True)))
    .order_by(Alert.id)
    .with_for_update()
    .execution_options(populate_existing=True)
)


@dataclass(frozen=True)
class Result:
    """One event's fate; `reason` is a stable word where the kind alone does not say why."""

    alert_key: str
    kind: ResultKind
    reason: str = ""


@dataclass(frozen=True)
class Arrival:
    """Events that were received together, at an aware UTC time; truncated: how many more the sender left out."""

    events: Sequence[IncomingEvent]
    received_at: datetime
    truncated: int = 0


@dataclass
class _Push:
    """What this transaction has touched so far.

    received_at  of the events that are taken just now
    firing       the source's open alerts by key, kept up to date as we go; incidents: theirs, by id
    past         what its keys did lately, to see whether they flap
    closed_at    when a person closed the last alert of a key, for events that waited before they were taken
    new          alerts to be opened together, by key: their columns and those of their first event
    event_rows   waiting to be inserted together; repeats: how many exact duplicates by incident id
    changed      incidents to follow their alerts; recovered: those of them that may have ended
    touched      keys of the alerts that changed, with their incidents once they are known
    """

    source: AnySource
    now: datetime
    received_at: datetime
    past: flapping.Past = field(default_factory=lambda: flapping.Past(Flapping.OFF))
    firing: dict[str, Alert] = field(default_factory=dict)
    closed_at: dict[str, datetime] = field(default_factory=dict)
    incidents: dict[int, Incident] = field(default_factory=dict)
    new: dict[str, tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=dict)
    event_rows: list[dict[str, Any]] = field(default_factory=list)
    repeats: Counter[int] = field(default_factory=Counter)
    changed: dict[int, Incident] = field(default_factory=dict)
    recovered: dict[int, Incident] = field(default_factory=dict)
    touched: dict[str, int | None] = field(default_factory=dict)
    truncated: dict[str, int] = field(default_factory=dict)


def ingest(source: AnySource, events: Sequence[IncomingEvent], *, now: datetime, truncated: int = 0) -> list[Result]:
    """Take the events of one push in their order and say what became of each; see ingest_all()."""
    return ingest_all(source, [Arrival(events, now, truncated)], now=now)


def ingest_all(source: AnySource, arrivals: Sequence[Arrival], *, now: datetime) -> list[Result]:
    """Take the events of several pushes in their order and say what became of each.

    now  when dispatching begins, aware UTC; alerts keep the times at which they were received

    Events count in the order of their arrival. The one exception is a recovery that happened, by the sender's own
    clock, before the alert was triggered: it belongs to an earlier alert and closes nothing.
    On PostgreSQL a concurrent push of the same alert ends this one with IntegrityError, StaleDataError or a
    deadlock; nothing is stored then, and the caller rolls back and calls again (blueprints/intake/storing.py).
    """
    events = [(arrival, event) for arrival in arrivals for event in arrival.events]
    if not source.channel.is_enabled:
        return [Result(event.alert_key, ResultKind.DROPPED, "channel_disabled") for _, event in events]
    push = _Push(source, now, now)
    firing = _firing_incidents(source, {event.alert_key for _, event in events})
    push.past = _past(push, events, firing)
    _hold_firing(push, firing, push.past.marked.values())
    _look_for_closed(push, events)
    results = [_take(push, arrival, event) for arrival, event in events]
    _open_new(push)
    _settle(push)
    _store_rows(push)
    _note_truncated(push)
    return results


def _hold_firing(push: _Push, firing: Mapping[str, int | None], others: Iterable[int] = ()) -> None:
    """Lock and read the open alerts of these keys, their incidents first: people's actions lock in that order.

    firing  ids of their incidents by key; others: of incidents to be held with them
    """
    if wanted := {*firing.values(), *others} - {None}:
        held = db.session.scalars(
            select(Incident)
            .where(Incident.tenant_id == push.source.tenant_id, Incident.id.in_(wanted))
            .order_by(Incident.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        ).all()
        note_held(held)
        push.incidents |= {incident.id: incident for incident in held}
    if firing:
        found = db.session.scalars(_FIRING, _about(push.source, firing))
        push.firing |= {alert.alert_key: alert for alert in found}


def _firing_incidents(source: AnySource, keys: Iterable[str]) -> dict[str, int | None]:
    """Ids by key, of the open alerts. On SQLite asking once for each is quicker than putting a list together."""
    on, wanted = db.session.connection(), _about(source, keys)
    if on.dialect.name != "sqlite":
        return {row[0]: row[1] for row in _FIRING_INCIDENTS.rows(on, wanted)}
    return {key: row[0] for key in wanted["keys"] for row in _FIRING_INCIDENT.rows(on, wanted | {"key": key})}


def _about(source: AnySource, keys: Iterable[str]) -> dict[str, Any]:
    return {"of_tenant": source.tenant_id, "of_source": source.id, "keys": sorted(keys)}


def _past(push: _Push, events: Iterable[tuple[Arrival, IncomingEvent]], firing: Collection[str]) -> flapping.Past:
    """What is to be known of keys that may fire anew or recover."""
    asked = {event.alert_key for _, event in events if event.status is Severity.OK or event.alert_key not in firing}
    return flapping.past(push.source, asked)


def _look_for_closed(push: _Push, events: Iterable[tuple[Arrival, IncomingEvent]]) -> None:
    """Read when alerts were closed whose events waited: one of them may have been received before its alert's end."""
    waited = {event.alert_key for arrival, event in events if push.now - arrival.received_at > AT_ONCE}
    if keys := waited - set(push.firing):
        of_source = {"of_tenant": push.source.tenant_id, "of_source": push.source.id}
        on = db.session.connection()
        for key in sorted(keys):
            ((ended_at,),) = _CLOSED_AT.rows(on, of_source | {"key": key})
            if ended_at is not None:
                push.closed_at[key] = ended_at


def _take(push: _Push, arrival: Arrival, event: IncomingEvent) -> Result:
    push.received_at = arrival.received_at
    if event.alert_key in push.new:
        _open_new(push, is_read=True)  # it changes already: a row like any other from now on
    alert = push.firing.get(event.alert_key)
    result = _take_one(push, alert, event)
    if arrival.truncated and result.kind in CHANGES:
        push.truncated[event.alert_key] = arrival.truncated
    return result


def _take_one(push: _Push, alert: Alert | None, event: IncomingEvent) -> Result:
    if event.status is Severity.OK:
        return _recover(push, alert, event)
    if alert is None:
        closed_at = push.closed_at.get(event.alert_key)
        if closed_at is not None and push.received_at <= closed_at:
            return Result(event.alert_key, ResultKind.DUPLICATE, "closed")
        return _trigger(push, event)
    if (alert.status, alert.title, alert.description) == (event.status, event.title, event.description):
        return _repeat(push, alert, event)
    return _update(push, alert, event)


def _trigger(push: _Push, event: IncomingEvent) -> Result:
    alert = {
        "tenant_id": push.source.tenant_id,
        "source_id": push.source.id,
        "channel_id": push.source.channel_id,
        "alert_key": event.alert_key,
        "title": event.title,
        "description": event.description,
        "severity": event.status,
        "status": event.status,
        "state": AlertState.FIRING,
        "labels": event.labels,
        "images": event.images,
        "started_at": _happened_at(event, push.received_at),
        "last_event_at": push.received_at,
        "event_count": 1,
    }
    incident = push.past.incident_of(event.alert_key, push.incidents)
    if incident is None:
        push.new[event.alert_key] = alert, _event_values(push, event)
    else:
        _join(push, incident, alert, event)
    return Result(event.alert_key, ResultKind.CREATED)


def _join(push: _Push, incident: Incident, values: dict[str, Any], event: IncomingEvent) -> None:
    """Have the incident of a key that flaps take in its new alert; nobody is told anew."""
    db.session.flush()  # what was taken before it: the key is free again
    alert = Alert(**values, incident_id=incident.id)
    db.session.add(alert)
    db.session.flush()
    push.firing[event.alert_key] = alert
    flapping.go_on(incident, now=push.now)
    _keep_event(push, alert, event)
    _follow(push, incident)
    push.touched[event.alert_key] = incident.id


def _open_new(push: _Push, *, is_read: bool = False) -> None:
    """Store the new alerts with their incidents; is_read: further events of theirs follow."""
    if not push.new:
        return
    db.session.flush()  # what was taken before them: a key that is free again
    opened = openings.open_all([alert for alert, _ in push.new.values()], push.source, now=push.now)
    for opening, (_, event) in zip(opened, push.new.values(), strict=True):
        push.event_rows.append(event | {"alert_id": opening.alert_id})
        push.touched[opening.alert["alert_key"]] = opening.incident_id
    keys = list(push.new)
    push.new.clear()
    if is_read:
        _hold_firing(push, _firing_incidents(push.source, keys))


def _repeat(push: _Push, alert: Alert, event: IncomingEvent) -> Result:
    """An exact duplicate of the last event: no row, but it shows that the alert is still there."""
    alert.labels = event.labels
    alert.last_event_at = push.received_at
    alert.event_count += 1
    if alert.incident_id is not None:
        push.repeats[alert.incident_id] += 1
    return Result(event.alert_key, ResultKind.DUPLICATE)


def _update(push: _Push, alert: Alert, event: IncomingEvent) -> Result:
    alert.title = event.title
    alert.description = event.description
    alert.status = event.status
    alert.severity = min(alert.severity, event.status, key=lambda severity: severity.rank)
    alert.labels = event.labels
    alert.images = event.images
    alert.last_event_at = push.received_at
    alert.event_count += 1
    _keep_event(push, alert, event)
    incident = _incident_of(push, alert)
    if incident is None:
        incident = incidents.open_from_alert(alert, push.source, now=push.now)
        push.incidents[incident.id] = incident
    else:
        _follow(push, incident)
    push.touched[event.alert_key] = incident.id
    return Result(event.alert_key, ResultKind.UPDATED)


def _recover(push: _Push, alert: Alert | None, event: IncomingEvent) -> Result:
    if alert is None:
        return Result(event.alert_key, ResultKind.WITHOUT_ALERT)
    if _is_overtaken(push, alert, event):
        return Result(event.alert_key, ResultKind.WITHOUT_ALERT, "older_than_alert")
    del push.firing[event.alert_key]
    alert.state = AlertState.RECOVERED
    alert.status = Severity.OK
    alert.labels = dict(list({**alert.labels, **_missing(event.labels, alert.labels)}.items())[:LABELS])
    alert.last_event_at = push.received_at
    alert.ended_at = _happened_at(event, push.received_at)
    alert.event_count += 1
    _keep_event(push, alert, event)
    incident = _incident_of(push, alert)
    if incident is not None:
        _follow(push, incident)
        push.recovered[incident.id] = incident
        push.touched[event.alert_key] = incident.id
        push.past.recover(alert, incident, now=push.now)
    return Result(event.alert_key, ResultKind.RECOVERED)


def _follow(push: _Push, incident: Incident) -> None:
    incident.last_event_at = max(incident.last_event_at, push.received_at)
    push.changed[incident.id] = incident


def _settle(push: _Push) -> None:
    """Let the incidents follow what their alerts have become."""
    if push.changed:
        incidents.follow_alerts(list(push.changed.values()), now=push.now)
    ended = [incident for incident in push.recovered.values() if incident.active_alert_count == 0]
    incidents.recover_all(ended, now=push.now)


def _missing(labels: dict[str, str], present: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in labels.items() if key not in present}


def _is_overtaken(push: _Push, alert: Alert, event: IncomingEvent) -> bool:
    """Whether a recovery happened before its alert's trigger. Only times of one clock, the sender's, are compared."""
    if event.event_at is None or event.event_at >= alert.started_at:
        return False
    db.session.flush()
    pending = [row for row in push.event_rows if row["alert_id"] == alert.id]
    if pending:
        return bool(pending[0]["event_at"] != pending[0]["received_at"])
    first = db.session.execute(
        select(AlertEvent.event_at, AlertEvent.received_at)
        .where(AlertEvent.tenant_id == alert.tenant_id, AlertEvent.alert_id == alert.id)
        .order_by(AlertEvent.id)
        .limit(1)
    ).first()
    return first is not None and first.event_at != first.received_at


def _incident_of(push: _Push, alert: Alert) -> Incident | None:
    return None if alert.incident_id is None else push.incidents.get(alert.incident_id)


def _happened_at(event: IncomingEvent, now: datetime) -> datetime:
    """When it happened by the sender's clock, never in our future: a clock ahead must not delay timers."""
    return min(event.event_at or now, now)


def _keep_event(push: _Push, alert: Alert, event: IncomingEvent) -> None:
    push.event_rows.append(_event_values(push, event) | {"alert_id": alert.id})


def _event_values(push: _Push, event: IncomingEvent) -> dict[str, Any]:
    """The columns of an event, but for its alert."""
    return {
        "tenant_id": push.source.tenant_id,
        "event_status": event.status,
        "title": event.title,
        "description": event.description,
        "labels": event.labels,
        "event_at": _happened_at(event, push.received_at),
        "received_at": push.received_at,
        "raw": event.raw,
    }


def _store_rows(push: _Push) -> None:
    """Insert the events, and count duplicates without raising versions: a chatty monitor must not beat people."""
    if push.event_rows:
        _EVENTS.later_each(db.session.connection(), push.event_rows)
    if push.repeats:
        rows = [{"incident_id": incident_id, "repeats": count} for incident_id, count in push.repeats.items()]
        db.session.connection().execute(_count_repeats(push), rows)


def _count_repeats(push: _Push) -> Update:
    table = Incident.__table__
    return (
        update(Incident.__table__)  # type: ignore[arg-type]
        .where(table.c.tenant_id == push.source.tenant_id, table.c.id == bindparam("incident_id"))
        .values(last_event_at=push.received_at, event_count=table.c.event_count + bindparam("repeats"))
    )


def _note_truncated(push: _Push) -> None:
    rows = [
        {"tenant_id": push.source.tenant_id, "incident_id": incident_id, "type": "truncated", "via": "event"}
        | {"actor_id": None, "actor_name": "", "at": push.now, "detail": {"count": push.truncated[alert_key]}}
        for alert_key, incident_id in push.touched.items()
        if alert_key in push.truncated
    ]
    if rows:
        timeline.write(db.session.connection(), rows)
