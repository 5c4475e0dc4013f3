"""Reading licences: all connections that need some now and then, one when something has changed or was refused."""

from __future__ import annotations

import logging
from dataclasses import asdict

from flask import g
from sqlalchemy import Select, exists, or_, select

from extensions import db
from jobs import answering
from jobs.outbox import Claim, Done, Later, Outcome
from models import Integration, IntegrationStatus, InterfaceLicence
from platforms import PLATFORMS
from platforms.errors import PlatformError
from services import licence_notices, licence_reading, licences, retries
from services.clock import utcnow
from services.licence_reading import Reading

MOST_TRIES = 3

log = logging.getLogger(__name__)


def ask_all(_mine: Claim) -> Outcome:
    """Handle a "find_licences" row: a row for each connection whose licences are old, or waited for; and reminders."""
    now = utcnow()
    for integration in db.session.scalars(_concerned()).all():
        if licences.rules_of(integration) is None or licence_reading.is_due(integration, now=now):
            licence_reading.ask(integration, now=now)
        else:
            licence_notices.tell(integration, now=now)
        db.session.commit()
    return Done()


def _concerned() -> Select[Integration]:
    """Active connections that need licences, and those that have some from the time when they did."""
    slugs = {(slug, mode.slug) for slug, kind in PLATFORMS.items() for mode in kind.modes if mode.licences is not None}
    needs = or_(*((Integration.platform == slug) & (Integration.mode == mode) for slug, mode in slugs))
    has = exists().where(InterfaceLicence.integration_id == Integration.id)
    return select(Integration).where(Integration.status == IntegrationStatus.ACTIVE, or_(needs, has))


def run(mine: Claim) -> Outcome:
    """Handle a "read_licences" row. payload: Reading; {"tries"}: failed ones since."""
    now = utcnow()
    integration = db.session.get(Integration, mine.subject_id)
    if integration is None or integration.tenant_id != mine.tenant_id:
        return Done()
    if licences.rules_of(integration) is None:
        licence_reading.not_asked_for_any_more(integration, now=now)
        return Done()
    reading = Reading.of_row(mine.payload)
    is_certain = reading.is_wanted or bool(reading.began)
    due_at = now if is_certain else licence_reading.due_after_refusal(integration, now=now)
    if due_at is not None and due_at > now:
        return Later(due_at, "read a moment ago")
    if due_at is not None:
        g.called_platform = True
        try:
            following = licence_reading.read(integration, reading, now=now)
        except PlatformError as error:
            return _again(mine, integration, error)
        answering.answered(integration, utcnow())
        if following is not None:
            return Later(utcnow(), "", asdict(following))
    licence_reading.try_again(integration, now=now)
    licence_notices.tell(integration, now=now)
    return Done()


def _again(mine: Claim, integration: Integration, error: PlatformError) -> Outcome:
    """What passes by itself is tried again while the rest is there; the page says what does not."""
    now = utcnow()
    tries = mine.payload.get("tries", 0) + 1
    if error.retryable and tries < MOST_TRIES:
        return Later(now + retries.with_jitter(retries.delay(tries)), error.code, mine.payload | {"tries": tries})
    log.info("The licences of a connection could not be read: %s", error.code)
    licence_reading.note_problem(integration, error)
    licence_notices.tell(integration, now=now)
    return Done()
