"""Alertmanager's webhook: each element on its own, severities, titles, times."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models import Severity
from sources import Refused
from sources.prometheus import PrometheusSource, severity_of

FIXTURES = Path(__file__).parents[2] / "fixtures" / "alertmanager"


def recorded(name):
    return json.loads((FIXTURES / f"{name}.json").read_text())


def parse(*alerts, options=None, **fields):
    return PrometheusSource.parse({"version": "4", "alerts": list(alerts)} | fields, options or {})


def alert(**fields):
    return {"status": "firing", "fingerprint": "f1", "labels": {"alertname": "Up"}, "annotations": {}} | fields


def test_a_firing_alert_is_read_whole():
    push = PrometheusSource.parse(recorded("firing"), {})
    [event] = push.events
    assert event.status is Severity.CRITICAL
    assert event.title == "HighLatency / 10.2.0.7:8080"
    assert event.description == "p99 is 3.4s for 5m"
    assert event.alert_key == "9f3c1a77d0b24e55"
    assert event.event_at == datetime(2026, 3, 2, 1, 14, 5, 123000, tzinfo=UTC)
    assert event.labels == {
        "alertname": "HighLatency",
        "service": "checkout",
        "instance": "10.2.0.7:8080",
        "severity": "critical",
        "summary": "checkout p99 > 2s",
        "description": "p99 is 3.4s for 5m",
        "generator_url": "http://prom.example.com/graph?g0.expr=up",
    }
    assert (push.warnings, push.rejections, push.truncated) == ([], [], 0)


def test_a_resolved_alert_is_a_recovery_at_its_end():
    [event] = PrometheusSource.parse(recorded("resolved"), {}).events
    assert event.status is Severity.OK
    assert event.event_at == datetime(2026, 3, 2, 1, 20, 5, 123000, tzinfo=UTC)


def test_a_bad_element_does_not_lose_the_others():
    push = PrometheusSource.parse(recorded("group_of_three"), {})
    assert [(event.alert_key, event.status) for event in push.events] == [
        ("0000000000000001", Severity.WARNING),
        ("0000000000000003", Severity.INFO),
    ]
    assert [(rejection.index, rejection.reason) for rejection in push.rejections] == [
        (1, "status must be firing or resolved, got 'on fire'")
    ]
    assert push.truncated == 7
    assert push.events[1].event_at == datetime(2026, 3, 1, 17, 14, 5, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    "element", [None, 1, "x", [], {}, {"status": 1}, alert(labels=[]), alert(labels={"a": {}}), alert(fingerprint=1)]
)
def test_odd_elements_are_refused_one_by_one(element):
    push = parse(element, alert())
    assert [rejection.index for rejection in push.rejections] == [0]
    assert len(push.events) == 1


@pytest.mark.parametrize("body", [None, [], "x", {}, {"alerts": {}}, {"alerts": None}])
def test_a_body_of_another_shape_is_refused(body):
    with pytest.raises(Refused):
        PrometheusSource.parse(body, {})


@pytest.mark.parametrize(
    ("labels", "severity"),
    [
        ({"severity": "critical"}, Severity.CRITICAL),
        ({"severity": "Critical "}, Severity.CRITICAL),
        ({"severity": "warning"}, Severity.WARNING),
        ({"severity": "warn"}, Severity.WARNING),
        ({"severity": "info"}, Severity.INFO),
        ({"severity": "acknowledged"}, Severity.INFO),
        ({"severity": "unknown"}, Severity.INFO),
        ({"severity": "unk"}, Severity.INFO),
        ({"severity": "ok"}, Severity.OK),
        ({"severity": "page"}, Severity.WARNING),
        ({"severity": "page", "priority": "critical"}, Severity.CRITICAL),
        ({"priority": "info", "level": "critical"}, Severity.INFO),
        ({"level": "CRITICAL"}, Severity.CRITICAL),
        ({}, Severity.WARNING),
    ],
)
def test_severity_comes_from_the_first_label_that_says_one(labels, severity):
    assert severity_of(labels) is severity


def test_the_title_may_be_the_summary():
    both = alert(labels={"alertname": "Up", "instance": "a"}, annotations={"summary": "a is down"})
    assert parse(both, options={"title": "summary"}).events[0].title == "a is down"
    assert parse(alert(), options={"title": "summary"}).events[0].title == "Up"
    assert parse(alert(labels={}, annotations={"summary": "s"})).events[0].title == "s"
    assert parse(alert(labels={}, annotations={})).events[0].title == "f1"


@pytest.mark.parametrize("name", [" ", "\u200b\u202e", "\u3164"])
def test_a_title_that_nobody_sees_gives_way(name):
    unseen = alert(labels={"alertname": name}, annotations={})
    assert parse(unseen).events[0].title == "f1"
    assert parse(unseen | {"fingerprint": name}).events[0].title.startswith("auto:")


def test_the_description_falls_back():
    assert parse(alert(annotations={"message": "m", "summary": "s"})).events[0].description == "m"
    assert parse(alert(annotations={"summary": "s"})).events[0].description == "s"


def test_annotations_do_not_overwrite_labels():
    [event] = parse(alert(labels={"a": "label"}, annotations={"a": "annotation", "b": "x"}, generatorURL="u")).events
    assert event.labels == {"a": "label", "b": "x", "generator_url": "u"}


def test_without_a_fingerprint_the_labels_are_the_key():
    one = parse(alert(fingerprint=None, labels={"a": "1", "b": "2"})).events[0].alert_key
    assert one == parse(alert(fingerprint="", labels={"b": "2", "a": "1"})).events[0].alert_key
    assert one != parse(alert(fingerprint="", labels={"a": "1"})).events[0].alert_key


def test_a_bad_time_costs_a_warning_only():
    push = parse(alert(startsAt="yesterday"), alert(startsAt="9999-12-31T23:59:59-23:59"), alert(startsAt=5))
    assert [event.event_at for event in push.events] == [None, None, None]
    assert push.warnings[0] == "alerts[0]: startsAt is not a time: 'yesterday'"


def test_another_version_is_read_with_a_warning():
    assert parse(alert(), version="5").warnings == ["version '5' read as version '4'"]


def test_warnings_and_numbers_have_limits():
    push = parse(*[alert(startsAt="x")] * 80, truncatedAlerts=10**100)
    assert (len(push.warnings), push.truncated) == (50, 1_000_000)
    assert parse(truncatedAlerts="7").truncated == 0
