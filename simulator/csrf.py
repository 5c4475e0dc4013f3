"""Forms carry a token that only this site's pages can read: a webview's page may not click in the console."""

from __future__ import annotations

import hmac
import secrets

from flask import abort, request, session
from markupsafe import Markup

NAME = "csrf_token"
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


def token() -> str:
    """The session's token, made when first asked for."""
    if NAME not in session:
        session[NAME] = secrets.token_urlsafe(24)
    value: str = session[NAME]
    return value


def field() -> Markup:
    """The hidden input for a form."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(NAME, token())


def protect() -> None:
    """Refuse a POST without the session's token, with 400."""
    if request.method in SAFE_METHODS:
        return
    if not hmac.compare_digest(request.form.get(NAME, "").encode(), session.get(NAME, "-").encode()):
        abort(400, "表单已过期，请刷新页面后重试")
