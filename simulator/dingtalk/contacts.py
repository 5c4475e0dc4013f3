"""The part of the contacts that an on-call product reads, within the app's scope.

https://open.dingtalk.com/document/development/queries-the-complete-information-of-a-department-user
"""

from __future__ import annotations

from typing import Any

from simulator.dingtalk.context import Call
from simulator.dingtalk.errors import OldError
from simulator.dingtalk.state import ROOT_DEPARTMENT, Department, Person

MAX_PAGE = 100
MOBILE, EMAIL = "fieldMobile", "fieldEmail"

Json = dict[str, Any]


def departments(call: Call) -> list[Json]:
    """Direct children only; the root itself is not among them."""
    parent = _department(call, call.body.get("dept_id", ROOT_DEPARTMENT))
    return [
        {
            "dept_id": each.id,
            "name": each.name,
            "parent_id": each.parent_id,
            "create_dept_group": False,
            "auto_add_user": False,
        }
        for each in _children(call, parent)
    ]


def department_ids(call: Call) -> Json:
    return {"dept_id_list": [each.id for each in _children(call, _department(call, call.body.get("dept_id")))]}


def department(call: Call) -> Json:
    found = _department(call, call.body.get("dept_id"))
    return {"dept_id": found.id, "name": found.name, "parent_id": found.parent_id}


def users(call: Call) -> Json:
    return _page(call, lambda person: _detail(call, person))


def simple_users(call: Call) -> Json:
    return _page(call, lambda person: {"userid": person.userid, "name": person.name})


def user_ids(call: Call) -> Json:
    found = call.corp.departments.get(_number(call.body.get("dept_id")))
    if found is None:
        raise OldError(60003, "部门不存在")
    return {"userid_list": [each.userid for each in _members(call, found)]}


def user(call: Call) -> Json:
    person = call.person(call.body.get("userid"))
    if person is None:
        raise OldError(60121, "找不到该用户")
    if not _is_in_scope(call, person):
        raise OldError(50002, "企业员工不在授权范围")
    return _detail(call, person)


def by_mobile(call: Call) -> Json:
    mobile = str(call.body.get("mobile") or "")
    person = next((each for each in call.corp.people.values() if mobile and each.mobile == mobile), None)
    if person is None:
        raise OldError(60121, "找不到该用户") if mobile.isdigit() else OldError(40104, "无效的手机号")
    return {"userid": person.userid}


def by_unionid(call: Call) -> Json:
    unionid = call.body.get("unionid")
    person = next((each for each in call.corp.people.values() if each.unionid == unionid), None)
    if person is None:
        raise OldError(60121, "找不到该用户")
    return {"contact_type": 0, "userid": person.userid}


def scopes(call: Call) -> Json:
    """https://open.dingtalk.com/document/development/obtain-corpsecret-authorization-scope"""
    fields = ["name", "userid", "unionid"]
    fields += ["mobile"] if MOBILE in call.app.permissions else []
    fields += ["email"] if EMAIL in call.app.permissions else []
    return {
        "auth_user_field": fields,
        "auth_org_scopes": {"authed_dept": call.app.scope, "authed_user": call.app.scope_users},
    }


def _page(call: Call, shown: Any) -> Json:
    """One page by cursor; the last one has no next_cursor."""
    found = _department(call, call.body.get("dept_id"))
    cursor, size = _number(call.body.get("cursor", 0)), _number(call.body.get("size"))
    if not 1 <= size <= MAX_PAGE or cursor < 0:
        raise OldError(400002, "参数无效")
    people = _members(call, found)
    listed = [shown(each) for each in people[cursor : cursor + size]]
    page: Json = {"has_more": cursor + size < len(people), "list": listed}
    return page | ({"next_cursor": cursor + size} if page["has_more"] else {})


def _detail(call: Call, person: Person) -> Json:
    """A member; fields without their permission are absent, neither null nor an error."""
    known = {
        "userid": person.userid,
        "unionid": person.unionid,
        "name": person.name,
        "title": person.title,
        "dept_id_list": person.departments,
        "active": True,
        "admin": False,
        "boss": False,
    }
    known |= {"mobile": person.mobile, "state_code": "86"} if MOBILE in call.app.permissions else {}
    return known | ({"email": person.email} if EMAIL in call.app.permissions else {})


def _department(call: Call, number: Any) -> Department:
    """A department inside the scope. Raises OldError."""
    found = call.corp.departments.get(_number(number))
    if found is None:
        raise OldError(60003, "部门不存在")
    if not _is_below(call, found.id, set(call.app.scope)):
        raise OldError(50004, "部门不在权限范围内")
    return found


def _children(call: Call, parent: Department) -> list[Department]:
    return [each for each in call.corp.departments.values() if each.parent_id == parent.id and each.id != parent.id]


def _members(call: Call, found: Department) -> list[Person]:
    return [each for each in call.corp.people.values() if found.id in each.departments]


def _is_in_scope(call: Call, person: Person) -> bool:
    is_named = person.userid in call.app.scope_users
    return is_named or any(_is_below(call, number, set(call.app.scope)) for number in person.departments)


def _is_below(call: Call, number: int, roots: set[int]) -> bool:
    while number in call.corp.departments:
        if number in roots:
            return True
        number = call.corp.departments[number].parent_id
    return False


def _number(value: Any) -> int:
    return int(value) if str(value).lstrip("-").isdigit() else -1
