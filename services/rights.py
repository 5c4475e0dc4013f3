"""Who may do what: the table of roles and rights, asked before every verb."""

from __future__ import annotations

from errors import AccessDenied
from models import Membership, MembershipState, Role, TenantStatus

_VIEWER = frozenset({"incident.view", "channel.view", "integration.view", "delivery.view", "api_token.own"})
_RESPONDER = _VIEWER | {"incident.handle", "delivery.resend"}
_ADMIN = _RESPONDER | {"channel.edit", "integration.edit", "member.edit", "api_token.others"}

RIGHTS: dict[Role, frozenset[str]] = {Role.ADMIN: _ADMIN, Role.RESPONDER: _RESPONDER, Role.VIEWER: _VIEWER}
ALL_RIGHTS = _ADMIN


def can(member: Membership | None, right: str) -> bool:
    """Whether a member has a right now. Somebody who left, was disabled or whose organisation is frozen has none."""
    if member is None or not is_in_force(member):
        return False
    return right in RIGHTS[member.role]


def require(member: Membership | None, right: str) -> None:
    """Raise AccessDenied unless the member has the right."""
    if not can(member, right):
        raise AccessDenied(right)


def is_in_force(member: Membership) -> bool:
    """Whether a membership counts: its state, its person and its organisation are all active."""
    return (
        member.state is MembershipState.ACTIVE
        and not member.user.is_disabled
        and member.tenant.status is TenantStatus.ACTIVE
    )
