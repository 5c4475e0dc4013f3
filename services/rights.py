"""Who may do what: the table of roles and rights, asked before every verb."""

from __future__ import annotations

from typing import Protocol

from errors import AccessDenied, AppError
from models import Membership, MembershipState, Role, TenantStatus
from texts import N_


class Person(Protocol):
    @property
    def is_disabled(self) -> bool: ...


class Organisation(Protocol):
    @property
    def status(self) -> TenantStatus: ...


class Member(Protocol):
    """A membership: a row of the session, or what a press on a card has read of it."""

    @property
    def tenant_id(self) -> int: ...
    @property
    def user_id(self) -> int: ...
    @property
    def state(self) -> MembershipState: ...
    @property
    def role(self) -> Role: ...
    @property
    def user(self) -> Person: ...
    @property
    def tenant(self) -> Organisation: ...


_VIEWER = frozenset({"incident.view", "channel.view", "integration.view", "delivery.view", "api_token.own"})
_RESPONDER = _VIEWER | {"incident.handle", "delivery.resend", "message.send", "channel.edit_own"}
_ADMIN = _RESPONDER | {
    "channel.edit",
    "integration.edit",
    "member.edit",
    "team.edit",
    "audit.view",
    "organisation.edit",
    "api_token.others",
    "message.send_all",
}

RIGHTS: dict[Role, frozenset[str]] = {Role.ADMIN: _ADMIN, Role.RESPONDER: _RESPONDER, Role.VIEWER: _VIEWER}
"""channel.edit: all channels, policies and templates; channel.edit_own: those of own teams (services/ownership.py)."""
ALL_RIGHTS = _ADMIN


class OrganisationFrozen(AccessDenied):
    code = "organisation.frozen"
    message = N_("组织已被冻结")
    hint = N_("请联系实例管理员。")


class MembershipEnded(AccessDenied):
    code = "membership.ended"
    message = N_("您已不是该组织的成员")
    hint = N_("如需恢复，请联系该组织的管理员。")


class MembershipUnderReview(AccessDenied):
    code = "membership.under_review"
    message = N_("您的加入申请正在审核中")
    hint = N_("管理员通过后即可使用。")


class MembershipRefused(AccessDenied):
    code = "membership.refused"
    message = N_("您的加入申请已被拒绝")
    hint = N_("如有疑问，请联系该组织的管理员。")


class InvitationOpen(AccessDenied):
    code = "membership.invited"
    message = N_("您收到了该组织的邀请，尚未接受")
    hint = N_("请先接受邀请。")


_REFUSALS: dict[MembershipState, type[AccessDenied]] = {
    MembershipState.INVITED: InvitationOpen,
    MembershipState.UNDER_REVIEW: MembershipUnderReview,
    MembershipState.REFUSED: MembershipRefused,
    MembershipState.LEFT: MembershipEnded,
}


def refusal(member: Membership) -> AppError:
    """Why a membership opens nothing, in words, as an error to raise or to show."""
    if member.tenant.status is not TenantStatus.ACTIVE:
        return OrganisationFrozen()
    if member.user.is_disabled:
        return MembershipEnded()
    return _REFUSALS.get(member.state, AccessDenied)()


def can(member: Member | None, right: str) -> bool:
    """Whether a member has a right now. Somebody who left, was disabled or whose organisation is frozen has none."""
    if member is None or not is_in_force(member):
        return False
    return right in RIGHTS[member.role]


def require(member: Membership | None, right: str) -> None:
    """Raise AccessDenied unless the member has the right."""
    if not can(member, right):
        raise AccessDenied(right)


def is_in_force(member: Member) -> bool:
    """Whether a membership counts: its state, its person and its organisation are all active."""
    return (
        member.state is MembershipState.ACTIVE
        and not member.user.is_disabled
        and member.tenant.status is TenantStatus.ACTIVE
    )
