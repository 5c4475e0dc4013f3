"""协作空间: where incidents are managed; each holds alert sources, dispatch policies and settings."""

from blueprints.channels.views import bp

__all__ = ["bp"]
