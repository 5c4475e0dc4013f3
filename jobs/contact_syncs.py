"""The two halves of a contact synchronisation: reading the platform's contacts, and applying what was confirmed."""

from __future__ import annotations

from datetime import timedelta

from flask import g

from extensions import db
from jobs.outbox import Claim, Done, Later, Outcome
from platforms.errors import PlatformError
from services import contact_applying, contact_reading, contact_syncs, retries
from services.clock import utcnow

TRIES = 4
SLICE = timedelta(seconds=2)
"""How long one turn lasts: other work of ours gets its own between two of them."""


def read(mine: Claim) -> Outcome:
    """Handle a "read_contacts" row. What a platform cannot do now is tried again some times, then shown."""
    db.session.commit()
    g.called_platform = True
    try:
        contact_reading.read(mine.subject_id, tenant_id=mine.tenant_id, now=utcnow())
    except PlatformError as error:
        tries = mine.payload.get("tries", 0) + 1
        if error.retryable and tries < TRIES:
            wait = error.retry_after or retries.with_jitter(retries.delay(tries))
            return Later(utcnow() + wait, error.code, mine.payload | {"tries": tries})
        contact_syncs.fail(mine.subject_id, error, now=utcnow())
    return Done()


def gave_up(mine: Claim, error: str) -> None:
    """Our own fault, of either half: it must not look as if it went on for ever, nor stand in another one's way."""
    contact_syncs.fail(mine.subject_id, contact_syncs.Interrupted(error), now=utcnow())


def apply(mine: Claim) -> Outcome:
    """Handle an "apply_contacts" row: some of it; then again, until nobody is left."""
    db.session.commit()
    is_over = contact_applying.run(mine.subject_id, tenant_id=mine.tenant_id, until=utcnow() + SLICE)
    return Done() if is_over else Later(utcnow())
