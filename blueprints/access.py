"""Who is asking: the member behind a request, the rights a view needs, and where to go afterwards."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from flask import current_app, g, session
from flask.sessions import SecureCookieSessionInterface
from flask_login import current_user, login_user
from itsdangerous import BadSignature
from sqlalchemy import exists, func, select

from config import SESSION_HOURS
from errors import AccessDenied, AppError
from extensions import db, insert_once
from models import AccountLink, LinkState, Membership, Receipt, Tenant, User
from services import accounts, rights, single_sign_on
from services.clock import utcnow
from texts import N_

View = TypeVar("View", bound=Callable[..., Any])
TENANT_KEY = "tenant_id"
SESSION_KEY = "session"
SINCE_KEY = "since"
SSO_KEY = "sso_tenant"
"""The organisation whose identity provider opened a session; it opens no other one."""
LINK_KEY = "h5_link"
"""The link that a session came in through; it ends with it, on every page."""
LINK_TENANT_KEY = "h5_link_tenant"
TYPED_KEY = "h5_password"
"""Set when the link was made a moment ago by somebody who typed a password."""
ENDED = "session"
"""Scope of the receipts that remember ended sessions: a copied cookie is worth nothing afterwards."""
SESSION_LIFETIME = timedelta(hours=SESSION_HOURS)
LONGEST_NEXT = 1000


class SignInRequired(AppError):
    """Nobody is signed in. Pages answer with the sign-in page instead."""

    code = "sign_in_required"
    api_code = "Unauthorized"
    message = N_("请先登录")
    hint = N_("登录状态可能已过期，请重新登录。")
    status = 401


class OrganisationRequired(AppError):
    """Signed in, but not (or no longer) inside an organisation."""

    code = "organisation_required"
    api_code = "AccessDenied"
    message = N_("您还没有进入任何组织")
    hint = N_("请选择组织，或联系管理员把您加入组织。")
    status = 403


class ConfinedSession(AccessDenied):
    """An organisation's identity provider, or its application on a chat platform, speaks for it alone."""

    code = "sso.confined"
    message = N_("本次是通过一个组织的单点登录或应用进入的，只能使用该组织")
    hint = N_("请退出后用用户名和密码登录，再继续。")


class PasswordChangeRequired(AppError):
    """A one-time password opens the page that replaces it, and no other."""

    code = "password_change_required"
    api_code = "AccessDenied"
    message = N_("请先设置新密码")
    status = 403


def public(view: View) -> View:
    """Mark a view that answers without a session. Everything else is closed."""
    view.is_public = True  # type: ignore[attr-defined]
    return view


def before_password_change(view: View) -> View:
    """Mark a view that a person with a one-time password may still use."""
    view.is_before_password_change = True  # type: ignore[attr-defined]
    return view


def requires(right: str) -> Callable[[View], View]:
    """Close a view to everybody without the right (`services.rights.RIGHTS`); put it below the route."""
    if right not in rights.ALL_RIGHTS:
        raise ValueError(f"unknown right {right!r}")

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            rights.require(current_member(), right)
            return view(*args, **kwargs)

        guarded.required_right = right  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return decorate


def current_member() -> Membership:
    """The membership that this request acts with.

    Raises SignInRequired without a session, OrganisationRequired if the person is in no active organisation.
    """
    member = current_member_or_none()
    if member is not None:
        return member
    if not current_user.is_authenticated:
        raise SignInRequired
    raise OrganisationRequired


def current_member_or_none() -> Membership | None:
    """The membership that this request acts with, or None: for pages that also answer strangers."""
    if "member" not in g:
        g.member = _find_member()
    member = g.member
    return member if isinstance(member, Membership) else None


def _find_member() -> Membership | None:
    tenant_id = session.get(TENANT_KEY)
    if tenant_id is None or not current_user.is_authenticated:
        return None
    wanted = select(Membership).where(Membership.tenant_id == tenant_id, Membership.user_id == current_user.id)
    member = db.session.execute(wanted).scalar_one_or_none()
    if member is None or not rights.is_in_force(member):
        return None
    return member if way_refused(member) is None else None


