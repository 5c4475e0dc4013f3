"""What is kept for how long: closed incidents with all that hangs on them, events, messages, and our own rows.

Nothing that is open goes, nor what an open incident is told by. Rows are found by reading and deleted a few at a
time; a transaction that deletes ends after HELD_SECONDS, and then others have their turn.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import ColumnElement, delete, exists, or_, select

from config import Settings
from extensions import db, read_only
from jobs.outbox import Claim, Done, Later, Outcome
from models import (
    Alert,
    AlertEvent,
    AlertState,
    AuditEntry,
    ContactSync,
    Delivery,
    DeliveryState,
    Heartbeat,
    Incident,
    IntegrationKey,
    Job,
    JobState,
    Notification,
    PlatformToken,
    Progress,
    Receipt,
    SignInAttempt,
    SyncPerson,
    Tenant,
)
from services import calls, generated_accounts
from services.clock import utcnow
from services.id_order import first_since
from services.incident_queries import IS_CLOSED
from services.instance import current_settings

BATCH, SLICE = 500, 5
"""So many rows are found at a time, so many deleted in one statement."""
HELD_SECONDS, REST_SECONDS = 0.04, 0.1
RUN_SECONDS = 10
AGAIN_AFTER = timedelta(seconds=1)
DAY = timedelta(days=1)
JOBS_KEPT = 7 * DAY
SYNC_REPORTS_KEPT = 90 * DAY

_Condition = ColumnElement[bool]


@dataclass(frozen=True)
class Rule:
    """Rows of a table that may go once they are old enough.

    by     says how old a row is; ids follow it. kept: how long rows stay
    where  what else a row must be
    """

    table: Any
    by: Any
    kept: timedelta
    where: tuple[_Condition, ...] = ()

    def find(self, now: datetime) -> list[int]:
        row_id, until = self.table.id, now - self.kept
        end = first_since(row_id, self.by, until + timedelta(minutes=1))
        old = select(row_id).where(row_id < end, self.by < until, *self.where).order_by(row_id).limit(BATCH)
        return list(db.session.scalars(old))

    def delete(self, ids: Sequence[int]) -> None:
        """What hangs on the rows goes by foreign keys. Asks again: much may have happened since they were found."""
        _run(delete(self.table).where(self.table.id.in_(ids), *self.where))


@dataclass(frozen=True)
class ClosedIncidents:
    """Incidents that were closed long ago, with their alerts; not while one of these still fires."""

    kept: timedelta

    def find(self, now: datetime) -> list[int]:
        until = now - self.kept
        for tenant_id in db.session.scalars(select(Tenant.id).order_by(Tenant.id)).all():
            old = (Incident.tenant_id == tenant_id, Incident.changed_at < until, Incident.closed_at < until)
            found = select(Incident.id).where(*old, *_CLOSED).order_by(Incident.changed_at).limit(BATCH)
            if ids := list(db.session.scalars(found)):
                return ids
        return []

    def delete(self, ids: Sequence[int]) -> None:
        held = select(Incident.id).where(Incident.id.in_(ids), *_CLOSED).order_by(Incident.id).with_for_update()
        still = list(db.session.scalars(held))
        _run(delete(Alert).where(Alert.incident_id.in_(still)))
        _run(delete(Incident).where(Incident.id.in_(still)))


@dataclass(frozen=True)
class SyncReports:
    """The people of contact synchronisations that ended long ago; the numbers of these stay."""

    kept: timedelta

    def find(self, now: datetime) -> list[int]:
        ended = select(ContactSync.id).where(ContactSync.finished_at < now - self.kept)
        found = select(SyncPerson.id).where(SyncPerson.sync_id.in_(ended)).order_by(SyncPerson.id).limit(BATCH)
        return list(db.session.scalars(found))

    def delete(self, ids: Sequence[int]) -> None:
        _run(delete(SyncPerson).where(SyncPerson.id.in_(ids)))


@dataclass(frozen=True)
class Uploads:
    """What was kept of uploaded pictures. The table is small, and its ids follow no time: rows are renewed."""

    kept: timedelta

    def find(self, now: datetime) -> list[int]:
        old = (PlatformToken.kind.startswith("picture:"), PlatformToken.expires_at < now - self.kept)
        return list(db.session.scalars(select(PlatformToken.id).where(*old).order_by(PlatformToken.id).limit(BATCH)))

    def delete(self, ids: Sequence[int]) -> None:
        _run(delete(PlatformToken).where(PlatformToken.id.in_(ids)))


_CLOSED = (
    IS_CLOSED,
    ~exists().where(Alert.incident_id == Incident.id, Alert.state == AlertState.FIRING),
)
Found = Rule | ClosedIncidents | SyncReports | Uploads
_FINAL = [state for state in DeliveryState if state.is_final]


def _of_no_open_incident(incident_id: Any) -> _Condition:
    return ~exists().where(Incident.id == incident_id, Incident.progress != Progress.CLOSED)


def rules(settings: Settings) -> list[Found]:
    """What may go, by the operator's settings; 0 days: for ever. The large things last: they take many runs."""
    finished = Job.state.in_([JobState.DONE, JobState.CANCELLED])
    found: list[Found] = [
        Rule(Receipt, Receipt.at, DAY),
        Rule(SignInAttempt, SignInAttempt.at, DAY),
        Rule(Job, Job.created_at, JOBS_KEPT, (finished,)),
        Uploads(DAY),
        SyncReports(SYNC_REPORTS_KEPT),
    ]
    if days := settings.retention_audit_days:
        found.append(Rule(AuditEntry, AuditEntry.at, days * DAY))
    if days := settings.retention_event_days:
        still_fires = exists().where(Alert.id == AlertEvent.alert_id, Alert.state == AlertState.FIRING)
        found.append(Rule(AlertEvent, AlertEvent.received_at, days * DAY, (~still_fires,)))
    if days := settings.retention_delivery_days:
        told = Delivery.state.in_(_FINAL), _of_no_open_incident(Delivery.incident_id)
        is_used = exists().where(Delivery.notification_id == Notification.id)
        found += [
            Rule(Job, Job.created_at, days * DAY, (or_(finished, Job.state == JobState.DEAD),)),
            Rule(Delivery, Delivery.created_at, days * DAY, told),
            Rule(
                Notification,
                Notification.created_at,
                days * DAY,
                (~is_used, _of_no_open_incident(Notification.incident_id)),
            ),
        ]
    if days := settings.retention_days:
        found.append(ClosedIncidents(days * DAY))
    return found


