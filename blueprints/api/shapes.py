"""What the API shows of a row. Times are ISO 8601 in UTC, severities and progress as on the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from models import Delivery, Incident, TimelineEntry
from services import failures, timeline
from services.wording import say


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


def delivery_row(delivery: Delivery) -> dict[str, Any]:
    reason, hint = failures.label(delivery), failures.hint(delivery)
    return {
        "id": delivery.id,
        "channel_kind": delivery.channel_kind,
        "integration": delivery.integration_name or None,
        "recipient": delivery.recipient_name,
        "state": delivery.state.value,
        "failure_code": delivery.failure_code,
        "failure": say(reason) if reason else None,
        "hint": (say(hint) or None) if hint else None,
        "platform_message_id": delivery.platform_message_id,
        "created_at": iso(delivery.created_at),
        "sent_at": iso(delivery.sent_at),
        "next_attempt_at": iso(delivery.next_attempt_at),
    }


def iso(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None


def _channel(incident: Incident) -> dict[str, Any] | None:
    return {"id": incident.channel.id, "name": incident.channel.name} if incident.channel else None
