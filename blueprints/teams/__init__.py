"""Teams: who works together."""

from blueprints.teams.views import bp

__all__ = ["bp"]
