"""The standard event push: each field's rule and limit."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models import Severity
from sources import Refused
from sources.standard import StandardSource, title_from

FIXTURES = Path(__file__).parents[2] / "fixtures" / "standard"


def recorded(name):
    return json.loads((FIXTURES / f"{name}.json").read_text())


def parse(**fields):
    body = {"title_rule": "CPU", "event_status": "Warning"} | fields
    return StandardSource.parse({name: value for name, value in body.items() if value is not None}, {})


def event(**fields):
    return parse(**fields).events[0]


def refusal(**fields):
    with pytest.raises(Refused) as error:
        parse(**fields)
    return str(error.value)


def test_a_trigger_is_read_whole():
    push = StandardSource.parse(recorded("trigger"), {})
    [trigger] = push.events
    assert trigger.status is Severity.CRITICAL
    assert trigger.title == "db-03 / disk.used>95%"
    assert trigger.description == "/data 已使用 97%，预计 40 分钟后写满"
    assert trigger.alert_key == "disk-full:db-03:/data"
    assert trigger.labels["trigger_value"] == "97%"
    assert trigger.images == [
        {"alt": "趋势图", "src": "https://img.example.com/p/db03.png", "href": "https://grafana.example.com/d/disk"}
    ]
    assert trigger.event_at is None
    assert trigger.raw == recorded("trigger")
    assert push.warnings == []


def test_a_recovery_needs_its_key():
    assert StandardSource.parse(recorded("recovery"), {}).events[0].status is Severity.OK
    assert refusal(event_status="Ok") == "alert_key is required when event_status is Ok"
    assert refusal(event_status="Ok", alert_key="") == "alert_key is required when event_status is Ok"


@pytest.mark.parametrize("body", [[], [{"title_rule": "a"}], "text", 1, None, True])
def test_anything_but_an_object_is_refused(body):
    with pytest.raises(Refused, match="body must be a JSON object"):
        StandardSource.parse(body, {})


def test_status_is_case_sensitive_and_the_message_says_how_to_write_it():
    message = refusal(event_status="critical")
    assert "case-sensitive: write 'Critical', got 'critical'" in message
    assert "case-sensitive: write 'Ok'" in refusal(event_status="OK")
    assert "got 'Fatal'" in refusal(event_status="Fatal")
    assert "got a number" in refusal(event_status=1)
    assert "got an array" in refusal(event_status=["Critical"])
    assert refusal(event_status=None) == "event_status is required"


def test_a_title_is_required():
    for title in (None, "", "  \n", "[TPL]", "[TPL]  ", "\u200b", "\u200b\u202e\u2066", "\u3164", "\u200b" * 600 + "x"):
        assert refusal(title_rule=title) == "title_rule is required"
    assert refusal(title_rule=5) == "title_rule must be a string, got a number"


def test_a_title_rule_takes_labels_and_names_the_missing():
    labels = {"resource": "db-03", "a b": "x", "odd": "${resource} %s {} <b>"}
    assert title_from("[TPL]${resource}/${nothing}", labels) == "db-03/<no value>"
    assert title_from("[TPL]${ a b }${}", labels) == "x<no value>"
    assert title_from("[TPL]${odd}", labels) == "${resource} %s {} <b>"
    assert title_from("${resource}", labels) == "${resource}"
    assert title_from(" [TPL]${resource}", labels) == " [TPL]${resource}"


def test_a_rule_cannot_blow_up():
    assert len(event(title_rule="[TPL]" + "${a}" * 200_000, labels={"a": "x" * 2048}).title) == 512


def test_long_texts_are_cut_with_a_warning():
    push = parse(title_rule="t" * 513, description="d" * 2049, labels={"k" * 129: "v" * 2049})
    [cut] = push.events
    assert (len(cut.title), len(cut.description)) == (512, 2048)
    assert cut.labels == {"k" * 128: "v" * 2048}
    assert [warning.split(" ")[0] for warning in push.warnings] == ["label", "label", "title", "description"]


def test_a_title_is_one_line():
    assert event(title_rule="CPU\r\n\thigh\x1b[31m ").title == "CPU high [31m"


def test_a_long_key_is_refused_and_not_cut():
    assert event(alert_key="键" * 255).alert_key == "键" * 255
    assert refusal(alert_key="k" * 256) == "alert_key must have at most 255 characters, got 256"
    assert refusal(alert_key=7) == "alert_key must be a string, got a number"


def test_a_missing_key_is_derived_from_title_and_labels():
    one = event(labels={"a": "1", "b": "2"}).alert_key
    assert one == event(labels={"b": "2", "a": "1"}, description="other", event_status="Info").alert_key
    assert one != event(labels={"a": "1", "b": "3"}).alert_key
    assert one != event(labels={"a": "1", "b": "2"}, title_rule="Memory").alert_key
    assert one.startswith("auto:")


def test_fifty_labels_are_kept_and_the_rest_reported():
    push = parse(labels={f"l{number}": "v" for number in range(53)})
    assert list(push.events[0].labels) == [f"l{number}" for number in range(50)]
    assert push.warnings == ["53 labels, the first 50 kept; left out: l50, l51, l52"]


def test_labels_are_flat_text():
    labels = event(labels={"n": 1.5, "big": 10**30, "yes": True, "none": None, "": "x"}).labels
    assert labels == {"n": "1.5", "big": "1" + "0" * 30, "yes": "true"}
    assert refusal(labels=["a"]) == "labels must be an object, got an array"
    assert refusal(labels={"a": {"b": 1}}) == "labels.a must be a string, got an object"


def test_only_web_images_are_kept():
    image = {"alt": "a" * 200, "src": "https://example.com/a.png", "href": "javascript:alert(1)"}
    push = parse(images=[image, {"src": "data:image/png;base64,AAAA"}, {"src": "https://e.com/" + "x" * 250}, {}])
    assert push.events[0].images == [{"alt": "a" * 128, "src": "https://example.com/a.png", "href": ""}]
    assert len(push.warnings) == 5
    assert len(parse(images=[image] * 25).events[0].images) == 20
    assert refusal(images={}) == "images must be an array, got an object"
    assert refusal(images=["x"]) == "images[0] must be an object, got a string"


def test_event_time_is_in_seconds():
    assert event(event_time=1772414045).event_at == datetime(2026, 3, 2, 1, 14, 5, tzinfo=UTC)
    assert event(event_time=1772414045.5).event_at == datetime(2026, 3, 2, 1, 14, 5, 500000, tzinfo=UTC)
    assert "looks like milliseconds" in refusal(event_time=1772414045123)
    assert "looks like milliseconds" in refusal(event_time=10**400)
    for bad in (0, -1, True, "1772414045", [1]):
        assert refusal(event_time=bad).startswith("event_time must be")


def test_hostile_text_stays_text():
    odd = "<script>alert(1)</script> %s %(x)s {} {{7*7}} @all"
    hostile = event(title_rule=odd, description=odd, labels={odd: odd})
    assert (hostile.title, hostile.description, hostile.labels) == (odd, odd, {odd: odd})