def vouched_by() -> int | None:
    """The organisation that says who this is, by its provider or its application; None: the person knew a password.

    Whoever runs such a thing could name anybody, so it opens nothing but that organisation.
    """
    tenant_id: int | None = session.get(SSO_KEY, session.get(LINK_TENANT_KEY))
    return tenant_id


def is_told_of(tenant_id: int) -> bool:
    """Whether this session may know what its person is in an organisation: not if another one vouches for it."""
    return vouched_by() in {None, tenant_id}


def places_told() -> list[Membership]:
    """The organisations that the person may enter, oldest first, as far as this session is told of them."""
    return [place for place in accounts.places(current_user) if is_told_of(place.tenant_id)]


def typed_password() -> bool:
    """Whether the person of this session typed a password to open it."""
    return vouched_by() is None or bool(session.get(TYPED_KEY))


def must_set_password() -> bool:
    """Whether this session was opened by a one-time password, which opens the page that replaces it and no other."""
    return bool(current_user.must_change_password) and typed_password()


def require_own_session() -> None:
    """For what a person does beyond one organisation. Raises ConfinedSession."""
    if vouched_by() is not None:
        raise ConfinedSession


def stands_above() -> bool:
    """Whether this is a super-administrator's own session."""
    return bool(current_user.is_authenticated and current_user.is_superadmin and vouched_by() is None)


def came_by_sso(tenant_id: int) -> bool:
    """Whether this session was opened by the organisation's identity provider, or by a link made behind it."""
    by_link = LINK_KEY in session and session.get(LINK_TENANT_KEY) == tenant_id
    return by_link or session.get(SSO_KEY) == tenant_id


def way_refused(place: Membership) -> AppError | None:
    """Why the way in which this session was opened does not lead into an organisation; None: it does."""
    if not is_told_of(place.tenant_id):
        return ConfinedSession()
    if not single_sign_on.may_enter(place, came_by_sso=came_by_sso(place.tenant_id)):
        return single_sign_on.SsoRequired(organisation=place.tenant.name)
    return None


def in_the_way(place: Membership) -> AppError | None:
    """Why this session does not open an organisation; None: it does."""
    return way_refused(place) if rights.is_in_force(place) else rights.refusal(place)


# --- sessions -----------------------------------------------------------------------------------------------------


def sign_in(user: User, *, tenant_id: int | None, by_sso: bool = False) -> None:
    """Begin a session; a new one, so that a planted cookie is worth nothing. It ends after 12 hours.

    by_sso  the organisation's identity provider says who it is
    """
    session.clear()
    login_user(user)
    session.permanent = True
    session[SESSION_KEY] = secrets.token_urlsafe(16)
    session[SINCE_KEY] = int(time.time())
    if by_sso:
        session[SSO_KEY] = tenant_id
    choose_organisation(tenant_id)


def renew(user: User) -> None:
    """Begin the session anew where it stands; it remains what it was opened for, and ends with the same link."""
    kept = {name: session[name] for name in (SSO_KEY, LINK_KEY, LINK_TENANT_KEY, TYPED_KEY) if name in session}
    sign_in(user, tenant_id=session_tenant())
    session.update(kept)


def choose_organisation(tenant_id: int | None) -> None:
    """Act inside this organisation from now on; the person's membership is looked up at each request."""
    session[TENANT_KEY] = tenant_id
    g.pop("member", None)


def act_as(place: Membership) -> None:
    """Act with this membership, which is in force, from now on."""
    session[TENANT_KEY] = place.tenant_id
    g.member = place


def session_tenant() -> int | None:
    """The organisation that the session stands in, None before one is chosen."""
    tenant_id: int | None = session.get(TENANT_KEY)
    return tenant_id


