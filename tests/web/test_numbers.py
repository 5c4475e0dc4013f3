"""Numbers that nobody was given: in addresses, cursors and forms of every kind they lead to no error of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from config import Settings
from models import ContactSync, Membership
from services import api_tokens, contact_comparison
from services.clock import utcnow
from tests.conftest import running_app, settings_on
from tests.factories import make_channel, make_incident, make_integration, make_level, make_policy
from tests.web.conftest import Browser

LONG = "9" * 5000
STRANGE = ("²", "9" * 12, "9" * 18, "9" * 22, "0" * 19 + "9" * 20, "0" * 5000, LONG)
PLACES = [("²", "1"), ("1", "²"), ("1", "9" * 12), ("1", "9" * 22), ("9" * 22, "1"), (str(2**63 - 1), str(2**63 - 1))]
CURSORS = [f"{direction}{micros}-{row}" for direction in "np" for micros, row in PLACES]


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, data_folder: Path) -> Settings:
    return settings_on(request, data_folder)


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    with running_app(settings) as app:
        app.config["PROPAGATE_EXCEPTIONS"] = False
        yield app


@pytest.fixture
def bearer(admin: Membership) -> dict[str, str]:
    _token, text = api_tokens.create("ci", [scope.value for scope in api_tokens.Scope], by=admin, now=utcnow())
    return {"Authorization": f"Bearer {text}"}


def failed(browser: Browser, asked: list[tuple[str, dict[str, Any]]], **sent: Any) -> list[Any]:
    """Which of these addresses and parameters meet an error of ours."""
    answers = [(path, query, browser.get(path, query_string=query, **sent).status_code) for path, query in asked]
    return [answer for answer in answers if answer[-1] >= 500]


def test_a_strange_number_in_an_address_is_none(admin_client: Browser):
    incident = make_incident()
    here = f"/h5/wecom/{make_integration().public_key}/incidents"
    lists = [
        *((path, name) for path in ("/incidents", here) for name in ("channel", "responder")),
        *((path, "before") for path in ("/audit", "/deliveries")),
        *(("/deliveries", name) for name in ("person", "integration", "after")),
    ]
    asked: list[Any] = [(path, {name: text}) for path, name in lists for text in STRANGE]
    asked += [(f"{here}/{incident.num}", {"do": f"snooze:{text}"}) for text in STRANGE]
    assert failed(admin_client, asked) == []


def test_a_strange_cursor_shows_some_page(admin_client: Browser, bearer: dict[str, str]):
    make_incident()
    here = f"/h5/wecom/{make_integration().public_key}/incidents"
    pages = ("/incidents", f"/channels/{make_channel('别的').id}", here)
    assert failed(admin_client, [(path, {"before": cursor}) for path in pages for cursor in CURSORS]) == []
    assert failed(admin_client, [("/api/v1/incidents", {"cursor": one}) for one in CURSORS], headers=bearer) == []
    lists = [(path, {"cursor": one}) for path in ("/api/v1/deliveries", "/api/v1/audit") for one in STRANGE]
    assert failed(admin_client, lists, headers=bearer) == []


@pytest.mark.parametrize("path", ["/api/v1/audit", "/api/v1/deliveries", "/api/v1/incidents"])
def test_a_time_may_lie_at_the_edge_of_the_calendar(admin_client: Browser, bearer: dict[str, str], path: str):
    edges = [{"since": "0001-01-01T00:00:00Z"}, {"until": "9999-12-31T23:59:59Z"}]
    assert [admin_client.get(path, query_string=edge, headers=bearer).status_code for edge in edges] == [200, 200]


def test_what_was_ticked_strangely_is_not_chosen(admin_client: Browser):
    sent = {"id": list(STRANGE), "num": list(STRANGE), "verb": "acknowledge", "channel": LONG, "responder": LONG}
    for path, page in (("/incidents/batch", "/incidents"), ("/deliveries/resend", "/deliveries")):
        assert admin_client.submit(path, sent, page=page).status_code < 500


def test_strange_numbers_in_forms_are_no_rows(admin_client: Browser, admin: Membership):
    policy = make_policy(make_channel("支付核心"), admin, levels=[make_level(admin)])
    page, fields = f"/policies/{policy.id}", {"name": "晚到的", "priority": "100", "delay_seconds": "0"}
    level = {"levels-0-mode": "follow_preference", "levels-0-max": "0", "levels-0-every": "10"}
    strange = [
        {"change": f"remove-level:{LONG}"},
        {"change": f"remove-condition:{LONG}:{LONG}"},
        {"windows-0-days": LONG},
        level | {"levels-0-origin": LONG, "levels-0-people": LONG},
        level | {"version": LONG, "levels-0-people": str(admin.user_id), "levels-0-escalate_after": "30"},
    ]
    for form in strange:
        assert admin_client.submit(page, fields | form).status_code < 500, form
    channel = {"name": "支付核心", "close_timeout_minutes": "0", "flapping": "off", "version": LONG, "team_id": LONG}
    path = f"/channels/{policy.channel_id}/settings"
    assert admin_client.submit(path, channel).status_code < 500
    presets = {"name": "组织", "locale": "zh", "timezone": "UTC", "snooze_presets": "9" * 39}
    assert admin_client.submit("/organisation", presets).status_code < 500


@pytest.mark.parametrize("after", STRANGE)
def test_a_list_of_people_goes_on_nowhere_strange(admin: Membership, after: str):
    sync = ContactSync(id=1, tenant_id=admin.tenant_id)
    assert contact_comparison.people(sync, after=after).items == []
