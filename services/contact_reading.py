"""The first half of a synchronisation, in the worker: read the company's contacts and compare names. Writes a draft.

Read whole before anything is written, so that a run that was cut off leaves nothing half: the next one starts again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, insert, select, update

from extensions import db, read_only, writing
from models import (
    AccountLink,
    ContactSync,
    ContactSyncState,
    Integration,
    Membership,
    MembershipState,
    Pairing,
    SyncPerson,
    User,
)
from platforms import PLATFORMS
from platforms.base import Department, Platform
from services import contact_matching, contact_syncs, integrations, linking

BATCH = 200
"""People written in one transaction: some milliseconds of SQLite's write lock."""
TOLD_EVERY = 10
"""Departments between two notes of how far it has come."""
LONGEST_NAME = 128

Row = dict[str, Any]


@dataclass
class Directory:
    """What a platform told. people: by the id as links hold it; departments: a parent before its children."""

    departments: list[Department] = field(default_factory=list)
    people: dict[str, Row] = field(default_factory=dict)


def read(sync_id: int, *, tenant_id: int, now: datetime) -> None:
    """Fill a synchronisation's draft. Commits as it goes; safe to run again from the start.

    Raises PlatformError with nothing but the draft touched, NobodyFound among them.
    """
    with read_only():
        sync = db.session.get(ContactSync, sync_id)
        if sync is None or sync.tenant_id != tenant_id or sync.state is not ContactSyncState.READING:
            return
        integration = db.session.get_one(Integration, sync.integration_id)
        db.session.expunge(integration)
        platform = integrations.platform_for(integration)
    directory = _ask(platform, integration, told=lambda step, steps: _note(sync_id, step, steps))
    if not directory.people:
        raise contact_syncs.NobodyFound(platform=PLATFORMS[integration.platform].label)
    rows = _compared(sync_id, integration, directory)
    _write(sync_id, rows, directory.departments)


def _ask(platform: Platform, integration: Integration, *, told: Callable[[int, int], None]) -> Directory:
    """Department by department. Somebody of three departments comes three times and is one person."""
    found = Directory(platform.read_departments())
    places = ["", *(one.external_id for one in found.departments)]
    for number, place in enumerate(places):
        if number % TOLD_EVERY == 0:
            told(number, len(places))
        for contact in platform.read_members(place):
            key = linking.stored_id(integration, contact.external_user_id)
            person = found.people.setdefault(
                key, {"shown_id": contact.external_user_id, "name": contact.name, "department_ids": []}
            )
            if place and place not in person["department_ids"]:
                person["department_ids"].append(place)
    return found


def _compared(sync_id: int, integration: Integration, directory: Directory) -> list[Row]:
    """A row for everybody; those with a link are bound, the others are matched by name with who has none."""
    mine = (AccountLink.tenant_id == integration.tenant_id, AccountLink.integration_id == integration.id)
    with read_only():
        bound = dict(db.session.execute(select(AccountLink.external_user_id, AccountLink.user_id).where(*mine)).all())
        accounts = [(user_id, name) for user_id, name in db.session.execute(_unlinked(integration))]
    free = [(key, person["name"]) for key, person in directory.people.items() if key not in bound]
    matches = contact_matching.match(accounts, free)
    rows = []
    for key, person in directory.people.items():
        match = matches.get(key) or contact_matching.Match(Pairing.BOUND, bound.get(key))
        rows.append(
            {
                "tenant_id": integration.tenant_id,
                "sync_id": sync_id,
                "external_user_id": key[:LONGEST_NAME],
                "shown_id": person["shown_id"][:LONGEST_NAME],
                "name": person["name"][:LONGEST_NAME],
                "department_ids": person["department_ids"],
                "pairing": match.pairing,
                "user_id": match.user_id,
                "is_included": True,
                "report": {},
                "version": 1,
            }
        )
    return rows


def _unlinked(integration: Integration) -> Any:
    linked = and_(AccountLink.user_id == Membership.user_id, AccountLink.integration_id == integration.id)
    return (
        select(User.id, User.real_name)
        .join(Membership, Membership.user_id == User.id)
        .outerjoin(AccountLink, linked)
        .where(Membership.tenant_id == integration.tenant_id, Membership.state == MembershipState.ACTIVE)
        .where(AccountLink.id.is_(None))
    )


def _write(sync_id: int, rows: Sequence[Row], departments: list[Department]) -> None:
    """Replace whatever an earlier run left by these rows; the last transaction opens the comparison."""
    while _forget_some(sync_id):
        pass
    for batch in batches(rows):
        with writing() as connection:
            connection.execute(insert(SyncPerson.__table__), batch)  # type: ignore[arg-type]
    shown = [{"id": d.external_id, "name": d.name, "parent_id": d.parent_id, "order": d.order} for d in departments]
    with writing() as connection:
        opened = update(ContactSync).where(ContactSync.id == sync_id, ContactSync.state == ContactSyncState.READING)
        values = {"state": ContactSyncState.COMPARING, "departments": shown, "version": ContactSync.version + 1}
        connection.execute(opened.values(values))


def _forget_some(sync_id: int) -> bool:
    """Delete some rows of an earlier run; whether there were any."""
    some = select(SyncPerson.id).where(SyncPerson.sync_id == sync_id).limit(BATCH)
    with writing() as connection:
        return connection.execute(delete(SyncPerson).where(SyncPerson.id.in_(some))).rowcount > 0


def batches(rows: Sequence[Row], size: int = BATCH) -> Iterator[list[Row]]:
    for start in range(0, len(rows), size):
        yield list(rows[start : start + size])


def _note(sync_id: int, step: int, steps: int) -> None:
    with writing() as connection:
        connection.execute(update(ContactSync).where(ContactSync.id == sync_id).values(step=step, steps=steps))
