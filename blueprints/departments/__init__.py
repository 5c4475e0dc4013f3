"""The tree of departments."""

from blueprints.departments.views import bp

__all__ = ["bp"]
