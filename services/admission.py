"""Who comes in: asking to join, and what an administrator decides about it. Each verb is safe to repeat."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from errors import AppError, NotFound
from extensions import db, insert_once
from models import Membership, MembershipState, Role, Tenant, TenantStatus, User
from services import audit, linking, rights
from texts import N_

REASON_CHARS = 200
SOURCES = {
    "manual": N_("由管理员添加"),
    "invite": N_("通过邀请链接"),
    "house_number": N_("通过门牌号申请"),
    "contact_sync": N_("通讯录同步"),
    "sso": N_("单点登录"),
}
"""How somebody came, as memberships keep it."""
LISTED = 200


class AlreadyDecided(AppError):
    """Somebody decided otherwise in the meantime, or the member was never asked about."""

    code = "member.already_decided"
    api_code = "Conflict"
    message = N_("%(name)s 现在的状态是 %(state)s，不能这样操作")
    hint = N_("请刷新页面查看最新状态。")
    status = 409


class UnknownHouseNumber(NotFound):
    """No organisation has this number now, or it takes nobody in."""

    code = "organisation.unknown_house_number"
    message = N_("没有找到这个门牌号")
    hint = N_("请向组织的管理员核对门牌号。")


def waiting(viewer: Membership) -> list[Membership]:
    """Those who ask to join the viewer's organisation, the longest waiting first, at most LISTED."""
    rights.require(viewer, "member.edit")
    wanted = select(Membership).where(
        Membership.tenant_id == viewer.tenant_id, Membership.state == MembershipState.UNDER_REVIEW
    )
    return list(db.session.scalars(wanted.order_by(Membership.created_at, Membership.id).limit(LISTED)))


def count_waiting(viewer: Membership) -> int:
    counted = select(func.count(Membership.id)).where(
        Membership.tenant_id == viewer.tenant_id, Membership.state == MembershipState.UNDER_REVIEW
    )
    return db.session.scalar(counted) or 0


def ask_by_house_number(user: User, house_number: str, *, now: datetime) -> Membership:
    """Stage that a person asks to join; whoever has a membership already keeps it as it is.

    So somebody who was refused asks in vain: an administrator has to take the request up again.
    Raises UnknownHouseNumber.
    """
    tenant = db.session.scalar(select(Tenant).where(Tenant.house_number == house_number.strip().upper()))
    if tenant is None or tenant.status is not TenantStatus.ACTIVE:
        raise UnknownHouseNumber
    place = _place(user, tenant.id)
    if place is not None:
        return place
    return ask(user, tenant, source="house_number", now=now)


def ask(user: User, tenant: Tenant, *, source: str, now: datetime) -> Membership:
    """Stage a membership under review of somebody who has none here; the one that came meanwhile stays as it is."""
    asked = {"role": Role.RESPONDER, "state": MembershipState.UNDER_REVIEW, "source": source, "preferences": {}}
    whose = {"tenant_id": tenant.id, "user_id": user.id}
    place = insert_once(Membership, whose | asked | {"created_at": now}, key=("tenant_id", "user_id"))
    if place is None:
        return db.session.scalars(select(Membership).filter_by(**whose)).one()
    audit.record("member.asked", user=user, tenant_id=tenant.id, target=user.username, source=source, now=now)
    return place


def approve(member: Membership, *, role: Role | None = None, by: Membership, now: datetime) -> None:
    """Stage that a member under review is let in; what they linked while they waited works from now on.

    Raises AccessDenied, AlreadyDecided.
    """
    rights.require(by, "member.edit")
    if member.state is MembershipState.ACTIVE:
        return
    _expect(member, MembershipState.UNDER_REVIEW)
    member.role = role or member.role
    _decide(member, MembershipState.ACTIVE, "", by=by, now=now)
    links = linking.activate_pending(member.user_id, tenant_id=member.tenant_id)
    target = member.user.username
    audit.record("member.approved", by=by, target=target, role=member.role.value, links=links, now=now)


def refuse(member: Membership, *, reason: str = "", by: Membership, now: datetime) -> None:
    """Stage that a member under review is refused; what they linked while they waited goes.

    reason  for the administrators, at most REASON_CHARS. Raises AccessDenied, AlreadyDecided.
    """
    rights.require(by, "member.edit")
    if member.state is MembershipState.REFUSED:
        return
    _expect(member, MembershipState.UNDER_REVIEW)
    _decide(member, MembershipState.REFUSED, reason, by=by, now=now)
    linking.drop_pending(member.user_id, tenant_id=member.tenant_id)
    audit.record("member.refused", by=by, target=member.user.username, reason=member.reason, now=now)


def reopen(member: Membership, *, by: Membership, now: datetime) -> None:
    """Stage that a refused request is looked at again. Raises AccessDenied, AlreadyDecided."""
    rights.require(by, "member.edit")
    if member.state is MembershipState.UNDER_REVIEW:
        return
    _expect(member, MembershipState.REFUSED)
    _decide(member, MembershipState.UNDER_REVIEW, "", by=by, now=now)
    audit.record("member.reopened", by=by, target=member.user.username, now=now)


def _expect(member: Membership, state: MembershipState) -> None:
    """Look at the row as it is now, and hold it: two administrators may decide at once."""
    db.session.flush()
    db.session.refresh(member, with_for_update={"of": Membership})
    if member.state is not state:
        raise AlreadyDecided(name=member.user.name, state=member.state.label)


def _decide(member: Membership, state: MembershipState, reason: str, *, by: Membership, now: datetime) -> None:
    member.state, member.reason = state, reason.strip()[:REASON_CHARS]
    member.decided_by_id, member.decided_at = by.user_id, now


def _place(user: User, tenant_id: int) -> Membership | None:
    return db.session.scalar(select(Membership).where(Membership.user_id == user.id, Membership.tenant_id == tenant_id))
