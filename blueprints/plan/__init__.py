"""费用中心: seats bought and used."""

from blueprints.plan.views import bp

__all__ = ["bp"]
