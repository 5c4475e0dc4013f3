"""A short private message: why a press was refused, where the platform has no place to say it."""

from __future__ import annotations

import logging

from extensions import db
from jobs.outbox import Claim, Dead, Done, Later, Outcome
from models import Integration
from platforms.base import Recipient
from platforms.errors import PlatformError
from services import integrations, retries
from services.clock import utcnow

log = logging.getLogger(__name__)

MOST_TRIES = 4


def run(mine: Claim) -> Outcome:
    """Handle a "tell" row. payload: {"to": platform id, "text": what is said}; tried four times at most."""
    integration = db.session.get(Integration, mine.subject_id)
    if integration is None or integration.tenant_id != mine.tenant_id:
        return Done()
    if integration.paused_until and integration.paused_until > utcnow():
        return Later(integration.paused_until)
    platform = integrations.platform_for(integration)
    db.session.commit()
    try:
        platform.send_text(Recipient(mine.payload["to"]), mine.payload["text"])
    except PlatformError as error:
        return _again(mine, error)
    return Done()


def _again(mine: Claim, error: PlatformError) -> Outcome:
    tries = mine.payload.get("tries", 0) + 1
    if not error.retryable or tries >= MOST_TRIES:
        log.warning("A presser could not be told why: %s", error.code)
        return Dead(f"{error.code}: {error.platform_message}")
    due_at = utcnow() + (error.retry_after or retries.with_jitter(retries.delay(tries)))
    return Later(due_at, error.code, mine.payload | {"tries": tries})
