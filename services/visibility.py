"""Who may see what.

A private channel is for the team that owns it, its creator, administrators, and the responders of an incident in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import ColumnElement, Select, and_, or_, select

from extensions import db
from models import Channel, Incident, Membership, Responder, Role, TeamMember
from services.rights import Member


class Space(Protocol):
    """A channel, as far as it decides who sees it."""

    @property
    def tenant_id(self) -> int: ...
    @property
    def is_private(self) -> bool: ...
    @property
    def created_by_id(self) -> int | None: ...
    @property
    def team_id(self) -> int | None: ...


class Assigned(Protocol):
    @property
    def user_id(self) -> int: ...


class Guarded(Protocol):
    """An incident, as far as it decides who sees it."""

    @property
    def tenant_id(self) -> int: ...
    @property
    def is_private(self) -> bool: ...
    @property
    def channel(self) -> Space | None: ...
    @property
    def responders(self) -> Sequence[Assigned]: ...


def sees_channel(channel: Space, viewer: Member) -> bool:
    if channel.tenant_id != viewer.tenant_id:
        return False
    if not channel.is_private or viewer.role is Role.ADMIN or channel.created_by_id == viewer.user_id:
        return True
    return channel.team_id is not None and db.session.scalar(_teams_of(viewer, channel.team_id)) is not None


def sees_incident(incident: Guarded, viewer: Member) -> bool:
    if incident.tenant_id != viewer.tenant_id:
        return False
    if incident.is_private and viewer.role is Role.ADMIN:
        return True
    if not incident.is_private and (incident.channel is None or sees_channel(incident.channel, viewer)):
        return True
    return any(responder.user_id == viewer.user_id for responder in incident.responders)


def visible_channels(viewer: Membership) -> ColumnElement[bool]:
    """The same rule as a condition on Channel rows, organisation included."""
    own = Channel.tenant_id == viewer.tenant_id
    if viewer.role is Role.ADMIN:
        return own
    theirs = Channel.team_id.in_(_teams_of(viewer))
    return and_(own, or_(Channel.is_private.is_(False), Channel.created_by_id == viewer.user_id, theirs))


def visible_incidents(viewer: Membership) -> ColumnElement[bool]:
    """The same rule as a condition on Incident rows, organisation included."""
    own = Incident.tenant_id == viewer.tenant_id
    if viewer.role is Role.ADMIN:
        return own
    hidden_channels = select(Channel.id).where(
        Channel.tenant_id == viewer.tenant_id,
        Channel.is_private.is_(True),
        or_(Channel.created_by_id.is_(None), Channel.created_by_id != viewer.user_id),
        or_(Channel.team_id.is_(None), Channel.team_id.not_in(_teams_of(viewer))),
    )
    # NULL is "not in" an empty list, so what is left of a private channel is ruled out by itself
    open_to_all = and_(
        Incident.is_private.is_(False),
        or_(Incident.channel_id.is_(None), Incident.channel_id.not_in(hidden_channels)),
    )
    return and_(own, or_(open_to_all, responds(viewer.user_id)))


def _teams_of(viewer: Member, team_id: int | None = None) -> Select[int]:
    """The ids of the viewer's teams, or that of the one asked about."""
    wanted = (
        select(TeamMember.team_id)
        .join(Membership, Membership.id == TeamMember.membership_id)
        .where(Membership.tenant_id == viewer.tenant_id, Membership.user_id == viewer.user_id)
    )
    return wanted if team_id is None else wanted.where(TeamMember.team_id == team_id)


def responds(user_id: int) -> ColumnElement[bool]:
    """Condition on Incident rows: this person is, or was, a responder.

    A value is asked for instead of EXISTS: for that PostgreSQL would first read everything the person ever had.
    """
    theirs = select(Responder.id).where(Responder.incident_id == Incident.id, Responder.user_id == user_id)
    return theirs.limit(1).scalar_subquery().is_not(None)
