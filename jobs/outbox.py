"""Rows of the outbox, from the worker's side: claim under a lease, record the outcome behind a fence.

A claim raises `attempts`; an outcome is only recorded while the row still shows the same number. So a worker that
was slower than its lease cannot overwrite what another one did since.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, exists, select, update

from extensions import db
from models import EPOCH, Job, JobState

ERROR_LENGTH = 500


@dataclass(frozen=True)
class Claim:
    """A row that is ours until its lease ends. attempts: the fence."""

    id: int
    kind: str
    tenant_id: int
    subject_id: int
    payload: dict[str, Any]
    attempts: int
    due_at: datetime


@dataclass(frozen=True)
class Done:
    """Nothing is left to do."""


@dataclass(frozen=True)
class Later:
    """To be claimed again at `due_at`, with `payload` in place of the old one if given."""

    due_at: datetime
    error: str = ""
    payload: dict[str, Any] | None = None


@dataclass(frozen=True)
class Dead:
    """Given up; stays in the table, counted and visible."""

    error: str


Outcome = Done | Later | Dead


def is_due(now: datetime) -> bool:
    """Whether anything could be claimed. A plain read, for loops that mostly find nothing."""
    return bool(db.session.scalar(select(exists(_due(now)))))


def claim(now: datetime, lease: timedelta, running_here: Collection[int] = ()) -> Claim | None:
    """Stage taking the row that is due for longest; commit before acting on it.

    running_here  rows that this process is working on: a clock that jumps forward ends their leases too early
    """
    picked = _due(now).where(Job.id.not_in(running_here)).order_by(Job.due_at, Job.id).limit(1)
    found = picked.with_for_update(skip_locked=True).cte("picked")
    row = db.session.execute(
        update(Job)
        .where(Job.id.in_(select(found.c.id)))
        .values(lease_until=now + lease, attempts=Job.attempts + 1)
        .returning(Job.id, Job.kind, Job.tenant_id, Job.subject_id, Job.payload, Job.attempts, Job.due_at)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    return Claim(*row) if row else None


def _due(now: datetime) -> Select[int]:
    return select(Job.id).where(Job.state == JobState.PENDING, Job.due_at <= now, Job.lease_until <= now)


def finish(mine: Claim, outcome: Outcome, now: datetime) -> bool:
    """Stage the outcome; False if the row is no longer ours and nothing may be recorded.

    A row cancelled while it ran keeps what it did but is not tried again.
    """
    values: dict[str, Any] = {"lease_until": EPOCH}
    match outcome:
        case Done():
            values |= {"state": JobState.DONE, "finished_at": now}
        case Dead():
            values |= {"state": JobState.DEAD, "finished_at": now, "error": outcome.error[:ERROR_LENGTH]}
        case Later():
            values |= {"due_at": outcome.due_at, "error": outcome.error[:ERROR_LENGTH] or None}
            if outcome.payload is not None:
                values["payload"] = outcome.payload
    recorded = db.session.execute(
        update(Job)
        .where(Job.id == mine.id, Job.attempts == mine.attempts)
        .values(**values)
        .returning(Job.id)
        .execution_options(synchronize_session=False)
    )
    return recorded.one_or_none() is not None


def note(mine: Claim, payload: dict[str, Any]) -> bool:
    """Stage a new payload while the row is ours: what a later claim must know if this one never ends."""
    recorded = db.session.execute(
        update(Job)
        .where(Job.id == mine.id, Job.attempts == mine.attempts)
        .values(payload=payload)
        .returning(Job.id)
        .execution_options(synchronize_session=False)
    )
    return recorded.one_or_none() is not None


def give_back(claims: Collection[Claim]) -> None:
    """Stage ending the leases of rows that we will not finish, so that nobody waits for them to run out."""
    for mine in claims:
        db.session.execute(
            update(Job)
            .where(Job.id == mine.id, Job.attempts == mine.attempts)
            .values(lease_until=EPOCH)
            .execution_options(synchronize_session=False)
        )
