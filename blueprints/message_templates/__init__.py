"""模板管理: the texts in the custom area of cards, written on one ordinary form and tried while they are written."""

from blueprints.message_templates.views import bp

__all__ = ["bp"]
