"""故障: the list, one incident, and everything that can be done to it."""

from __future__ import annotations

from flask import Blueprint

from blueprints.seating import take_seat

bp = Blueprint("incidents", __name__, url_prefix="/incidents")
bp.before_request(take_seat)

from blueprints.incidents import actions, editing, rooms, views  # noqa: E402, F401  (they register their views)
