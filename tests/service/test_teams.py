"""Teams and what they see; departments as a tree."""

from __future__ import annotations

import pytest

from errors import AccessDenied, InvalidInput, NotFound
from extensions import db
from models import Department, DepartmentKind, DepartmentMember, DepartmentOrigin, Role
from services import channels, departments, incident_queries, incidents, teams, visibility
from tests.factories import NOW, make_channel, make_incident, make_integration, make_member, make_tenant


@pytest.fixture
def boss(app):
    return make_member("boss", Role.ADMIN)


@pytest.fixture
def team(boss):
    return teams.create("支付组", "", by=boss, now=NOW)


# --- teams --------------------------------------------------------------------------------------------------------


def test_a_private_channel_is_seen_by_the_team_that_owns_it(boss, team):
    lin, wu = make_member("lin"), make_member("wu")
    teams.add_member(team, "LIN", by=boss, now=NOW)
    channel = make_channel(is_private=True, team_id=team.id)
    incident = make_incident(channel)
    assert [visibility.sees_channel(channel, who) for who in (boss, lin, wu)] == [True, True, False]
    assert [channels.all_for(who) for who in (boss, lin, wu)] == [[channel], [channel], []]
    assert incidents.get(incident.num, viewer=lin) is incident
    assert [len(incident_queries.page(who, incident_queries.Search()).items) for who in (lin, wu)] == [1, 0]
    with pytest.raises(NotFound):
        incidents.get(incident.num, viewer=wu)
    teams.remove_member(team, lin.id, by=boss, now=NOW)
    db.session.commit()
    assert not visibility.sees_channel(channel, lin)


def test_channels_are_given_to_teams_of_the_same_organisation_only(boss, team):
    foreign_boss = make_member("other-boss", Role.ADMIN, tenant=make_tenant("别处"))
    foreign = teams.create("别家", "", by=foreign_boss, now=NOW)
    assert channels.create("a", by=boss, now=NOW, team_id=team.id).team_id == team.id
    with pytest.raises(InvalidInput):
        channels.create("b", by=boss, now=NOW, team_id=foreign.id)
    with pytest.raises(NotFound):
        teams.get(foreign.id, viewer=boss)
    with pytest.raises(InvalidInput):
        teams.add_member(team, "other-boss", by=boss, now=NOW)


def test_a_team_that_owns_something_is_not_deleted(boss, team):
    channel = make_channel("支付", team_id=team.id)
    with pytest.raises(teams.TeamInUse) as refusal:
        teams.delete(team, by=boss, now=NOW)
    assert refusal.value.params["uses"] == "支付"
    channel.team_id = None
    db.session.flush()
    teams.delete(team, by=boss, now=NOW)
    assert teams.all_for(boss) == []


def test_a_teams_own_responders_change_it_and_others_do_not(boss, team):
    lin, wu, zhao = make_member("lin"), make_member("wu"), make_member("zhao", Role.VIEWER)
    for name in ("lin", "zhao"):
        teams.add_member(team, name, by=boss, now=NOW)
        teams.add_member(team, name, by=boss, now=NOW)
    teams.edit(team, "新名", "", by=lin, now=NOW)
    for stranger in (wu, zhao):
        with pytest.raises(AccessDenied):
            teams.edit(team, "旧名", "", by=stranger, now=NOW)
        with pytest.raises(AccessDenied):
            teams.add_member(team, "wu", by=stranger, now=NOW)
    for somebody in (lin, wu, zhao):
        with pytest.raises(AccessDenied):
            teams.create("x", "", by=somebody, now=NOW)
    for stranger in (wu, zhao):
        with pytest.raises(AccessDenied):
            teams.delete(team, by=stranger, now=NOW)
    assert team.name == "新名"
    assert [row.members for row in teams.counted(wu)] == [2]
    teams.delete(team, by=lin, now=NOW)
    assert teams.all_for(boss) == []


@pytest.mark.parametrize("name", ["", "  ", "x" * 60, "支付组"])
def test_names_of_teams_are_short_and_unique(boss, team, name):
    with pytest.raises(InvalidInput):
        teams.create(name, "", by=boss, now=NOW)


# --- departments --------------------------------------------------------------------------------------------------


def shown(viewer):
    return [(node.department.name, node.depth, node.members) for node in departments.tree(viewer)]


