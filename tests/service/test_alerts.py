"""From events to alerts and incidents."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import event as event_api
from sqlalchemy import func, select

from blueprints.intake.sender import Sender
from blueprints.intake.storing import store
from extensions import db
from models import Alert, AlertEvent, AlertSource, AlertState, Incident, Progress, Severity, TimelineEntry
from services import alerts, incidents
from services.alerts import ResultKind
from sources import IncomingEvent, Push
from tests.factories import NOW, make_channel, make_member, make_policy, make_source
from tests.noted import noted

MINUTE = timedelta(minutes=1)


@pytest.fixture
def channel(app):
    return make_channel()


@pytest.fixture
def source(channel):
    return make_source(channel)


def event(status=Severity.CRITICAL, key="k1", **fields):
    values = {"title": "CPU", "description": "", "labels": {"host": "db-03"}, "images": [], "event_at": None, "raw": {}}
    return IncomingEvent(status=status, alert_key=key, **(values | fields))


def push(source, *events, now=NOW, **options):
    results = alerts.ingest(source, events, now=now, **options)
    db.session.commit()
    db.session.expire_all()
    return [result.kind.value for result in results]


def only(model):
    return db.session.scalars(select(model)).one()


def count(model):
    return db.session.scalar(select(func.count()).select_from(model))


def test_a_trigger_makes_one_alert_and_one_incident(source):
    assert push(source, event(raw={"a": 1})) == ["alert_created"]
    alert, incident = only(Alert), only(Incident)
    assert (alert.state, alert.severity, alert.event_count) == (AlertState.FIRING, Severity.CRITICAL, 1)
    assert alert.incident_id == incident.id
    assert (incident.title, incident.progress, incident.alert_count) == ("CPU", Progress.TRIGGERED, 1)
    stored = only(AlertEvent)
    assert (stored.raw, stored.event_at, stored.received_at) == ({"a": 1}, NOW, NOW)


def test_an_exact_duplicate_makes_no_event_but_is_counted(source):
    push(source, event())
    changed_at = only(Incident).changed_at
    version = only(Incident).version
    assert push(source, event(labels={"host": "db-04"}), now=NOW + MINUTE) == ["duplicate"]
    alert, incident = only(Alert), only(Incident)
    assert count(AlertEvent) == 1
    assert (alert.labels, alert.last_event_at, alert.event_count) == ({"host": "db-04"}, NOW + MINUTE, 2)
    assert (incident.last_event_at, incident.event_count) == (NOW + MINUTE, 2)
    assert (incident.changed_at, incident.version) == (changed_at, version), "people do not lose to repeats"


def test_a_change_is_an_event_and_severity_only_rises(source):
    push(source, event(Severity.WARNING))
    assert push(source, event(Severity.CRITICAL), now=NOW + MINUTE) == ["alert_updated"]
    assert push(source, event(Severity.INFO, description="better"), now=NOW + 2 * MINUTE) == ["alert_updated"]
    alert, incident = only(Alert), only(Incident)
    assert (alert.severity, alert.status, alert.description) == (Severity.CRITICAL, Severity.INFO, "better")
    assert (incident.severity, incident.status, incident.event_count) == (Severity.CRITICAL, Severity.INFO, 3)
    assert count(AlertEvent) == 3


def test_a_recovery_ends_the_alert_and_closes_the_incident(source):
    push(source, event(labels={"a": "trigger", "b": "1"}))
    recovery = event(Severity.OK, title="CPU ok", labels={"a": "recovery", "c": "2"})
    assert push(source, recovery, now=NOW + MINUTE) == ["alert_recovered"]
    alert, incident = only(Alert), only(Incident)
    assert (alert.state, alert.status, alert.ended_at) == (AlertState.RECOVERED, Severity.OK, NOW + MINUTE)
    assert alert.labels == {"a": "trigger", "b": "1", "c": "2"}
    assert (incident.progress, incident.status, incident.closed_via) == (Progress.CLOSED, Severity.OK, "event")
    assert (incident.event_count, incident.active_alert_count) == (2, 0)


def test_without_auto_close_the_incident_stays_open_after_recovery(app):
    push(source := make_source(make_channel(closes_on_recovery=False)), event())
    push(source, event(Severity.OK))
    incident = only(Incident)
    assert (incident.progress, incident.status) == (Progress.TRIGGERED, Severity.OK)


def test_recovered_is_terminal(source):
    push(source, event())
    push(source, event(Severity.OK))
    assert push(source, event()) == ["alert_created"]
    assert [alert.state for alert in db.session.scalars(select(Alert).order_by(Alert.id))] == [
        AlertState.RECOVERED,
        AlertState.FIRING,
    ]
    assert count(Incident) == 2


def test_closing_by_hand_is_terminal_for_its_alerts(source):
    push(source, event())
    incidents.close(only(Incident), by=make_member("lin"), via="console", now=NOW)
    db.session.commit()
    assert push(source, event(Severity.OK)) == ["recovery_without_alert"]
    assert push(source, event()) == ["alert_created"]
    assert count(Incident) == 2


def test_a_recovery_of_nothing_makes_nothing(source):
    assert push(source, event(Severity.OK)) == ["recovery_without_alert"]
    assert (count(Alert), count(AlertEvent), count(Incident)) == (0, 0, 0)


def test_a_disabled_channel_drops_with_a_reason(app):
    source = make_source(make_channel(is_enabled=False))
    [result] = alerts.ingest(source, [event()], now=NOW)
    assert (result.kind, result.reason) == (ResultKind.DROPPED, "channel_disabled")
    assert count(Alert) == 0


def test_one_push_may_say_several_things_about_one_alert(source):
    events = [
        event(),
        event(),
        event(Severity.WARNING),
        event(Severity.OK),
        event(Severity.OK),
        event(),
        event(key="k2"),
    ]
    assert push(source, *events) == [
        "alert_created",
        "duplicate",
        "alert_updated",
        "alert_recovered",
        "recovery_without_alert",
        "alert_created",
        "alert_created",
    ]
    assert count(Incident) == 3


def test_the_same_key_of_another_source_is_another_alert(source, channel):
    push(source, event())
    assert push(make_source(channel), event()) == ["alert_created"]
    assert count(Incident) == 2


def test_a_trigger_in_the_future_counts_from_now(source):
    push(source, event(event_at=NOW + timedelta(days=1)))
    assert only(Alert).started_at == NOW


def test_a_recovery_older_than_its_alert_closes_nothing(source):
    push(source, event(event_at=NOW - MINUTE))
    [result] = alerts.ingest(source, [event(Severity.OK, event_at=NOW - 2 * MINUTE)], now=NOW)
    assert (result.kind, result.reason) == (ResultKind.WITHOUT_ALERT, "older_than_alert")
    assert push(source, event(Severity.OK, event_at=NOW - MINUTE)) == ["alert_recovered"]


def test_the_same_holds_within_one_push(source):
    events = [event(event_at=NOW - MINUTE), event(Severity.OK, event_at=NOW - 2 * MINUTE)]
    assert push(source, *events) == ["alert_created", "recovery_without_alert"]


def test_times_of_two_clocks_are_not_compared(source):
    push(source, event())
    assert push(source, event(Severity.OK, event_at=NOW - 5 * MINUTE)) == ["alert_recovered"]


def test_left_out_alerts_are_noted_on_what_changed(source):
    push(source, event(), event(key="k2"), truncated=7)
    push(source, event(), event(Severity.WARNING, key="k2"), truncated=7)
    notes = db.session.scalars(select(TimelineEntry).where(TimelineEntry.type == "truncated")).all()
    assert [note.detail for note in notes] == [{"count": 7}] * 3


def test_a_deleted_incident_is_made_again(source):
    push(source, event())
    incident = only(Incident)
    db.session.delete(incident)
    db.session.commit()
    assert push(source, event()) == ["duplicate"]
    assert push(source, event(Severity.WARNING)) == ["alert_updated"]
    assert only(Alert).incident_id == only(Incident).id


def test_a_repeated_push_costs_few_statements(source):
    events = [event(key=f"k{number}") for number in range(20)]
    push(source, *events)
    source.channel  # noqa: B018 - as the intake loads it
    with statements() as seen:
        alerts.ingest(source, events, now=NOW + MINUTE)
        db.session.commit()
    assert len(seen) <= 6, seen


@contextmanager
def statements():
    """The SQL that runs meanwhile; on SQLite, where they cost little, without what goes past SQLAlchemy."""
    seen = []
    if db.engine.dialect.name == "postgresql":
        with noted() as by_driver:
            yield seen
        seen += [one.text for one in by_driver if one.is_ours]
        return

    def note(_connection, _cursor, statement, *_rest):
        seen.append(statement)

    event_api.listen(db.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event_api.remove(db.engine, "before_cursor_execute", note)


def at_once(app, count, act):
    """Run `act(number)` in so many threads, started together, each in a context of its own."""
    barrier = threading.Barrier(count)

    def run(number):
        with app.app_context():
            barrier.wait()
            try:
                return act(number)
            finally:
                db.session.remove()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_the_same_push_delivered_at_once_makes_one_incident(app, source, channel):
    make_policy(channel, make_member("lin"))
    sender = Sender(source.id, source.tenant_id, source.type, {})
    db.session.commit()

    def deliver(_number):
        return store(sender, Push([event()]), now=NOW)[0].kind

    kinds = at_once(app, 8, deliver)
    assert Counter(kinds) == {ResultKind.CREATED: 1, ResultKind.DUPLICATE: 7}
    assert (count(Alert), count(AlertEvent), count(Incident)) == (1, 1, 1)
    db.session.expire_all()
    assert (only(Alert).event_count, only(Incident).event_count) == (8, 8)
    assert only(AlertSource).event_count == 8


def test_pushes_that_cross_each_other_all_arrive(app, source, channel):
    sender = Sender(source.id, source.tenant_id, source.type, {})
    db.session.commit()

    def deliver(number):
        keys = [f"k{key}" for key in range(6)]
        statuses = (Severity.CRITICAL, Severity.WARNING)
        for turn in range(3):
            order = keys if number % 2 else keys[::-1]
            store(sender, Push([event(statuses[(number + turn) % 2], key) for key in order]), now=NOW + turn * MINUTE)

    at_once(app, 4, deliver)
    db.session.expire_all()
    assert (count(Alert), count(Incident)) == (6, 6)
    assert sum(alert.event_count for alert in db.session.scalars(select(Alert))) == 4 * 3 * 6
    assert only(AlertSource).event_count == 4 * 3 * 6
