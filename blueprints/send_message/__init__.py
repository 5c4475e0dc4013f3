"""The send-message API, /sys/thirdApp/sendMessageTest: a text to people on their chat platform."""

from blueprints.send_message.views import bp

__all__ = ["bp"]
