"""Departments and members inside the contacts' range (通讯录权限范围) of an application.

https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/reference/contact-v3/scope/list and
https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/reference/contact-v3/department/children
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from platforms.base import Contact, Department
from platforms.contacts import as_tree
from platforms.errors import AnswerNotUnderstood
from platforms.feishu.client import Client

MOST_PAGES = 1000
PAGE_SIZE, SCOPE_PAGE_SIZE = "50", "100"

Json = dict[str, Any]


def departments(client: Client) -> list[Department]:
    """The range names the highest departments; all that is below one of them comes with fetch_child."""
    found = []
    for number in _scope(client, "department_ids"):
        row = client.ask_contacts(f"departments/{number}", {}).get("department")
        rows = [row, *_pages(client, f"departments/{number}/children", {"fetch_child": "true"})]
        found += [_department(each) for each in rows]
    return as_tree(found)


def members(client: Client, department_id: str) -> list[Contact]:
    asked = {"department_id": department_id}
    listed = _pages(client, "users/find_by_department", asked) if department_id else _alone(client)
    return [_contact(row) for row in listed]


def _alone(client: Client) -> Iterator[Json]:
    """The members that the range names one by one; of a range of everybody, those of no department."""
    for open_id in _scope(client, "user_ids"):
        user = client.ask_contacts(f"users/{open_id}", {"user_id_type": "open_id"}).get("user")
        yield user if isinstance(user, dict) else {}


def _scope(client: Client, name: str) -> list[str]:
    found: list[str] = []
    for page in _answers(client, "scopes", {"page_size": SCOPE_PAGE_SIZE}):
        found += [str(number) for number in page.get(name) or []]
    return found


def _pages(client: Client, path: str, asked: dict[str, str]) -> Iterator[Json]:
    for page in _answers(client, path, asked | {"page_size": PAGE_SIZE}):
        yield from page.get("items") or []


def _answers(client: Client, path: str, asked: dict[str, str]) -> Iterator[Json]:
    wanted = dict(asked)
    for _ in range(MOST_PAGES):
        page = client.ask_contacts(path, wanted)
        yield page
        if not page.get("has_more"):
            return
        if not page.get("page_token"):
            raise AnswerNotUnderstood("there is more, and nobody says where")  # who is missing has not left
        wanted["page_token"] = str(page["page_token"])
    raise AnswerNotUnderstood("pages without an end")


def _department(row: Any) -> Department:
    number = row.get("open_department_id") if isinstance(row, dict) else None
    if not number:
        raise AnswerNotUnderstood("no open_department_id")
    order = str(row.get("order") or "")
    rank = int(order) if order.isascii() and order.isdecimal() else 0
    return Department(str(number), str(row.get("name") or number), str(row.get("parent_department_id") or ""), rank)


def _contact(row: Any) -> Contact:
    open_id = row.get("open_id") if isinstance(row, dict) else None
    if not open_id:
        raise AnswerNotUnderstood("no open_id")
    return Contact(str(open_id), str(row.get("name") or ""))
