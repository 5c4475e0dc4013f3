"""Departments and members inside the visible range of a self-built application, which sees names and nothing private.

https://developer.work.weixin.qq.com/document/path/90208 and path/96259
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from platforms.base import Contact, Department
from platforms.contacts import as_tree, patiently
from platforms.errors import AnswerNotUnderstood
from platforms.wecom.client import Client
from platforms.wecom.errors import MemberGone

Json = dict[str, Any]


def departments(client: Client) -> list[Department]:
    """Higher numbers of `order` come first in WeCom."""
    return as_tree(
        Department(str(row["id"]), str(row.get("name") or row["id"]), str(row.get("parentid") or ""), -_order(row))
        for row in _rows(patiently(client.list_departments), "id")
    )


def members(client: Client, department_id: str) -> list[Contact]:
    listed = patiently(lambda: client.list_members(department_id)) if department_id else _alone(client)
    return [Contact(str(row["userid"]), str(row.get("name") or "")) for row in _rows(listed, "userid")]


def _alone(client: Client) -> Iterator[Json]:
    """The members that the visible range names one by one."""
    named = client.get_agent().get("allow_userinfos") or {}
    for row in _rows(named.get("user") or [], "userid"):
        try:
            yield client.get_user(str(row["userid"]))
        except MemberGone:
            continue


def _rows(listed: Any, key: str) -> Iterator[Json]:
    for row in listed:
        if not isinstance(row, dict) or not row.get(key):
            raise AnswerNotUnderstood(f"no {key}")
        yield row


def _order(row: Json) -> int:
    value = row.get("order")
    return value if isinstance(value, int) else 0
