"""发送记录: every message to a person, what became of it, and sending again."""

from blueprints.deliveries.views import bp

__all__ = ["bp"]
