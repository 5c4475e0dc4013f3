"""Collaboration spaces: making, changing and deleting them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy import update as update_rows

from errors import AccessDenied, Conflict, InvalidInput, NotFound
from extensions import db
from models import AlertSource, Channel, Flapping, Incident, Membership, Progress
from services import audit, incidents, outbox, ownership, rights, visibility
from services.timers import AUTO_CLOSE
from texts import N_

MAX_NAME, MAX_DESCRIPTION = 59, 500
MAX_TIMEOUT_MINUTES = 30 * 24 * 60
CHANNELS_LISTED = 500
AUDITED = (
    *("name", "description", "is_private", "is_enabled", "closes_on_recovery"),
    *("close_timeout_minutes", "timeout_from_last_merge", "flapping"),
)


class HasSources(AccessDenied):
    """Alert sources are the administrators', and would go with their channel."""

    code = "channel.has_sources"
    message = N_("协作空间中还有告警源，只有管理员能删除")
    hint = N_("请先让管理员删除这些告警源。")


def all_for(viewer: Membership) -> list[Channel]:
    """The channels that the viewer sees, by name; at most CHANNELS_LISTED."""
    return list(
        db.session.scalars(
            select(Channel).where(visibility.visible_channels(viewer)).order_by(Channel.name).limit(CHANNELS_LISTED)
        )
    )


def get(channel_id: int, *, viewer: Membership) -> Channel:
    """Raises NotFound also for other organisations' channels and for private ones hidden from the viewer."""
    channel = db.session.scalar(select(Channel).where(visibility.visible_channels(viewer), Channel.id == channel_id))
    if channel is None:
        raise NotFound()
    return channel


def create(
    name: str,
    *,
    by: Membership,
    now: datetime,
    description: str = "",
    is_private: bool = False,
    closes_on_recovery: bool = True,
    close_timeout_minutes: int = 0,
    timeout_from_last_merge: bool = False,
    flapping: str = Flapping.MARK,
    team_id: int | None = None,
) -> Channel:
    """A responder's new channel belongs to one of their teams.

    Raises AccessDenied; InvalidInput: name 1–59 characters and unique, description ≤ 500, timeout ≤ 30 days (0: never),
    flapping mark | mute | off.
    """
    ownership.require_creator(by)
    channel = Channel(tenant_id=by.tenant_id, created_by_id=by.user_id, created_at=now, is_enabled=True)
    _write(channel, name, description, close_timeout_minutes, flapping)
    channel.is_private, channel.closes_on_recovery = is_private, closes_on_recovery
    channel.timeout_from_last_merge = timeout_from_last_merge
    channel.team_id = ownership.check_owner(team_id, by)
    db.session.add(channel)
    db.session.flush()
    owner = ownership.owner_name(channel)
    audit.record("channel.created", by=by, target=channel.name, now=now, is_private=is_private, team=owner)
    return channel


def update(
    channel: Channel,
    *,
    name: str,
    description: str,
    is_private: bool,
    is_enabled: bool,
    closes_on_recovery: bool,
    close_timeout_minutes: int,
    timeout_from_last_merge: bool,
    flapping: str,
    by: Membership,
    now: datetime,
    version: int | None = None,
    team_id: int | None = None,
) -> None:
    """Change a channel; a new time limit also holds for its open incidents.

    version  what the editor saw. Raises Conflict if somebody changed it since, AccessDenied, InvalidInput as `create`.
    """
    ownership.require(channel, by)
    if version is not None and version != channel.version:
        raise Conflict()
    before, has_new_limit = _values(channel), channel.close_timeout_minutes != close_timeout_minutes
    _write(channel, name, description, close_timeout_minutes, flapping)
    channel.is_private, channel.is_enabled, channel.closes_on_recovery = is_private, is_enabled, closes_on_recovery
    channel.timeout_from_last_merge = timeout_from_last_merge
    if team_id != channel.team_id:
        channel.team_id = ownership.check_owner(team_id, by)
    db.session.flush()
    if changed := audit.difference(before, _values(channel)):
        audit.record("channel.changed", by=by, target=channel.name, now=now, changed=changed)
    if has_new_limit and close_timeout_minutes:
        _look_at_time_limits(channel, now)