def sign_out() -> None:
    """End the session for good; stages a row that refuses copies of the cookie. Safe to repeat, also at once."""
    if ended := session.get(SESSION_KEY):
        tenant_id = session.get(TENANT_KEY)
        if tenant_id is None:
            tenant_id = db.session.execute(select(func.min(Tenant.id))).scalar_one()
        receipt = {"tenant_id": tenant_id, "scope": ENDED, "key": ended, "at": utcnow()}
        insert_once(Receipt, receipt, key=("scope", "key"))
    session.clear()
    g.pop("member", None)
    g.pop("_login_user", None)


def load_user(session_user_id: str) -> User | None:
    """The person of this request's session."""
    return None if g.get("bare") else _person_of(session, session_user_id)


def person_of_cookie(value: str) -> tuple[User, int | None] | None:
    """The person of a session whose cookie's value a program sent in a header; None if it is not one that stands.

    With the organisation that it is confined to, if that one's identity provider or application opened it.
    """
    signing = SecureCookieSessionInterface().get_signing_serializer(current_app)
    try:
        kept = signing.loads(value, max_age=int(SESSION_LIFETIME.total_seconds())) if signing else None
    except BadSignature:
        return None
    if not isinstance(kept, dict):
        return None
    person = _person_of(kept, str(kept.get("_user_id", "")))
    return (person, kept.get(SSO_KEY, kept.get(LINK_TENANT_KEY))) if person is not None else None


def _person_of(kept: Mapping[str, Any], session_user_id: str) -> User | None:
    """The person of a session: not one that was ended, is too old, or whose person was disabled or unlinked since."""
    user_id, _, epoch = session_user_id.partition(".")
    age = time.time() - kept.get(SINCE_KEY, 0)
    if not (user_id.isdecimal() and epoch.isdecimal()) or not 0 <= age + 60 <= SESSION_LIFETIME.total_seconds() + 60:
        return None
    wanted = select(User).where(User.id == int(user_id), User.session_epoch == int(epoch))
    if (link_id := kept.get(LINK_KEY)) is not None:
        stands = (AccountLink.id == link_id, AccountLink.user_id == User.id, AccountLink.state != LinkState.BROKEN)
        wanted = wanted.where(exists().where(*stands))
    was_ended = exists().where(Receipt.scope == ENDED, Receipt.key == kept.get(SESSION_KEY, ""))
    return db.session.execute(wanted.where(User.is_disabled.is_(False), ~was_ended)).scalar_one_or_none()


def superadmin_only(view: View) -> View:
    """Close a view to everybody but super-administrators. They come without an organisation, so it is asked here.

    They have to know their password: no organisation's provider or application can say that somebody is one.
    """

    @wraps(view)
    @before_password_change
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if must_set_password():
            raise PasswordChangeRequired
        if not stands_above():
            raise AccessDenied("super-administrator")
        return view(*args, **kwargs)

    guarded.is_for_superadmin = True  # type: ignore[attr-defined]
    return guarded  # type: ignore[return-value]


# --- where to go afterwards ---------------------------------------------------------------------------------------


def safe_next(value: str | None) -> str | None:
    """Return `value` if it is a path of our own, else None: an address that sign-in may lead to.

    Refused are other hosts in any spelling: `//host`, backslashes, control characters, encoded forms of those.
    """
    if not value or len(value) > LONGEST_NEXT:
        return None
    for spelling in (value, unquote(value), unquote(unquote(value))):
        if not _is_own_path(spelling):
            return None
    return value


def _is_own_path(value: str) -> bool:
    if not value.startswith("/") or value.startswith("//") or "\\" in value:
        return False
    if any(ord(letter) < 0x20 or ord(letter) == 0x7F or (letter.isspace() and letter != " ") for letter in value):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    path = parts.path
    return not parts.scheme and not parts.netloc and "//" not in path and "@" not in path and "/../" not in f"{path}/"
