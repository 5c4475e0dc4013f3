"""Policies of a channel: keeping them, and trying a filter on recent alerts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from errors import Conflict, InvalidInput, NotFound
from models import Role, Severity
from services import filters, policies
from services.policies import draft
from tests.factories import (
    NOW,
    make_alert,
    make_channel,
    make_level,
    make_member,
    make_policy,
    make_source,
    make_tenant,
)


def boss():
    return make_member("boss", Role.ADMIN)


def test_a_policy_is_made_changed_and_deleted(app: Flask):
    lin, channel = make_member(), make_channel()
    policy = policies.create(
        channel, draft(name=" 默认策略 ", levels=[make_level(lin)], priority=5), by=boss(), now=NOW
    )
    assert (policy.name, policy.priority, policies.levels_of(policy)[0].user_ids) == ("默认策略", 5, (lin.user_id,))
    seen = policy.version
    policies.update(policy, draft(name="夜间", levels=[make_level(lin)]), version=seen, by=boss(), now=NOW)
    with pytest.raises(Conflict):
        policies.update(policy, draft(name="白天", levels=[make_level(lin)]), version=seen, by=boss(), now=NOW)
    assert policies.get(policy.id, viewer=lin).name == "夜间"
    policies.delete(policy, by=boss(), now=NOW)
    assert policies.in_channel(channel) == []


def test_a_name_is_used_once_in_a_channel(app: Flask):
    lin, channel = make_member(), make_channel()
    make_policy(channel, lin, name="默认策略")
    written = draft(name="默认策略", levels=[make_level(lin)])
    with pytest.raises(InvalidInput):
        policies.create(channel, written, by=boss(), now=NOW)
    assert policies.create(make_channel("订单"), written, by=boss(), now=NOW).id


def test_only_members_can_be_named(app: Flask):
    zhou = make_member("zhou", tenant=make_tenant("另一组织"))
    with pytest.raises(InvalidInput) as refused:
        policies.create(make_channel(), draft(name="默认策略", levels=[make_level(zhou)]), by=boss(), now=NOW)
    assert refused.value.field == "user_ids"


def test_policies_are_listed_in_the_order_in_which_they_are_tried(app: Flask):
    lin, channel = make_member(), make_channel()
    made = [make_policy(channel, lin, priority=priority) for priority in (50, 10, 50)]
    assert policies.in_channel(channel) == [made[1], made[0], made[2]]


def test_a_policy_hides_with_its_channel_and_its_organisation(app: Flask):
    lin, admin = make_member(), make_member("admin", Role.ADMIN)
    hidden = make_policy(make_channel("内部", is_private=True), admin)
    foreign = make_policy(make_channel("别家", tenant=make_tenant("另一组织")), admin)
    assert policies.get(hidden.id, viewer=admin) is hidden
    for policy, viewer in [(hidden, lin), (foreign, admin)]:
        with pytest.raises(NotFound):
            policies.get(policy.id, viewer=viewer)


def test_the_preview_counts_the_matching_alerts_of_the_last_week(app: Flask):
    channel = make_channel()
    source = make_source(channel)
    for days, severity in [(0, Severity.CRITICAL), (6, Severity.CRITICAL), (8, Severity.CRITICAL), (1, Severity.INFO)]:
        make_alert(source, severity=severity, last_event_at=NOW - timedelta(days=days))
    make_alert(make_source(make_channel("订单")))
    groups = filters.parse([[{"key": "severity", "op": "IN", "vals": ["Critical"]}]])
    found = policies.preview(groups, channel=channel, now=NOW)
    assert (found.matching, found.looked_at, found.is_capped) == (2, 3, False)
