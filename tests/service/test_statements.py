"""Statements of the shortest paths keep and read the same values as everybody else's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import bindparam, select

from extensions import db
from models import Job, JobState
from services.statements import Statement, inserting
from tests.factories import default_tenant

NAMES = ("state", "due_at", "finished_at", "payload", "unique_key", "attempts")
PENDING = Statement(
    select(*(getattr(Job, name) for name in NAMES)).where(Job.kind == bindparam("kind"), Job.state == JobState.PENDING)
)
INSERTION = inserting(
    Job,
    "tenant_id",
    "kind",
    "subject_id",
    "payload",
    "state",
    "due_at",
    "created_at",
    "lease_until",
    "attempts",
    "queue",
)
MOMENTS = [
    datetime(2026, 3, 2, 1, 14, 5, tzinfo=UTC),
    datetime(2026, 3, 2, 1, 14, 5, 678901, UTC),
    datetime(2026, 3, 2, 9, 14, 5, tzinfo=timezone(timedelta(hours=8))),
]


def values(moment: datetime, **more: Any) -> dict[str, Any]:
    times = {"due_at": moment, "created_at": moment, "lease_until": moment}
    row = {"tenant_id": default_tenant().id, "kind": "work", "subject_id": 1, "payload": {"名": [1, None, 2**70]}}
    return row | times | {"state": JobState.PENDING, "attempts": 3, "queue": 0} | more


@pytest.mark.parametrize("moment", MOMENTS)
def test_they_read_what_the_session_has_written(app, moment: datetime) -> None:
    job = Job(**values(moment))
    db.session.add(job)
    db.session.flush()
    db.session.expire(job)
    [row] = PENDING.rows(db.session.connection(), {"kind": "work"})
    assert list(row) == [getattr(job, name) for name in NAMES]
    assert isinstance(row[0], JobState)
    assert row[1] == moment
    assert row[1].utcoffset() == timedelta(0)


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_session_reads_what_they_have_written(app, moment: datetime) -> None:
    row = values(moment)
    INSERTION.run(db.session.connection(), row)
    job = db.session.scalars(select(Job)).one()
    assert (job.state, job.due_at, job.finished_at) == (JobState.PENDING, moment, None)
    assert (job.payload, job.attempts) == ({"名": [1, None, 2**70]}, 3)
    assert db.session.scalars(select(Job).where(Job.due_at <= moment, Job.state == JobState.PENDING)).all() == [job]


def test_a_time_without_a_zone_is_refused(app) -> None:
    row = values(datetime(2026, 3, 2))
    with pytest.raises(Exception, match="aware UTC"):
        INSERTION.run(db.session.connection(), row)
