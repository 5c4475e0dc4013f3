"""Asking a platform which groups there are: on an administrator's wish, and when somebody is about to choose one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import exists, select

from extensions import db
from models import CheckState, Integration, IntegrationCheck, IntegrationStatus, Job
from platforms import PLATFORMS
from platforms.errors import PlatformError
from services import checks, groups, integrations, outbox
from texts import Text

CHECK = "group_list"
"""Under this name a connection keeps when its groups were last listed, or why they could not be."""
KIND = "list_groups"
FRESH = timedelta(minutes=1)


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
    groups.take_list(integration, found, asked=known, asked_at=now, now=now)
    checks.passed(integration, CHECK, now=now)
    return None


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
