"""Alerts that fire and recover over and over: one incident stays open for them and nobody is told each time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select

from blueprints.intake.sender import Sender
from blueprints.intake.storing import store
from extensions import db
from models import (
    Alert,
    AlertEvent,
    AlertSource,
    AlertState,
    Delivery,
    DeliveryState,
    Flapping,
    Incident,
    Job,
    Membership,
    Notification,
    Progress,
    Severity,
    TimelineEntry,
)
from services import alerts, failures, flapping, incidents, timeline
from services.alerts import Arrival
from services.clock import utcnow
from services.wording import say
from sources import IncomingEvent, Push
from tests.factories import (
    NOW,
    make_channel,
    make_incident,
    make_integration,
    make_level,
    make_link,
    make_member,
    make_policy,
    make_source,
)
from tests.fakes import FakePlatform
from tests.service.messaging import Office
from tests.service.test_alerts import at_once
from texts import Text

MINUTE = timedelta(minutes=1)
FIRES, RECOVERS = Severity.CRITICAL, Severity.OK


def event(status: Severity, key: str = "k1", **fields: Any) -> IncomingEvent:
    values = {"title": "链路", "description": "", "labels": {}, "images": [], "event_at": None, "raw": {}}
    return IncomingEvent(status=status, alert_key=key, **(values | fields))


def push(source: AlertSource, *statuses: Severity, at: datetime | None = None, **fields: Any) -> list[str]:
    """Have a source say these one after the other, in one push."""
    events = [event(status, **fields) for status in statuses]
    results = alerts.ingest(source, events, now=at or utcnow())
    db.session.commit()
    db.session.expire_all()
    return [result.kind.value for result in results]


def flap(source: AlertSource, times: int, *, at: datetime = NOW, every: timedelta = MINUTE) -> datetime:
    """Let it fire and recover so many times; the time of the last recovery."""
    for number in range(2 * times):
        push(source, (FIRES, RECOVERS)[number % 2], at=at + number * every)
    return at + (2 * times - 1) * every


def found() -> list[Incident]:
    return list(db.session.scalars(select(Incident).order_by(Incident.id)))


def entries(incident: Incident) -> list[str]:
    return [entry.type for entry in timeline.entries(incident)]


def end_if_quiet(incident: Incident, now: datetime) -> None:
    flapping.end_if_quiet(incident, now=now)
    db.session.commit()


@pytest.fixture
def source(app: Flask) -> AlertSource:
    return make_source(make_channel())


@pytest.fixture
def office(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """Lin is linked to a platform."""
    platform = FakePlatform()
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: platform)
    with time_machine.travel(NOW, tick=False) as clock:
        lin = make_member("lin")
        make_link(integration := make_integration(), lin)
        incident = make_incident(make_channel("别的"), responders=(lin,))
        yield Office(app, platform, clock, integration, incident, lin)


def watched(lin: Membership, **settings: Any) -> AlertSource:
    """A source whose incidents Lin is told about, again every 20 minutes."""
    channel = make_channel(**settings)
    make_policy(channel, levels=[make_level(lin, repeat=3, every=20)])
    return make_source(channel)


def test_the_fourth_change_marks_the_incident_which_outlives_recoveries(source):
    marked_at = flap(source, 2)
    first, second = found()
    assert (first.progress, second.progress, second.status) == (Progress.CLOSED, Progress.TRIGGERED, Severity.OK)
    assert (first.is_flapping, second.is_flapping, second.flapping_since) == (False, True, marked_at)
    told = len(entries(second))
    assert entries(second).count("flapping_mute") == 1
    flap(source, 3, at=marked_at + MINUTE)
    assert [incident.id for incident in found()] == [first.id, second.id]
    assert (second.alert_count, second.active_alert_count, second.event_count) == (4, 0, 8)
    assert len(entries(second)) == told, "no line for each flap"
    assert db.session.scalar(select(func.count()).select_from(Alert)) == 5
    push(source, FIRES, at=NOW + 20 * MINUTE)
    assert (second.status, second.active_alert_count, second.recovered_at) == (FIRES, 1, None)
    push(source, FIRES, at=NOW + 20 * MINUTE, key="k2")
    assert len(found()) == 3, "another key has incidents of its own"


def test_it_closes_as_recovered_once_nothing_has_changed_for_ten_minutes(office):
    source = watched(office.lin)
    for _ in range(4):
        push(source, FIRES)
        office.pass_time(minutes=1)
        push(source, RECOVERS)
        office.pass_time(minutes=1)
    (marked,) = [incident for incident in found() if incident.is_flapping]
    office.pass_time(minutes=7)
    assert [job.queue for job in office.pending("flapping_end")] == [1]
    push(source, FIRES)
    push(source, RECOVERS)
    office.pass_time(minutes=9)
    assert marked.is_flapping
    assert len(office.pending("flapping_end")) == 1
    office.pass_time(minutes=1, seconds=1)
    assert (marked.progress, marked.closed_via, marked.flapping_since) == (Progress.CLOSED, "event", None)
    assert (entries(marked)[-1], marked.recovered_at) == ("close", utcnow() - timedelta(minutes=10, seconds=1))
    assert not office.pending("flapping_end")
    push(source, FIRES)
    assert found()[-1].id > marked.id


def test_what_fires_on_steadily_is_no_longer_marked(source):
    last = flap(source, 2)
    push(source, FIRES, at=last + 5 * MINUTE)
    _, incident = found()
    end_if_quiet(incident, last + 14 * MINUTE)
    assert incident.is_flapping
    end_if_quiet(incident, last + 15 * MINUTE)
    assert (incident.is_flapping, incident.progress, incident.status) == (False, Progress.TRIGGERED, FIRES)
    push(source, RECOVERS, at=last + 90 * MINUTE)
    assert incident.progress is Progress.CLOSED, "an hour later it is an ordinary recovery"


def test_changes_far_apart_and_those_that_people_make_do_not_count(source):
    flap(source, 4, every=21 * MINUTE)
    assert not any(incident.is_open for incident in found())
    lin, later = make_member("lin"), NOW + timedelta(days=1)
    for minute in range(3):
        push(source, FIRES, at=later + minute * MINUTE)
        incidents.close(found()[-1], by=lin, via="console", now=later + minute * MINUTE)
        db.session.commit()
    assert len(found()) == 7
    assert not any(incident.flapping_since for incident in found())


def test_closed_by_hand_it_takes_nothing_in_and_opened_again_it_is_not_marked(source):
    last, lin = flap(source, 2), make_member("lin")
    incident = found()[-1]
    incidents.close(incident, by=lin, via="console", now=last)
    db.session.commit()
    assert not db.session.scalar(select(func.count()).where(Job.kind == "flapping_end", Job.state == "pending"))
    push(source, FIRES, at=last + MINUTE)
    assert len(found()) == 3
    assert not incident.is_flapping
    incidents.reopen(incident, by=lin, via="console", now=last + MINUTE, reason="再看看")
    db.session.commit()
    assert (incident.is_flapping, incident.reminders_muted_until) == (False, None)


def test_who_closes_it_while_it_fires_again_never_leaves_an_alert_that_fires_in_a_closed_incident(app, source):
    lin, sender = make_member("lin"), Sender(source.id, source.tenant_id, source.type, {})
    keys = [f"k{number}" for number in range(6)]
    for key in keys:
        push(source, *(FIRES, RECOVERS) * 2, at=NOW, key=key)
    marked = {key: incident.id for key, incident in zip(keys, found()[1::2], strict=True)}
    tenant_id, member_id = source.tenant_id, lin.id
    db.session.commit()
    for key in keys:

        def act(number: int, key: str = key) -> None:
            if number:
                store(sender, Push([event(FIRES, key)]), now=NOW + MINUTE)
                return
            incident = incidents.lock(marked[key], tenant_id)
            incidents.close(incident, by=db.session.get_one(Membership, member_id), via="console", now=NOW + MINUTE)
            db.session.commit()

        at_once(app, 2, act)
    db.session.expire_all()
    assert all(db.session.get_one(Incident, incident_id).closed_via == "console" for incident_id in marked.values())
    firing = db.session.scalars(select(Alert.incident_id).where(Alert.state == AlertState.FIRING)).all()
    assert all(db.session.get_one(Incident, incident_id).is_open for incident_id in firing)
    last = select(Alert.alert_key, Alert.state).order_by(Alert.id.desc()).limit(len(keys))
    assert {state for _, state in db.session.execute(last)} <= {AlertState.FIRING, AlertState.CLOSED}


def test_in_one_push_it_is_the_same(source):
    assert push(source, *(FIRES, RECOVERS) * 5, FIRES)[-1] == "alert_created"
    first, second = found()
    assert (first.is_open, second.is_flapping, second.alert_count, second.active_alert_count) == (False, True, 5, 1)
    assert db.session.scalar(select(func.count()).select_from(AlertEvent)) == 11
    firing = db.session.scalars(select(Alert.incident_id).where(Alert.state == AlertState.FIRING)).all()
    assert firing == [second.id]


def test_a_sender_whose_clock_is_behind_flaps_as_well(source):
    behind = NOW - timedelta(hours=3)
    for number in range(4):
        at = behind + number * MINUTE
        push(source, (FIRES, RECOVERS)[number % 2], at=NOW + number * MINUTE, event_at=at)
    incident = found()[-1]
    assert incident.is_flapping
    end_if_quiet(incident, NOW + 12 * MINUTE)
    assert incident.is_flapping, "how long it was quiet is counted by our own clock"


def test_a_channel_may_not_look_for_it_or_keep_what_has_recovered(app):
    off = make_source(make_channel("关", flapping=Flapping.OFF))
    flap(off, 4)
    assert [incident.is_open for incident in found()] == [False] * 4
    kept = make_source(make_channel("留", closes_on_recovery=False))
    last = flap(kept, 3)
    incident = found()[-1]
    end_if_quiet(incident, last + 10 * MINUTE)
    assert (incident.is_open, incident.is_flapping, entries(incident)[-1]) == (True, False, "recover")


def test_one_incident_takes_in_so_many_alerts_and_no_more(source, monkeypatch):
    monkeypatch.setattr(flapping, "MOST_ALERTS", 3)
    flap(source, 6)
    assert [(one.alert_count, one.is_flapping) for one in found()] == [(1, False), (3, True), (2, True)]


@pytest.mark.parametrize("mode", [Flapping.MARK, Flapping.MUTE])
def test_in_mode_mute_reminders_rest_for_two_hours_and_the_record_says_so(office, mode):
    source = watched(office.lin, flapping=mode)
    flap(source, 2, every=timedelta(seconds=1), at=utcnow())
    push(source, FIRES)
    incident = found()[-1]
    office.pass_time(seconds=3)
    assert len([one for one in office.platform.messages if f"#{incident.num} " in one.shown.subtitle]) == 1
    for _ in range(6):
        office.pass_time(minutes=19, seconds=59)
    repeats = db.session.scalars(select(Notification).where(Notification.cause == "repeat")).all()
    outcomes = [(one.times, one.deliveries[0].state, one.deliveries[0].failure_code) for one in repeats]
    sentence = say(timeline.describe(next(one for one in timeline.entries(incident) if one.type == "flapping_mute")))
    if mode is Flapping.MARK:
        assert [state for _, state, _ in outcomes] == [DeliveryState.SENT] * 3
        assert "120" not in sentence
        return
    assert outcomes == [(2, DeliveryState.SKIPPED, "flapping_muted")]
    assert failures.label(repeats[0].deliveries[0]) == Text("抖动静默")
    assert "120 分钟内不再循环通知" in sentence
    assert not incident.is_flapping, "it has fired steadily for long; reminders rest all the same"
    office.pass_time(minutes=1)
    times = select(Notification.times).join(Delivery).where(Delivery.state == DeliveryState.SENT)
    assert db.session.scalars(times.where(Notification.cause == "repeat")).all() == [2]


def test_ten_minutes_of_a_flap_a_second_are_two_cards_and_nothing_is_lost(office):
    """R34. Pushes are taken as a worker under load takes them, several at once; some of them alone."""
    channel = make_channel()
    make_policy(channel, office.lin)
    source, waiting = make_source(channel), list[Arrival]()
    for second in range(600):
        office.clock.shift(timedelta(seconds=1))
        waiting.append(Arrival([event((FIRES, RECOVERS)[second % 2])], utcnow()))
        if second < 8 or len(waiting) == 74:
            alerts.ingest_all(source, waiting, now=utcnow())
            waiting.clear()
            office.work()
    first, second_one = [incident for incident in found() if incident.channel_id == channel.id]
    assert (first.is_open, second_one.is_flapping, second_one.alert_count) == (False, True, 299)
    assert db.session.scalar(select(func.count()).select_from(AlertEvent)) == 600
    assert db.session.scalar(select(func.count()).where(Alert.state == AlertState.RECOVERED)) == 300
    assert len(office.platform.messages) == 2
    assert db.session.scalar(select(func.count()).where(TimelineEntry.incident_id == second_one.id)) < 10
    card = office.platform.messages[-1]
    assert card.updates[-1].subtitle.startswith(f"#{second_one.num} · 待处理 · 抖动中 · ")
    assert len(card.updates) == 1, "the card does not follow each flap"
    office.pass_time(minutes=10)
    assert (second_one.progress, second_one.closed_via) == (Progress.CLOSED, "event")
    assert len(office.platform.messages) == 2
