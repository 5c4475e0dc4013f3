"""Asking a platform how a group is called that came without a name."""

from __future__ import annotations

import logging

from flask import g
from sqlalchemy import select

from extensions import db
from jobs.outbox import Claim, Done, Later, Outcome
from models import GroupChat
from platforms.errors import PlatformError
from services import calls, groups, integrations, retries
from services.clock import utcnow

MOST_TRIES = 4
"""The next list or rename tells it, too."""

log = logging.getLogger(__name__)


def run(mine: Claim) -> Outcome:
    """Handle a "read_group_name" row. payload: {"tries"}: failed ones. Nobody is told of a failure."""
    chat = _chat(mine)
    if chat is None or chat.name or not chat.is_active:
        return Done()
    asked_at = utcnow()
    platform, wanted = integrations.platform_for(chat.integration), groups.as_group(chat)
    db.session.commit()
    g.called_platform = True
    try:
        found = platform.read_groups([wanted])
    except PlatformError as error:
        log.info("The name of a group could not be read: %s", error.code)
        return _again(mine, error)
    chat = _chat(mine)
    told = next((group for group in found.groups if group.external_id == wanted.external_id), None)
    if chat is not None:
        calls.note(chat.integration, utcnow(), made=found.calls)
    if chat is not None and told is not None:
        groups.note_seen(chat.integration, told, origin=chat.origin, now=asked_at)
    return Done()


def _chat(mine: Claim) -> GroupChat | None:
    of_it = (GroupChat.tenant_id == mine.tenant_id, GroupChat.id == mine.subject_id)
    return db.session.scalar(select(GroupChat).where(*of_it).execution_options(populate_existing=True))


def _again(mine: Claim, error: PlatformError) -> Outcome:
    tries = mine.payload.get("tries", 0) + 1
    if not error.retryable or tries >= MOST_TRIES:
        return Done()
    return Later(utcnow() + retries.with_jitter(retries.delay(tries)), error.code, {"tries": tries})
