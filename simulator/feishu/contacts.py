"""The part of the contacts that an on-call product reads, inside the application's contact range.

https://open.feishu.cn/document/ukTMukTMukTM/uETNz4SM1MjLxUzM/v3/guides/scope_authority
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from simulator.feishu.context import Call
from simulator.feishu.errors import ApiError
from simulator.feishu.scopes import granted
from simulator.feishu.state import ROOT_DEPARTMENT, Department, Features, Person

DEFAULT_PAGE, MAX_PAGE, MAX_SCOPES_PAGE = 10, 50, 100

Json = dict[str, Any]


def scopes(call: Call) -> Json:
    """The range as it was set; of a range of everybody, the first level of departments and who is in none."""
    online, tenant = _online(call), call.tenant
    departments, people = online.contact_departments, [p for p in tenant.people.values() if p.user_id in online.users]
    if online.is_for_all:
        departments = [each.department_id for each in tenant.departments.values() if each.parent_id == ROOT_DEPARTMENT]
        people = [person for person in tenant.people.values() if ROOT_DEPARTMENT in person.departments]
    numbers = [tenant.open_department_id(each) for each in departments]
    rows = [("d", each) for each in numbers] + [("u", call.app.open_id(person.user_id)) for person in people]
    page, more = _page(call, rows, MAX_SCOPES_PAGE)
    listed = {"department_ids": [v for kind, v in page if kind == "d"]}
    return listed | {"user_ids": [v for kind, v in page if kind == "u"], "group_ids": []} | more


def department(call: Call) -> Json:
    return {"department": _department_row(call, _find(call, call.parts["department_id"]))}


def children(call: Call) -> Json:
    """One level, or with fetch_child everything below; the department itself is not among them."""
    tenant, parent = call.tenant, call.parts["department_id"]
    number = ROOT_DEPARTMENT if parent == ROOT_DEPARTMENT else _find(call, parent).department_id
    if number == ROOT_DEPARTMENT and not _online(call).is_for_all:
        raise ApiError(40004)
    found = [each for each in tenant.departments.values() if each.parent_id == number]
    if call.query.get("fetch_child") == "true":
        wanted = tenant.below([each.department_id for each in found])
        found = [each for each in tenant.departments.values() if each.department_id in wanted]
    page, more = _page(call, found, MAX_PAGE)
    return {"items": [_department_row(call, each) for each in page], **more}


def members(call: Call) -> Json:
    """Who belongs to a department itself."""
    given = call.query.get("department_id", "")
    number = ROOT_DEPARTMENT if given == ROOT_DEPARTMENT else _find(call, given).department_id
    if number == ROOT_DEPARTMENT and not _online(call).is_for_all:
        raise ApiError(40004)
    people = [p for p in call.tenant.people.values() if number in p.departments and not p.is_resigned]
    page, more = _page(call, people, MAX_PAGE)
    return {"items": [user_row(call, person) for person in page], **more}


def user_row(call: Call, person: Person) -> Json:
    """A person; fields whose permission is missing are left out."""
    numbers = [each if each == ROOT_DEPARTMENT else call.tenant.open_department_id(each) for each in person.departments]
    guarded = {
        "user_id": ("contact:user.employee_id:readonly", person.user_id),
        "name": ("contact:user.base:readonly", person.name),
        "email": ("contact:user.email:readonly", person.email),
        "mobile": ("contact:user.phone:readonly", person.mobile),
        "department_ids": ("contact:user.department:readonly", numbers),
        "status": ("contact:user.employee:readonly", {"is_resigned": person.is_resigned}),
    }
    who = {"open_id": call.app.open_id(person.user_id), "union_id": call.tenant.union_id(person.user_id)}
    works = granted(call.app)
    return who | {name: value for name, (scope, value) in guarded.items() if scope in works}


def can_see(call: Call, person: Person) -> bool:
    """Is the person inside the contact range?"""
    below = call.tenant.below(_online(call).contact_departments)
    return call.app.is_for(person) or not below.isdisjoint(person.departments)


def _department_row(call: Call, each: Department) -> Json:
    tenant, works = call.tenant, granted(call.app)
    parent = each.parent_id if each.parent_id == ROOT_DEPARTMENT else tenant.open_department_id(each.parent_id)
    guarded = {
        "name": ("contact:department.base:readonly", each.name),
        "parent_department_id": ("contact:department.organize:readonly", parent),
        "order": ("contact:department.organize:readonly", str(each.order)),
    }
    row = {"department_id": each.department_id, "open_department_id": tenant.open_department_id(each.department_id)}
    return row | {name: value for name, (scope, value) in guarded.items() if scope in works}


def _find(call: Call, given: str) -> Department:
    """A department of the range by its open_department_id. Raises ApiError."""
    tenant, online = call.tenant, _online(call)
    departments = tenant.departments.values()
    found = next((each for each in departments if tenant.open_department_id(each.department_id) == given), None)
    if found is None:
        raise ApiError(40003)
    if not online.is_for_all and found.department_id not in tenant.below(online.contact_departments):
        raise ApiError(40004)
    return found


def _online(call: Call) -> Features:
    return call.app.online or Features()


def _page(call: Call, rows: list[Any], most: int) -> tuple[list[Any], Json]:
    """One page and where it goes on. A page_token holds for the very same question alone."""
    size = call.query.get("page_size", str(DEFAULT_PAGE))
    if not size.isdigit() or not 1 <= int(size) <= most:
        raise ApiError(40011)
    asked = f"{call.app.app_id}/{call.parts}/{call.query.get('department_id', '')}"
    start = _position(call.query.get("page_token", ""), asked)
    end = start + int(size)
    has_more = end < len(rows)
    token = base64.b64encode(f"{end}|{asked}".encode()).decode()
    return rows[start:end], {"has_more": has_more} | ({"page_token": token} if has_more else {})


def _position(token: str, asked: str) -> int:
    if not token:
        return 0
    try:
        position, _, said = base64.b64decode(token, validate=True).decode().partition("|")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ApiError(40012) from error
    if said != asked or not position.isdigit():
        raise ApiError(40012)
    return int(position)