def purge(_mine: Claim) -> Outcome:
    """Delete what was kept long enough; what does not get its turn in this run goes in the next."""
    now, ends = utcnow(), time.monotonic() + RUN_SECONDS
    _purge_small(now)
    for rule in rules(current_settings()):
        while ids := _found(rule, now):
            delete_all(rule, ids)
            if time.monotonic() > ends:
                return Later(utcnow() + AGAIN_AFTER)
    return Done()


def _purge_small(now: datetime) -> None:
    """Tables that hold a few rows."""
    _run(delete(Heartbeat).where(Heartbeat.at < now - DAY))
    _run(delete(IntegrationKey).where(IntegrationKey.expires_at < now - DAY))
    calls.forget_past(now=now)
    generated_accounts.forget_passwords(now=now)
    db.session.commit()


def _found(rule: Found, now: datetime) -> list[int]:
    with read_only():
        return rule.find(now)


class Deletable(Protocol):
    def delete(self, ids: Sequence[Any], /) -> None: ...


def delete_all(rule: Deletable, ids: Sequence[Any]) -> None:
    """Delete these rows in short transactions, with a rest after each: SQLite has one writer at a time."""
    while ids:
        held_until = time.monotonic() + HELD_SECONDS
        while ids and time.monotonic() < held_until:
            rule.delete(ids[:SLICE])
            ids = ids[SLICE:]
        db.session.commit()
        time.sleep(REST_SECONDS)


def _run(statement: Any) -> None:
    db.session.execute(statement.execution_options(synchronize_session=False))
