"""Sending one card to one person: decide, let go of the database, call, record."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from crashpoints import crash_here
from extensions import db
from jobs import outbox
from jobs.outbox import Claim, Done, Later, Outcome
from models import CheckState, Delivery, DeliveryState, Incident, Integration, IntegrationStatus
from platforms import PLATFORMS
from platforms.base import IncidentCard, Platform, Recipient, SentMessage
from platforms.errors import PlatformError
from services import (
    cards,
    checks,
    delivery_outcomes,
    incident_cards,
    incidents,
    integrations,
    linking,
    notifications,
    trial_cards,
)
from services.clock import utcnow
from services.delivery_outcomes import Try


@dataclass(frozen=True)
class Plan:
    """A message that is ready to leave. version: of the incident that the card shows; None for a test."""

    delivery: Delivery
    integration: Integration
    platform: Platform
    card: IncidentCard
    version: int | None
    earlier_try_unanswered: bool


def run(mine: Claim) -> Outcome:
    """Handle a "deliver" row."""
    now = utcnow()
    plan = _prepare(mine, now)
    if not isinstance(plan, Plan):
        return plan
    db.session.commit()
    crash_here("worker.before_send")
    began = time.monotonic()
    result = _send(plan)
    crash_here("worker.after_send")
    made = Try(
        at=now,
        latency_ms=int((time.monotonic() - began) * 1000),
        error=result if isinstance(result, PlatformError) else None,
        was_repeat=isinstance(result, SentMessage) and result.was_repeat,
    )
    return _record(mine, plan, made, result)


def gave_up(mine: Claim, error: str) -> None:
    """Show on the delivery that it cannot be sent because of a fault of ours."""
    delivery = _delivery(mine)
    if delivery is not None and not delivery.state.is_final:
        delivery_outcomes.failed(delivery, "internal")
        delivery.failure = {"internal": error[:200]}


def _delivery(mine: Claim) -> Delivery | None:
    return db.session.scalar(
        select(Delivery)
        .where(Delivery.tenant_id == mine.tenant_id, Delivery.id == mine.subject_id)
        .execution_options(populate_existing=True)
    )


def _prepare(mine: Claim, now: datetime) -> Plan | Outcome:
    """Decide on the present state whether, when and what to send; stage that it is being sent."""
    delivery = _delivery(mine)
    if delivery is None or delivery.state.is_final:
        return Done()
    integration = db.session.get(Integration, delivery.integration_id) if delivery.integration_id else None
    if dropped := _obsolete(delivery, now):
        delivery_outcomes.dropped(delivery, *dropped)
        return Done()
    failure = _failure(delivery, integration)
    if failure or integration is None:
        delivery_outcomes.failed(delivery, failure or "integration_disabled")
        return Done()
    capabilities = PLATFORMS[integration.platform].capabilities
    waits_until = max(
        integration.paused_until or now, delivery_outcomes.allowed_at(delivery, integration, capabilities, now)
    )
    if waits_until > now:
        return _postponed(delivery, waits_until)
    return _plan(mine, delivery, integration, now)


def _obsolete(delivery: Delivery, now: datetime) -> tuple[DeliveryState, str] | None:
    """The state and reason to end with when there is nothing to tell any more."""
    incident = delivery.incident
    if incident is None:
        return None
    if not incident.is_open:
        return DeliveryState.CANCELLED, "closed"
    if incident.is_snoozed(now) and delivery.source == "incident":
        return DeliveryState.SKIPPED, "snoozed"
    return None


def _failure(delivery: Delivery, integration: Integration | None) -> str | None:
    """Why it cannot be sent; a link made or lost since the delivery was queued counts."""
    allowed = {IntegrationStatus.ACTIVE} | ({IntegrationStatus.DRAFT} if delivery.source == "test" else set())
    if integration is None or integration.status not in allowed:
        return "integration_disabled"
    if delivery.user_id is None:
        return None
    link = linking.hold_for_user(integration, delivery.user_id)
    if link is not None:
        delivery.external_user_id = link.external_user_id
    return notifications.link_failure(link)


def _postponed(delivery: Delivery, until: datetime) -> Later:
    """Wait for our own rate, or because the platform asked for a pause; not a try."""
    if delivery.state is DeliveryState.RETRYING:
        delivery.next_attempt_at = until
    return Later(until)


def _plan(mine: Claim, delivery: Delivery, integration: Integration, now: datetime) -> Plan | Outcome:
    try:
        platform = integrations.platform_for(integration)
    except PlatformError as error:
        delivery_outcomes.refused(delivery, integration, error)
        return Done()
    incident = delivery.incident
    if incident is None:
        card = trial_cards.build(integration, delivery, now=now)
    else:
        card = incident_cards.build(incident, integration=integration, delivery=delivery, now=now)
    unanswered = delivery.state is DeliveryState.SENDING or bool(delivery.failure.get("unanswered"))
    delivery.state, delivery.next_attempt_at = DeliveryState.SENDING, None
    if not unanswered:
        db.session.flush()  # the delivery before its row of the outbox: closing the incident takes them in this order
        outbox.note(mine, mine.payload | {"fingerprint": card.fingerprint})
    version = incident.version if incident else None
    return Plan(delivery, integration, platform, card, version, unanswered)


def _send(plan: Plan) -> SentMessage | PlatformError:
    to = Recipient(plan.delivery.external_user_id or "", plan.delivery.recipient_name)
    try:
        return plan.platform.send_card(to, plan.card, earlier_try_unanswered=plan.earlier_try_unanswered)
    except PlatformError as error:
        return error


def _record(mine: Claim, plan: Plan, made: Try, result: SentMessage | PlatformError) -> Outcome:
    """Stage the outcome under the incident's lock, so that a change meanwhile is seen by one of the two."""
    incident = incidents.lock(plan.delivery.incident_id, mine.tenant_id) if plan.delivery.incident_id else None
    delivery = _delivery(mine)
    if delivery is None:
        return Done()
    tries = delivery_outcomes.note_try(delivery, made)
    if isinstance(result, SentMessage):
        _record_sent(mine, plan, delivery, incident, result)
        return Done()
    if delivery.state is DeliveryState.SENT:  # a press came in meanwhile and proved that it arrived
        return Done()
    if incident is not None and not incident.is_open:
        delivery_outcomes.dropped(delivery, DeliveryState.CANCELLED, "closed")
        return Done()
    if not result.retryable:
        delivery_outcomes.refused(delivery, plan.integration, result)
        return Done()
    due_at = delivery_outcomes.retry_at(
        delivery,
        plan.integration,
        result,
        tries=tries,
        now=utcnow(),
        earlier_try_unanswered=plan.earlier_try_unanswered,
    )
    return Later(due_at, result.code) if due_at else Done()


def _record_sent(mine: Claim, plan: Plan, delivery: Delivery, incident: Incident | None, message: SentMessage) -> None:
    now = utcnow()
    delivery_outcomes.sent(delivery, plan.integration, message, now=now)
    _mark_check(plan.integration, now)
    if incident is None:
        if message.update_code:
            delivery.rendered = delivery.rendered | {"update_code": message.update_code}
        return
    first_try = mine.payload.get("fingerprint", "")
    fingerprint = first_try if message.was_repeat else plan.card.fingerprint
    card = cards.open_card(delivery, incident, message_id=message.message_id, fingerprint=fingerprint, now=now)
    if message.update_code:
        hours = plan.platform.capabilities.update_code_hours
        cards.add_code(card, message.update_code, origin="send", hours=hours, now=now)
    if incident.version != plan.version or fingerprint != plan.card.fingerprint:
        cards.schedule(card, now=now)


def _mark_check(integration: Integration, now: datetime) -> None:
    """A first message proves that sending works; later ones need not write it down again."""
    seen = checks.get(integration, "message")
    if seen is None or seen.state is not CheckState.PASSED:
        checks.passed(integration, "message", now=now)
