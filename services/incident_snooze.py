"""屏蔽: stopping the reminders and the escalation of one incident for a while."""

from __future__ import annotations

from datetime import datetime, timedelta

from errors import InvalidInput
from models import Incident, Membership, Progress
from services import dispatch, outbox, responders, timeline
from services.incident_changes import Outcome, already_closed, hold, show
from services.incident_progress import SNOOZE_EXPIRY
from texts import N_, Text

MAX_SNOOZE_MINUTES = 1440


def snooze(incident: Incident, *, by: Membership, via: str, now: datetime, minutes: int) -> Outcome:
    """Silence an open incident for 1–1440 minutes from now, replacing an earlier snooze; its progress stays.

    Alerts still enter, cards still follow, recovery still closes. Raises InvalidInput.
    """
    if not 1 <= minutes <= MAX_SNOOZE_MINUTES:
        raise InvalidInput(N_("屏蔽时长"), N_("应为 1–1440 分钟"))
    hold(incident)
    if not incident.is_open:
        return already_closed(incident)
    until, was_snoozed = now + timedelta(minutes=minutes), incident.is_snoozed(now)
    if incident.snoozed_until == until and incident.snoozed_by_id == by.user_id:
        return Outcome(False, Text(N_("已屏蔽至 %(until)s"), until=until))
    dispatch.stop(incident, SNOOZE_EXPIRY)
    incident.snoozed_until, incident.snoozed_by = until, by.user
    outbox.enqueue(SNOOZE_EXPIRY, tenant_id=incident.tenant_id, subject_id=incident.id, due_at=until, now=now)
    timeline.record(incident, "snooze", by=by, via=via, at=now, until=until, minutes=minutes)
    show(incident, now)
    return Outcome(True, Text(N_("已改为屏蔽至 %(until)s") if was_snoozed else N_("已屏蔽至 %(until)s"), until=until))


def wake(incident: Incident, *, by: Membership, via: str, now: datetime) -> Outcome:
    """End a snooze by hand; the timers of the present level run again, counted from now."""
    hold(incident)
    if not incident.is_open:
        return already_closed(incident)
    if not incident.is_snoozed(now):
        return Outcome(False, Text(N_("当前未屏蔽")))
    _clear(incident)
    outbox.cancel(SNOOZE_EXPIRY, tenant_id=incident.tenant_id, subject_id=incident.id)
    timeline.record(incident, "wake", by=by, via=via, at=now)
    dispatch.resume(incident, now=now)
    show(incident, now)
    return Outcome(True, Text(N_("已取消屏蔽")))


def expire_snooze(incident: Incident, *, now: datetime) -> bool:
    """End a snooze whose time has come: acknowledgements are withdrawn and the policy runs again from level 1.

    Who acknowledged after that time, while this waited to run, keeps it. Returns False if nothing was due.
    """
    hold(incident)
    until = incident.snoozed_until
    if not incident.is_open or until is None or until > now:
        return False
    _clear(incident)
    timeline.record(incident, "wake", via="timeout", at=now)
    if responders.acknowledged_since(incident, until):
        dispatch.resume(incident, now=now)
    else:
        incident.progress = Progress.TRIGGERED
        responders.clear_acknowledgements(incident)
        dispatch.begin_again(incident, kind="snooze_expired", now=now)
    show(incident, now)
    return True


def _clear(incident: Incident) -> None:
    incident.snoozed_until, incident.snoozed_by = None, None
