"""Reading a connection's groups: when somebody wishes it, and before somebody chooses one."""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import timedelta

from flask import g

from extensions import db
from jobs import answering
from jobs.outbox import Claim, Done, Later, Outcome
from models import Integration
from platforms.errors import PlatformError
from services import circuits, group_lists, retries
from services.clock import utcnow
from services.group_lists import Reading

MOST_TRIES = 3
PAUSE = timedelta(seconds=1)
"""Between a few groups and the next few: messages leave through the same connection."""

log = logging.getLogger(__name__)


def run(mine: Claim) -> Outcome:
    """Handle a "list_groups" row. payload: Reading; {"tries"}: failed ones since. A failure is shown to who chooses."""
    integration = db.session.get(Integration, mine.subject_id)
    if integration is None or integration.tenant_id != mine.tenant_id:
        return Done()
    g.called_platform = True
    reading = Reading.of_row(mine.payload)
    try:
        following = group_lists.read(integration, reading, now=utcnow())
    except PlatformError as error:
        return _again(mine, integration, error)
    answering.answered(integration, utcnow())
    return Later(utcnow() + PAUSE, "", asdict(following)) if following else Done()


def _again(mine: Claim, integration: Integration, error: PlatformError) -> Outcome:
    """What passes by itself is tried again while the rest is there; the reader is told what is not."""
    now = utcnow()
    bounds = answering.failed(integration, error, now)
    tries = mine.payload.get("tries", 0) + 1
    if circuits.asks_for_pause(error) and tries < MOST_TRIES:
        due_at = max(now + retries.with_jitter(retries.delay(tries)), bounds.not_before or now)
        return Later(due_at, error.code, mine.payload | {"tries": tries})
    log.info("The groups of a connection could not be read: %s", error.code)
    group_lists.note_failure(integration, error, now=now)
    return Done()
