"""Trying one setup check at once: by the platform's own call, or by looking for a company's authorisation."""

from __future__ import annotations

from datetime import datetime

from extensions import db
from models import Integration
from platforms.setup import CheckResult
from services import authorisations, checks, integrations


def try_now(integration: Integration, name: str, *, now: datetime) -> CheckResult:
    """Try a check and stage what it found. Commits before it calls. Raises what platform_for() does."""
    integration_id = integration.id
    if name == integrations.mode_of(integration).proven_by:
        result = authorisations.prove(integration_id, now=now)
    else:
        platform = integrations.platform_for(integration)
        db.session.commit()
        result = platform.run_check(name)
    integration = db.session.get_one(Integration, integration_id)
    if result.is_premature:
        checks.wait(integration, name, now=now).at = now
    else:
        checks.record(integration, name, result, now=now)
    return result
