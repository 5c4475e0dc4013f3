"""The tree of departments, read, made and changed by hand. What a platform mirrored here keeps its name and place."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from errors import AppError, InvalidInput, NotFound
from extensions import db, insert_once
from models import Department, DepartmentKind, DepartmentMember, DepartmentOrigin, Membership, Tenant, User
from services import audit, members, rights
from texts import N_

NAME_CHARS = 100
MOST = 5000


class DepartmentNotEmpty(AppError):
    """What is below it would hang in the air."""

    code = "department.not_empty"
    api_code = "ReferenceExist"
    message = N_("部门 %(name)s 还有下级部门")
    hint = N_("请先移动或删除下级部门。")
    status = 409


class DepartmentSynced(AppError):
    """The next synchronisation would bring it back."""

    code = "department.synced"
    api_code = "InvalidParameter"
    message = N_("部门 %(name)s 由通讯录同步，请在聊天平台上修改")
    status = 422


@dataclass(frozen=True)
class Node:
    """A department in its place. depth: 0 at the root; has_vanished: the platform no longer names it."""

    department: Department
    depth: int
    members: int
    has_vanished: bool


def tree(viewer: Membership) -> list[Node]:
    """All departments, each before those below it, siblings by position and name. Raises AccessDenied."""
    rights.require(viewer, "channel.view")
    mine = Department.tenant_id == viewer.tenant_id
    below: dict[int | None, list[Department]] = defaultdict(list)
    for each in db.session.scalars(select(Department).where(mine).order_by(Department.position, Department.name)):
        below[each.parent_id].append(each)
    counts = select(DepartmentMember.department_id, func.count()).where(DepartmentMember.tenant_id == viewer.tenant_id)
    sizes = {row[0]: row[1] for row in db.session.execute(counts.group_by(DepartmentMember.department_id))}
    origins = select(DepartmentOrigin.department_id, func.count(), func.count(DepartmentOrigin.vanished_at))
    origins = origins.where(DepartmentOrigin.tenant_id == viewer.tenant_id).group_by(DepartmentOrigin.department_id)
    vanished = {row[0] for row in db.session.execute(origins) if row[1] == row[2]}

    found: list[Node] = []
    ahead = [(each, 0) for each in reversed(below[None])]
    while ahead:  # no function that calls itself: nobody says how deep a tree is
        each, depth = ahead.pop()
        found.append(Node(each, depth, sizes.get(each.id, 0), each.id in vanished))
        ahead += [(child, depth + 1) for child in reversed(below[each.id])]
    return found


def get(department_id: int, *, viewer: Membership) -> Department:
    """Raises AccessDenied, NotFound also for other organisations' departments."""
    rights.require(viewer, "channel.view")
    mine = (Department.tenant_id == viewer.tenant_id, Department.id == department_id)
    found = db.session.scalar(select(Department).where(*mine))
    if found is None:
        raise NotFound
    return found


def members_of(department: Department) -> list[tuple[Membership, str]]:
    """Members by name, each with how they came there: manual | synced."""
    rows = db.session.execute(
        select(Membership, DepartmentMember.source)
        .join(DepartmentMember, DepartmentMember.membership_id == Membership.id)
        .join(User, User.id == Membership.user_id)
        .where(DepartmentMember.department_id == department.id, Membership.tenant_id == department.tenant_id)
        .order_by(User.real_name, User.username_folded)
    )
    return [(row[0], row[1]) for row in rows]


def create(name: str, parent_id: int | None, *, by: Membership, now: datetime) -> Department:
    """Stage a department; without a parent it is a root. Raises AccessDenied, InvalidInput, NotFound."""
    rights.require(by, "member.edit")
    mine = Department.tenant_id == by.tenant_id
    if (db.session.scalar(select(func.count(Department.id)).where(mine)) or 0) >= MOST:
        raise InvalidInput("name", N_("部门太多"))
    made = Department(tenant_id=by.tenant_id, source="local", created_at=now)
    _place(made, name, parent_id, by=by)
    db.session.add(made)
    db.session.flush()
    audit.record("department.created", by=by, target=made.name, now=now)
    return made


