"""The personal centre: who I am, how I am told, which accounts and programs act for me."""

from blueprints.me import email
from blueprints.me.views import bp

__all__ = ["bp", "email"]
