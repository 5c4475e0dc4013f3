"""People and their passwords: proving who somebody is, the first administrator, changing a password."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, select, update
from sqlalchemy.exc import IntegrityError

from errors import AppError, Conflict, InvalidInput
from extensions import db, read_only
from models import ApiToken, Membership, MembershipState, Receipt, Role, SignInAttempt, Tenant, User
from services import audit, generated_accounts, instance, passwords, rights, throttling
from texts import N_

USERNAME = re.compile(r"[\w.@-]{2,64}")


class SignInRefused(AppError):
    """Unknown name or wrong password: the answer does not tell which."""

    code = "sign_in.refused"
    api_code = "Unauthorized"
    message = N_("用户名或密码不正确")
    hint = N_("请检查大小写与输入法后再试；忘记密码请联系管理员重置。")
    status = 422


class AccountDisabled(AppError):
    """The password was right, so the reader may know."""

    code = "sign_in.disabled"
    api_code = "AccessDenied"
    message = N_("该账户已被停用")
    hint = N_("请联系管理员恢复。")
    status = 403


class AlreadySetUp(Conflict):
    """The first administrator exists: the page for making one is closed for good."""

    code = "instance.already_set_up"
    message = N_("本系统已有管理员")
    hint = N_("请用已有账户登录。")


class WrongSetupCode(AppError):
    """Whoever opens the page first must also be able to read what this installation prints at its start."""

    code = "instance.wrong_setup_code"
    api_code = "InvalidParameter"
    message = N_("安装码不正确")
    hint = N_("请查看启动日志，或在服务器上运行 flask --app app setup-code。")
    status = 422
    field = "setup_code"


class UsernameTaken(AppError):
    code = "account.username_taken"
    api_code = "InvalidParameter"
    message = N_("用户名 %(username)s 已被使用")
    hint = N_("请换一个用户名。")
    status = 422


class WrongPassword(AppError):
    """The signed-in person's own password was asked for and another one given."""

    code = "password.wrong"
    api_code = "InvalidParameter"
    message = N_("当前密码不正确")
    status = 422
    field = "current"


class PasswordUnchanged(passwords.WeakPassword):
    code = "password.unchanged"
    message = N_("新密码与旧密码相同")


def authenticate(username: str, password: str, *, address: str, now: datetime) -> User:
    """Return the person that a name and a password belong to; stage that the sign-in happened.

    Commits on the way: a guess is counted before it is decided, and no transaction is open while hashing.
    Raises SignInRefused, AccountDisabled, throttling.TooManyAttempts, passwords.HashingBusy.
    """
    account = throttling.fold(username)
    attempt = throttling.begin(account, address, now=now)
    with read_only():
        user = find(username)
        hashed = user.password_hash if user else None
    try:
        is_right = passwords.verify(password, hashed)
    except passwords.HashingBusy:
        throttling.withdraw(attempt)
        raise
    if user is None or not is_right:
        _record_failure(user, attempt, now=now)
        raise SignInRefused
    throttling.forget(account)
    if user.is_disabled:
        audit.record("sign_in.disabled", user=user, tenant_id=_only_tenant(user), now=now)
        db.session.commit()
        raise AccountDisabled
    _keep_up_to_date(user, password)
    generated_accounts.use_initial_password(user, now=now)
    user.last_sign_in_at = now
    return user


def _record_failure(user: User | None, attempt: SignInAttempt, *, now: datetime) -> None:
    """Record a wrong guess, and that it was the last one allowed. A name that nobody has may be a password: left out.

    Commits: the refusal that follows rolls back.
    """
    who: dict[str, Any] = {"user": user, "tenant_id": _only_tenant(user) if user else None, "now": now}
    audit.record("sign_in.failed", **who, is_known=user is not None)
    if throttling.is_last(attempt, now=now):
        audit.record("sign_in.locked", **who)
    db.session.commit()


def _only_tenant(user: User) -> int | None:
    """The organisation whose administrators see an entry about a person: none if the person is in several."""
    found = {place.tenant_id for place in all_places(user)}
    return found.pop() if len(found) == 1 else None


def confirm(user: User, password: str, *, address: str, now: datetime) -> None:
    """Make sure that it is still this person who acts: their password, counted like a sign-in. Commits on the way.

    Raises WrongPassword, throttling.TooManyAttempts, passwords.HashingBusy.
    """
    try:
        authenticate(user.username, password, address=address, now=now)
    except SignInRefused as error:
        raise WrongPassword from error


def find(username: str) -> User | None:
    """The person of that name, however it is spelt."""
    return db.session.execute(
        select(User).where(User.username_folded == throttling.fold(username))
    ).scalar_one_or_none()


def places(user: User) -> list[Membership]:
    """The organisations that a person may enter, oldest first."""
    return [place for place in all_places(user) if rights.is_in_force(place)]


def all_places(user: User) -> list[Membership]:
    """Every membership of a person, whatever its state, oldest first."""
    return list(
        db.session.execute(select(Membership).where(Membership.user_id == user.id).order_by(Membership.id)).scalars()
    )


