"""系统管理 › 第三方配置: a platform's contacts taken over, compared and confirmed; and who is linked."""

from __future__ import annotations

from flask import Blueprint

bp = Blueprint("contact_sync", __name__, url_prefix="/system/third-party")

from blueprints.contact_sync import comparing, configuring, people, running  # noqa: E402, F401  (they register views)
