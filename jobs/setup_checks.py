"""Trying one setup check by a call, on an administrator's wish."""

from __future__ import annotations

from extensions import db
from jobs.outbox import Claim, Done, Outcome
from models import Integration
from services import checks, integrations
from services.clock import utcnow


def run(mine: Claim) -> Outcome:
    """Handle a "run_check" row. payload: {"check": name}."""
    integration = db.session.get(Integration, mine.subject_id)
    if integration is None or integration.tenant_id != mine.tenant_id:
        return Done()
    platform = integrations.platform_for(integration)
    db.session.commit()
    result = platform.run_check(mine.payload["check"])
    integration = db.session.get_one(Integration, mine.subject_id)
    if result.is_premature:
        checks.wait(integration, mine.payload["check"], now=utcnow()).at = utcnow()
    else:
        checks.record(integration, mine.payload["check"], result, now=utcnow())
    return Done()
