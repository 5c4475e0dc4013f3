"""Links that let people into an organisation: each once, for some days, revocable at any time.

A link names nobody. An invitation for a certain user name is stored alike whether or not there is such an account,
so that inviting tells an administrator nothing about accounts elsewhere.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select, update

from errors import AppError, InvalidInput, NotFound
from extensions import db
from models import Invitation, Membership, MembershipState, Role, Tenant, TenantStatus, User
from services import admission, audit, linking, rights, throttling
from texts import N_

TOKEN_BYTES = 24
MOST_DAYS = 30
MOST_OPEN = 200
LISTED = 200


class InvitationEnded(AppError):
    """Unknown, used, revoked, expired, somebody else's, of a frozen organisation: the answer does not tell which."""

    code = "invitation.ended"
    api_code = "ResourceNotFound"
    message = N_("邀请链接无效或已过期")
    hint = N_("请联系邀请您的管理员重新发送。")
    status = 404


def create(
    role: Role, *, username: str = "", note: str = "", days: int = 7, by: Membership, now: datetime
) -> tuple[Invitation, str]:
    """Stage an invitation; return it with its token, which is shown this once.

    username  only this person may use it; empty: whoever has the link
    note      for the administrators, at most 60 characters; days: 1 to MOST_DAYS
    Raises AccessDenied, InvalidInput.
    """
    rights.require(by, "member.edit")
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInput("days", N_("请选择 1 到 30 天"))
    if len(open_ones(by, now=now)) >= MOST_OPEN:
        raise InvalidInput("username", N_("未使用的邀请太多，请先撤销一些"))
    return make(by.tenant, role, username=username, note=note, days=days, by=by.user, now=now)


