"""The in-app pages: what a responder opens from the workbench or from a card, on a phone, at night.

entry.py signs people in and links them; incidents.py is what they came for, groups.py what one group chat was told;
account.py is the menu at the top right, organisations.py the way from it into another organisation.
"""

from __future__ import annotations

from flask import Blueprint

bp = Blueprint("h5", __name__, url_prefix="/h5/<platform>/<public_key>")
tenant_home = Blueprint("h5_tenant_home", __name__)

from blueprints.h5 import account, entry, groups, incidents, organisations, rooms  # noqa: E402, F401  (they register their views)
