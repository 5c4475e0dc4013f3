"""Trying one setup check by a call, on an administrator's wish or because something has changed."""

from __future__ import annotations

from extensions import db
from jobs.outbox import Claim, Done, Later, Outcome
from models import Integration
from platforms.errors import recall
from platforms.setup import CheckResult
from services import integrations, proving, retries
from services.clock import utcnow

MOST_TRIES = 5


def run(mine: Claim) -> Outcome:
    """Handle a "run_check" row. payload: {"check": name}; {"tries"}: failed ones of a proof that nobody watches."""
    integration = db.session.get(Integration, mine.subject_id)
    if integration is None or integration.tenant_id != mine.tenant_id:
        return Done()
    name, tries = mine.payload["check"], mine.payload.get("tries", 0) + 1
    is_proof = name == integrations.mode_of(integration).proven_by
    result = proving.try_now(integration, name, now=utcnow())
    if is_proof and tries < MOST_TRIES and passes_by_itself(result):
        return Later(utcnow() + retries.with_jitter(retries.delay(tries)), "", mine.payload | {"tries": tries})
    return Done()


def passes_by_itself(result: CheckResult) -> bool:
    return not result.passed and "platform_code" in result.detail and recall(result.detail).retryable
