"""What a card says, before it is said: it draws the same card whenever it is read again, and tells what is a change."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask

import json_text
from models import Integration, Progress, Severity
from services import card_contents, incident_cards
from services.card_contents import NOT_SEEN, Content, Message
from tests.factories import NOW, default_tenant, make_channel, make_incident, make_integration, make_member
from texts import Text

LATER = NOW + timedelta(minutes=5)
LABELS = {"resource": "db-03", "check": "disk.used>95%", "owner": "nobody's card says so"}
PICTURE = {"src": "https://pictures.example.com/1.png", "alt": "disk"}
Values = dict[str, Any]


def settled(incident: Any, *, now: datetime = LATER, integration: Integration | None = None, **about: Any) -> Content:
    """As a person is told it who has not taken it on."""
    message, shown_by = about.pop("message", Message("reference-1", 0)), integration or make_integration()
    return card_contents.of(incident, message, shown_by, default_tenant(), now, **about)


STATES: dict[str, tuple[Values, Values]] = {
    "new": ({}, {}),
    "with labels": ({"labels": LABELS}, {}),
    "with a description": ({"description": "first line\n\n  second line \n"}, {}),
    "with pictures": ({"images": [PICTURE]}, {}),
    "flapping": ({"flapping_since": NOW}, {}),
    "snoozed": ({"snoozed_until": LATER + timedelta(hours=2)}, {}),
    "recovered": ({"progress": Progress.CLOSED, "closed_at": LATER, "closed_via": "event"}, {}),
    "said again": ({}, {"message": Message("reference-1", 0, "repeat", 3)}),
    "to a group": ({}, {"message": Message("reference-1", None, is_group=True)}),
    "superseded": ({}, {"is_superseded": True}),
    "not kept true": ({}, {"is_stale": True}),
    "refreshed": ({}, {"refreshed_at": LATER}),
}


@pytest.mark.parametrize("state", STATES)
def test_what_was_kept_draws_the_same_card(app: Flask, state: str) -> None:
    values, about = STATES[state]
    shown_by = make_integration(platform="dingtalk" if "images" in values else "wecom")
    content = settled(make_incident(make_channel("支付核心"), **values), integration=shown_by, **about)
    assert bool(content.pictures) == ("images" in values)
    again = card_contents.from_json(json.loads(json_text.written(content.as_json)))
    assert again == content
    assert incident_cards.draw(again) == incident_cards.draw(content)
    assert again.fingerprint == content.fingerprint


@pytest.mark.parametrize("verb", ["acknowledged", "snoozed", "closed"])
def test_what_somebody_did_is_kept_with_who_and_when(app: Flask, verb: str) -> None:
    wu = make_member("wu")
    ways: dict[str, Values] = {
        "acknowledged": {"acknowledged_by": wu},
        "snoozed": {"snoozed_by": wu.user, "snoozed_until": LATER + timedelta(hours=2)},
        "closed": {"closed_by": wu.user, "closed_at": LATER, "progress": Progress.CLOSED},
    }
    content = settled(make_incident(**ways[verb]))
    again = card_contents.from_json(json.loads(json_text.written(content.as_json)))
    assert again == content
    assert "吴凡" in incident_cards.draw(again).footer


def test_a_card_is_drawn_as_of_when_its_content_was_settled(app: Flask) -> None:
    """However late the answer to a press is asked for again: it is the same, and says 09:36 and no date."""
    content = settled(make_incident(acknowledged_by=make_member("wu")), now=NOW)
    card = incident_cards.draw(content)
    assert (card.footer, card.elapsed) == ("吴凡 已于 09:31 开始处理", "持续 1 分钟")


CHANGED: Values = {
    "str": "another",
    "int": 77,
    "bool": None,
    "str | None": "another",
    "list[str]": ["another"],
    "list[tuple[str, str]]": [("env", "another")],
    "list[dict[str, str]]": [{"address": "https://another.example.com", "alt": "", "key": ""}],
    "datetime": NOW - timedelta(days=1),
    "datetime | None": NOW - timedelta(days=1),
    "Text | None": Text("another"),
    "Severity": Severity.WARNING,
    "Progress": Progress.CLOSED,
}


def test_whatever_a_card_is_drawn_from_makes_it_another_one(app: Flask) -> None:
    """Each value by itself, but for those that no reader would call a change."""
    content = settled(make_incident(make_channel()))
    before = content.fingerprint
    for field in fields(Content):
        changed = CHANGED[str(field.type)]
        value = not getattr(content, field.name) if field.type == "bool" else changed
        another: dict[str, Any] = {field.name: value}
        is_seen = replace(content, **another).fingerprint != before
        assert is_seen == (field.name not in NOT_SEEN), field.name


def test_what_no_card_says_makes_no_card_another_one(app: Flask) -> None:
    incident, integration = make_incident(labels=dict(LABELS)), make_integration()
    before = settled(incident, integration=integration)
    incident.description = "not said beside labels"
    incident.labels = LABELS | {"owner": "somebody else"}
    incident.version += 1
    after = settled(incident, now=LATER + timedelta(minutes=9), integration=integration)
    assert after.fingerprint == before.fingerprint
    drawn = [incident_cards.draw(each) for each in (before, after)]
    assert drawn[0] == replace(drawn[1], elapsed=drawn[0].elapsed)


def test_whatever_an_alert_brought_is_kept_as_far_as_it_is_shown(app: Flask) -> None:
    long, integration = "x" * 5000, make_integration()
    labelled = make_incident(labels={"resource": 10**30, "check": long, "metric": {"of": "a stranger"}, "env": ""})
    described = make_incident(description="\n".join([long] * 50))
    for incident, lines in ((labelled, 3), (described, 8)):
        content = settled(incident, integration=integration)
        kept = json_text.written(content.as_json)
        assert len(kept) < 2500
        card = incident_cards.draw(card_contents.from_json(json.loads(kept)))
        assert len(card.body) == lines
        assert {len(line) for line in card.body if "x" in line} == {160}
    assert card.body[0].endswith("x…")


def test_the_next_day_a_card_is_out_of_date(app: Flask) -> None:
    """Its times are those of another day then, by the organisation's clock."""
    incident, integration = make_incident(), make_integration()
    today, tomorrow = (settled(incident, now=LATER + timedelta(days=n), integration=integration) for n in (0, 1))
    assert (incident_cards.draw(today).subtitle, incident_cards.draw(tomorrow).subtitle) == (
        "#1 · 待处理 · 09:31 触发",
        "#1 · 待处理 · 03-02 09:31 触发",
    )
    assert today.fingerprint != tomorrow.fingerprint
