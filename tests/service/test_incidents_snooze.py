"""屏蔽: how long, what it stops, what follows when it ends."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from errors import InvalidInput
from models import Progress, Severity
from services import incidents, outbox, timeline
from tests.factories import (
    NOW,
    make_alert,
    make_channel,
    make_incident,
    make_level,
    make_member,
    make_policy,
    make_source,
    report,
)


def after(minutes: float):
    return NOW + timedelta(minutes=minutes)


def dispatched(*levels):
    channel = make_channel()
    make_policy(channel, levels=list(levels))
    return incidents.open_by_hand(
        channel, "支付失败", "", Severity.CRITICAL, [], by=make_member("wu"), via="console", now=NOW
    )


def due(kind: str, incident):
    job = outbox.pending(kind, incident.id)
    return job and (job.payload.get("step"), job.due_at)


@pytest.mark.parametrize("minutes", [0, -1, 1441])
def test_a_snooze_lasts_between_a_minute_and_a_day(app: Flask, minutes):
    with pytest.raises(InvalidInput):
        incidents.snooze(make_incident(), by=make_member(), via="h5", now=NOW, minutes=minutes)


@pytest.mark.parametrize("minutes", [1, 120, 1440])
def test_a_snooze_does_not_acknowledge(app: Flask, minutes):
    incident = make_incident()
    outcome = incidents.snooze(incident, by=make_member(), via="card_wecom", now=NOW, minutes=minutes)
    assert outcome.changed and outcome.text.params["until"] == after(minutes)
    assert (incident.progress, incident.acknowledged_at) == (Progress.TRIGGERED, None)
    assert incident.is_snoozed(after(minutes - 0.5)) and not incident.is_snoozed(after(minutes))
    assert due("snooze_expiry", incident) == (None, after(minutes))


def test_a_later_snooze_replaces_the_earlier_one(app: Flask):
    lin, incident = make_member(), make_incident()
    incidents.snooze(incident, by=lin, via="h5", now=NOW, minutes=240)
    outcome = incidents.snooze(incident, by=lin, via="h5", now=after(10), minutes=60)
    assert outcome.text.message == "已改为屏蔽至 %(until)s"
    assert incident.snoozed_until == after(70)
    assert due("snooze_expiry", incident) == (None, after(70))


def test_a_snooze_stops_the_timers_and_waking_sets_them_anew_from_then(app: Flask):
    lin = make_member()
    incident = dispatched(make_level(lin, escalate_after_minutes=30), make_level(lin))
    assert due("policy_step", incident) == ("escalate", after(30))
    incidents.snooze(incident, by=lin, via="h5", now=after(10), minutes=120)
    assert due("policy_step", incident) is None
    incidents.wake(incident, by=lin, via="h5", now=after(60))
    assert due("policy_step", incident) == ("escalate", after(90))
    assert due("snooze_expiry", incident) is None
    assert incident.snoozed_until is None


def test_a_snooze_that_runs_out_starts_the_policy_again(app: Flask):
    lin, wu = make_member(), make_member("wu")
    incident = dispatched(make_level(lin), make_level(wu))
    incidents.escalate(incident, by=lin, via="h5", now=after(1))
    incidents.acknowledge(incident, by=lin, via="h5", now=after(2))
    incidents.snooze(incident, by=lin, via="h5", now=after(3), minutes=120)
    assert not incidents.expire_snooze(incident, now=after(122))
    assert incidents.expire_snooze(incident, now=after(123))
    assert incident.progress is Progress.TRIGGERED
    assert (incident.assignment["kind"], incident.assignment["level"]) == ("snooze_expired", 0)
    assert not any(responder.acknowledged_at for responder in incident.responders)
    entry = [entry for entry in timeline.entries(incident) if entry.type == "wake"][-1]
    assert timeline.describe(entry).message == "屏蔽到期，故障恢复提醒"
    assert not incidents.expire_snooze(incident, now=after(124))


def test_an_acknowledgement_after_the_end_is_not_taken_back_by_a_late_timer(app: Flask):
    lin, incident = make_member(), make_incident()
    incidents.snooze(incident, by=lin, via="h5", now=NOW, minutes=5)
    incidents.acknowledge(incident, by=lin, via="h5", now=after(6))
    assert incidents.expire_snooze(incident, now=after(7))
    assert incident.progress is Progress.PROCESSING


def test_recovery_closes_a_snoozed_incident(app: Flask):
    source = make_source(make_channel())
    incident = incidents.open_from_alert(alert := make_alert(source), source, now=NOW)
    incidents.snooze(incident, by=make_member(), via="h5", now=NOW, minutes=5)
    report(alert, Severity.OK, now=after(1))
    assert (incident.progress, incident.snoozed_until) == (Progress.CLOSED, None)
    assert due("snooze_expiry", incident) is None


def test_a_snoozed_incident_is_not_escalated(app: Flask):
    lin = make_member()
    incident = dispatched(make_level(lin), make_level(lin))
    incidents.snooze(incident, by=lin, via="h5", now=NOW, minutes=5)
    assert not incidents.escalate(incident, by=lin, via="h5", now=after(1)).changed
    assert incident.assignment["level"] == 0
