"""What is done again and again: a row per slot under a unique key, made by whichever worker comes first."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from extensions import db
from models import Tenant
from services import outbox

EVERY = {
    "purge": timedelta(hours=1),
    "find_lost_events": timedelta(hours=1),
    "find_licences": timedelta(minutes=10),
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
