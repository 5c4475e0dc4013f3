"""Asking a platform which groups there are, when somebody is about to choose one; and what it told us in vain.

An event that never reached us is mended in three ways: it is asked for every hour, at an administrator's wish, and
when somebody comes from a group that we do not know.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import exists, select
from sqlalchemy.exc import IntegrityError

from extensions import db
from models import CheckState, GroupChat, Integration, IntegrationCheck, IntegrationStatus, Job
from platforms import PLATFORMS
from platforms.base import Group, GroupEvent
from platforms.errors import PlatformError
from services import calls, checks, groups, integrations, outbox
from texts import Text

CHECK = "group_list"
"""Under this name a connection keeps when its groups were last listed, or why they could not be."""
KIND = "list_groups"
FRESH = timedelta(minutes=1)
ASKED_AGAIN_SECONDS, ASKED_MOST = 30.0, 10
"""After how long one group may be asked about again, and how many of a connection are within that time."""

log = logging.getLogger(__name__)


def connections(tenant_id: int) -> list[Integration]:
    """The connections of an organisation that can have groups, drafts aside, oldest first."""
    wanted = select(Integration).where(
        Integration.tenant_id == tenant_id, Integration.status != IntegrationStatus.DRAFT
    )
    found = db.session.scalars(wanted.order_by(Integration.id))
    return [one for one in found if PLATFORMS[one.platform].capabilities.has_groups]


def refresh(integration: Integration, *, now: datetime, counts_anew: bool = False) -> PlatformError | None:
    """Ask now. Commits before the call and leaves what was found staged; returns why nothing was found out.

    counts_anew  how many members each group has is asked again, too: that may be a call for each
    """
    if PLATFORMS[integration.platform].capabilities.keeps_lost_events:
        with suppress(PlatformError):  # the question below fails in the same way, and says so
            take_lost(integration, now=now)
    known = [groups.as_group(chat) for chat in groups.of_integration(integration)]
    if counts_anew:
        known = [replace(group, member_count=None) for group in known]
    platform = integrations.platform_for(integration)
    db.session.commit()
    try:
        found = platform.read_groups(known)
    except PlatformError as error:
        about = {"message": error.message, "hint": error.hint, "params": _shown(error), "raw": error.raw}
        checks.failed(integration, CHECK, now=now, code=error.code, **about)
        return error
    calls.note(integration, now, made=found.calls)
    groups.take_list(integration, found, asked=known, asked_at=now, now=now)
    checks.passed(integration, CHECK, now=now)
    return None


def take_lost(integration: Integration, *, now: datetime) -> bool:
    """Ask for events that we did not answer, and take them; True: there are others. Raises PlatformError.

    Commits before the call. The platform hands them out once, so what was found is committed as well.
    """
    platform = integrations.platform_for(integration)
    db.session.commit()
    lost = platform.read_lost_events()
    calls.note(integration, now)
    for event in lost.events:
        _take(integration, event, now)
        db.session.commit()
    return lost.has_more


def _take(integration: Integration, event: GroupEvent, now: datetime) -> None:
    """Once more if another event made the same group at this moment."""
    try:
        with db.session.begin_nested():
            groups.take_event(integration, event, now=now)
    except IntegrityError:
        groups.take_event(integration, event, now=now)


def learn(integration: Integration, external_id: str, *, now: datetime) -> GroupChat | None:
    """The group that somebody came from, if the platform says that the application is in it: its event was lost.

    Commits before the call. What the platform wants to be told about the application is the same in all groups.
    """
    if not external_id or not is_worth_asking(integration, external_id):
        return None
    told = groups.details_of_any(integration)
    platform = integrations.platform_for(integration)
    db.session.commit()
    try:
        found = platform.read_groups([Group(external_id, "", told)])
    except PlatformError as error:
        log.info("A group that somebody came from could not be asked about: %s", error.code)
        return None
    calls.note(integration, now, made=found.calls)
    vouched = next((group for group in found.groups if group.external_id == external_id), None)
    if vouched is None:
        return None
    origin = PLATFORMS[integration.platform].capabilities.group_origin
    return groups.note_seen(integration, vouched, origin=origin, now=now)


def is_worth_asking(integration: Integration, external_id: str) -> bool:
    """Whether nobody asked about this group a moment ago; of unknown ones, a few a minute are asked about."""
    asked: dict[tuple[int, str], float] = current_app.extensions.setdefault("groups_asked_about", {})
    moment = time.monotonic()
    for key in [key for key, at in asked.items() if moment - at > ASKED_AGAIN_SECONDS]:
        del asked[key]
    key = (integration.id, external_id)
    if key in asked or sum(1 for one, _id in asked if one == integration.id) >= ASKED_MOST:
        return False
    asked[key] = moment
    return True


def is_due(integration: Integration, *, now: datetime) -> bool:
    """Whether a list is worth asking for before somebody chooses: the platform has one, and ours is old."""
    if not PLATFORMS[integration.platform].capabilities.lists_groups:
        return False
    if integration.status is not IntegrationStatus.ACTIVE:
        return False
    last = last_asked(integration)
    if last is not None and last.at is not None and now - last.at < FRESH:
        return False
    waits = exists().where(Job.kind == KIND, Job.subject_id == integration.id, outbox.IS_PENDING)
    return not db.session.scalar(select(waits))


def ask(integration: Integration, *, now: datetime) -> None:
    """Stage refresh() for the worker."""
    queue = outbox.queue_of(integration.id)
    outbox.enqueue(KIND, tenant_id=integration.tenant_id, subject_id=integration.id, due_at=now, now=now, queue=queue)


def last_asked(integration: Integration) -> IntegrationCheck | None:
    return checks.get(integration, CHECK)


def failure(integration: Integration) -> Text | None:
    """Why the groups could not be listed the last time, if that is so."""
    last = last_asked(integration)
    if last is None or last.state is not CheckState.FAILED:
        return None
    sentence = last.detail["message"]
    return Text(sentence, **last.detail.get("params", {}))


def _shown(error: PlatformError) -> dict[str, str]:
    return {name: str(value) for name, value in error.params.items()}
