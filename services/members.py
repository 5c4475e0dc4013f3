"""The people of an organisation: adding, changing, disabling them. The last administrator stays."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, func, or_, select

from errors import AppError, InvalidInput, NotFound
from extensions import db
from models import ApiToken, Membership, MembershipState, Role, Severity, User
from services import accounts, audit, invitations, linking, passwords, policy_people, rights, seats, throttling
from services.policy_people import Use
from texts import N_

PAGE = 50
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
SEVERITIES = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)

STATE_LABELS = {state: state.label for state in MembershipState}
SHOWN_STATES = tuple(state for state in MembershipState if state is not MembershipState.INVITED)
"""An invited person stands among the invitations: there alike whether or not there is such an account."""


class LastAdministrator(AppError):
    """Somebody must be left who can decide."""

    code = "member.last_administrator"
    api_code = "InvalidParameter"
    message = N_("%(name)s 是最后一位管理员")
    hint = N_("请先让另一位成员成为管理员。")
    status = 422


class OwnAccount(AppError):
    """An administrator's own password and place are changed elsewhere, not by mistake in a list."""

    code = "member.own_account"
    api_code = "InvalidParameter"
    message = N_("不能对自己执行此操作")
    hint = N_("修改自己的密码请到个人中心。")
    status = 422


class SharedAccount(AppError):
    """The person also belongs to other organisations, whose administrators did not ask for this."""

    code = "member.shared_account"
    api_code = "AccessDenied"
    message = N_("%(name)s 也属于其他组织，不能在这里重置密码")
    hint = N_("请实例管理员代为处理。")
    status = 403


class SharedName(AppError):
    """The person is called so in other organisations, too."""

    code = "member.shared_name"
    api_code = "AccessDenied"
    message = N_("%(name)s 也属于其他组织，不能在这里修改姓名")
    hint = N_("请本人用用户名和密码登录后，在个人中心修改。")
    status = 403


@dataclass(frozen=True)
class Page:
    """Members in the order of their names. next_cursor: what to ask for to go on, None at the end."""

    items: list[Membership]
    next_cursor: str | None


def page(
    viewer: Membership,
    *,
    text: str = "",
    role: Role | None = None,
    state: MembershipState | None = None,
    after: str = "",
    limit: int = PAGE,
) -> Page:
    """The viewer's fellow members, whose user name or name contains `text`, from the cursor `after` on."""
    rights.require(viewer, "incident.view")
    wanted = (
        select(Membership)
        .join(User, User.id == Membership.user_id)
        .where(Membership.tenant_id == viewer.tenant_id, Membership.state != MembershipState.INVITED)
    )
    if state is not None:
        wanted = wanted.where(Membership.state == state)
    if text.strip():
        pattern = f"%{_escaped(text.strip().casefold())}%"
        wanted = wanted.where(
            or_(User.username_folded.like(pattern, escape="\\"), func.lower(User.real_name).like(pattern, escape="\\"))
        )
    if role is not None:
        wanted = wanted.where(Membership.role == role)
    if after:
        wanted = wanted.where(User.username_folded > after)
    found = list(db.session.execute(wanted.order_by(User.username_folded).limit(limit + 1)).scalars())
    items = found[:limit]
    return Page(items, items[-1].user.username_folded if len(found) > limit else None)


def get(member_id: int, *, viewer: Membership) -> Membership:
    """A fellow member. Raises NotFound, also for members of other organisations."""
    wanted = select(Membership).where(Membership.tenant_id == viewer.tenant_id, Membership.id == member_id)
    member = db.session.execute(wanted).scalar_one_or_none()
    if member is None:
        raise NotFound
    return member


def of_user(user_id: int, *, viewer: Membership) -> Membership:
    """The same by the person's number. Raises NotFound."""
    wanted = select(Membership).where(Membership.tenant_id == viewer.tenant_id, Membership.user_id == user_id)
    member = db.session.scalar(wanted)
    if member is None:
        raise NotFound
    return member


