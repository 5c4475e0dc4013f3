"""Departments and members inside the contacts' scope (通讯录权限范围) of an application.

https://open.dingtalk.com/document/development/obtain-corpsecret-authorization-scope and
https://open.dingtalk.com/document/development/queries-the-complete-information-of-a-department-user
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from platforms.base import Contact, Department
from platforms.contacts import as_tree
from platforms.dingtalk.client import Client
from platforms.dingtalk.errors import UserGone
from platforms.errors import AnswerNotUnderstood

MOST_PAGES = 1000
PAGE_SIZE = 100

Json = dict[str, Any]


def departments(client: Client) -> list[Department]:
    """The scope names the highest departments; what is below them is asked for level by level."""
    found: dict[str, Department] = {}
    waiting: list[str] = []
    for number in _scope(client).get("authed_dept") or []:
        row = client.ask_contacts("/topapi/v2/department/get", {"dept_id": int(number)})
        _note(row, found, waiting)
    while waiting:
        below = client.ask_contacts("/topapi/v2/department/listsub", {"dept_id": int(waiting.pop(0))})
        for row in _rows(below, "dept_id"):
            _note(row, found, waiting)
    return as_tree(found.values())


def members(client: Client, department_id: str) -> list[Contact]:
    listed = _pages(client, department_id) if department_id else _alone(client)
    return [Contact(str(row["userid"]), str(row.get("name") or "")) for row in _rows(listed, "userid")]


def _note(row: Any, found: dict[str, Department], waiting: list[str]) -> None:
    if not isinstance(row, dict) or not row.get("dept_id"):
        raise AnswerNotUnderstood("no dept_id")
    number = str(row["dept_id"])
    if number not in found:
        order = row.get("order")
        named = str(row.get("name") or number)
        found[number] = Department(number, named, str(row.get("parent_id") or ""), order if type(order) is int else 0)
        waiting.append(number)


def _pages(client: Client, department_id: str) -> Iterator[Json]:
    cursor = 0
    for _ in range(MOST_PAGES):
        asked = {"dept_id": int(department_id), "cursor": cursor, "size": PAGE_SIZE}
        page = client.ask_contacts("/topapi/user/listsimple", asked)
        if not isinstance(page, dict):
            raise AnswerNotUnderstood("no page")
        yield from page.get("list") or []
        if str(page.get("has_more")).lower() != "true":
            return
        cursor = int(page.get("next_cursor") or 0)
    raise AnswerNotUnderstood("pages without an end")


def _alone(client: Client) -> Iterator[Json]:
    """The members that the scope names one by one."""
    for user_id in _scope(client).get("authed_user") or []:
        try:
            yield client.ask_contacts("/topapi/v2/user/get", {"userid": str(user_id)})
        except UserGone:
            continue


def _scope(client: Client) -> Json:
    scope = client.get_scopes().get("auth_org_scopes")
    if not isinstance(scope, dict):
        raise AnswerNotUnderstood("no auth_org_scopes")
    return scope


def _rows(listed: Any, key: str) -> Iterator[Json]:
    for row in listed or []:
        if not isinstance(row, dict) or not row.get(key):
            raise AnswerNotUnderstood(f"no {key}")
        yield row
