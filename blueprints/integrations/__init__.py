"""集成中心 › 即时消息: connections to chat platforms, their setup wizard, their detail pages, their ownership files."""

from __future__ import annotations

from flask import Blueprint

bp = Blueprint("integrations", __name__, url_prefix="/integrations/im")
ownership = Blueprint("ownership", __name__)

from blueprints.integrations import (  # noqa: E402  (they register their views)
    enhanced,  # noqa: F401
    files,  # noqa: F401
    groups,  # noqa: F401
    licences,  # noqa: F401
    quotas,  # noqa: F401
    trials,  # noqa: F401
    views,  # noqa: F401
    wizard,  # noqa: F401
)
