"""Teams, which own channels. A team's own responders may change it, too."""

from __future__ import annotations

from typing import Any

from blueprints.api import belonging
from blueprints.api.moments import iso
from blueprints.api.operations import Call, operation
from blueprints.api.schemas import component, list_of, moment, record, whole, words
from blueprints.api.switches import DELETED, VERSION, check_version
from models import Membership, Team
from services import teams

WRITTEN = {"id": whole(), "name": words(), "description": words(), "created_at": moment(), "version": whole()}
TEAM = component("Team", record(WRITTEN))
COUNTED = component("TeamWithSize", record(WRITTEN | {"members": whole()}))
NAME = words(teams.NAME_CHARS, shortest=1)
DESCRIPTION = words(teams.DESCRIPTION_CHARS)
ONE = "/teams/<int:team_id>"


@operation("GET", "/teams", "The teams, by name", right="channel.view", answers=list_of(COUNTED))
def list_teams(call: Call) -> dict[str, Any]:
    return {"items": [team_row(row.team) | {"members": row.members} for row in teams.counted(call.member)]}


@operation(
    "POST",
    "/teams",
    "Make a team",
    right="team.edit",
    body=record({"name": NAME}, {"description": DESCRIPTION}),
    answers=TEAM,
    status=201,
)
def create_team(call: Call) -> dict[str, Any]:
    return team_row(teams.create(call.body["name"], call.body.get("description", ""), **call.by))


@operation("GET", ONE, "One team", right="channel.view", answers=TEAM)
def get_team(call: Call, team_id: int) -> dict[str, Any]:
    return team_row(teams.get(team_id, viewer=call.member))


@operation(
    "PATCH",
    ONE,
    "Change a team; what is not sent stays",
    right="channel.edit_own",
    body=record({}, {"name": NAME, "description": DESCRIPTION, **VERSION}),
    answers=TEAM,
)
def edit_team(call: Call, team_id: int) -> dict[str, Any]:
    team = teams.get(team_id, viewer=call.member)
    check_version(team, call.body)
    name, description = call.body.get("name", team.name), call.body.get("description", team.description)
    teams.edit(team, name, description, **call.by)
    return team_row(team)


@operation("DELETE", ONE, "Delete a team that nothing names", right="channel.edit_own", answers=DELETED)
def delete_team(call: Call, team_id: int) -> dict[str, Any]:
    teams.delete(teams.get(team_id, viewer=call.member), **call.by)
    return {"deleted": True}


def team_row(team: Team) -> dict[str, Any]:
    kept = {name: getattr(team, name) for name in ("id", "name", "description", "version")}
    return kept | {"created_at": iso(team.created_at)}


def _members_of(team: Team) -> list[tuple[Membership, str | None]]:
    return [(member, None) for member in teams.members_of(team)]


belonging.declare(ONE, "team", teams, _members_of, right="channel.edit_own")