def find_active(text: str, *, viewer: Membership) -> Membership:
    """The active fellow member of exactly this user name, else the only one of this name.

    Raises InvalidInput, also for people of elsewhere.
    """
    active = (
        select(Membership)
        .join(User, User.id == Membership.user_id)
        .where(Membership.tenant_id == viewer.tenant_id, Membership.state == MembershipState.ACTIVE)
    )
    found = db.session.scalar(active.where(User.username_folded == throttling.fold(text)))
    if found is not None:
        return found
    named = list(db.session.scalars(active.where(User.real_name == text.strip()).limit(2))) if text.strip() else []
    if not named:
        raise InvalidInput("username", N_("本组织没有这个用户名或姓名的成员"))
    if len(named) > 1:
        raise InvalidInput("username", N_("有多位成员叫这个名字，请填写用户名"))
    return named[0]


def add(username: str, real_name: str, role: Role, *, by: Membership, now: datetime) -> tuple[Membership, str]:
    """Stage a new person with a one-time password; return both. The password cannot be asked for again.

    Raises AccessDenied, InvalidInput, accounts.UsernameTaken.
    """
    rights.require(by, "member.edit")
    password = passwords.one_time_password()
    user = accounts.create(username, real_name, password, must_change_password=True, now=now)
    audit.record("member.added", by=by, target=user.username, role=role.value, now=now)
    return accounts.join(user, by.tenant, role, source="manual", now=now), password


def edit(member: Membership, *, real_name: str, role: Role, by: Membership, stands_above: bool = False) -> None:
    """Stage a new name or role. Raises AccessDenied, LastAdministrator, SharedName."""
    rights.require(by, "member.edit")
    if not real_name.strip():
        raise InvalidInput("real_name", N_("请填写姓名"))
    if role is not Role.ADMIN:
        _keep_an_administrator(member)
    name = real_name.strip()[:64]
    if member.user.real_name != name:
        if not stands_above and _is_elsewhere_too(member):
            raise SharedName(name=member.user.name)
        audit.record("member.renamed", by=by, target=member.user.username, before=member.user.real_name, after=name)
    if member.role is not role:
        audit.record(
            "member.role_changed", by=by, target=member.user.username, before=member.role.value, after=role.value
        )
    member.user.real_name = name
    member.role = role


def set_email(member: Membership, email: str, *, by: Membership, stands_above: bool = False) -> None:
    """Stage the address by which single sign-on knows the person; "" for none. The administrator vouches for it.

    Raises AccessDenied, InvalidInput (also for an address that the person has proven), SharedAccount as
    reset_password().
    """
    rights.require(by, "member.edit")
    email = email.strip().lower()
    if email == (member.user.email or ""):
        return
    if email and (not EMAIL.fullmatch(email) or len(email) > 254):
        raise InvalidInput("email", N_("邮箱格式不正确"))
    if not stands_above and (member.user.is_superadmin or _is_elsewhere_too(member)):
        raise SharedAccount(name=member.user.name)
    if member.user.email_verified_at is not None:
        raise InvalidInput("email", N_("本人验证过的邮箱只能由本人在个人中心修改"))
    taken = select(User.id).where(func.lower(User.email) == email, User.id != member.user_id)
    if email and db.session.scalar(taken) is not None:
        raise InvalidInput("email", N_("该邮箱已被使用"))
    audit.record("member.email_changed", by=by, target=member.user.username, before=member.user.email, after=email)
    member.user.email = email or None


def _is_elsewhere_too(member: Membership) -> bool:
    return any(place.tenant_id != member.tenant_id for place in accounts.all_places(member.user))


def reset_password(member: Membership, *, by: Membership, stands_above: bool = False) -> str:
    """Stage a one-time password, end the person's sessions and API tokens, return the password this once.

    Raises AccessDenied, OwnAccount, SharedAccount: an administrator of one organisation must not be able to
    take over an account that opens another one.
    stands_above  by a super-administrator's own session; one that an organisation vouches for speaks for it alone
    """
    rights.require(by, "member.edit")
    if member.user_id == by.user_id:
        raise OwnAccount
    if not stands_above and (member.user.is_superadmin or _is_elsewhere_too(member)):
        raise SharedAccount(name=member.user.name)
    return accounts.set_one_time_password(member.user, by=by)


