"""集成中心 › 告警源: connecting monitoring systems."""

from blueprints.alert_sources.views import bp

__all__ = ["bp"]
