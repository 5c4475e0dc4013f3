"""屏蔽: stopping the reminders and the escalation of one incident for a while."""

from __future__ import annotations

from datetime import datetime

from errors import InvalidInput
from models import Incident, Membership, Progress
from services import dispatch, incident_decisions, responders, timeline
from services.incident_changes import Outcome, apply, hold, show
from texts import N_

MAX_SNOOZE_MINUTES = 1440


def snooze(incident: Incident, *, by: Membership, via: str, now: datetime, minutes: int) -> Outcome:
    """Silence an open incident for 1–1440 minutes from now, replacing an earlier snooze; its progress stays.

    Alerts still enter, cards still follow, recovery still closes. Raises InvalidInput.
    """
    if not 1 <= minutes <= MAX_SNOOZE_MINUTES:
        raise InvalidInput("minutes", N_("应为 1–1440 分钟"))
    hold(incident)
    return apply(incident, incident_decisions.snooze(incident, by.user, minutes, now), by=by, via=via, now=now)


def wake(incident: Incident, *, by: Membership, via: str, now: datetime) -> Outcome:
    """End a snooze by hand; the timers of the present level run again, counted from now."""
    hold(incident)
    return apply(incident, incident_decisions.wake(incident, now), by=by, via=via, now=now)


def expire_snooze(incident: Incident, *, now: datetime) -> bool:
    """End a snooze whose time has come: acknowledgements are withdrawn and the policy runs again from level 1.

    Who acknowledged after that time, while this waited to run, keeps it. Returns False if nothing was due.
    """
    hold(incident)
    until = incident.snoozed_until
    if not incident.is_open or until is None or until > now:
        return False
    incident.snoozed_until, incident.snoozed_by = None, None
    timeline.record(incident, "wake", via="timeout", at=now)
    if responders.acknowledged_since(incident, until):
        dispatch.resume(incident, now=now)
    else:
        incident.progress = Progress.TRIGGERED
        responders.clear_acknowledgements(incident)
        dispatch.begin_again(incident, kind="snooze_expired", now=now)
    show(incident, now)
    return True
