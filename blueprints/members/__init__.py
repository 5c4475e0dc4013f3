"""The people of the organisation, and what administrators do about them."""

from blueprints.members.views import bp

__all__ = ["bp"]
