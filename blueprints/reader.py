"""How the reader wants it: language, time zone, light or dark."""

from __future__ import annotations

from flask import g, has_request_context, request
from flask_login import current_user

from blueprints.access import current_member_or_none
from models import Tenant, User
from services.wording import DEFAULT_LOCALE, DEFAULT_TIMEZONE, known_locale, known_zone

LANGUAGE_COOKIE = "language"
THEME_COOKIE = "theme"
THEMES = ("auto", "light", "dark")


def choose_locale() -> str:
    """Cookie, then the person's own, what the browser asks for, the organisation's, Chinese."""
    if not has_request_context():
        return DEFAULT_LOCALE
    user, tenant = _user(), _tenant()
    candidates = (
        request.cookies.get(LANGUAGE_COOKIE),
        user.locale if user else None,
        request.accept_languages.best_match(["zh-CN", "zh", "en"]),
        tenant.locale if tenant else None,
    )
    return next(filter(None, map(known_locale, candidates)), DEFAULT_LOCALE)


def choose_zone() -> str:
    """The name of the person's own time zone, the organisation's, or that of China."""
    if not has_request_context():
        return DEFAULT_TIMEZONE
    user, tenant = _user(), _tenant()
    for name in (user.timezone if user else None, tenant.timezone if tenant else None):
        if name and known_zone(name):
            return name
    return DEFAULT_TIMEZONE


def choose_theme() -> str:
    """One of THEMES: cookie, then the person's own; "auto" follows the system."""
    user = _user()
    wanted = request.cookies.get(THEME_COOKIE) or (user.theme if user else None)
    return wanted if wanted in THEMES else "auto"


def _user() -> User | None:
    if g.get("bare") or not current_user.is_authenticated:
        return None
    user: User = current_user
    return user


def _tenant() -> Tenant | None:
    member = None if g.get("bare") else current_member_or_none()
    return member.tenant if member else None