def administrators(tenant_id: int) -> list[User]:
    """Who can decide in an organisation: its active administrators, by name."""
    wanted = (
        select(User)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.tenant_id == tenant_id, Membership.role == Role.ADMIN)
        .where(Membership.state == MembershipState.ACTIVE, User.is_disabled.is_(False))
        .order_by(User.username_folded)
    )
    return list(db.session.execute(wanted).scalars())


def is_empty() -> bool:
    """Whether nobody has an account yet."""
    return not db.session.execute(select(exists().where(User.id.is_not(None)))).scalar_one()


def check_setup_code(typed: str) -> None:
    """Raise WrongSetupCode unless it is this installation's, where one is needed."""
    if instance.needs_setup_code() and not instance.is_setup_code(typed):
        audit.record("instance.wrong_setup_code")
        db.session.commit()
        raise WrongSetupCode


def create_first_administrator(
    username: str, real_name: str, password: str, *, organisation: str = "", now: datetime
) -> Membership:
    """Stage the first account: administrator of the default organisation and of the instance.

    Raises AlreadySetUp if anybody has an account, also when two try at the same moment; WeakPassword, InvalidInput.
    """
    if not is_empty():
        raise AlreadySetUp
    tenant = instance.default_tenant(now=now)
    if organisation.strip():
        tenant.name = organisation.strip()[:60]
    try:
        with db.session.begin_nested():
            db.session.add(Receipt(tenant_id=tenant.id, scope="instance", key="first-administrator", at=now))
    except IntegrityError as error:
        raise AlreadySetUp from error
    user = create(username, real_name, password, now=now)
    user.is_superadmin = True
    place = join(user, tenant, Role.ADMIN, source="manual", now=now)
    audit.record("instance.set_up", by=place, target=tenant.name, now=now)
    return place


def create(
    username: str, real_name: str, password: str | None, *, must_change_password: bool = False, now: datetime
) -> User:
    """Stage a new account; without a password the person signs in through a chat platform only.

    Raises InvalidInput for an impossible name, UsernameTaken, WeakPassword (not for one-time passwords).
    """
    username = username.strip()
    if not USERNAME.fullmatch(username):
        raise InvalidInput("username", N_("请用 2 到 64 个字母、数字或 . _ - @"))
    if find(username) is not None:
        raise UsernameTaken(username=username)
    if password is not None and not must_change_password:
        passwords.check_acceptable(password, username)
    user = User(
        username=username,
        username_folded=throttling.fold(username),
        real_name=real_name.strip()[:64],
        password_hash=None if password is None else passwords.hash_password(password),
        must_change_password=must_change_password,
        created_at=now,
    )
    try:
        with db.session.begin_nested():
            db.session.add(user)
    except IntegrityError as error:
        raise UsernameTaken(username=username) from error
    return user


def join(user: User, tenant: Tenant, role: Role, *, source: str, now: datetime) -> Membership:
    """Stage an active membership."""
    place = Membership(user=user, tenant=tenant, role=role, source=source, preferences={}, created_at=now)
    db.session.add(place)
    db.session.flush()
    return place


def change_password(user: User, new: str) -> None:
    """Stage a person's own new password and end all their sessions; the caller begins a new one.

    Raises WeakPassword, PasswordUnchanged.
    """
    passwords.check_acceptable(new, user.username)
    if passwords.verify(new, user.password_hash):
        raise PasswordUnchanged
    user.password_hash = passwords.hash_password(new)
    user.must_change_password = False
    end_sessions(user)
    audit.record("password.changed", user=user, tenant_id=_only_tenant(user))


def set_one_time_password(user: User, *, by: Membership | None = None) -> str:
    """Stage a password that must be changed at the first sign-in; return it, this once. by: None for a command.

    Whoever had the old one may have made API tokens with it, so they end with the sessions.
    """
    password = passwords.one_time_password()
    user.password_hash = passwords.hash_password(password)
    user.must_change_password = True
    throttling.forget(user.username_folded)
    end_sessions(user)
    ended = db.session.execute(delete(ApiToken).where(ApiToken.user_id == user.id).returning(ApiToken.id)).all()
    where = None if by else _only_tenant(user)
    audit.record("password.reset", by=by, tenant_id=where, target=user.username, api_tokens_ended=len(ended))
    return password


def end_sessions(user: User) -> None:
    """Stage the end of every session of a person; atomic, so that two endings count."""
    db.session.execute(update(User).where(User.id == user.id).values(session_epoch=User.session_epoch + 1))
    db.session.refresh(user, ["session_epoch"])


def _keep_up_to_date(user: User, password: str) -> None:
    """Hash again with today's parameters while the password is at hand; not worth waiting for."""
    if user.password_hash is None or not passwords.is_outdated(user.password_hash):
        return
    try:
        user.password_hash = passwords.hash_password(password)
    except passwords.HashingBusy:
        return
