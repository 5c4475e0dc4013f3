"""What every action on an incident has in common: its answer, its lock, applying a decision, telling the cards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Update, literal_column, update

from extensions import db
from models import Alert, AlertState, Incident, Membership
from services import cards, deliveries, outbox, responders, timeline
from services.incident_access import hold
from services.incident_decisions import Decision, acknowledged_text, closed_text
from services.timers import Timer
from texts import Text

__all__ = [
    "Outcome",
    "acknowledged_text",
    "already_closed",
    "apply",
    "apply_all",
    "closed_text",
    "hold",
    "show",
    "show_all",
    "stage_timers",
]


@dataclass(frozen=True)
class Outcome:
    """What became of an action. Overtaken by somebody else: `changed` is False and `text` says who did what, when."""

    changed: bool
    text: Text


def apply(incident: Incident, decision: Decision, *, by: Membership | None, via: str, now: datetime) -> Outcome:
    """Stage what was decided about an incident that this transaction holds."""
    apply_all([(incident, decision)], by=by, via=via, now=now)
    return Outcome(decision.is_change, decision.text)


def apply_all(decided: Sequence[tuple[Incident, Decision]], *, by: Membership | None, via: str, now: datetime) -> None:
    """The same for many incidents of one organisation; what ends with them is ended by one statement for all."""
    ending: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    for incident, decision in decided:
        if decision.ends:
            ending[tuple(decision.ends)].append(incident.id)
        for name, value in decision.values.items():
            setattr(incident, name, value)
        if decision.takes_on and by is not None:
            responders.acknowledge(incident, by.user, now=now)
        if decision.ends_alerts:
            db.session.execute(alerts_closed(incident.id, incident.tenant_id, now))
        if decision.entry:
            timeline.record(incident, decision.entry, by=by, via=via, at=now, **decision.detail)
    for kinds, incident_ids in ending.items():
        outbox.cancel_all(kinds, tenant_id=decided[0][0].tenant_id, subject_ids=incident_ids)
    for incident, decision in decided:
        stage_timers(incident, decision.timers, now)
    silent = [incident.id for incident, decision in decided if decision.ends_messages]
    if silent:
        deliveries.cancel_all_pending(silent, tenant_id=decided[0][0].tenant_id)
    show_all([incident for incident, decision in decided if decision.is_change], now)


def stage_timers(incident: Incident, timers: Iterable[Timer], now: datetime) -> None:
    tenant_id, subject_id = incident.tenant_id, incident.id
    for kind, due_at, payload in ((timer.kind, timer.due_at, timer.payload) for timer in timers):
        outbox.enqueue(kind, tenant_id=tenant_id, subject_id=subject_id, due_at=due_at, now=now, payload=payload)


def alerts_closed(incident_id: int, tenant_id: int, now: datetime) -> Update:
    """The statement that closes an incident's alerts: they take no further events, the next of a key starts anew."""
    is_firing = Alert.state == literal_column("'firing'")  # as services.outbox.IS_PENDING
    firing = (Alert.tenant_id == tenant_id, Alert.incident_id == incident_id, is_firing)
    return update(Alert).where(*firing).values(state=AlertState.CLOSED, ended_at=now)


def show(incident: Incident, now: datetime) -> None:
    """Mark the incident as changed for readers, and its cards as out of date."""
    show_all([incident], now)


def show_all(incidents: Sequence[Incident], now: datetime) -> None:
    """show() for many incidents of one organisation, by one query."""
    for incident in incidents:
        incident.changed_at = now
    if incidents:
        ids = [incident.id for incident in incidents]
        cards.refresh_incidents(ids, tenant_id=incidents[0].tenant_id, now=now)


def already_closed(incident: Incident) -> Outcome:
    return Outcome(False, closed_text(incident))
