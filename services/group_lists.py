"""Asking a platform which groups there are, when somebody is about to choose one; and what it told us in vain.

An event that never reached us is mended in three ways: it is asked for every hour, at an administrator's wish, and
when somebody comes from a group that we do not know.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import select

from extensions import db
from models import CheckState, GroupChat, Integration, IntegrationCheck, IntegrationStatus
from platforms import PLATFORMS
from platforms.base import Group, GroupList
from platforms.errors import PlatformError
from services import calls, checks, groups, integrations, outbox
from texts import N_, Text

CHECK = "group_list"
"""Under this name a connection keeps when its groups were last listed, or why they could not be."""
KIND = "list_groups"
INCOMPLETE = N_("平台没有给出完整的列表，没有列出的群聊保持原样")
FRESH = timedelta(minutes=1)
AT_ONCE = 5
"""Groups that are asked about one after the other before messages get their turn again, where each takes a call."""
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


@dataclass(frozen=True)
class Reading:
    """How far the worker is with a connection's groups; a row's payload.

    done, of     groups that were asked about, where each takes a call of its own; of 0: nobody has looked yet
    after        id of the last of them
    counts_anew  how many members each group has is asked again, too: that may be a call for each
    """

    done: int = 0
    of: int = 0
    after: int = 0
    counts_anew: bool = False

    @classmethod
    def of_row(cls, payload: Mapping[str, Any]) -> Reading:
        known = cls.__dataclass_fields__
        return cls(**{name: value for name, value in payload.items() if name in known})


def ask(integration: Integration, *, now: datetime, counts_anew: bool = False) -> None:
    """Stage reading the groups by the worker; who asks while that is under way gets the same one."""
    outbox.ensure_pending(
        db.session.connection(),
        KIND,
        tenant_id=integration.tenant_id,
        subject_id=integration.id,
        now=now,
        payload=asdict(Reading(counts_anew=counts_anew)),
        queue=outbox.queue_of(integration.id),
    )
    outbox.wake_after_commit()


def under_way(integration: Integration) -> Reading | None:
    """How far the worker is; None while nobody has asked it."""
    job = outbox.pending(KIND, integration.id)
    return Reading.of_row(job.payload) if job is not None else None


def read(integration: Integration, reading: Reading, *, now: datetime) -> Reading | None:
    """Ask the platform: for its list or, where it has none, about the next few groups; None if that was all.

    Events that were lost are asked for first, where the platform keeps them. Commits before the call and leaves what
    was found staged. Raises PlatformError.
    """
    if not reading.of and PLATFORMS[integration.platform].capabilities.keeps_lost_events:
        with suppress(PlatformError):  # the question below fails in the same way, and says so
            take_lost(integration, now=now)
    lists = PLATFORMS[integration.platform].capabilities.lists_groups
    chats = groups.known_after(integration, reading.after, at_most=None if lists else AT_ONCE)
    of = reading.of or groups.count(integration)
    if not chats and not lists:
        checks.passed(integration, CHECK, now=now)
        return None
    known = [groups.as_group(chat) for chat in chats]
    if reading.counts_anew:
        known = [replace(group, member_count=None) for group in known]
    last = chats[-1].id if chats else 0
    platform = integrations.platform_for(integration)
    db.session.commit()
    found = platform.read_groups(known)
    groups.take_list(integration, found, asked=known, asked_at=now, now=now)
    calls.note(integration, now, made=found.calls)
    if lists or len(chats) < AT_ONCE:
        _note_end(integration, found, now)
        return None
    return replace(reading, done=reading.done + len(chats), of=of, after=last)


def _note_end(integration: Integration, found: GroupList, now: datetime) -> None:
    if found.is_complete:
        checks.passed(integration, CHECK, now=now)
    else:
        checks.failed(integration, CHECK, now=now, code="platform.list_incomplete", message=INCOMPLETE, hint="")


def note_failure(integration: Integration, error: PlatformError, *, now: datetime) -> None:
    """Stage why the groups could not be read."""
    about = {"message": error.message, "hint": error.hint, "params": _shown(error), "raw": error.raw}
    checks.failed(integration, CHECK, now=now, code=error.code, **about)


def take_lost(integration: Integration, *, now: datetime) -> bool:
    """Ask for events that we did not answer, and take them; True: there are others. Raises PlatformError.

    Commits before the call. The platform hands them out once, so what was found is committed as well.
    """
    platform = integrations.platform_for(integration)
    db.session.commit()
    lost = platform.read_lost_events()
    calls.note(integration, now)
    for event in lost.events:
        groups.take_event(integration, event, now=now)
        db.session.commit()
    return lost.has_more


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
    return outbox.pending(KIND, integration.id) is None


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
