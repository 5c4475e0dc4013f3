"""Deleting what an organisation held, a few rows at a time and the dependent ones first; nothing of others is touched.

Tables that have an index by organisation are asked by it. The large ones have none, so they are gone through by id,
WINDOW ids at a time. A row's place is kept in the payload: the work goes on there after a stop of the worker.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Table, delete, func, select, tuple_, update

from extensions import db, read_only
from jobs.outbox import Claim, Done, Later, Outcome
from jobs.retention import AGAIN_AFTER, BATCH, RUN_SECONDS, delete_all
from models import Department, Job
from services import outbox, tenant_deletion
from services.clock import utcnow

WINDOW = 50_000
PEOPLE = 20
AGAIN_AFTER_FAULT = timedelta(days=1)


@dataclass(frozen=True)
class Part:
    """The rows of a table that belong to one organisation."""

    table: Table
    tenant_id: int

    @property
    def key(self) -> list[Any]:
        return list(self.table.primary_key.columns)

    @property
    def is_indexed(self) -> bool:
        whole = [index for index in self.table.indexes if index.dialect_options["sqlite"]["where"] is None]
        return len(self.key) > 1 or any(next(iter(index.columns)) is self.table.c.tenant_id for index in whole)

    def find(self, after: int) -> tuple[list[Any], int | None]:
        """Keys of some rows, and where to look for the next ones; None: nowhere."""
        mine = select(*self.key).where(self.table.c.tenant_id == self.tenant_id).limit(BATCH)
        if self.is_indexed:
            found = [tuple(row) for row in db.session.execute(mine)]
            return found, after if len(found) == BATCH else None
        (key,) = self.key
        last = db.session.scalar(select(func.max(key))) or 0
        within = mine.where(key > after, key <= after + WINDOW).order_by(key)
        found = [tuple(row) for row in db.session.execute(within)]
        reached = found[-1][0] if len(found) == BATCH else after + WINDOW
        return found, reached if reached < last else None

    def delete(self, keys: Sequence[Any]) -> None:
        gone = delete(self.table).where(self.table.c.tenant_id == self.tenant_id, tuple_(*self.key).in_(keys))
        db.session.execute(gone)


def parts(tenant_id: int) -> list[Part]:
    """Everything that belongs to an organisation: work that waits first, then what others depend on last."""
    own = [table for table in reversed(db.metadata.sorted_tables) if "tenant_id" in table.columns]
    return [Part(table, tenant_id) for table in sorted(own, key=lambda table: table.name != Job.__tablename__)]


def run(mine: Claim) -> Outcome:
    """Handle a "delete_organisation" row. payload: {"part": number, "after": id, "rows": deleted so far, "pass": …}.

    It is done when it has gone through everything once without finding anything: what the worker was about to write
    while it began is found by the next pass.
    """
    tenant_id, ends = mine.subject_id, time.monotonic() + RUN_SECONDS
    if tenant_deletion.due(tenant_id, now=utcnow()) is None:
        return Done()
    db.session.commit()
    if not _forget_people(tenant_id, ends):
        return Later(utcnow() + AGAIN_AFTER, payload=mine.payload)
    db.session.execute(update(Department).where(Department.tenant_id == tenant_id).values(parent_id=None))
    db.session.commit()
    place = {"part": 0, "after": 0, "rows": 0, "found": 0} | mine.payload
    while not _one_pass(parts(tenant_id), place, ends):
        if time.monotonic() > ends:
            return Later(utcnow() + AGAIN_AFTER, payload=place)
    tenant = tenant_deletion.due(tenant_id, now=utcnow())
    if tenant is not None:
        tenant_deletion.finish(tenant, place["rows"], now=utcnow())
    return Done()


def gave_up(mine: Claim, error: str) -> None:
    """Go on tomorrow: what has begun cannot be taken back, and nobody else can have it finished."""
    now = utcnow()
    kept = {name: value for name, value in mine.payload.items() if name != "crashes"}
    about = {"tenant_id": mine.tenant_id, "subject_id": mine.subject_id, "due_at": now + AGAIN_AFTER_FAULT, "now": now}
    outbox.enqueue(tenant_deletion.DELETE, payload=kept, **about)  # type: ignore[arg-type]


def _forget_people(tenant_id: int, ends: float) -> bool:
    """Whether everybody is done who belonged to nothing else."""
    while people := tenant_deletion.people_of_it_alone(tenant_id, limit=PEOPLE):
        for user_id in people:
            tenant_deletion.forget_person(user_id)
        db.session.commit()
        if time.monotonic() > ends:
            return False
    db.session.commit()
    return True


def _one_pass(every: list[Part], place: dict[str, int], ends: float) -> bool:
    """Go on until the time is over or the last table is reached; True if the pass found nothing."""
    while place["part"] < len(every):
        part = every[place["part"]]
        with read_only():
            found, after = part.find(place["after"])
        delete_all(part, found)
        place["rows"] += len(found)
        place["found"] += len(found)
        place["after"] = after or 0
        if after is None:
            place["part"] += 1
        if time.monotonic() > ends:
            return False
    was_empty = place["found"] == 0
    place.update(part=0, after=0, found=0)
    return was_empty
