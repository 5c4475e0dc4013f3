"""The tree of departments, made here or mirrored from a chat platform."""

from __future__ import annotations

from typing import Any

from blueprints.api import belonging
from blueprints.api.moments import iso
from blueprints.api.operations import Call, operation
from blueprints.api.schemas import component, flag, list_of, maybe, moment, one_of, record, row_id, whole, words
from blueprints.api.switches import DELETED, VERSION, check_version
from models import Department, DepartmentKind
from services import departments

DEPARTMENT = {
    "id": whole(),
    "name": words(),
    "parent_id": maybe(whole()),
    "kind": one_of(DepartmentKind),
    "source": one_of(("local", "synced"), "synced: mirrors one of a chat platform, and is changed there"),
    "created_at": moment(),
    "version": whole(),
}
ONE_DEPARTMENT = component("Department", record(DEPARTMENT))
NODE = component(
    "DepartmentNode",
    record(
        DEPARTMENT
        | {
            "depth": whole(about="0 at the root"),
            "members": whole(about="How many belong to it directly"),
            "has_vanished": flag("The platform no longer names it"),
        }
    ),
)
NAME = words(departments.NAME_CHARS, shortest=1)
PARENT = maybe(row_id("null: a root"))
ONE = "/departments/<int:department_id>"


@operation(
    "GET",
    "/departments",
    "All departments, each before those below it",
    right="channel.view",
    answers=list_of(NODE),
)
def list_departments(call: Call) -> dict[str, Any]:
    about = ("depth", "members", "has_vanished")
    nodes = departments.tree(call.member)
    return {
        "items": [department_row(node.department) | {name: getattr(node, name) for name in about} for node in nodes]
    }


@operation(
    "POST",
    "/departments",
    "Make a department",
    right="member.edit",
    body=record({"name": NAME}, {"parent_id": PARENT}),
    answers=ONE_DEPARTMENT,
    status=201,
)
def create_department(call: Call) -> dict[str, Any]:
    return department_row(departments.create(call.body["name"], call.body.get("parent_id"), **call.by))


@operation("GET", ONE, "One department", right="channel.view", answers=ONE_DEPARTMENT)
def get_department(call: Call, department_id: int) -> dict[str, Any]:
    return department_row(departments.get(department_id, viewer=call.member))


@operation(
    "PATCH",
    ONE,
    "Rename or move a department that was made here; what is not sent stays",
    right="member.edit",
    body=record({}, {"name": NAME, "parent_id": PARENT, **VERSION}),
    answers=ONE_DEPARTMENT,
)
def edit_department(call: Call, department_id: int) -> dict[str, Any]:
    department = departments.get(department_id, viewer=call.member)
    check_version(department, call.body)
    name, parent_id = call.body.get("name", department.name), call.body.get("parent_id", department.parent_id)
    departments.edit(department, name, parent_id, **call.by)
    return department_row(department)


@operation(
    "DELETE", ONE, "Delete a department that is empty below; its members stay", right="member.edit", answers=DELETED
)
def delete_department(call: Call, department_id: int) -> dict[str, Any]:
    departments.delete(departments.get(department_id, viewer=call.member), **call.by)
    return {"deleted": True}


def department_row(department: Department) -> dict[str, Any]:
    kept = {name: getattr(department, name) for name in ("id", "name", "parent_id", "source", "version")}
    return kept | {"kind": department.kind.value, "created_at": iso(department.created_at)}


belonging.declare(ONE, "department", departments, departments.members_of, right="member.edit")
