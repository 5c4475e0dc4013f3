"""The people of the organisation, and what administrators do about them.

views.py are the members, requests.py those who ask to become one, invitations.py the links that let people in.
"""

from __future__ import annotations

from flask import Blueprint

bp = Blueprint("members", __name__, url_prefix="/members")

from blueprints.members import invitations, requests, views  # noqa: E402, F401  (they register their views)
