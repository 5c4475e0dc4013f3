"""What is kept for how long, and what never goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask, current_app
from sqlalchemy import func, select

from extensions import db
from jobs import retention
from jobs.outbox import Claim, Done, Later, Outcome
from models import (
    Alert,
    AlertEvent,
    AlertState,
    AuditEntry,
    Delivery,
    DeliveryState,
    Incident,
    Job,
    JobState,
    Notification,
    PlatformToken,
    Progress,
    Receipt,
    Responder,
    Severity,
    SignInAttempt,
    Tenant,
    TimelineEntry,
)
from services import incidents
from tests.factories import (
    NOW,
    make_alert,
    make_channel,
    make_incident,
    make_integration,
    make_member,
    make_source,
    make_tenant,
)

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def at_once(app: Flask, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(retention, "REST_SECONDS", 0)
    with time_machine.travel(NOW, tick=False):
        yield


def purge() -> Outcome:
    outcome = retention.purge(Claim(1, "purge", 0, 0, {}, 1, NOW, 0))
    db.session.commit()
    db.session.expire_all()
    return outcome


def set_days(**days: int) -> None:
    current_app.config["SETTINGS"] = replace(current_app.config["SETTINGS"], **days)


def count(table: Any) -> int:
    return db.session.scalar(select(func.count()).select_from(table)) or 0


def closed(at: datetime, **values: Any) -> Incident:
    return make_incident(
        progress=Progress.CLOSED, started_at=at, last_event_at=at, changed_at=at, closed_at=at, **values
    )


def event_of(alert: Alert, at: datetime) -> None:
    values = {"event_status": Severity.CRITICAL, "title": alert.title, "event_at": at, "received_at": at}
    db.session.add(AlertEvent(tenant_id=alert.tenant_id, alert_id=alert.id, **values))


def sent(incident: Incident | None, at: datetime, state: DeliveryState = DeliveryState.SENT) -> None:
    told = None
    if incident is not None:
        told = Notification(tenant_id=0, incident_id=incident.id, cause="assign", created_at=at)
        db.session.add(told)
        db.session.flush()
    db.session.add(
        Delivery(
            tenant_id=0,
            notification_id=told.id if told else None,
            incident_id=incident.id if incident else None,
            channel_kind="wecom_app",
            state=state,
            reference=f"reference-{count(Delivery)}",
            created_at=at,
        )
    )
    db.session.commit()


def test_closed_incidents_go_after_a_year_with_all_that_hangs_on_them():
    lin = make_member()
    source = make_source(make_channel())
    old = closed(NOW - 367 * DAY, responders=(lin,))
    alert = make_alert(source, incident=old, state=AlertState.RECOVERED)
    event_of(alert, NOW)
    db.session.add(TimelineEntry(tenant_id=0, incident_id=old.id, type="new", via="event", at=NOW))
    sent(old, NOW)
    assert isinstance(purge(), Done)
    for table in (Incident, Alert, AlertEvent, TimelineEntry, Notification, Delivery, Responder):
        assert count(table) == 0, table


def test_what_is_open_or_younger_stays():
    make_member()
    source = make_source(make_channel())
    long_ago = NOW - 500 * DAY
    still_open = make_incident(started_at=long_ago, changed_at=long_ago)
    fires = closed(long_ago)
    make_alert(source, incident=fires)
    young = closed(NOW - 365 * DAY)
    reopened = closed(long_ago)
    incidents.reopen(reopened, by=make_member(), via="console", now=NOW, reason="again")
    db.session.commit()
    kept = {incident.id for incident in (still_open, fires, young, reopened)}
    purge()
    assert set(db.session.scalars(select(Incident.id))) == kept
    assert count(Alert) == 1


def test_another_organisation_loses_nothing_that_is_young():
    other = make_tenant("另一组织")
    closed(NOW - 400 * DAY)
    theirs = closed(NOW - 10 * DAY, tenant=other)
    closed(NOW - 400 * DAY, tenant=other)
    purge()
    assert list(db.session.scalars(select(Incident.id))) == [theirs.id]
    assert count(Tenant) == 2


def test_events_go_after_a_month_unless_their_alert_fires():
    source = make_source(make_channel())
    fires = make_alert(source, incident=make_incident())
    over = make_alert(source, incident=make_incident(), state=AlertState.RECOVERED)
    for alert in (fires, over):
        event_of(alert, NOW - 31 * DAY)
        event_of(alert, NOW - 29 * DAY)
    db.session.commit()
    purge()
    left = db.session.execute(select(AlertEvent.alert_id, func.count()).group_by(AlertEvent.alert_id)).all()
    assert {row[0]: row[1] for row in left} == {fires.id: 2, over.id: 1}


def test_messages_go_after_three_months_unless_their_incident_is_open_or_they_are_on_their_way():
    open_one, over = make_incident(), closed(NOW)
    long_ago = NOW - 91 * DAY
    sent(open_one, long_ago)
    sent(over, long_ago)
    sent(over, long_ago, DeliveryState.RETRYING)
    sent(over, NOW - 89 * DAY)
    sent(None, long_ago)
    purge()
    left = [(row.incident_id, row.state) for row in db.session.scalars(select(Delivery).order_by(Delivery.id))]
    sent_state, waiting = DeliveryState.SENT, DeliveryState.RETRYING
    assert left == [(open_one.id, sent_state), (over.id, waiting), (over.id, sent_state)]
    assert count(Notification) == 3


def test_our_own_rows_go():
    make_tenant(id=0)
    for number, (state, age) in enumerate(
        [(JobState.DONE, 8), (JobState.DONE, 6), (JobState.CANCELLED, 8), (JobState.DEAD, 8), (JobState.PENDING, 800)]
    ):
        at = NOW - age * DAY
        db.session.add(Job(tenant_id=0, kind="deliver", subject_id=number, state=state, due_at=at, created_at=at))
    for hours in (25, 23):
        at = NOW - timedelta(hours=hours)
        db.session.add(Receipt(tenant_id=0, scope="wecom:1", key=str(hours), at=at))
        db.session.add(SignInAttempt(account="lin", address="192.0.2.1", at=at))
    for days in (181, 179):
        db.session.add(AuditEntry(tenant_id=0, event="sign_in.failed", at=NOW - days * DAY))
    db.session.commit()
    purge()
    assert list(db.session.scalars(select(Job.subject_id).order_by(Job.id))) == [1, 3, 4]
    assert [count(table) for table in (Receipt, SignInAttempt, AuditEntry)] == [1, 1, 1]


def test_dead_work_goes_with_the_messages():
    make_tenant(id=0)
    at = NOW - 91 * DAY
    db.session.add(Job(tenant_id=0, kind="deliver", subject_id=1, state=JobState.DEAD, due_at=at, created_at=at))
    db.session.commit()
    purge()
    assert count(Job) == 0


def test_zero_days_are_for_ever():
    set_days(retention_days=0, retention_event_days=0, retention_delivery_days=0, retention_audit_days=0)
    old = closed(NOW - 4000 * DAY)
    sent(old, NOW - 4000 * DAY)
    purge()
    assert (count(Incident), count(Delivery)) == (1, 1)


def test_the_operator_says_how_long():
    set_days(retention_days=10)
    closed(NOW - 11 * DAY)
    young = closed(NOW - 9 * DAY)
    purge()
    assert list(db.session.scalars(select(Incident.id))) == [young.id]


def test_a_run_ends_and_goes_on_later(monkeypatch):
    monkeypatch.setattr(retention, "RUN_SECONDS", 0)
    monkeypatch.setattr(retention, "BATCH", 2)
    for _ in range(3):
        closed(NOW - 400 * DAY)
    outcomes = [type(purge()) for _ in range(3)]
    assert outcomes == [Later, Later, Done]
    assert count(Incident) == 0


def test_a_transaction_holds_the_database_for_a_moment_only(monkeypatch):
    """A clock that every deletion moves by 30 ms: no transaction holds more than two of them."""
    monkeypatch.setattr(retention, "SLICE", 1)
    clock, held, lengths = [0.0], [0], []
    monkeypatch.setattr(retention.time, "monotonic", lambda: clock[0])
    delete, commit = retention.ClosedIncidents.delete, db.session.commit

    def slow(rule: Any, ids: Any) -> None:
        delete(rule, ids)
        clock[0] += 0.03
        held[0] += 1

    def ending() -> None:
        lengths.append(held[0])
        held[0] = 0
        commit()

    for _ in range(5):
        closed(NOW - 400 * DAY)
    monkeypatch.setattr(retention.ClosedIncidents, "delete", slow)
    monkeypatch.setattr(db.session, "commit", ending)
    retention.purge(Claim(1, "purge", 0, 0, {}, 1, NOW, 0))
    assert [length for length in lengths if length] == [2, 2, 1]


def test_uploads_go_though_a_token_between_them_was_renewed(app: Flask):
    integration = make_integration(platform="feishu")
    about = {"tenant_id": integration.tenant_id, "integration_id": integration.id}
    for kind, days in (("picture:1", -3), ("picture:2", 0), ("access", 1), ("picture:3", -3)):
        db.session.add(PlatformToken(**about, kind=kind, expires_at=NOW + timedelta(days=days)))
        db.session.flush()
    db.session.commit()
    purge()
    assert db.session.scalars(select(PlatformToken.kind).order_by(PlatformToken.id)).all() == ["picture:2", "access"]
