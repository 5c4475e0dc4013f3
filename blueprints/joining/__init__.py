"""Coming into an organisation: by an invitation's link, or by asking with its house number."""

from blueprints.joining.views import bp

__all__ = ["bp"]
