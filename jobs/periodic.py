"""What is done again and again: a row per slot under a unique key, made by whichever worker comes first."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select

from extensions import Base, db
from jobs.outbox import Claim, Done, Later, Outcome
from models import (
    AlertEvent,
    AuditEntry,
    Delivery,
    DeliveryState,
    Heartbeat,
    IntegrationKey,
    Job,
    JobState,
    Notification,
    Receipt,
    SignInAttempt,
    Tenant,
)
from services import outbox
from services.clock import utcnow

EVERY = {"purge": timedelta(hours=1)}
BATCH = 2000
AGAIN_AFTER = timedelta(seconds=1)
KEPT = {
    "receipts": timedelta(hours=24),
    "finished jobs": timedelta(days=7),
    "raw events": timedelta(days=30),
    "deliveries": timedelta(days=90),
    "sign-in attempts": timedelta(days=1),
    "audit entries": timedelta(days=180),
    "heartbeats": timedelta(days=1),
}


def stage_due(now: datetime, made: set[str]) -> None:
    """Stage the rows of the present slots. made: keys that this process has seen, so that it asks only once."""
    keys = {slot_key(name, every, now): name for name, every in EVERY.items()}
    tenant_id = db.session.scalar(select(Tenant.id).order_by(Tenant.id).limit(1))
    if tenant_id is None:
        return
    for key, name in keys.items():
        if key not in made:
            outbox.enqueue(name, tenant_id=tenant_id, subject_id=0, due_at=now, now=now, unique_key=key)
    made.clear()
    made.update(keys)


def is_staged(now: datetime, made: set[str]) -> bool:
    """Whether nothing is left to stage in the present slots."""
    return all(slot_key(name, every, now) in made for name, every in EVERY.items())


def slot_key(name: str, every: timedelta, now: datetime) -> str:
    """ "purge:481234": the name and the number of the slot since 1970."""
    return f"{name}:{int(now.timestamp() // every.total_seconds())}"


def purge(_mine: Claim) -> Outcome:
    """Delete what is kept long enough, in batches, so that nobody waits for a long transaction."""
    now = utcnow()
    deleted = [_delete(table, rule) for table, rule in _rules(now)]
    db.session.execute(_forget_raw(now))
    return Later(now + AGAIN_AFTER) if max(deleted) >= BATCH else Done()


def _rules(now: datetime) -> list[tuple[type[Base], ColumnElement[bool]]]:
    old = {name: now - age for name, age in KEPT.items()}
    final = [state for state in DeliveryState if state.is_final]
    used = select(Delivery.notification_id).where(Delivery.notification_id == Notification.id).exists()
    return [
        (Receipt, Receipt.at < old["receipts"]),
        (Job, (Job.state == JobState.DONE) & (Job.finished_at < old["finished jobs"])),
        (Job, (Job.state == JobState.CANCELLED) & (Job.created_at < old["finished jobs"])),
        (Job, (Job.state == JobState.DEAD) & (Job.finished_at < old["deliveries"])),
        (Delivery, (Delivery.created_at < old["deliveries"]) & Delivery.state.in_(final)),
        (Notification, (Notification.created_at < old["deliveries"]) & ~used),
        (SignInAttempt, SignInAttempt.at < old["sign-in attempts"]),
        (AuditEntry, AuditEntry.at < old["audit entries"]),
        (Heartbeat, Heartbeat.at < old["heartbeats"]),
        (IntegrationKey, IntegrationKey.expires_at < now - KEPT["sign-in attempts"]),
    ]


def _delete(table: type[Base], rule: ColumnElement[bool]) -> int:
    """Delete up to BATCH rows by their key; what hangs on them goes by foreign keys."""
    (key,) = table.__table__.primary_key.columns  # type: ignore[attr-defined]
    batch = select(key).where(rule).limit(BATCH)
    rows = db.session.execute(
        delete(table).where(key.in_(batch)).returning(key).execution_options(synchronize_session=False)
    )
    return len(rows.all())


def _forget_raw(now: datetime):  # type: ignore[no-untyped-def]
    """Raw pushes go with their events; the alerts that they made stay."""
    old = select(AlertEvent.id).where(AlertEvent.received_at < now - KEPT["raw events"]).limit(BATCH)
    return delete(AlertEvent).where(AlertEvent.id.in_(old)).execution_options(synchronize_session=False)
