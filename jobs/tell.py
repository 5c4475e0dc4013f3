"""A short private message: why a press was refused, where the platform has no place to say it."""

from __future__ import annotations

import logging

from flask import g

from extensions import db
from jobs import answering
from jobs.outbox import Claim, Dead, Done, Later, Outcome
from models import Integration
from platforms.base import Recipient
from platforms.errors import PlatformError
from services import calls, circuits, integrations, retries
from services.circuits import Bounds
from services.clock import utcnow
from services.outbox import OUTAGE, STALE_AFTER

log = logging.getLogger(__name__)

MOST_TRIES = 4


def run(mine: Claim) -> Outcome:
    """Handle a "tell" row. payload: {"to": platform id, "text": what is said}; tried four times at most."""
    if utcnow() - mine.due_at > STALE_AFTER:
        return Dead("too late: nobody waits for it any more")
    integration = db.session.get(Integration, mine.subject_id)
    if integration is None or integration.tenant_id != mine.tenant_id:
        return Done()
    if not mine.is_probe and (closed_until := circuits.closed_until(integration, utcnow())):
        return Later(closed_until, f"{OUTAGE}the platform is not called now")
    platform = integrations.platform_for(integration)
    db.session.commit()
    g.called_platform = True
    try:
        platform.send_text(Recipient(mine.payload["to"]), mine.payload["text"])
    except PlatformError as error:
        return _again(mine, error, answering.failed(integration, error, utcnow()))
    calls.note(integration, utcnow(), people=1)
    answering.answered(integration, utcnow())
    return Done()


def _again(mine: Claim, error: PlatformError, bounds: Bounds) -> Outcome:
    tries = mine.payload.get("tries", 0) + 1
    if not error.retryable or tries >= MOST_TRIES:
        log.warning("A presser could not be told why: %s", error.code)
        return Dead(f"{error.code}: {error.platform_message}")
    now = utcnow()
    due_at = max(now + retries.with_jitter(retries.delay(tries)), bounds.not_before or now)
    return Later(due_at, error.code, mine.payload | {"tries": tries})
