"""What the chat platforms call: /callback/{platform}/{public_key}."""

from blueprints.callbacks.views import bp

__all__ = ["bp"]
