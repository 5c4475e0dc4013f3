"""The product API, /api/v1: JSON for programs, with the rights of the token's owner as the ceiling."""

from blueprints.api.views import bp

__all__ = ["bp"]
