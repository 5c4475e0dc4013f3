"""The first page after signing in."""

from __future__ import annotations

from flask import Blueprint, redirect, url_for
from flask.typing import ResponseReturnValue

bp = Blueprint("overview", __name__)


@bp.get("/")
def index() -> ResponseReturnValue:
    return redirect(url_for("me.index"))