def disable(member: Membership, *, by: Membership, now: datetime) -> list[Use]:
    """Stage the end of a membership, of the person's sessions and API tokens here. History stays. Safe to repeat.

    The person leaves the dispatch policies; returned are the levels that would reach nobody otherwise, and so stay.
    Raises AccessDenied, OwnAccount, LastAdministrator.
    """
    rights.require(by, "member.edit")
    if member.user_id == by.user_id:
        raise OwnAccount
    return _end("member.disabled", member, by=by, now=now)


def leave(member: Membership, *, now: datetime) -> list[Use]:
    """The same, by the person's own wish. Raises LastAdministrator."""
    return _end("member.left", member, by=member, now=now)


def _end(event: str, member: Membership, *, by: Membership, now: datetime) -> list[Use]:
    if member.state is not MembershipState.ACTIVE:
        return []
    _keep_an_administrator(member)
    member.state, member.decided_by_id, member.decided_at = MembershipState.LEFT, by.user_id, now
    seats.release(member, now=now)
    left_alone = policy_people.take_out(member.tenant_id, member.user_id)
    invitations.end_all_of(member.user, member.tenant_id, now=now)
    if not _is_elsewhere_too(member):  # else they end here alone: each request looks at the membership
        accounts.end_sessions(member.user)
    theirs = (ApiToken.tenant_id == member.tenant_id, ApiToken.user_id == member.user_id)
    ended = db.session.execute(delete(ApiToken).where(*theirs).returning(ApiToken.id)).all()
    counts: dict[str, Any] = {"api_tokens_ended": len(ended), "levels_left": len(left_alone)}
    audit.record(event, by=by, target=member.user.username, now=now, **counts)
    return left_alone


def restore(member: Membership, *, by: Membership, now: datetime) -> None:
    """Stage that somebody who left is back, with the old role and links. Raises AccessDenied. Safe to repeat."""
    rights.require(by, "member.edit")
    if member.state is MembershipState.LEFT:
        member.state, member.decided_by_id, member.decided_at = MembershipState.ACTIVE, by.user_id, now
        linking.activate_pending(member.user_id, tenant_id=member.tenant_id)
        audit.record("member.restored", by=by, target=member.user.username, now=now)


def set_preferences(member: Membership, chosen: dict[Severity, list[str]], *, now: datetime) -> None:
    """Stage through which kinds of channel a person is told, for each severity: their own wish."""
    before, after = member.preferences, {severity.value: chosen.get(severity, []) for severity in SEVERITIES}
    member.preferences = after
    if changed := audit.difference(before, after):
        audit.record("member.preferences_changed", by=member, target=member.user.username, now=now, changed=changed)


def set_profile(
    member: Membership,
    *,
    real_name: str,
    locale: str,
    theme: str,
    timezone: str,
    knows_password: bool = True,
    now: datetime,
) -> None:
    """Stage what a person says about themselves: name, language, colours and zone; "" for the organisation's.

    knows_password  an organisation that vouches for somebody does not rename them in their others. Raises SharedName
    """
    user = member.user
    if not knows_password and real_name.strip()[:64] != user.real_name and _is_elsewhere_too(member):
        raise SharedName(name=user.name)
    before = {"real_name": user.real_name, "locale": user.locale, "theme": user.theme, "timezone": user.timezone}
    user.real_name, user.locale = real_name.strip()[:64], locale or None
    user.theme, user.timezone = theme, timezone or None
    after = {name: getattr(user, name) for name in before}
    if changed := audit.difference(before, after):
        audit.record("member.profile_changed", by=member, target=user.username, now=now, changed=changed)


def _keep_an_administrator(member: Membership) -> None:
    """Raise LastAdministrator if without this member nobody could decide. Locks: two may leave at once."""
    if member.role is not Role.ADMIN or member.state is not MembershipState.ACTIVE:
        return
    wanted = (
        select(Membership.id)
        .join(User, and_(User.id == Membership.user_id, User.is_disabled.is_(False)))
        .where(Membership.tenant_id == member.tenant_id, Membership.role == Role.ADMIN)
        .where(Membership.state == MembershipState.ACTIVE)
        .order_by(Membership.id)
        .with_for_update(of=Membership)
    )
    if set(db.session.execute(wanted).scalars()) <= {member.id}:
        raise LastAdministrator(name=member.user.name)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
