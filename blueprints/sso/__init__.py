"""Single sign-on: setting an organisation's identity provider up, and coming in through it."""

from flask import Blueprint

bp = Blueprint("sso", __name__, url_prefix="/sso")

from blueprints.sso import settings, views  # noqa: E402 they add their routes to it

__all__ = ["bp", "settings", "views"]
