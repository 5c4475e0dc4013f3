"""集成中心 › 即时消息: connections to chat platforms, their setup wizard, their detail pages, their ownership files."""

from __future__ import annotations

from flask import Blueprint

bp = Blueprint("integrations", __name__, url_prefix="/integrations/im")
ownership = Blueprint("ownership", __name__)

from blueprints.integrations import files, groups, licences, views, wizard  # noqa: E402, F401  (they register their views)
