"""The second half of a synchronisation, in the worker: apply what an administrator confirmed, some people at a time.

Each batch is decided on what is there now and written in one short transaction together with its lines of the
report. A run that is cut off leaves whole batches; the next one goes on with those who have no line yet.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import exists, func, select, update
from sqlalchemy.exc import IntegrityError

from extensions import db, read_only, reading, writing
from models import AccountLink, ContactSync, ContactSyncState, Integration, SyncPerson, Tenant
from platforms import PLATFORMS
from services import audit, contact_decisions, contact_departments, contact_syncs, contact_writing
from services.clock import utcnow
from services.contact_facts import Row, Scope, facts_of
from services.contact_writing import TakenOver

LOCKED_SECONDS = 0.008
"""How long SQLite's write lock may be held before the commit; others wait for it."""
FEWEST, FIRST, MOST = 5, 8, 40
MARKED = 200

_PEOPLE: Any = SyncPerson.__table__


class Pace:
    """How many people one transaction takes: as many as are written within LOCKED_SECONDS on this machine now.

    The commit does not count: it costs the same for few and for many.
    """

    def __init__(self) -> None:
        self.people = FIRST

    def took(self, people: int, seconds: float) -> None:
        """Learn from a transaction. Twice as many at most the next time: one that was lucky says little."""
        fitting = int(people * LOCKED_SECONDS / max(seconds, 1e-6))
        self.people = max(FEWEST, min(fitting, 2 * self.people, MOST))


def run(sync_id: int, *, tenant_id: int, until: datetime) -> bool:
    """Apply until the time is over; whether nothing is left. Commits as it goes; safe to run again, also at once."""
    with read_only():
        sync = db.session.get(ContactSync, sync_id)
        if sync is None or sync.tenant_id != tenant_id or sync.state is not ContactSyncState.APPLYING:
            return True
        departments = None if "departments" in sync.counts else list(sync.departments)
        integration_id = sync.integration_id
    if departments is not None:
        contact_departments.take(departments, tenant_id=tenant_id, integration_id=integration_id, now=utcnow())
        _update(sync_id, counts={"departments": len(departments)}, departments=[])  # each step rewrites this row
    scope, pace = _scope(sync_id), Pace()
    while rows := _next(sync_id, pace.people):
        _apply(scope, rows, pace)
        if utcnow() >= until:
            return False
    _finish(scope, now=utcnow())
    return True


def _scope(sync_id: int) -> Scope:
    with read_only():
        sync = db.session.get_one(ContactSync, sync_id)
        integration = db.session.get_one(Integration, sync.integration_id)
        tenant = db.session.get_one(Tenant, sync.tenant_id)
        values: dict[str, Any] = {
            "sync_id": sync.id,
            "tenant_id": tenant.id,
            "integration_id": integration.id,
            "platform_key": integration.platform_key or f"integration:{integration.id}",
            "platform": PLATFORMS[integration.platform].label,
            "house_number": tenant.house_number,
            "passwords": sync.initial_passwords,
            "by": (sync.confirmed_by_id, sync.confirmed_by.username if sync.confirmed_by else ""),
        }
        has_departments = bool(sync.counts.get("departments"))
    places = contact_departments.mapped(values["tenant_id"], values["integration_id"]) if has_departments else {}
    return Scope(**values, places=places)


def _next(sync_id: int, limit: int) -> Sequence[Row]:
    wanted = select(_PEOPLE).where(_PEOPLE.c.sync_id == sync_id, _PEOPLE.c.outcome.is_(None))
    with reading() as connection:
        return connection.execute(wanted.order_by(_PEOPLE.c.id).limit(limit)).mappings().all()


def _apply(scope: Scope, rows: Sequence[Row], pace: Pace) -> None:
    """Decide beside the write lock, then write; whatever stood in the way of the batch is found one by one."""
    with reading() as connection:
        planned = contact_writing.plan(scope, rows, facts_of(connection, scope, rows))
    try:
        with writing() as connection:
            started = time.perf_counter()
            contact_writing.write(connection, scope, planned)
            seconds = time.perf_counter() - started
    except (IntegrityError, TakenOver):
        for row in rows:
            _apply_alone(scope, row)
    else:
        pace.took(len(rows), seconds)


def _apply_alone(scope: Scope, row: Row) -> None:
    try:
        with writing() as connection:
            facts = facts_of(connection, scope, [row])
            contact_writing.write(connection, scope, contact_writing.plan(scope, [row], facts))
    except TakenOver:
        return
    except IntegrityError:
        with writing() as connection:
            mine = (_PEOPLE.c.id == row["id"], _PEOPLE.c.outcome.is_(None))
            values = {"outcome": contact_decisions.CONFLICT, "report": {"name": row["name"] or row["shown_id"]}}
            connection.execute(update(_PEOPLE).where(*mine).values(values))


# --- the end ------------------------------------------------------------------------------------------------------


def _finish(scope: Scope, *, now: datetime) -> None:
    """Note who is no longer seen there, count, close. Nobody is unlinked or disabled."""
    outcome = select(_PEOPLE.c.outcome, func.count()).where(_PEOPLE.c.sync_id == scope.sync_id)
    with reading() as connection:
        counted: dict[str, int] = dict(connection.execute(outcome.group_by(_PEOPLE.c.outcome)).all())
        kept = connection.execute(select(ContactSync.counts).where(ContactSync.id == scope.sync_id)).scalar_one()
    counts = dict.fromkeys(("created", "updated", "review", "skipped", "failed"), 0)
    for name, number in counted.items():
        counts[contact_decisions.TOTALS.get(name, "failed")] += number
    _mark_missing(scope, now)
    sync = db.session.get_one(ContactSync, scope.sync_id, populate_existing=True, with_for_update=True)
    if sync.state is not ContactSyncState.APPLYING:
        db.session.rollback()
        return
    sync.state, sync.finished_at, sync.counts = ContactSyncState.DONE, now, kept | counts
    about: dict[str, Any] = {name: number for name, number in counts.items() if number}
    audit.record(
        "contact_sync.finished",
        user=sync.confirmed_by,
        tenant_id=sync.tenant_id,
        target=contact_syncs.named(sync.id, sync.tenant_id),
        now=now,
        **about,
    )
    db.session.commit()


def _mark_missing(scope: Scope, now: datetime) -> None:
    """Links whose person the platform no longer names are marked; those that it names again no longer are."""
    mine = (AccountLink.tenant_id == scope.tenant_id, AccountLink.integration_id == scope.integration_id)
    named = exists().where(
        _PEOPLE.c.sync_id == scope.sync_id, _PEOPLE.c.external_user_id == AccountLink.external_user_id
    )
    with reading() as connection:
        missing = connection.execute(select(AccountLink.id).where(*mine, ~named, AccountLink.missing_since.is_(None)))
        gone = list(missing.scalars())
        found = connection.execute(select(AccountLink.id).where(*mine, named, AccountLink.missing_since.is_not(None)))
        back = list(found.scalars())
    for ids, since in ((gone, now), (back, None)):
        for start in range(0, len(ids), MARKED):
            with writing() as connection:
                some = AccountLink.id.in_(ids[start : start + MARKED])
                connection.execute(update(AccountLink).where(some).values(missing_since=since))


def _update(sync_id: int, **values: Any) -> None:
    with writing() as connection:
        connection.execute(update(ContactSync).where(ContactSync.id == sync_id).values(**values))
