"""The audit record, for administrators."""

from blueprints.audit.views import bp

__all__ = ["bp"]