def edit(
    department: Department,
    name: str,
    parent_id: int | None,
    *,
    by: Membership,
    now: datetime,
) -> None:
    """Stage another name and place. Raises AccessDenied, DepartmentSynced, NotFound, InvalidInput (a cycle, too)."""
    rights.require(by, "member.edit")
    if department.source != "local":
        raise DepartmentSynced(name=department.name)
    before = _values(department)
    _place(department, name, parent_id, by=by)
    db.session.flush()
    if changed := audit.difference(before, _values(department)):
        audit.record("department.changed", by=by, target=department.name, now=now, changed=changed)


def _values(department: Department) -> dict[str, str]:
    """What is written down about a change, as it is called on the pages."""
    parent = db.session.get(Department, department.parent_id) if department.parent_id else None
    return {"name": department.name, "parent_id": parent.name if parent else ""}


def add_member(department: Department, text: str, *, by: Membership, now: datetime) -> None:
    """Stage that an active member, by user name or name, is in it, by hand.

    Raises AccessDenied, InvalidInput. Safe to repeat.
    """
    rights.require(by, "member.edit")
    member = members.find_active(text, viewer=by)
    place = {"department_id": department.id, "membership_id": member.id, "tenant_id": department.tenant_id}
    if insert_once(DepartmentMember, place, key=("department_id", "membership_id")) is not None:
        audit.record("department.changed", by=by, target=department.name, now=now, added=member.user.username)


def remove_member(department: Department, member_id: int, *, by: Membership, now: datetime) -> None:
    """Stage that somebody is not in it any more. Raises AccessDenied, NotFound, DepartmentSynced. Safe to repeat."""
    rights.require(by, "member.edit")
    member = members.get(member_id, viewer=by)
    place = db.session.get(DepartmentMember, (department.id, member.id))
    if place is None:
        return
    if place.source != "manual" and not _has_vanished(department):
        raise DepartmentSynced(name=department.name)
    db.session.delete(place)
    audit.record("department.changed", by=by, target=department.name, now=now, removed=member.user.username)


def delete(department: Department, *, by: Membership, now: datetime) -> None:
    """Stage that a department is gone; its members stay members. Raises AccessDenied, DepartmentNotEmpty, …Synced."""
    rights.require(by, "member.edit")
    if department.source != "local" and not _has_vanished(department):
        raise DepartmentSynced(name=department.name)
    below = (Department.tenant_id == department.tenant_id, Department.parent_id == department.id)
    if db.session.scalar(select(Department.id).where(*below).limit(1)) is not None:
        raise DepartmentNotEmpty(name=department.name)
    db.session.delete(department)
    db.session.flush()
    audit.record("department.deleted", by=by, target=department.name, now=now)


def _place(department: Department, name: str, parent_id: int | None, *, by: Membership) -> None:
    name = " ".join(name.split())
    if not 1 <= len(name) <= NAME_CHARS:
        raise InvalidInput("name", N_("请填写 1 到 100 个字符"))
    parent = get(parent_id, viewer=by) if parent_id is not None else None
    if parent is not None and department.id is not None:
        _hold_tree(by.tenant_id)
        if department.id in _above(parent):
            raise InvalidInput("parent_id", N_("不能移到自己的下级部门里"))
    department.name, department.parent_id = name, parent_id
    department.kind = DepartmentKind.DEPARTMENT if parent_id is not None else DepartmentKind.COMPANY


def _hold_tree(tenant_id: int) -> None:
    """Let departments move one after the other: of two that do at once, each could end below the other."""
    db.session.execute(select(Tenant.id).where(Tenant.id == tenant_id).with_for_update(key_share=True))


def _above(department: Department) -> set[int]:
    """Ids of a department and of everything above it."""
    rows = db.session.execute(
        select(Department.id, Department.parent_id).where(Department.tenant_id == department.tenant_id)
    )
    parents: dict[int, int | None] = {row[0]: row[1] for row in rows}
    found: set[int] = set()
    at: int | None = department.id
    while at is not None and at not in found:
        found.add(at)
        at = parents.get(at)
    return found


def _has_vanished(department: Department) -> bool:
    """Whether no platform names it any more, also because its connection is gone."""
    still = (DepartmentOrigin.department_id == department.id, DepartmentOrigin.vanished_at.is_(None))
    return db.session.scalar(select(DepartmentOrigin.id).where(*still).limit(1)) is None
