"""Teams: who works together, and so owns channels."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from errors import AccessDenied, AppError, InvalidInput, NotFound
from extensions import db, insert_once
from models import Channel, Membership, Team, TeamMember, Template, User
from services import audit, members, ownership, rights, visibility
from texts import N_

NAME_CHARS, DESCRIPTION_CHARS = 59, 500
LISTED = 500


class TeamInUse(AppError):
    """It owns channels or templates, or stands in policies, which are named."""

    code = "team.in_use"
    api_code = "ReferenceExist"
    message = N_("团队 %(name)s 仍在使用：%(uses)s")
    hint = N_("请先更换这些协作空间的所属团队，或从策略中移除。")
    status = 409


@dataclass(frozen=True)
class Row:
    """A team with the number of its members."""

    team: Team
    members: int


def all_for(viewer: Membership) -> list[Team]:
    """The organisation's teams by name, at most LISTED. Raises AccessDenied."""
    rights.require(viewer, "channel.view")
    wanted = select(Team).where(Team.tenant_id == viewer.tenant_id)
    return list(db.session.scalars(wanted.order_by(Team.name).limit(LISTED)))


def counted(viewer: Membership) -> list[Row]:
    """The same with the number of members."""
    mine = TeamMember.tenant_id == viewer.tenant_id
    counts = select(TeamMember.team_id, func.count()).where(mine).group_by(TeamMember.team_id)
    by_team = {row[0]: row[1] for row in db.session.execute(counts)}
    return [Row(team, by_team.get(team.id, 0)) for team in all_for(viewer)]


def get(team_id: int, *, viewer: Membership) -> Team:
    """Raises AccessDenied, NotFound also for other organisations' teams."""
    rights.require(viewer, "channel.view")
    team = db.session.scalar(select(Team).where(Team.tenant_id == viewer.tenant_id, Team.id == team_id))
    if team is None:
        raise NotFound
    return team


def members_of(team: Team) -> list[Membership]:
    """By name; also those who are not active now."""
    wanted = (
        select(Membership)
        .join(TeamMember, TeamMember.membership_id == Membership.id)
        .join(User, User.id == Membership.user_id)
        .where(TeamMember.team_id == team.id, Membership.tenant_id == team.tenant_id)
    )
    return list(db.session.scalars(wanted.order_by(User.real_name, User.username_folded)))


def may_edit(team: Team, member: Membership) -> bool:
    """Administrators, and the responders who are on it."""
    return team.tenant_id == member.tenant_id and ownership.is_own(team.id, member)


def create(name: str, description: str, *, by: Membership, now: datetime) -> Team:
    """Stage a team. Raises AccessDenied, InvalidInput."""
    rights.require(by, "team.edit")
    team = Team(tenant_id=by.tenant_id, created_at=now)
    _write(team, name, description)
    db.session.add(team)
    db.session.flush()
    audit.record("team.created", by=by, target=team.name, now=now)
    return team


def edit(team: Team, name: str, description: str, *, by: Membership, now: datetime) -> None:
    """Stage another name and description. Raises AccessDenied, InvalidInput."""
    _require_editor(team, by)
    before = {"name": team.name, "description": team.description}
    _write(team, name, description)
    db.session.flush()
    if changed := audit.difference(before, {"name": team.name, "description": team.description}):
        audit.record("team.changed", by=by, target=team.name, now=now, changed=changed)


def add_member(team: Team, text: str, *, by: Membership, now: datetime) -> None:
    """Stage that an active member, by user name or name, is on the team.

    Raises AccessDenied, InvalidInput. Safe to repeat.
    """
    _require_editor(team, by)
    member = members.find_active(text, viewer=by)
    place = {"team_id": team.id, "membership_id": member.id, "tenant_id": team.tenant_id}
    if insert_once(TeamMember, place, key=("team_id", "membership_id")) is not None:
        audit.record("team.changed", by=by, target=team.name, now=now, added=member.user.username)


def remove_member(team: Team, member_id: int, *, by: Membership, now: datetime) -> None:
    """Stage that somebody is not on the team any more. Raises AccessDenied, NotFound. Safe to repeat."""
    _require_editor(team, by)
    member = members.get(member_id, viewer=by)
    if (place := db.session.get(TeamMember, (team.id, member.id))) is not None:
        db.session.delete(place)
        audit.record("team.changed", by=by, target=team.name, now=now, removed=member.user.username)


def _require_editor(team: Team, by: Membership) -> None:
    if not may_edit(team, by):
        raise AccessDenied("team.edit")


def uses(team: Team, *, viewer: Membership) -> list[str]:
    """The channels and templates that it owns. Of private channels only that there are some."""
    owned = select(Channel).where(Channel.tenant_id == team.tenant_id, Channel.team_id == team.id)
    given = list(db.session.scalars(owned.order_by(Channel.name)))
    found = [channel.name for channel in given if visibility.sees_channel(channel, viewer)]
    hidden = ["…"] if len(found) < len(given) else []
    texts = select(Template.name).where(Template.tenant_id == team.tenant_id, Template.team_id == team.id)
    return [*found, *db.session.scalars(texts.order_by(Template.name)), *hidden]


def delete(team: Team, *, by: Membership, now: datetime) -> None:
    """Stage that a team is gone. Raises AccessDenied, TeamInUse."""
    _require_editor(team, by)
    if found := uses(team, viewer=by):
        raise TeamInUse(name=team.name, uses=", ".join(found))
    db.session.delete(team)
    db.session.flush()
    audit.record("team.deleted", by=by, target=team.name, now=now)


def _write(team: Team, name: str, description: str) -> None:
    name, description = " ".join(name.split()), description.strip()
    if not 1 <= len(name) <= NAME_CHARS:
        raise InvalidInput("name", N_("应为 1–59 个字符"))
    if len(description) > DESCRIPTION_CHARS:
        raise InvalidInput("description", N_("不能超过 500 个字符"))
    with db.session.no_autoflush:
        taken = db.session.scalar(select(Team.id).where(Team.tenant_id == team.tenant_id, Team.name == name))
    if taken is not None and taken != team.id:
        raise InvalidInput("name", N_("已有同名的团队"))
    team.name, team.description = name, description
