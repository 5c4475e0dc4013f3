"""Language and colours, switched on any page, also before signing in."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, redirect, request
from flask.typing import ResponseReturnValue
from flask_babel import refresh
from flask_login import current_user

from blueprints.access import before_password_change, public, safe_next
from blueprints.reader import LANGUAGE_COOKIE, THEME_COOKIE, THEMES
from errors import InvalidInput
from extensions import db
from services.instance import current_settings
from services.wording import LOCALES
from texts import N_

bp = Blueprint("preferences", __name__, url_prefix="/preferences")
YEAR_SECONDS = 365 * 86400


@bp.post("/language")
@public
@before_password_change
def set_language() -> ResponseReturnValue:
    language = request.form.get("language", "")
    if language not in LOCALES:
        raise InvalidInput("language", N_("不支持这种语言"))
    if current_user.is_authenticated:
        current_user.locale = language
        db.session.commit()
    refresh()
    return _back(LANGUAGE_COOKIE, language)


@bp.post("/theme")
@public
@before_password_change
def set_theme() -> ResponseReturnValue:
    theme = request.form.get("theme", "")
    if theme not in THEMES:
        raise InvalidInput("theme", N_("没有这种外观"))
    if current_user.is_authenticated:
        current_user.theme = theme
        db.session.commit()
    return _back(THEME_COOKIE, theme)


def remember(response: Response, name: str, value: str) -> None:
    """Keep a choice in this browser for a year."""
    is_https = current_settings().is_https
    response.set_cookie(name, value, max_age=YEAR_SECONDS, secure=is_https, httponly=True, samesite="Lax")


def _back(name: str, value: str) -> Response:
    response = make_response(redirect(safe_next(request.form.get("next")) or "/", code=303))
    remember(response, name, value)
    return response
