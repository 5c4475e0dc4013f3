"""Whose a channel, its policies, a template or a team is: administrators change everything, responders what their
own teams own (the table of roles and rights), viewers nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from sqlalchemy import select

from errors import AccessDenied, InvalidInput
from extensions import db
from models import Membership, Team, TeamMember
from services import rights
from texts import N_

EVERYTHING, OWN = "channel.edit", "channel.edit_own"


class Owned(Protocol):
    """A channel or a template."""

    @property
    def tenant_id(self) -> int: ...
    @property
    def team_id(self) -> int | None: ...


class NotOfOwnTeam(AccessDenied):
    """A responder reached for something that none of their teams owns."""

    code = "ownership.not_of_own_team"
    message = N_("只能修改自己所在团队的内容")
    hint = N_("请联系管理员，或让该团队的成员来修改。")


class InNoTeam(AccessDenied):
    """A responder without a team has nothing to make things for."""

    code = "ownership.in_no_team"
    message = N_("您还不在任何团队中")
    hint = N_("处理人员为自己所在的团队新建内容。请联系管理员把您加入团队。")


def own_teams(member: Membership) -> list[Team]:
    """The teams that the member is on, by name."""
    mine = select(Team).join(TeamMember, TeamMember.team_id == Team.id)
    mine = mine.where(Team.tenant_id == member.tenant_id, TeamMember.membership_id == member.id)
    return list(db.session.scalars(mine.order_by(Team.name)))


def owner_name(owned: Owned) -> str:
    """The team that owns something, as the audit record names it; "" for the whole organisation."""
    team = db.session.get(Team, owned.team_id) if owned.team_id is not None else None
    return team.name if team is not None and team.tenant_id == owned.tenant_id else ""


def may_edit(owned: Owned, member: Membership) -> bool:
    """Whether a member may change something: administrators, and the responders of the team that owns it."""
    return owned.tenant_id == member.tenant_id and is_own(owned.team_id, member)


def require(owned: Owned, member: Membership) -> None:
    """Raise AccessDenied unless `may_edit`."""
    rights.require(member, OWN)
    if not may_edit(owned, member):
        raise NotOfOwnTeam


def is_own(team_id: int | None, member: Membership) -> bool:
    """Whether a member may change what this team owns; None: what no team owns, which is the administrators'."""
    if rights.can(member, EVERYTHING):
        return True
    if team_id is None or not rights.can(member, OWN):
        return False
    return db.session.get(TeamMember, (team_id, member.id)) is not None


def may_create(member: Membership) -> bool:
    """Whether there is anything that a member may make: a responder makes things for a team of their own."""
    if rights.can(member, EVERYTHING):
        return True
    return rights.can(member, OWN) and bool(own_teams(member))


def require_creator(member: Membership) -> list[Team]:
    """The teams for which a responder makes things; none for an administrator, who needs none. Raises AccessDenied."""
    rights.require(member, OWN)
    if rights.can(member, EVERYTHING):
        return []
    mine = own_teams(member)
    if not mine:
        raise InNoTeam
    return mine


def check_owner(team_id: int | None, member: Membership) -> int | None:
    """The team that a member wants to own something.

    Raises InvalidInput for a team of another organisation or one that is gone, for a responder also for a team that
    they are not on, and for none at all.
    """
    if team_id is not None:
        found = select(Team.id).where(Team.tenant_id == member.tenant_id, Team.id == team_id)
        if db.session.scalar(found) is None:
            raise InvalidInput("team_id", N_("没有这个团队"))
    if not is_own(team_id, member):
        raise InvalidInput("team_id", N_("请选择自己所在的团队"))
    return team_id


def owners_offered(member: Membership, owned: Owned | None = None) -> list[tuple[str, str]]:
    """Which team is to own something, as choices of a form: (id, name), ("", "") where none need to."""
    if rights.can(member, EVERYTHING):
        mine = select(Team).where(Team.tenant_id == member.tenant_id).order_by(Team.name).limit(500)
        return [("", ""), *_choices(db.session.scalars(mine))]
    if owned is None or may_edit(owned, member):
        return _choices(own_teams(member))
    name = names_of_teams(member.tenant_id).get(owned.team_id or 0, "")
    return [(str(owned.team_id or ""), name)]


def _choices(teams: Iterable[Team]) -> list[tuple[str, str]]:
    return [(str(team.id), team.name) for team in teams]


def names_of_teams(tenant_id: int) -> dict[int, str]:
    """The names of an organisation's teams by id."""
    return {row[0]: row[1] for row in db.session.execute(select(Team.id, Team.name).where(Team.tenant_id == tenant_id))}
