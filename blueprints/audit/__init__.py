"""The audit record, for administrators."""

from blueprints.audit.views import bp, instance

__all__ = ["bp", "instance"]
