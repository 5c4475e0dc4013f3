"""Flask's extensions that only web needs, made once and wired in app.py."""

from __future__ import annotations

from flask_login import LoginManager
from flask_wtf.csrf import CSRFProtect

from slim_imports import without

with without("rich"):  # 4 MB for its command line
    from flask_limiter import Limiter
    from flask_limiter.util import get_remote_address

csrf = CSRFProtect()
login_manager = LoginManager()
limiter = Limiter(get_remote_address, in_memory_fallback_enabled=True, swallow_errors=True)
"""While Redis does not answer, each process counts for itself. Two that notice at once both fail: neither refuses."""
