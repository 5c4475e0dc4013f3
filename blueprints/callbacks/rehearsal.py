"""What the first callback of a process would have to do first, done when the process starts.

A platform waits for its answer for as little as a second; reading connections, opening their secrets, rendering
statements and loading a language take a good part of that on a cold start.
"""

from __future__ import annotations

import logging

from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from errors import AppError
from extensions import db, read_only, reading
from models import Integration, IntegrationStatus
from platforms import PLATFORMS
from services import integrations, press_scenes, press_writing
from services.clock import utcnow
from services.wording import say, speaking
from texts import N_

MOST = 50
"""Connections that are opened; further ones wait for their first callback."""

log = logging.getLogger(__name__)


def rehearse(app: Flask) -> None:
    """Get ready. Whatever goes wrong here is said by the first real request, better."""
    try:
        app.test_client().get(f"/callback/{next(iter(PLATFORMS))}/-")
        with app.app_context():
            _read_connections()
    except (SQLAlchemyError, AppError) as error:
        log.warning("Callbacks could not be rehearsed: %s", type(error).__name__)


def _read_connections() -> None:
    in_use = select(Integration.platform, Integration.public_key).where(Integration.status == IntegrationStatus.ACTIVE)
    with read_only():
        known = db.session.execute(in_use.order_by(Integration.id).limit(MOST)).all()
    for platform, public_key in known:
        found = integrations.connected(platform, public_key)
        if found is None:
            continue
        with reading() as connection:
            scene = press_scenes.read(
                connection,
                found.integration,
                receipt=("rehearsal", ""),
                reference="",
                external_user_id="",
                now=utcnow(),
            )
            press_writing.prepare(connection)
        if scene is not None:
            with speaking(scene.tenant):
                say(N_("值班铃"))
