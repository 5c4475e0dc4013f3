"""概览: the first page after signing in, which answers in the order in which one would ask."""

from blueprints.overview.views import bp

__all__ = ["bp"]
