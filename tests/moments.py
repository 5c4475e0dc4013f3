"""When a worker has something to do next, for tests that move the clock instead of waiting."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import InstrumentedAttribute

from extensions import db
from models import Integration, Job, JobState
from services.clock import utcnow

SWEEP = timedelta(seconds=1)
_PENDING = Job.state == JobState.PENDING
_FREE_AT = case((Job.lease_until > Job.due_at, Job.lease_until), else_=Job.due_at)


def next_moment() -> datetime | None:
    """The next time, after now, at which a row can be claimed; None if nothing waits.

    Rows that are overdue though the worker has just worked wait for their application: until its pause or its
    outage's next trial is over, else a worker looks again in a second.
    """
    now = utcnow()
    moments = [_first(_FREE_AT, now), _first(Integration.paused_until, now), _first(Integration.probe_at, now)]
    waiting = select(func.count()).select_from(Job).where(_PENDING)
    overdue = db.session.scalar(waiting.where(now >= _FREE_AT))
    found = moments if overdue else moments[:1]
    db.session.rollback()
    return min((moment for moment in found if moment), default=now + SWEEP if overdue else None)


def _first(when: ColumnElement[datetime] | InstrumentedAttribute[datetime | None], now: datetime) -> datetime | None:
    wanted = select(func.min(when)).where(when > now)
    return db.session.scalar(wanted.where(_PENDING) if when is _FREE_AT else wanted)
