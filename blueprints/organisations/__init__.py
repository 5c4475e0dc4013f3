"""Organisations: one's own for its administrators, all of them for super-administrators."""

from blueprints.organisations.views import bp, instance

__all__ = ["bp", "instance"]
