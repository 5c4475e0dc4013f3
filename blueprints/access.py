"""Who is asking: the member behind a request, the rights a view needs, and where to go afterwards."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from flask import g, session
from flask_login import current_user
from sqlalchemy import select

from errors import AppError
from extensions import db
from models import Membership, User
from services import rights
from texts import N_

View = TypeVar("View", bound=Callable[..., Any])
TENANT_KEY = "tenant_id"
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
    if not isinstance(current_user._get_current_object(), User) or tenant_id is None:
        return None
    wanted = select(Membership).where(Membership.tenant_id == tenant_id, Membership.user_id == current_user.id)
    member = db.session.execute(wanted).scalar_one_or_none()
    return member if member is not None and rights.is_in_force(member) else None


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
