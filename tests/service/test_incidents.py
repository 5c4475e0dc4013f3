"""Opening incidents, finding them, and bringing them up to date with their alerts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from errors import InvalidInput, NotFound
from extensions import db
from models import AlertState, Progress, Role, Severity
from services import incidents, outbox, timeline
from tests.factories import (
    NOW,
    make_alert,
    make_channel,
    make_incident,
    make_member,
    make_policy,
    make_source,
    make_tenant,
    report,
)


def opened(channel, **alert_values):
    source = make_source(channel)
    alert = make_alert(source, **alert_values)
    return incidents.open_from_alert(alert, source, now=NOW), alert


def sentences(incident) -> list[str]:
    return [timeline.describe(entry).message for entry in timeline.entries(incident)]


def test_numbers_run_per_organisation(app: Flask):
    assert [make_incident().num, make_incident().num] == [1, 2]
    assert make_incident(tenant=make_tenant("另一组织")).num == 1


def test_an_alert_opens_an_incident_and_tells_level_one(app: Flask):
    lin, channel = make_member("lin"), make_channel()
    make_policy(channel, lin, name="默认策略")
    incident, alert = opened(channel)
    assert (incident.progress, incident.severity, alert.incident_id) == (
        Progress.TRIGGERED,
        Severity.CRITICAL,
        incident.id,
    )
    assert incident.labels == {"resource": "db-03", "check": "disk.used>95%"}
    assert [responder.user_id for responder in incident.responders] == [lin.user_id]
    assert incident.assignment["policy"]["name"] == "默认策略"
    assert sentences(incident)[:2] == ["告警触发，故障已创建", "按分派策略「%(policy)s」分派"]


def test_without_a_matching_policy_nobody_is_assigned_and_the_record_says_so(app: Flask):
    incident, _ = opened(make_channel())
    assert incident.responders == []
    assert "未匹配到分派策略" in sentences(incident)


def test_an_incident_of_another_organisation_is_not_found(app: Flask):
    incident = make_incident()
    zhou = make_member("zhou", Role.ADMIN, tenant=make_tenant("另一组织"))
    with pytest.raises(NotFound):
        incidents.get(incident.num, viewer=zhou)
    with pytest.raises(NotFound):
        incidents.lock(incident.id, zhou.tenant_id)


def test_a_private_channel_shows_an_incident_to_its_people_only(app: Flask):
    creator, lin, wu = make_member("creator"), make_member("lin"), make_member("wu")
    boss = make_member("boss", Role.ADMIN)
    channel = make_channel(is_private=True, created_by_id=creator.user_id)
    incident = make_incident(channel, responders=(lin,))
    for viewer in (creator, lin, boss):
        assert incidents.get(incident.num, viewer=viewer) is incident
    with pytest.raises(NotFound):
        incidents.get(incident.num, viewer=wu)


def test_an_incident_by_hand_goes_to_the_people_named(app: Flask):
    lin, wu = make_member("lin"), make_member("wu")
    incident = incidents.open_by_hand(
        None, " 支付失败 ", "", Severity.WARNING, [wu.user_id], by=lin, via="console", now=NOW
    )
    assert (incident.title, incident.created_by_id, incident.alert_count) == ("支付失败", lin.user_id, 0)
    assert [responder.user_id for responder in incident.responders] == [wu.user_id]
    assert sentences(incident)[:2] == ["%(name)s 创建了故障", "分派给 %(people)s"]


@pytest.mark.parametrize(
    ("title", "severity", "field"),
    [
        ("", Severity.INFO, "title"),
        ("\u200b\u3164", Severity.INFO, "title"),
        ("题" * 513, Severity.INFO, "title"),
        ("题", Severity.OK, "severity"),
    ],
)
def test_an_incident_by_hand_names_the_wrong_field(app: Flask, title, severity, field):
    with pytest.raises(InvalidInput) as refused:
        incidents.open_by_hand(None, title, "", severity, [], by=make_member(), via="console", now=NOW)
    assert refused.value.field == field


def test_people_of_another_organisation_cannot_be_named(app: Flask):
    zhou = make_member("zhou", tenant=make_tenant("另一组织"))
    with pytest.raises(InvalidInput):
        incidents.open_by_hand(
            None, "支付失败", "", Severity.INFO, [zhou.user_id], by=make_member(), via="console", now=NOW
        )


def test_the_severity_is_the_worst_that_was_said_and_the_status_what_is_said_now(app: Flask):
    incident, alert = opened(make_channel(), severity=Severity.WARNING)
    report(alert, Severity.CRITICAL, now=NOW)
    assert (incident.severity, incident.status) == (Severity.CRITICAL, Severity.CRITICAL)
    assert (incident.alert_count, incident.active_alert_count, incident.event_count) == (1, 1, 2)
    report(alert, Severity.INFO, now=NOW)
    assert (incident.severity, incident.status, incident.active_alert_count) == (Severity.CRITICAL, Severity.INFO, 1)


def test_a_severity_set_by_hand_stays(app: Flask):
    channel, lin = make_channel(), make_member()
    incident, alert = opened(channel, severity=Severity.WARNING)
    incidents.edit(incident, by=lin, via="console", now=NOW, changes={"severity": "Info", "title": "磁盘"})
    report(alert, Severity.CRITICAL, now=NOW)
    assert (incident.severity, incident.status, incident.title) == (Severity.INFO, Severity.CRITICAL, "磁盘")
    assert incident.overrides == ["severity", "title"]


def test_recovery_closes_the_incident_once(app: Flask):
    incident, alert = opened(make_channel())
    for minutes in (5, 6):
        report(alert, Severity.OK, now=NOW + timedelta(minutes=minutes))
    assert (incident.progress, incident.status, incident.closed_via) == (Progress.CLOSED, Severity.OK, "event")
    assert sentences(incident).count("告警已恢复，故障自动关闭") == 1


def test_recovery_leaves_the_progress_where_the_channel_says_so(app: Flask):
    incident, alert = opened(make_channel(closes_on_recovery=False))
    for _ in range(2):
        report(alert, Severity.OK, now=NOW)
    assert (incident.progress, incident.status) == (Progress.TRIGGERED, Severity.OK)
    assert sentences(incident).count("关联告警已全部恢复") == 1


def test_closing_by_hand_closes_the_alerts_and_stops_every_timer(app: Flask):
    lin, channel = make_member(), make_channel(close_timeout_minutes=60)
    make_policy(channel, lin)
    incident, alert = opened(channel)
    incidents.snooze(incident, by=lin, via="console", now=NOW, minutes=120)
    outcome = incidents.close(incident, by=lin, via="card_wecom", now=NOW, root_cause="磁盘已满", resolution="扩容")
    db.session.commit()
    db.session.refresh(alert)
    assert outcome.changed
    assert (alert.state, incident.active_alert_count) == (AlertState.CLOSED, 0)
    assert (incident.snoozed_until, incident.root_cause, incident.resolution) == (None, "磁盘已满", "扩容")
    assert not any(outbox.pending(kind, incident.id) for kind in ("policy_step", "snooze_expiry", "auto_close"))


def test_the_time_limit_closes_an_incident_when_it_has_passed(app: Flask):
    incident, _ = opened(make_channel(close_timeout_minutes=60))
    job = outbox.pending("auto_close", incident.id)
    assert job is not None and job.due_at == NOW + timedelta(minutes=60)
    assert not incidents.time_out(incident, now=NOW + timedelta(minutes=59)).changed
    assert incidents.time_out(incident, now=NOW + timedelta(minutes=60)).changed
    assert (incident.progress, incident.closed_via) == (Progress.CLOSED, "timeout")


def test_the_time_limit_may_count_from_the_last_event(app: Flask):
    channel = make_channel(close_timeout_minutes=60, timeout_from_last_merge=True)
    incident, alert = opened(channel)
    report(alert, Severity.INFO, now=NOW + timedelta(minutes=30))
    assert not incidents.time_out(incident, now=NOW + timedelta(minutes=60)).changed
    assert incidents.time_out(incident, now=NOW + timedelta(minutes=90)).changed


def test_an_incident_opened_again_does_not_time_out(app: Flask):
    lin = make_member()
    incident, _ = opened(make_channel(close_timeout_minutes=60))
    incidents.close(incident, by=lin, via="console", now=NOW)
    incidents.reopen(incident, by=lin, via="console", now=NOW, reason="未解决")
    assert not incidents.time_out(incident, now=NOW + timedelta(days=2)).changed
