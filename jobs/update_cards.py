"""Bringing one card up to date with the rights that are left for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import g
from sqlalchemy import select

from extensions import db
from jobs import answering, outbox
from jobs.handling import Settle
from jobs.outbox import Claim, Done, Later, Outcome
from models import Card, CardCode, CardState, Delivery, GroupChat, Incident, Integration, IntegrationStatus
from platforms import PLATFORMS
from platforms.base import CardHandle, IncidentCard, Platform, Recipient
from platforms.errors import CardTooOld, GroupGone, PlatformError, UpdateCodeSpent, remember
from services import (
    calls,
    card_contents,
    card_notices,
    cards,
    circuits,
    incident_cards,
    incidents,
    integrations,
    pacing,
    retries,
)
from services.card_bodies import TakesLonger, Wording
from services.card_contents import Content
from services.card_notices import Held
from services.circuits import Bounds
from services.clock import utcnow
from services.outbox import OUTAGE

WAIT_FOR_TURN = timedelta(milliseconds=300)


@dataclass(frozen=True)
class Plan:
    """What to write where.

    fingerprint  of the state shown, without the answer to a refresh; code: the right that this spends, if it needs one
    notices      of single viewers of a group's card, which this takes away
    """

    card: Card
    integration: Integration
    platform: Platform
    drawn: IncidentCard
    fingerprint: str
    code: CardCode | None
    recipient: Recipient
    notices: Sequence[Held]


def run(mine: Claim) -> Outcome | Settle:
    """Handle an "update_card" row.

    payload  {"code_id", "fingerprint"}: an earlier try with that right had no answer; {"tries", "since"}: failed ones
    """
    now = utcnow()
    try:
        plan = _prepare(mine, now)
    except TakesLonger as slow:
        db.session.commit()  # others may write meanwhile; what they change is shown by an update of its own
        plan = _prepare(mine, now, slow.write())
    if not isinstance(plan, Plan):
        return plan
    attempt = {"code_id": plan.code.id if plan.code else None, "fingerprint": plan.fingerprint}
    outbox.note(mine, mine.payload | attempt)
    shown_before = plan.card.shown_fingerprint
    db.session.commit()
    g.called_platform = True
    error = _call(plan)
    return Settle(lambda: _record(mine, plan, error, shown_before, attempt))


def gave_up(mine: Claim, error: str) -> None:
    """Show on the card, and on its incident, that it cannot be kept true because of a fault of ours."""
    held = _held(mine)
    if held is not None:
        held[0].last_error = {"internal": error[:200]}
        cards.mark_stale(*held, now=utcnow())


def _record(
    mine: Claim, plan: Plan, error: PlatformError | None, shown_before: str, attempt: Mapping[str, object]
) -> Outcome:
    """May be repeated: what is committed on the way only concerns the connection."""
    bounds = Bounds()
    if error is not None:
        bounds = answering.failed(plan.integration, error, utcnow())
    else:
        answering.answered(plan.integration, utcnow())
    held = _held(mine)
    if held is None:
        return Done()
    if error is None:
        return _updated(held[0], plan, shown_before)
    return _not_updated(mine, held[0], plan, error, attempt=attempt, bounds=bounds)


def _prepare(mine: Claim, now: datetime, written: Wording | None = None) -> Plan | Outcome:
    """Decide whether and with what the card is updated. Raises TakesLonger, with nothing staged."""
    held = _held(mine)
    if held is None or held[0].state is CardState.FROZEN:
        return Done()
    card, incident = held
    if not cards.is_turn_of(mine.id, card.id, now):
        return Later(now + WAIT_FOR_TURN)
    integration = db.session.get_one(Integration, card.integration_id)
    asked_at = mine.payload.get("refreshed_at")
    content = content_of(card, incident, integration, now, written=written)
    if (fingerprint := content.fingerprint) == card.shown_fingerprint and not asked_at:
        return Done()
    code = cards.next_code(card, now)
    if obstacle := _obstacle(mine, held, integration, code, now):
        return obstacle
    if asked_at:
        refreshed_at = datetime.fromisoformat(asked_at)
        content = content_of(card, incident, integration, now, refreshed_at, written=written)
    drawn = incident_cards.draw(content)
    notices = card_notices.held(card, at_most=PLATFORMS[integration.platform].capabilities.notices_per_update)
    platform = integrations.platform_for(integration)
    return Plan(card, integration, platform, drawn, fingerprint, code, _recipient(card), notices)


def _obstacle(
    mine: Claim, held: tuple[Card, Incident], integration: Integration, code: CardCode | None, now: datetime
) -> Outcome | None:
    """Why the card cannot be updated, or not now. None: it can, and one call of the platform's rate is taken."""
    card, incident = held
    capabilities = PLATFORMS[integration.platform].capabilities
    if not mine.is_probe and (closed_until := circuits.closed_until(integration, now)):
        return Later(closed_until, f"{OUTAGE}the platform is not called now")
    if capabilities.update_days and now - card.created_at > timedelta(days=capabilities.update_days):
        card.last_error = remember(CardTooOld(f"{capabilities.update_days} days"))
        cards.freeze(card)
        return Done()
    is_powerless = code is None and capabilities.updates_need_codes
    if is_powerless or integration.status is not IntegrationStatus.ACTIVE:
        cards.mark_stale(card, incident, now=now)
        return Done()
    paced_to = pacing.free_at(integration.id, card.external_user_id, capabilities, now, is_urgent=True, is_update=True)
    return Later(paced_to, "as fast as the platform takes them") if paced_to else None


