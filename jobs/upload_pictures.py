"""Fetching an incident's pictures and giving them to a platform; its cards show them then. No card waits for this."""

from __future__ import annotations

import logging
from datetime import timedelta

from flask import g
from sqlalchemy import select

from extensions import db
from jobs.outbox import Claim, Done, Later, Outcome
from models import Incident, Integration, IntegrationStatus
from platforms import pictures as fetching
from platforms.base import Platform
from platforms.errors import PlatformError
from services import calls, cards, incidents, integrations, pictures
from services.clock import utcnow

TRIES = 3
AGAIN_AFTER = timedelta(seconds=20)

log = logging.getLogger(__name__)


def run(mine: Claim) -> Outcome:
    """Handle an "upload_pictures" row. payload: {"integration_id"}, and {"tries"} after failed ones."""
    integration = db.session.get(Integration, mine.payload["integration_id"])
    mine_alone = (Incident.id == mine.subject_id, Incident.tenant_id == mine.tenant_id)
    images = db.session.scalar(select(Incident.images).where(*mine_alone))
    if images is None or integration is None or integration.tenant_id != mine.tenant_id:
        return Done()
    wanted = pictures.missing(images, integration)
    if not wanted or integration.status is not IntegrationStatus.ACTIVE:
        return Done()
    platform = integrations.platform_for(integration)
    db.session.commit()
    g.called_platform = True
    tries = mine.payload.get("tries", 0) + 1
    found = {address: _upload(platform, address, is_last=tries >= TRIES) for address in wanted}
    keys = {address: key for address, key in found.items() if key is not None}
    _keep(mine, integration, keys)
    if len(keys) < len(found):
        return Later(utcnow() + AGAIN_AFTER * tries, "a picture was not uploaded", mine.payload | {"tries": tries})
    return Done()


def _upload(platform: Platform, address: str, *, is_last: bool) -> str | None:
    """The key that the platform knows it by; UNUSABLE if there is no use in trying again, None if there is."""
    try:
        return platform.upload_picture(*fetching.fetch(integrations.picture_transport(), address))
    except PlatformError as error:
        log.info("A picture is not shown on cards: %s", error.code)
        return None if error.retryable and not is_last else pictures.UNUSABLE


def _keep(mine: Claim, integration: Integration, keys: dict[str, str]) -> None:
    """Stage what uploading gave, and updates of the cards that can show more now."""
    incident, now = incidents.lock(mine.subject_id, mine.tenant_id), utcnow()
    incident.images = pictures.with_keys(incident.images, integration, keys)
    given = sum(key != pictures.UNUSABLE for key in keys.values())
    if given:
        calls.note(integration, now, made=given)
        cards.refresh_now(incident, now=now)
