"""The people assigned to an incident, and which of them have taken it on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import lazyload

from errors import InvalidInput
from extensions import db
from models import Incident, Membership, MembershipState, Responder, User
from services.incident_decisions import acknowledged, current
from texts import N_

__all__ = [
    "acknowledge",
    "acknowledged",
    "acknowledged_since",
    "assign",
    "candidates",
    "clear_acknowledgements",
    "current",
    "known",
    "of",
    "others",
    "people",
    "retire_all_but",
]

_KNOWN = (
    select(Membership)
    .options(lazyload(Membership.tenant))
    .where(
        Membership.tenant_id == bindparam("tenant_id"), Membership.user_id.in_(bindparam("user_ids", expanding=True))
    )
)


def people(tenant_id: int, user_ids: Sequence[int]) -> list[Membership]:
    """The active members chosen by hand, in the order of the choice. Raises InvalidInput if one is not, or none are."""
    chosen = known(tenant_id, user_ids)
    active = [member for member in chosen if member.state is MembershipState.ACTIVE and member.user.is_active]
    if not active:
        raise InvalidInput("user_ids", N_("请至少选择一人"))
    if len(active) < len(set(user_ids)):
        raise InvalidInput("user_ids", N_("所选人员不在本组织或已停用"))
    return active


def known(tenant_id: int, user_ids: Iterable[int]) -> list[Membership]:
    """Those who have a membership of any state, without repeats, in the order given."""
    ordered = list(dict.fromkeys(user_ids))
    rows = db.session.scalars(_KNOWN, {"tenant_id": tenant_id, "user_ids": ordered})
    by_id = {member.user_id: member for member in rows}
    return [by_id[user_id] for user_id in ordered if user_id in by_id]


def others(tenant_id: int, known: Iterable[Membership]) -> list[Membership]:
    """Who could be assigned and is not among these."""
    ids = {member.id for member in known}
    return [member for member in candidates(tenant_id) if member.id not in ids]


def candidates(tenant_id: int) -> list[Membership]:
    """Everybody who could be assigned, by name."""
    active = (
        select(Membership)
        .join(User, User.id == Membership.user_id)
        .where(Membership.tenant_id == tenant_id, Membership.state == MembershipState.ACTIVE)
        .where(User.is_disabled.is_(False))
        .order_by(User.real_name, User.username_folded)
    )
    return list(db.session.scalars(active))


def of(incident: Incident, user_id: int) -> Responder | None:
    return next((responder for responder in incident.responders if responder.user_id == user_id), None)


def acknowledged_since(incident: Incident, at: datetime) -> bool:
    return any(responder.acknowledged_at and responder.acknowledged_at >= at for responder in current(incident))


def assign(incident: Incident, users: Iterable[User], *, source: str, now: datetime) -> list[Responder]:
    """Make people current responders; return those who were not. source: policy | reassign | added | self."""
    return [added for user in users if (added := _assign_one(incident, user, source, now))]


def assigned(user_id: int, *, source: str, now: datetime) -> dict[str, Any]:
    """The columns of a current responder, but for the incident."""
    return {"user_id": user_id, "source": source, "is_current": True, "assigned_at": now}


def _assign_one(incident: Incident, user: User, source: str, now: datetime) -> Responder | None:
    responder = of(incident, user.id)
    if responder is None:
        values = assigned(user.id, source=source, now=now)
        responder = Responder(tenant_id=incident.tenant_id, user=user, **values)
        incident.responders.append(responder)
        return responder
    if responder.is_current:
        return None
    responder.is_current, responder.source, responder.assigned_at = True, source, now
    return responder


def retire_all_but(incident: Incident, user_ids: Iterable[int]) -> None:
    """End the assignment of everybody else; their rows stay as history."""
    kept = set(user_ids)
    for responder in incident.responders:
        if responder.user_id not in kept:
            responder.is_current = False


def clear_acknowledgements(incident: Incident) -> None:
    for responder in incident.responders:
        responder.acknowledged_at = None


def acknowledge(incident: Incident, user: User, *, now: datetime) -> None:
    """Note that this person has taken it on; an outsider thereby becomes a responder."""
    assign(incident, [user], source="self", now=now)
    for responder in incident.responders:
        if responder.user_id == user.id:
            responder.acknowledged_at = now
