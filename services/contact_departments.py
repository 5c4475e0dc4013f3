"""Departments of a platform as they are mirrored here: found by the platform's id, never by name, and never deleted.

What was made here, and who was put somewhere by hand, stays as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, tuple_

from extensions import db, insert_unless_there, read_only
from models import Department, DepartmentKind, DepartmentMember, DepartmentOrigin

BATCH = 20
LONGEST_NAME = 100
SYNCED = "synced"

Row = Mapping[str, Any]


def take(rows: Sequence[Row], *, tenant_id: int, integration_id: int, now: datetime) -> None:
    """Make the departments here like those read ([{id, name, parent_id, order}], a parent before its children).

    Commits after some of them each; safe to run again. No rows at all: nothing is changed, as that says nothing.
    """
    if not rows:
        return
    ids = mapped(tenant_id, integration_id)
    for start in range(0, len(rows), BATCH):
        for row in rows[start : start + BATCH]:
            ids[row["id"]] = _take(row, ids, tenant_id=tenant_id, integration_id=integration_id, now=now)
        db.session.commit()
    _mark_vanished({row["id"] for row in rows}, tenant_id=tenant_id, integration_id=integration_id, now=now)
    db.session.commit()


def mapped(tenant_id: int, integration_id: int) -> dict[str, int]:
    """The platform's ids of departments and ours."""
    mine = (DepartmentOrigin.tenant_id == tenant_id, DepartmentOrigin.integration_id == integration_id)
    with read_only():
        found = db.session.execute(select(DepartmentOrigin.external_id, DepartmentOrigin.department_id).where(*mine))
        return dict(found.all())


def _take(row: Row, ids: Mapping[str, int], *, tenant_id: int, integration_id: int, now: datetime) -> int:
    parent_id = ids.get(row["parent_id"]) if row["parent_id"] else None
    values = {
        "name": str(row["name"]).strip()[:LONGEST_NAME] or row["id"],
        "parent_id": parent_id,
        "position": row["order"],
        "kind": DepartmentKind.DEPARTMENT if parent_id else DepartmentKind.COMPANY,
    }
    known = db.session.get(Department, ids[row["id"]]) if row["id"] in ids else None
    if known is not None and known.tenant_id == tenant_id:
        for name, value in values.items():
            if getattr(known, name) != value:
                setattr(known, name, value)
        return known.id
    made = Department(tenant_id=tenant_id, source=SYNCED, created_at=now, **values)
    db.session.add(made)
    db.session.flush()
    origin = {"tenant_id": tenant_id, "integration_id": integration_id, "external_id": row["id"]}
    db.session.add(DepartmentOrigin(department_id=made.id, **origin))
    return made.id


def _mark_vanished(seen: set[str], *, tenant_id: int, integration_id: int, now: datetime) -> None:
    mine = (DepartmentOrigin.tenant_id == tenant_id, DepartmentOrigin.integration_id == integration_id)
    for origin in db.session.scalars(select(DepartmentOrigin).where(*mine)):
        if origin.external_id in seen:
            origin.vanished_at = None
        elif origin.vanished_at is None:
            origin.vanished_at = now


# --- who belongs to them ------------------------------------------------------------------------------------------


def place(on: Connection, wanted: Mapping[int, Iterable[int]], *, tenant_id: int, integration_id: int) -> None:
    """Stage that memberships belong to these departments of ours, as far as this connection has a say.

    wanted  membership id → department ids. What was made by hand stays, and what another connection told.
    """
    if not wanted:
        return
    present = _present(on, wanted, tenant_id, integration_id)
    gone = [(d, m) for m, found in present.items() for d in found if d not in set(wanted[m])]
    added = [(d, m) for m, departments in wanted.items() for d in departments if d not in present[m]]
    if gone:
        which = tuple_(DepartmentMember.department_id, DepartmentMember.membership_id).in_(gone)
        on.execute(delete(DepartmentMember).where(DepartmentMember.tenant_id == tenant_id, which))
    if added:
        statement = insert_unless_there(on, DepartmentMember, ("department_id", "membership_id"))
        about = {"tenant_id": tenant_id, "source": SYNCED}
        on.execute(statement, [{"department_id": d, "membership_id": m} | about for d, m in added])


def _present(on: Connection, wanted: Mapping[int, Any], tenant_id: int, integration_id: int) -> Mapping[int, set[int]]:
    """Where a sync of this connection has put these memberships."""
    rows = on.execute(
        select(DepartmentMember.membership_id, DepartmentMember.department_id)
        .join(DepartmentOrigin, DepartmentOrigin.department_id == DepartmentMember.department_id)
        .where(DepartmentOrigin.integration_id == integration_id, DepartmentMember.tenant_id == tenant_id)
        .where(DepartmentMember.source == SYNCED, DepartmentMember.membership_id.in_(list(wanted)))
    )
    present: dict[int, set[int]] = defaultdict(set)
    for membership_id, department_id in rows:
        present[membership_id].add(department_id)
    return present
