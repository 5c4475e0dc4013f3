"""Departments of a platform as they are mirrored here: found by the platform's id, never by name, and never deleted.

What was made here, and who was put somewhere by hand, stays as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, tuple_, update

from extensions import insert_unless_there, reading, writing
from models import Department, DepartmentKind, DepartmentMember, DepartmentOrigin

BATCH = 8
"""Departments of one transaction: some milliseconds of SQLite's write lock."""
MARKED = 200
LONGEST_NAME = 100
SYNCED = "synced"

Row = Mapping[str, Any]

_WRITTEN: dict[str, Any] = {name: getattr(Department, name) for name in ("name", "parent_id", "position", "kind")}
_MADE = insert(Department).returning(Department.id)
_NAMED = insert(DepartmentOrigin)
_CHANGED = (
    update(Department.__table__)  # type: ignore[arg-type]
    .where(Department.id == bindparam("which"))
    .values(version=Department.version + 1, **{name: bindparam(name) for name in _WRITTEN})
)


def mapped(tenant_id: int, integration_id: int) -> dict[str, int]:
    """The platform's ids of departments and ours."""
    mine = (DepartmentOrigin.tenant_id == tenant_id, DepartmentOrigin.integration_id == integration_id)
    wanted = select(DepartmentOrigin.external_id, DepartmentOrigin.department_id).where(*mine)
    with reading() as connection:
        return dict(connection.execute(wanted).all())


@dataclass(frozen=True)
class _Known:
    """A department that mirrors one of the platform: what is written of it here."""

    department_id: int
    written: dict[str, Any]
    origin_id: int
    has_vanished: bool


def take(rows: Sequence[Row], *, tenant_id: int, integration_id: int, now: datetime) -> None:
    """Make the departments here like those read ([{id, name, parent_id, order}], a parent before its children).

    Compared beside the write lock; commits after some of them each; safe to run again. No rows at all: nothing is
    changed, as that says nothing.
    """
    if not rows:
        return
    known = _known(tenant_id, integration_id)
    ids = {external_id: one.department_id for external_id, one in known.items()}
    about = {"tenant_id": tenant_id, "source": SYNCED, "created_at": now, "version": 1}
    origin = {"tenant_id": tenant_id, "integration_id": integration_id}
    for start in range(0, len(rows), BATCH):
        some = [row for row in rows[start : start + BATCH] if _differs(row, known.get(row["id"]), ids)]
        if not some:
            continue
        with writing() as on:
            for row in some:
                values, there = _values(row, ids), known.get(row["id"])
                if there is not None:
                    on.execute(_CHANGED, values | {"which": there.department_id})
                else:
                    ids[row["id"]] = on.execute(_MADE, values | about).scalar_one()
                    on.execute(_NAMED, origin | {"department_id": ids[row["id"]], "external_id": row["id"]})
    _mark_vanished({row["id"] for row in rows}, known, now=now)


def _known(tenant_id: int, integration_id: int) -> dict[str, _Known]:
    """By the platform's id."""
    wanted = (
        select(DepartmentOrigin.external_id, DepartmentOrigin.id, DepartmentOrigin.vanished_at, *_WRITTEN.values())
        .add_columns(Department.id)
        .join(Department, Department.id == DepartmentOrigin.department_id)
        .where(DepartmentOrigin.tenant_id == tenant_id, DepartmentOrigin.integration_id == integration_id)
        .where(Department.tenant_id == tenant_id)
    )
    with reading() as connection:
        return {
            external_id: _Known(department_id, dict(zip(_WRITTEN, written, strict=True)), origin_id, bool(vanished_at))
            for external_id, origin_id, vanished_at, *written, department_id in connection.execute(wanted)
        }


def _values(row: Row, ids: Mapping[str, int]) -> dict[str, Any]:
    parent_id = ids.get(row["parent_id"]) if row["parent_id"] else None
    return {
        "name": str(row["name"]).strip()[:LONGEST_NAME] or row["id"],
        "parent_id": parent_id,
        "position": row["order"],
        "kind": DepartmentKind.DEPARTMENT if parent_id else DepartmentKind.COMPANY,
    }


def _differs(row: Row, known: _Known | None, ids: Mapping[str, int]) -> bool:
    """Whether there is something to write. Whose parent is new here is new or moved, too."""
    return known is None or known.written != _values(row, ids)


def _mark_vanished(seen: set[str], known: Mapping[str, _Known], *, now: datetime) -> None:
    gone = [one.origin_id for key, one in known.items() if key not in seen and not one.has_vanished]
    back = [one.origin_id for key, one in known.items() if key in seen and one.has_vanished]
    for ids, since in ((gone, now), (back, None)):
        for start in range(0, len(ids), MARKED):
            with writing() as on:
                some = DepartmentOrigin.id.in_(ids[start : start + MARKED])
                on.execute(update(DepartmentOrigin).where(some).values(vanished_at=since))


# --- who belongs to them ------------------------------------------------------------------------------------------


Places = Mapping[int, Sequence[int]]
"""Membership id → department ids of ours."""


def place(on: Connection, new: Places, kept: Places, *, tenant_id: int, integration_id: int) -> None:
    """Stage that memberships belong to these departments, as far as this connection has a say.

    new   memberships that this transaction made: they belong to none yet
    kept  others. What was made by hand stays, and what another connection told
    """
    present = _present(on, kept, tenant_id, integration_id) if kept else {}
    gone = [(d, m) for m, found in present.items() for d in found if d not in set(kept[m])]
    added = [(d, m) for m, departments in kept.items() for d in departments if d not in present[m]]
    added += [(d, m) for m, departments in new.items() for d in departments]
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
