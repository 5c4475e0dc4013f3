"""Where dispatch policies name a person, and taking somebody who leaves out of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from extensions import db
from models import DispatchPolicy


@dataclass(frozen=True)
class Use:
    """A level (counted from 1) of a policy. is_alone: without this person it would reach nobody."""

    policy: DispatchPolicy
    level: int
    is_alone: bool


def uses(tenant_id: int, user_id: int) -> list[Use]:
    """Every level of the organisation's policies that names the person."""
    wanted = select(DispatchPolicy).where(DispatchPolicy.tenant_id == tenant_id).order_by(DispatchPolicy.id)
    return [
        Use(policy, number, _is_alone(level))
        for policy in db.session.scalars(wanted)
        for number, level in enumerate(policy.levels, 1)
        if user_id in level.get("user_ids", ())
    ]


def take_out(tenant_id: int, user_id: int) -> list[Use]:
    """Stage that no level names the person any more, but for those that would reach nobody; return these.

    Such a level stays as it is, with somebody who is told nothing: the page of the policy says so.
    """
    found = uses(tenant_id, user_id)
    for policy in {use.policy.id: use.policy for use in found}.values():
        policy.levels = [_without(level, user_id) for level in policy.levels]
    return [use for use in found if use.is_alone]


def _without(level: dict[str, Any], user_id: int) -> dict[str, Any]:
    if user_id not in level.get("user_ids", ()) or _is_alone(level):
        return level
    return level | {"user_ids": [each for each in level["user_ids"] if each != user_id]}


def _is_alone(level: dict[str, Any]) -> bool:
    return len(level["user_ids"]) == 1 and not level.get("group_ids")
