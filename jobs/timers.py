"""Timers of incidents: policy steps, the ends of a snooze and of flapping, closing by timeout, cards.

The rules are in services/.
"""

from __future__ import annotations

from errors import NotFound
from jobs.outbox import Claim, Done, Outcome
from models import Incident
from services import cards, dispatch, flapping, incidents, timeline
from services.clock import utcnow


def policy_step(mine: Claim) -> Outcome:
    incident = _incident(mine)
    if incident is not None:
        dispatch.policy_step(incident, mine.payload, now=utcnow())
    return Done()


def snooze_expiry(mine: Claim) -> Outcome:
    incident = _incident(mine)
    if incident is not None:
        incidents.expire_snooze(incident, now=utcnow())
    return Done()


def auto_close(mine: Claim) -> Outcome:
    incident = _incident(mine)
    if incident is not None:
        incidents.time_out(incident, now=utcnow())
    return Done()


def flapping_end(mine: Claim) -> Outcome:
    incident = _incident(mine)
    if incident is not None:
        flapping.end_if_quiet(incident, now=utcnow())
    return Done()


def refresh_cards(mine: Claim) -> Outcome:
    """The changes of the last moments have waited for one another."""
    incident = _incident(mine)
    if incident is not None:
        cards.refresh_now(incident, now=utcnow())
    return Done()


def gave_up(mine: Claim, error: str) -> None:
    """Show on the incident that a step of it cannot be done because of a fault of ours."""
    incident = _incident(mine)
    if incident is not None:
        timeline.record(incident, "step_failed", via="system", at=utcnow(), step=mine.kind, error=error[:200])
        incident.changed_at = utcnow()


def _incident(mine: Claim) -> Incident | None:
    """The incident, locked; None if it was deleted since."""
    try:
        return incidents.lock(mine.subject_id, mine.tenant_id)
    except NotFound:
        return None