def test_departments_are_a_tree_in_order(boss):
    company = departments.create("公司", None, by=boss, now=NOW)
    second = departments.create("乙", company.id, by=boss, now=NOW)
    departments.create("甲", company.id, by=boss, now=NOW)
    departments.create("组", second.id, by=boss, now=NOW)
    departments.add_member(second, "boss", by=boss, now=NOW)
    departments.add_member(second, "boss", by=boss, now=NOW)
    assert company.kind is DepartmentKind.COMPANY
    assert shown(boss) == [("公司", 0, 0), ("乙", 1, 1), ("组", 2, 0), ("甲", 1, 0)]


def test_a_tree_may_be_as_deep_as_it_has_departments(boss):
    above, names = None, [f"第 {depth} 层" for depth in range(1200)]
    for name in names:
        made = Department(tenant_id=boss.tenant_id, name=name, parent_id=above, source="local", created_at=NOW)
        db.session.add(made)
        db.session.flush()
        above = made.id
    assert shown(boss) == [(name, depth, 0) for depth, name in enumerate(names)]


def test_no_department_is_below_itself(boss):
    upper = departments.create("上", None, by=boss, now=NOW)
    lower = departments.create("下", upper.id, by=boss, now=NOW)
    for target in (upper, lower):
        with pytest.raises(InvalidInput):
            departments.edit(upper, "上", target.id, by=boss, now=NOW)
    departments.edit(lower, "下", None, by=boss, now=NOW)
    departments.edit(upper, "上", lower.id, by=boss, now=NOW)
    assert shown(boss) == [("下", 0, 0), ("上", 1, 0)]


def test_departments_of_others_are_out_of_reach(boss):
    foreign_boss = make_member("other-boss", Role.ADMIN, tenant=make_tenant("别处"))
    foreign = departments.create("别家", None, by=foreign_boss, now=NOW)
    with pytest.raises(NotFound):
        departments.get(foreign.id, viewer=boss)
    with pytest.raises(NotFound):
        departments.create("x", foreign.id, by=boss, now=NOW)
    with pytest.raises(NotFound):
        departments.remove_member(departments.create("y", None, by=boss, now=NOW), foreign_boss.id, by=boss, now=NOW)
    assert shown(boss) == [("y", 0, 0)]


def test_a_synced_department_is_changed_on_its_platform(boss):
    lin = make_member("lin")
    synced = Department(tenant_id=0, name="同步", source="synced", created_at=NOW)
    db.session.add(synced)
    db.session.flush()
    about = {"tenant_id": 0, "department_id": synced.id}
    origin = DepartmentOrigin(**about, integration_id=make_integration().id, external_id="1")
    db.session.add_all([origin, DepartmentMember(**about, membership_id=lin.id, source="synced")])
    db.session.commit()
    for act in (
        lambda: departments.edit(synced, "改名", None, by=boss, now=NOW),
        lambda: departments.remove_member(synced, lin.id, by=boss, now=NOW),
        lambda: departments.delete(synced, by=boss, now=NOW),
    ):
        with pytest.raises(departments.DepartmentSynced):
            act()
    departments.add_member(synced, "boss", by=boss, now=NOW)
    origin.vanished_at = NOW
    db.session.flush()
    assert departments.tree(boss)[0].has_vanished
    departments.delete(synced, by=boss, now=NOW)
    assert shown(boss) == []


def test_what_has_something_below_is_not_deleted(boss):
    upper = departments.create("上", None, by=boss, now=NOW)
    lower = departments.create("下", upper.id, by=boss, now=NOW)
    with pytest.raises(departments.DepartmentNotEmpty):
        departments.delete(upper, by=boss, now=NOW)
    departments.delete(lower, by=boss, now=NOW)
    departments.delete(upper, by=boss, now=NOW)


def test_only_administrators_change_the_tree(boss):
    lin, made = make_member("lin"), departments.create("公司", None, by=boss, now=NOW)
    for act in (
        lambda: departments.create("x", None, by=lin, now=NOW),
        lambda: departments.edit(made, "x", None, by=lin, now=NOW),
        lambda: departments.add_member(made, "lin", by=lin, now=NOW),
        lambda: departments.delete(made, by=lin, now=NOW),
    ):
        with pytest.raises(AccessDenied):
            act()
    assert shown(lin) == [("公司", 0, 0)]