def set_enabled(channel: Channel, is_enabled: bool, *, by: Membership, now: datetime) -> None:
    """A disabled channel takes no new events; its incidents stay and can be handled to their end.

    Raises AccessDenied. Safe to repeat.
    """
    ownership.require(channel, by)
    if channel.is_enabled is is_enabled:
        return
    channel.is_enabled = is_enabled
    db.session.flush()
    audit.record("channel.enabled" if is_enabled else "channel.disabled", by=by, target=channel.name, now=now)


def delete(channel: Channel, *, confirmation: str, by: Membership, via: str, now: datetime) -> int:
    """Delete a channel with its policies and alert sources, and close its open incidents; return how many.

    confirmation  the channel's name as typed. Raises InvalidInput if it is another one, AccessDenied, HasSources.
    """
    ownership.require(channel, by)
    if not rights.can(by, "integration.edit") and _has_sources(channel):
        raise HasSources()
    if confirmation.strip() != channel.name:
        raise InvalidInput("confirm_name", N_("与协作空间名称不一致"))
    open_incidents = _open_incidents(channel)
    for incident in open_incidents:
        incidents.close(incident, by=by, via=via, now=now)
    if channel.is_private:
        theirs = (Incident.tenant_id == channel.tenant_id, Incident.channel_id == channel.id)
        db.session.execute(update_rows(Incident).where(*theirs).values(is_private=True))
    db.session.delete(channel)
    db.session.flush()
    audit.record("channel.deleted", by=by, target=channel.name, now=now, closed_incidents=len(open_incidents))
    return len(open_incidents)


def _write(channel: Channel, name: str, description: str, close_timeout_minutes: int, flapping: str) -> None:
    name, description = name.strip(), description.strip()
    if not 1 <= len(name) <= MAX_NAME:
        raise InvalidInput("name", N_("应为 1–59 个字符"))
    if len(description) > MAX_DESCRIPTION:
        raise InvalidInput("description", N_("不能超过 500 个字符"))
    if not 0 <= close_timeout_minutes <= MAX_TIMEOUT_MINUTES:
        raise InvalidInput("close_timeout_minutes", N_("应为 0–43200 分钟"))
    if flapping not in list(Flapping):
        raise InvalidInput("flapping", N_("请从列出的选项中选择"))
    _check_name_is_free(channel, name)
    channel.name, channel.description = name, description
    channel.close_timeout_minutes, channel.flapping = close_timeout_minutes, Flapping(flapping)


def _has_sources(channel: Channel) -> bool:
    theirs = (AlertSource.tenant_id == channel.tenant_id, AlertSource.channel_id == channel.id)
    return db.session.scalar(select(AlertSource.id).where(*theirs).limit(1)) is not None


def _values(channel: Channel) -> dict[str, Any]:
    return {name: getattr(channel, name) for name in AUDITED} | {"team": ownership.owner_name(channel)}


def _check_name_is_free(channel: Channel, name: str) -> None:
    with db.session.no_autoflush:
        taken = db.session.scalar(
            select(Channel.id).where(Channel.tenant_id == channel.tenant_id, Channel.name == name)
        )
    if taken is not None and taken != channel.id:
        raise InvalidInput("name", N_("已有同名的协作空间"))


def _open_incidents(channel: Channel) -> list[Incident]:
    return list(
        db.session.scalars(
            select(Incident)
            .where(
                Incident.tenant_id == channel.tenant_id,
                Incident.channel_id == channel.id,
                Incident.progress != Progress.CLOSED,
            )
            .order_by(Incident.id)
        )
    )


def _look_at_time_limits(channel: Channel, now: datetime) -> None:
    """Have each open incident's limit looked at now: `time_out` closes it, or waits for what is left."""
    for incident in _open_incidents(channel):
        outbox.cancel(AUTO_CLOSE, tenant_id=incident.tenant_id, subject_id=incident.id)
        outbox.enqueue(AUTO_CLOSE, tenant_id=incident.tenant_id, subject_id=incident.id, due_at=now, now=now)
