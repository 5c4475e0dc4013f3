"""Signing in and out, the first administrator, one's own password, the choice of organisation."""

from blueprints.auth.views import bp

__all__ = ["bp"]
