"""Asking platforms for the events that we did not answer: while we were down, groups came and went."""

from __future__ import annotations

import logging

from flask import g
from sqlalchemy import select

from extensions import db
from jobs.outbox import Claim, Done, Later, Outcome
from models import Integration, IntegrationStatus
from platforms import PLATFORMS
from platforms.errors import PlatformError
from services import group_lists, outbox
from services.clock import utcnow

READ = "read_lost_events"

log = logging.getLogger(__name__)


def ask_all(_mine: Claim) -> Outcome:
    """Handle a "find_lost_events" row: a row for each connection that can be asked."""
    now = utcnow()
    keeping = [slug for slug, kind in PLATFORMS.items() if kind.capabilities.keeps_lost_events]
    in_use = select(Integration.id, Integration.tenant_id).where(
        Integration.platform.in_(keeping), Integration.status == IntegrationStatus.ACTIVE
    )
    outbox.stage(
        outbox.row(READ, tenant_id=tenant_id, subject_id=id, due_at=now, now=now, queue=outbox.queue_of(id))
        for id, tenant_id in db.session.execute(in_use).all()
    )
    return Done()


def run(mine: Claim) -> Outcome:
    """Handle a "read_lost_events" row. What fails is asked for again an hour later."""
    integration = db.session.get(Integration, mine.subject_id)
    if integration is None or integration.tenant_id != mine.tenant_id:
        return Done()
    g.called_platform = True
    try:
        has_more = group_lists.take_lost(integration, now=utcnow())
    except PlatformError as error:
        log.info("Events that we did not answer could not be asked for: %s", error.code)
        return Done()
    return Later(utcnow(), "more events") if has_more else Done()
