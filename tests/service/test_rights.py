"""The table of roles and rights, cell by cell: who may do what to whose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from errors import AccessDenied, InvalidInput, NotFound
from extensions import db
from models import AuditEntry, Channel, DispatchPolicy, Membership, Role, Team, Template
from services import channels, incidents, ownership, policies, rights, teams, templates
from services.policies import draft
from tests.factories import (
    NOW,
    make_channel,
    make_incident,
    make_level,
    make_member,
    make_policy,
    make_source,
    make_tenant,
)

ALL, OWN, NONE = "all", "of own teams", "none"
ROLES = (Role.ADMIN, Role.RESPONDER, Role.VIEWER)
DECLARED: dict[str, tuple[str, ...]] = {
    "incident.view": ROLES,
    "channel.view": ROLES,
    "integration.view": ROLES,
    "delivery.view": ROLES,
    "api_token.own": ROLES,
    "incident.handle": ROLES[:2],
    "delivery.resend": ROLES[:2],
    "message.send": ROLES[:2],
    "channel.edit_own": ROLES[:2],
    **dict.fromkeys(
        ("channel.edit", "integration.edit", "member.edit", "team.edit", "audit.view", "organisation.edit"), ROLES[:1]
    ),
    "api_token.others": ROLES[:1],
    "message.send_all": ROLES[:1],
}


@dataclass
class Things:
    """What a team owns, or nobody in particular."""

    team: Team | None
    channel: Channel
    policy: DispatchPolicy
    template: Template


@dataclass
class Office:
    """admin; a responder and a viewer who are on `own.team`, and whoever they are not: `other`, `common`."""

    people: dict[Role, Membership]
    own: Things
    other: Things
    common: Things


def make_things(boss: Membership, name: str, *, has_team: bool = True) -> Things:
    team = teams.create(f"{name}组", "", by=boss, now=NOW) if has_team else None
    channel = make_channel(f"{name}空间", team_id=team.id if team else None)
    policy = make_policy(channel, boss, name=f"{name}策略")
    make_policy(channel, boss, name=f"{name}后备", priority=150)
    written = templates.draft(name=f"{name}模板", texts={}, team_id=team.id if team else None)
    return Things(team, channel, policy, templates.create(written, by=boss, now=NOW))


@pytest.fixture
def office(app: Flask) -> Office:
    people = {role: make_member(role.value, role) for role in ROLES}
    boss = people[Role.ADMIN]
    own = make_things(boss, "自己")
    assert own.team is not None
    for role in ROLES[1:]:
        teams.add_member(own.team, role.value, by=boss, now=NOW)
    made = Office(people, own, make_things(boss, "别的"), make_things(boss, "公共", has_team=False))
    db.session.commit()
    return made


def settings_of(channel: Channel) -> dict[str, Any]:
    kept = ("name", "team_id", "is_private", "is_enabled", "closes_on_recovery", "close_timeout_minutes")
    return {name: getattr(channel, name) for name in (*kept, "timeout_from_last_merge", "flapping")}


def written(by: Membership, name: str) -> policies.Draft:
    return draft(name=name, levels=[make_level(by)])


VERBS: dict[str, Callable[[Things, dict[str, Any]], object]] = {
    "change a channel": lambda it, who: channels.update(it.channel, **settings_of(it.channel), description="新", **who),
    "disable a channel": lambda it, who: channels.set_enabled(it.channel, False, **who),
    "delete a channel": lambda it, who: channels.delete(it.channel, confirmation=it.channel.name, via="console", **who),
    "write a policy": lambda it, who: policies.create(it.channel, written(who["by"], "新"), **who),
    "change a policy": lambda it, who: policies.update(it.policy, written(who["by"], "新"), **who),
    "disable a policy": lambda it, who: policies.set_enabled(it.policy, False, **who),
    "move a policy": lambda it, who: policies.move(it.policy, places=1, **who),
    "copy a policy": lambda it, who: policies.duplicate(it.policy, name="副本", **who),
    "delete a policy": lambda it, who: policies.delete(it.policy, **who),
    "change a template": lambda it, who: templates.update(
        it.template, templates.draft(name="新", texts={}, team_id=it.template.team_id), **who
    ),
    "delete a template": lambda it, who: templates.delete(it.template, **who),
}
TEAM_VERBS: dict[str, Callable[[Team, dict[str, Any]], object]] = {
    "change a team": lambda team, who: teams.edit(team, "新", "", **who),
    "add to a team": lambda team, who: teams.add_member(team, "admin", **who),
    "take from a team": lambda team, who: teams.remove_member(team, who["by"].id, **who),
}
MAY = {Role.ADMIN: ALL, Role.RESPONDER: OWN, Role.VIEWER: NONE}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_has_the_rights_of_the_table_and_no_others(role: Role) -> None:
    assert rights.RIGHTS[role] == {right for right, roles in DECLARED.items() if role in roles}


@pytest.mark.parametrize("verb", VERBS)
def test_channels_policies_and_templates_are_changed_by_administrators_and_their_own_team(
    office: Office, verb: str
) -> None:
    for role, member in office.people.items():
        for whose, things in (("own", office.own), ("other", office.other), ("common", office.common)):
            may = MAY[role] == ALL or (MAY[role] == OWN and whose == "own")
            tried = db.session.begin_nested()
            try:
                VERBS[verb](things, {"by": member, "now": NOW})
                is_allowed = True
            except AccessDenied:
                is_allowed = False
            tried.rollback()
            assert is_allowed is may, (verb, role, whose)


@pytest.mark.parametrize("verb", TEAM_VERBS)
def test_teams_are_changed_by_administrators_and_their_own_responders(office: Office, verb: str) -> None:
    for role, member in office.people.items():
        for whose, things in (("own", office.own), ("other", office.other)):
            may = MAY[role] == ALL or (MAY[role] == OWN and whose == "own")
            assert things.team is not None
            tried = db.session.begin_nested()
            try:
                TEAM_VERBS[verb](things.team, {"by": member, "now": NOW})
                is_allowed = True
            except AccessDenied:
                is_allowed = False
            tried.rollback()
            assert is_allowed is may, (verb, role, whose)


def test_a_responder_makes_things_for_a_team_of_their_own_and_cannot_give_them_away(office: Office) -> None:
    lin, own, other = office.people[Role.RESPONDER], office.own.team, office.other.team
    assert own is not None
    assert other is not None
    who: dict[str, Any] = {"by": lin, "now": NOW}
    made = channels.create("新空间", team_id=own.id, **who)
    texts = templates.create(templates.draft(name="新模板", texts={}, team_id=own.id), **who)
    assert (made.team_id, texts.team_id) == (own.id, own.id)
    for elsewhere in (None, other.id):
        with pytest.raises(InvalidInput) as refused:
            channels.create("别处", team_id=elsewhere, **who)
        assert refused.value.field == "team_id"
        with pytest.raises(InvalidInput):
            templates.create(templates.draft(name="别处", texts={}, team_id=elsewhere), **who)
        with pytest.raises(InvalidInput):
            channels.update(made, **settings_of(made) | {"team_id": elsewhere}, description="", **who)
    assert made.team_id == own.id


def test_a_responder_in_no_team_makes_nothing(office: Office) -> None:
    wu = make_member("wu")
    for make in (
        lambda: channels.create("x", by=wu, now=NOW),
        lambda: templates.create(templates.draft(name="x", texts={}), by=wu, now=NOW),
        lambda: teams.create("x", "", by=wu, now=NOW),
    ):
        with pytest.raises(AccessDenied):
            make()
    assert not ownership.may_create(wu)


def test_the_default_template_is_everybodys_and_so_the_administrators(office: Office) -> None:
    assert office.own.team is not None
    with pytest.raises(InvalidInput):
        templates.draft(name="x", texts={}, is_default=True, team_id=office.own.team.id)
    with pytest.raises(InvalidInput):
        templates.update(
            office.own.template,
            templates.draft(name="x", texts={}, is_default=True),
            by=office.people[Role.RESPONDER],
            now=NOW,
        )


def test_alert_sources_do_not_go_with_a_channel_that_a_responder_deletes(office: Office) -> None:
    make_source(office.own.channel)
    delete: dict[str, Any] = {"confirmation": office.own.channel.name, "via": "console", "now": NOW}
    with pytest.raises(channels.HasSources):
        channels.delete(office.own.channel, by=office.people[Role.RESPONDER], **delete)
    channels.delete(office.own.channel, by=office.people[Role.ADMIN], **delete)


def test_whoever_left_or_is_of_elsewhere_has_no_team_here(office: Office) -> None:
    zhou = make_member("zhou", Role.ADMIN, tenant=make_tenant("别家"))
    assert not ownership.may_edit(office.own.channel, zhou)
    for act in (
        lambda: channels.set_enabled(office.own.channel, False, by=zhou, now=NOW),
        lambda: policies.delete(office.own.policy, by=zhou, now=NOW),
    ):
        with pytest.raises((AccessDenied, NotFound)):
            act()
    lin = office.people[Role.RESPONDER]
    lin.user.is_disabled = True
    assert not ownership.may_edit(office.own.channel, lin)


def test_what_a_responder_may_not_edit_they_still_see_and_handle(office: Office) -> None:
    lin = office.people[Role.RESPONDER]
    incident = make_incident(office.other.channel)
    assert policies.get(office.other.policy.id, viewer=lin) is office.other.policy
    assert templates.get(office.other.template.id, viewer=lin) is office.other.template
    assert incidents.acknowledge(incident, by=lin, via="console", now=NOW).changed


def recorded() -> list[AuditEntry]:
    return list(db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)))


def test_changes_of_channels_and_policies_stand_in_the_audit_record(office: Office) -> None:
    boss, channel = office.people[Role.ADMIN], office.common.channel
    who: dict[str, Any] = {"by": boss, "now": NOW}
    before = len(recorded())
    channels.update(channel, **settings_of(channel), description="", **who)
    channels.set_enabled(channel, True, **who)
    assert len(recorded()) == before  # nothing changed
    channels.update(channel, **settings_of(channel) | {"name": "改名"}, description="", **who)
    channels.set_enabled(channel, False, **who)
    policies.set_enabled(office.common.policy, False, **who)
    policies.move(office.common.policy, places=1, **who)
    policies.duplicate(office.common.policy, name="副本", **who)
    policies.delete(office.common.policy, **who)
    entries = recorded()[before:]
    assert [entry.event for entry in entries] == [
        "channel.changed",
        "channel.disabled",
        "policy.disabled",
        "policy.moved",
        "policy.created",
        "policy.deleted",
    ]
    assert entries[0].detail == {"changed": ["name: 公共空间 → 改名"]}
    assert {entry.target for entry in entries[2:]} == {"改名 / 公共策略", "改名 / 副本"}


ON_PAGES = [("console", True), ("h5", True), ("api", True), ("card_wecom", False)]


@pytest.mark.parametrize(("via", "is_recorded"), ON_PAGES)
def test_what_people_do_to_incidents_on_pages_stands_in_the_audit_record(
    office: Office, via: str, is_recorded: bool
) -> None:
    lin, incident = office.people[Role.RESPONDER], make_incident(title="磁盘将满")
    before = len(recorded())
    incidents.acknowledge(incident, by=lin, via=via, now=NOW)
    entries = [(entry.event, entry.target, entry.actor_name) for entry in recorded()[before:]]
    assert entries == ([("incident.ack", f"#{incident.num} 磁盘将满", "responder")] if is_recorded else [])
