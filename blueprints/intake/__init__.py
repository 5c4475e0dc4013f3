"""What monitoring systems call: POST /event/push/alert/{type}."""

from blueprints.intake.views import bp

__all__ = ["bp"]