def _recipient(card: Card) -> Recipient:
    chat = db.session.get(GroupChat, card.group_chat_id) if card.group_chat_id is not None else None
    return Recipient(card.external_user_id, "", card.group_chat_id is not None, dict(chat.details) if chat else {})


def _call(plan: Plan) -> PlatformError | None:
    card, code = plan.card, plan.code.code if plan.code else None
    told = tuple(notice.told for notice in plan.notices)
    try:
        plan.platform.update_card(CardHandle(plan.recipient, card.reference, card.message_id, code, told), plan.drawn)
    except PlatformError as error:
        return error
    return None


def content_of(
    card: Card,
    incident: Incident,
    integration: Integration,
    now: datetime,
    refreshed_at: datetime | None = None,
    *,
    written: Wording | None = None,
) -> Content:
    """What the card should say now. Raises TakesLonger; written: what that wrote."""
    return card_contents.of_delivery(
        incident,
        db.session.get_one(Delivery, card.delivery_id),
        integration,
        now=now,
        is_superseded=card.state is CardState.SUPERSEDED,
        is_stale=card.state is CardState.STALE and refreshed_at is None,
        refreshed_at=refreshed_at,
        written=written,
    )


def _held(mine: Claim) -> tuple[Card, Incident] | None:
    """The card and its incident, locked; the incident first, as by those who change it.

    A change that found this row waiting relies on it: what it did is committed, and read here.
    """
    mine_alone = (Card.tenant_id == mine.tenant_id, Card.id == mine.subject_id)
    incident_id = db.session.scalar(select(Card.incident_id).where(*mine_alone))
    if incident_id is None:
        return None
    incident = incidents.lock(incident_id, mine.tenant_id)
    locked = select(Card).where(*mine_alone).with_for_update().execution_options(populate_existing=True)
    card = db.session.scalar(locked)
    return (card, incident) if card else None


def _updated(card: Card, plan: Plan, shown_before: str) -> Outcome:
    """Record the new content; if a press was answered with a newer one meanwhile, that is put back."""
    now = utcnow()
    _spend(plan.code, now)
    card_notices.forget(plan.notices, tenant_id=card.tenant_id)
    answered_meanwhile = card.shown_fingerprint != shown_before
    cards.shown(card, plan.fingerprint, now=now)
    calls.note(plan.integration, now)
    if answered_meanwhile:
        cards.schedule(card, now=now)
    return Done()


def _not_updated(
    mine: Claim, card: Card, plan: Plan, error: PlatformError, *, attempt: Mapping[str, object], bounds: Bounds
) -> Outcome:
    now = utcnow()
    card.last_error = remember(error)
    if isinstance(error, UpdateCodeSpent):
        return _code_was_spent(mine, card, plan.code, now)
    if isinstance(error, CardTooOld | GroupGone):
        cards.freeze(card)
        return Done()
    tries = mine.payload.get("tries", 0) + 1
    wait = retries.delay(tries)
    since = mine.payload.get("since") or now.isoformat()
    if not error.retryable or retries.is_over(now - datetime.fromisoformat(since), wait):
        cards.mark_stale(card, db.session.get_one(Incident, card.incident_id), now=now)
        return Done()
    due_at = max(now + retries.with_jitter(wait), bounds.not_before or now)
    kept = attempt if error.uncertain else _unanswered(mine, attempt)
    why = f"{OUTAGE if circuits.is_outage(error) else ''}{error.code}"
    return Later(due_at, why, _asked(mine) | {"tries": tries, "since": since, **kept})


def _code_was_spent(mine: Claim, card: Card, code: CardCode | None, now: datetime) -> Outcome:
    """Drop the right and go on with the next one.

    Spent by an earlier try of this very row that had no answer: then that try did arrive.
    """
    _spend(code, now)
    if code is not None and mine.payload.get("code_id") == code.id:
        cards.shown(card, str(mine.payload.get("fingerprint", "")), now=now)
    return Later(now, "code spent", _asked(mine))


def _unanswered(mine: Claim, attempt: Mapping[str, object]) -> dict[str, object]:
    """An earlier try with the same right that had no answer: it may have arrived, whatever this one ended with."""
    if mine.payload.get("code_id") is None or mine.payload["code_id"] != attempt["code_id"]:
        return {}
    return {name: mine.payload[name] for name in ("code_id", "fingerprint")}


def _asked(mine: Claim) -> dict[str, object]:
    """What of the payload holds for every further try."""
    return {name: mine.payload[name] for name in ("refreshed_at",) if name in mine.payload}


def _spend(code: CardCode | None, now: datetime) -> None:
    if code is not None:
        db.session.get_one(CardCode, code.id).used_at = now
