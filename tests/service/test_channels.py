"""Collaboration spaces: their rules, who sees them, what deleting one does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from errors import Conflict, InvalidInput, NotFound
from extensions import db
from models import AlertSource, AuditEntry, Channel, DispatchPolicy, Progress, Role, Team
from services import channels, incident_queries, incidents, outbox
from services.incident_queries import Search
from tests.factories import NOW, make_channel, make_incident, make_member, make_policy, make_source, make_tenant


def settings_of(channel: Channel, **changes):
    kept = (
        "name",
        "description",
        "is_private",
        "is_enabled",
        "closes_on_recovery",
        "close_timeout_minutes",
        "timeout_from_last_merge",
        "flapping",
    )
    return {name: getattr(channel, name) for name in kept} | changes


def boss():
    return make_member("boss", Role.ADMIN)


def test_a_channel_is_made_with_the_defaults(app: Flask):
    admin = make_member("admin", Role.ADMIN)
    channel = channels.create(" 支付核心 ", by=admin, now=NOW, description="支付")
    assert (channel.name, channel.is_private, channel.closes_on_recovery) == ("支付核心", False, True)
    assert (channel.close_timeout_minutes, channel.created_by_id) == (0, admin.user_id)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": "  "}, "name"),
        ({"name": "名" * 60}, "name"),
        ({"name": "支付核心"}, "name"),
        ({"name": "别的", "description": "长" * 501}, "description"),
        ({"name": "别的", "close_timeout_minutes": -1}, "close_timeout_minutes"),
        ({"name": "别的", "close_timeout_minutes": 43201}, "close_timeout_minutes"),
        ({"name": "别的", "flapping": "sometimes"}, "flapping"),
    ],
)
def test_a_wrong_channel_names_its_field(app: Flask, values, field):
    make_channel("支付核心")
    with pytest.raises(InvalidInput) as refused:
        channels.create(**values, by=make_member("admin", Role.ADMIN), now=NOW)
    assert refused.value.field == field


def test_two_organisations_may_use_the_same_name(app: Flask):
    make_channel("支付核心", tenant=make_tenant("另一组织"))
    assert channels.create("支付核心", by=make_member("admin", Role.ADMIN), now=NOW).id


def test_a_private_channel_is_listed_for_its_creator_and_administrators(app: Flask):
    lin, wu, admin = make_member("lin"), make_member("wu"), make_member("admin", Role.ADMIN)
    private = make_channel("内部", is_private=True, created_by_id=lin.user_id)
    public = make_channel("公共")
    make_channel("别家", tenant=make_tenant("另一组织"))
    assert set(channels.all_for(lin)) == set(channels.all_for(admin)) == {private, public}
    assert channels.all_for(wu) == [public]
    with pytest.raises(NotFound):
        channels.get(private.id, viewer=wu)


def test_a_channel_of_another_organisation_is_not_found(app: Flask):
    foreign = make_channel(tenant=make_tenant("另一组织"))
    with pytest.raises(NotFound):
        channels.get(foreign.id, viewer=make_member("admin", Role.ADMIN))


def test_an_edit_of_something_older_is_a_conflict(app: Flask):
    channel = make_channel()
    seen = channel.version
    channels.update(channel, **settings_of(channel, description="新"), by=boss(), now=NOW, version=seen)
    with pytest.raises(Conflict):
        channels.update(channel, **settings_of(channel, description="旧"), by=boss(), now=NOW, version=seen)
    assert channel.description == "新"


def test_a_channel_keeps_its_own_name(app: Flask):
    channel, other = make_channel("支付核心"), make_channel("订单")
    channels.update(channel, **settings_of(channel), by=boss(), now=NOW)
    with pytest.raises(InvalidInput):
        channels.update(channel, **settings_of(channel, name=other.name), by=boss(), now=NOW)


def test_a_new_time_limit_holds_for_open_incidents(app: Flask):
    channel = make_channel()
    incident = make_incident(channel)
    channels.update(
        channel, **settings_of(channel, close_timeout_minutes=60), by=boss(), now=NOW + timedelta(minutes=90)
    )
    assert outbox.pending("auto_close", incident.id)
    assert incidents.time_out(incident, now=NOW + timedelta(minutes=90)).changed


def test_deleting_needs_the_name_and_closes_what_is_open(app: Flask):
    admin, channel = make_member("admin", Role.ADMIN), make_channel("支付核心")
    make_policy(channel, admin)
    make_source(channel)
    incident = make_incident(channel)
    delete: dict[str, Any] = {"by": admin, "via": "console", "now": NOW}
    with pytest.raises(InvalidInput):
        channels.delete(channel, confirmation="支付", **delete)
    assert channels.delete(channel, confirmation="支付核心", **delete) == 1
    db.session.commit()
    db.session.expire_all()
    assert (incident.progress, incident.channel_id) == (Progress.CLOSED, None)
    for table in (Channel, DispatchPolicy, AlertSource):
        assert db.session.scalar(select(func.count()).select_from(table)) == 0
    assert incidents.get(incident.num, viewer=admin) is incident


def test_what_is_left_of_a_private_channel_stays_private(app: Flask):
    lin, wu, admin = make_member("lin"), make_member("wu"), make_member("admin", Role.ADMIN)
    private = make_channel("内部", is_private=True, created_by_id=lin.user_id)
    num = make_incident(channel=private).num
    channels.delete(private, confirmation="内部", by=admin, via="console", now=NOW)
    db.session.commit()
    assert [found.num for found in incident_queries.page(admin, Search(scope="all")).items] == [num]
    assert incident_queries.page(wu, Search(scope="all")).items == []
    with pytest.raises(NotFound):
        incidents.get(num, viewer=wu)
    assert incidents.get(num, viewer=admin).num == num


def test_the_record_names_the_owning_team_not_its_number(app: Flask):
    admin = boss()
    teams = [Team(tenant_id=admin.tenant_id, name=name, created_at=NOW) for name in ("值班一组", "值班二组")]
    db.session.add_all(teams)
    db.session.flush()
    channel = channels.create("支付核心", by=admin, now=NOW, team_id=teams[0].id)
    channels.update(channel, **settings_of(channel), team_id=teams[1].id, by=admin, now=NOW)
    recorded = {entry.event: entry.detail for entry in db.session.scalars(select(AuditEntry))}
    assert recorded["channel.created"]["team"] == "值班一组"
    assert recorded["channel.changed"]["changed"] == ["team: 值班一组 → 值班二组"]
