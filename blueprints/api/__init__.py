"""The product API, /api/v1: JSON for programs, with the rights of the token's owner as the ceiling.

Importing an area declares its operations; the description comes last, since it also answers unknown addresses.
"""

from blueprints.api import (
    alert_sources,
    alerts,
    channels,
    deliveries,
    departments,
    incidents,
    integrations,
    invitations,
    members,
    openapi,
    organisation,
    seats,
    setup,
    single_sign_on,
    sync_jobs,
    teams,
    templates,
    war_rooms,
)
from blueprints.api.operations import bp

__all__ = [
    "alert_sources",
    "alerts",
    "bp",
    "channels",
    "deliveries",
    "departments",
    "incidents",
    "integrations",
    "invitations",
    "members",
    "openapi",
    "organisation",
    "seats",
    "setup",
    "single_sign_on",
    "sync_jobs",
    "teams",
    "templates",
    "war_rooms",
]
