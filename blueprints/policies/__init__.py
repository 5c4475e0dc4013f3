"""分派策略: who is told, through what, in what levels and with what delays; edited on one ordinary form."""

from blueprints.policies.views import bp

__all__ = ["bp"]
