"""What the API shows of incidents. Times are ISO 8601 in UTC, severities and progress as on the wire."""

from __future__ import annotations

from typing import Any

from blueprints.api.delivery_shapes import DELIVERY, delivery_row
from blueprints.api.moments import iso
from blueprints.api.schemas import (
    anything,
    by_name,
    component,
    flag,
    listed,
    maybe,
    moment,
    one_of,
    record,
    whole,
    words,
)
from models import Alert, AlertState, Delivery, Incident, Progress, Severity, TimelineEntry
from services import timeline
from services.incidents import Outcome
from services.wording import say

NAMED = component("Named", record({"id": whole(), "name": words()}))
AT = maybe(moment())
LABELS = by_name(words())
IMAGES = listed(by_name(words()))
SUMMARY_FIELDS = {
    "num": whole(about="Running number inside the organisation"),
    "title": words(),
    "severity": component("Severity", one_of(Severity)),
    "status": one_of(Severity, about="Of the alerts as they are now"),
    "progress": component("Progress", one_of(Progress)),
    "channel": maybe(NAMED),
    "labels": LABELS,
    "started_at": AT,
    "last_event_at": AT,
    "changed_at": AT,
    "acknowledged_at": AT,
    "recovered_at": AT,
    "closed_at": AT,
    "closed_via": maybe(words()),
    "snoozed_until": AT,
    "is_flapping": flag("Its alerts fire and recover over and over"),
    "alert_count": whole(),
    "active_alert_count": whole(),
    "event_count": whole(),
}
SUMMARY = component("Incident", record(SUMMARY_FIELDS))
RESPONDER = component(
    "Responder",
    record(
        {
            "user_id": whole(),
            "user": words(),
            "name": words(),
            "source": words(),
            "is_current": flag(),
            "assigned_at": AT,
            "acknowledged_at": AT,
        }
    ),
)
TIMELINE_ENTRY = component(
    "TimelineEntry",
    record(
        {
            "type": words(),
            "actor": maybe(words()),
            "via": words(),
            "at": moment(),
            "text": words(about="The sentence that the console shows"),
            "detail": anything("The values behind it"),
        }
    ),
)
DETAIL = component(
    "IncidentDetail",
    record(
        SUMMARY_FIELDS
        | {
            "description": words(),
            "images": IMAGES,
            "impact": words(),
            "root_cause": words(),
            "resolution": words(),
            "responders": listed(RESPONDER),
            "timeline": listed(TIMELINE_ENTRY),
            "deliveries": listed(DELIVERY),
        }
    ),
)
ALERT = component(
    "Alert",
    record(
        {
            "id": whole(),
            "alert_key": words(),
            "title": words(),
            "description": words(),
            "severity": one_of(Severity, about="The worst so far"),
            "status": one_of(Severity),
            "state": one_of(AlertState),
            "source": maybe(NAMED),
            "labels": LABELS,
            "images": IMAGES,
            "started_at": AT,
            "last_event_at": AT,
            "ended_at": AT,
            "event_count": whole(),
        }
    ),
)
OUTCOME = component(
    "Outcome",
    record(
        {
            "changed": flag("false: it was so already, or somebody was faster; `message` says who"),
            "message": words(),
            "incident": SUMMARY,
        }
    ),
)


def outcome_row(incident: Incident, outcome: Outcome) -> dict[str, Any]:
    return {"changed": outcome.changed, "message": say(outcome.text), "incident": incident_summary(incident)}


def alert_row(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.id,
        "alert_key": alert.alert_key,
        "title": alert.title,
        "description": alert.description,
        "severity": alert.severity.value,
        "status": alert.status.value,
        "state": alert.state.value,
        "source": {"id": alert.source.id, "name": alert.source.name} if alert.source else None,
        "labels": alert.labels,
        "images": alert.images,
        "started_at": iso(alert.started_at),
        "last_event_at": iso(alert.last_event_at),
        "ended_at": iso(alert.ended_at),
        "event_count": alert.event_count,
    }


def incident_summary(incident: Incident) -> dict[str, Any]:
    """An incident as a list shows it."""
    return {
        "num": incident.num,
        "title": incident.title,
        "severity": incident.severity.value,
        "status": incident.status.value,
        "progress": incident.progress.value,
        "channel": _channel(incident),
        "labels": incident.labels,
        "started_at": iso(incident.started_at),
        "last_event_at": iso(incident.last_event_at),
        "changed_at": iso(incident.changed_at),
        "acknowledged_at": iso(incident.acknowledged_at),
        "recovered_at": iso(incident.recovered_at),
        "closed_at": iso(incident.closed_at),
        "closed_via": incident.closed_via,
        "snoozed_until": iso(incident.snoozed_until),
        "is_flapping": incident.is_flapping,
        "alert_count": incident.alert_count,
        "active_alert_count": incident.active_alert_count,
        "event_count": incident.event_count,
    }


def incident_detail(incident: Incident, deliveries: list[Delivery]) -> dict[str, Any]:
    """An incident with its people, its record and what became of each message."""
    return incident_summary(incident) | {
        "description": incident.description,
        "images": incident.images,
        "impact": incident.impact,
        "root_cause": incident.root_cause,
        "resolution": incident.resolution,
        "responders": [
            {
                "user_id": responder.user_id,
                "user": responder.user.username,
                "name": responder.user.name,
                "source": responder.source,
                "is_current": responder.is_current,
                "assigned_at": iso(responder.assigned_at),
                "acknowledged_at": iso(responder.acknowledged_at),
            }
            for responder in incident.responders
        ],
        "timeline": [timeline_entry(entry) for entry in timeline.entries(incident)],
        "deliveries": [delivery_row(delivery) for delivery in deliveries],
    }


def timeline_entry(entry: TimelineEntry) -> dict[str, Any]:
    """`text` is the sentence that the console shows; `detail` holds its values."""
    return {
        "type": entry.type,
        "actor": entry.actor_name or None,
        "via": entry.via,
        "at": iso(entry.at),
        "text": say(timeline.describe(entry)),
        "detail": entry.detail,
    }


def _channel(incident: Incident) -> dict[str, Any] | None:
    return {"id": incident.channel.id, "name": incident.channel.name} if incident.channel else None
