"""The product API, /api/v1: JSON for programs, with the rights of the token's owner as the ceiling.

Importing an area declares its operations; the description comes last, since it also answers unknown addresses.
"""

from blueprints.api import alert_sources, channels, deliveries, incidents, integrations, members, openapi, templates
from blueprints.api.operations import bp

__all__ = [
    "alert_sources",
    "bp",
    "channels",
    "deliveries",
    "incidents",
    "integrations",
    "members",
    "openapi",
    "templates",
]
