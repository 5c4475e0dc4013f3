"""Confirming a test card whose button came back, where that cannot be said in the answer to the press."""

from __future__ import annotations

from datetime import datetime

from extensions import db
from jobs.outbox import Claim, Dead, Done, Outcome
from models import Delivery, Integration
from platforms.base import CardHandle, Recipient
from platforms.errors import PlatformError
from services import calls, integrations, trial_cards
from services.clock import utcnow


def run(mine: Claim) -> Outcome:
    """Handle an "update_trial_card" row. payload: {"code": the press's right to update, "at": ISO time of it}."""
    delivery = db.session.get(Delivery, mine.subject_id)
    integration = db.session.get(Integration, delivery.integration_id) if delivery else None
    if delivery is None or integration is None or delivery.tenant_id != mine.tenant_id:
        return Done()
    pressed_at = datetime.fromisoformat(mine.payload["at"])
    card = trial_cards.build(integration, delivery, now=utcnow(), pressed_at=pressed_at)
    chat = delivery.group_chat
    handle = CardHandle(
        Recipient(delivery.external_user_id or "", "", chat is not None, dict(chat.details) if chat else {}),
        delivery.reference,
        delivery.platform_message_id or "",
        mine.payload["code"],
    )
    platform = integrations.platform_for(integration)
    db.session.commit()
    try:
        platform.update_card(handle, card)
    except PlatformError as error:
        return Dead(f"{error.code}: {error.platform_message}")
    calls.note(integration, utcnow())
    return Done()