def make(
    tenant: Tenant, role: Role, *, username: str = "", note: str = "", days: int = 7, by: User, now: datetime
) -> tuple[Invitation, str]:
    """The same on the word of the caller, who has looked at the rights of `by`."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    invitation = Invitation(
        tenant=tenant,
        token_hash=_hash(token),
        role=role,
        username=throttling.fold(username),
        note=note.strip()[:60],
        created_by=by,
        created_at=now,
        expires_at=now + timedelta(days=days),
    )
    db.session.add(invitation)
    db.session.flush()
    _announce(invitation, now=now)
    target = invitation.username or invitation.note
    audit.record("invitation.created", user=by, tenant_id=tenant.id, target=target, role=role.value, days=days, now=now)
    return invitation, token


def _announce(invitation: Invitation, *, now: datetime) -> None:
    """Have the invited person find the organisation among theirs, if there is such a person."""
    wanted = select(User).where(User.username_folded == invitation.username)
    user = db.session.scalar(wanted) if invitation.username else None
    if user is not None and _place(user, invitation.tenant_id) is None:
        place = Membership(user=user, tenant=invitation.tenant, role=invitation.role, preferences={}, created_at=now)
        place.state, place.source = MembershipState.INVITED, "invite"
        db.session.add(place)
        db.session.flush()


def open_ones(viewer: Membership, *, now: datetime) -> list[Invitation]:
    """The invitations that could still be used, newest first. Raises AccessDenied."""
    rights.require(viewer, "member.edit")
    wanted = select(Invitation).where(Invitation.tenant_id == viewer.tenant_id, *_usable(now))
    return list(db.session.scalars(wanted.order_by(Invitation.id.desc()).limit(LISTED)))


def revoke(invitation_id: int, *, by: Membership, now: datetime) -> None:
    """Stage that a link no longer works. Raises AccessDenied, NotFound. Safe to repeat."""
    rights.require(by, "member.edit")
    wanted = select(Invitation).where(Invitation.tenant_id == by.tenant_id, Invitation.id == invitation_id)
    invitation = db.session.scalar(wanted.with_for_update(of=Invitation))
    if invitation is None:
        raise NotFound
    if invitation.revoked_at is None and invitation.used_at is None:
        _end(invitation, now=now)
        audit.record("invitation.revoked", by=by, target=invitation.username or invitation.note, now=now)


def find(token: str, *, now: datetime) -> Invitation:
    """The invitation behind a link, if it can be used. Raises InvitationEnded."""
    invitation = db.session.scalar(select(Invitation).where(Invitation.token_hash == _hash(token), *_usable(now)))
    if invitation is None or invitation.tenant.status is not TenantStatus.ACTIVE:
        raise InvitationEnded
    return invitation


def of_person(user: User, tenant_id: int, *, now: datetime) -> Invitation:
    """The invitation of a person who finds it after signing in. Raises InvitationEnded."""
    mine = (Invitation.tenant_id == tenant_id, Invitation.username == user.username_folded)
    wanted = select(Invitation).where(*mine, *_usable(now)).order_by(Invitation.id.desc()).limit(1)
    invitation = db.session.scalar(wanted)
    if invitation is None or invitation.tenant.status is not TenantStatus.ACTIVE:
        raise InvitationEnded
    return invitation


def accept(invitation: Invitation, user: User, *, now: datetime) -> Membership:
    """Stage that a person, whose identity is proven, comes in. Somebody who is a member already uses nothing up.

    Who left comes under review by a link that names nobody, and waits there whatever other such links they have; who
    was refused stays so: administrators decide on both.
    Raises InvitationEnded, MembershipRefused.
    """
    db.session.flush()
    db.session.refresh(invitation, with_for_update={"of": Invitation})
    for_another = invitation.username and invitation.username != user.username_folded
    if not _is_usable(invitation, now) or for_another or user.is_disabled:
        raise InvitationEnded
    place = _place(user, invitation.tenant_id)
    if place is not None and place.state is MembershipState.ACTIVE:
        return place
    if place is not None and place.state is MembershipState.REFUSED:
        raise rights.MembershipRefused
    if place is not None and _is_to_be_decided(place) and not invitation.username:
        return place
    invitation.used_at, invitation.used_by = now, user
    if place is not None and place.state is MembershipState.LEFT and not invitation.username:
        place.state, place.created_at = MembershipState.UNDER_REVIEW, now
        audit.record("member.asked", user=user, tenant_id=place.tenant_id, target=user.username, source="invite")
        return place
    if place is None:
        place = admission.ask(user, invitation.tenant, source="invite", now=now)
    place.state, place.role = MembershipState.ACTIVE, invitation.role
    place.decided_by_id, place.decided_at = invitation.created_by_id, now
    linking.activate_pending(user.id, tenant_id=place.tenant_id)
    where, role = place.tenant_id, place.role.value
    audit.record("member.joined", user=user, tenant_id=where, target=user.username, role=role, now=now)
    return place


def _is_to_be_decided(place: Membership) -> bool:
    """Whether administrators look at somebody again: they have decided about them before."""
    return place.state is MembershipState.UNDER_REVIEW and place.decided_at is not None


def end_all_of(user: User, tenant_id: int, *, now: datetime) -> None:
    """Stage that nothing lets a person in any more who was invited by name before they left."""
    mine = (Invitation.tenant_id == tenant_id, Invitation.username == user.username_folded)
    db.session.execute(update(Invitation).where(*mine, *_usable(now)).values(revoked_at=now))


def decline(user: User, tenant_id: int, *, now: datetime) -> None:
    """Stage that a person does not want to come. Safe to repeat."""
    mine = (Invitation.tenant_id == tenant_id, Invitation.username == user.username_folded)
    for invitation in db.session.scalars(select(Invitation).where(*mine, *_usable(now))):
        _end(invitation, now=now)
        audit.record("invitation.declined", user=user, tenant_id=tenant_id, target=user.username, now=now)
    _forget_place(user.username_folded, tenant_id)


def _end(invitation: Invitation, *, now: datetime) -> None:
    invitation.revoked_at = now
    if invitation.username:
        _forget_place(invitation.username, invitation.tenant_id)


def _forget_place(username: str, tenant_id: int) -> None:
    """Take away the membership that only an invitation made."""
    theirs = select(User.id).where(User.username_folded == username)
    invited = (Membership.tenant_id == tenant_id, Membership.state == MembershipState.INVITED)
    db.session.execute(delete(Membership).where(*invited, Membership.user_id.in_(theirs)))


def _usable(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return Invitation.used_at.is_(None), Invitation.revoked_at.is_(None), Invitation.expires_at > now


def _is_usable(invitation: Invitation, now: datetime) -> bool:
    return invitation.used_at is None and invitation.revoked_at is None and invitation.expires_at > now


def _place(user: User, tenant_id: int) -> Membership | None:
    return db.session.scalar(select(Membership).where(Membership.user_id == user.id, Membership.tenant_id == tenant_id))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
