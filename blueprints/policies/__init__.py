"""分派策略: who is told, through what, in what levels and with what delays; edited on one ordinary form."""

from __future__ import annotations

from flask import Blueprint

bp = Blueprint("policies", __name__)

from blueprints.policies import group_picker, views  # noqa: E402, F401  (they register their views)
