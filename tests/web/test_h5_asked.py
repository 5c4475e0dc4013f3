"""Links on cards that ask for something, and pages that refuse: looking does nothing, and nobody is left alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models import Integration, Membership, Progress
from services.clock import utcnow
from tests.factories import make_channel, make_incident, make_integration
from tests.web.conftest import Browser


@pytest.fixture
def integration(admin: Membership) -> Integration:
    return make_integration(settings={"trusted_domain": "localhost"})


@pytest.fixture
def home(integration: Integration) -> str:
    return f"/h5/wecom/{integration.public_key}"


@pytest.mark.parametrize(
    ("wanted", "path"),
    [("acknowledge", "/acknowledge"), ("close", "/close"), ("snooze", "/snooze")],
)
def test_a_link_on_a_card_asks_and_its_button_acts(
    client: Browser, home: str, responder: Membership, wanted: str, path: str
):
    client.sign_in(responder)
    incident = make_incident()
    page = client.get(f"{home}/incidents/{incident.num}?do={wanted}")
    assert page.status_code == 200
    assert f'action="{home}/incidents/{incident.num}{path}"' in page.text
    assert "点击下方按钮后才会执行" in page.text
    assert incident.progress is Progress.TRIGGERED and not incident.is_snoozed(utcnow())

    fields = {"minutes": 120} if wanted == "snooze" else {}
    client.submit(f"{home}/incidents/{incident.num}{path}", fields, page=f"{home}/incidents/{incident.num}?do={wanted}")

    was_done = {"acknowledge": Progress.PROCESSING, "close": Progress.CLOSED, "snooze": Progress.TRIGGERED}
    assert incident.progress is was_done[wanted]
    assert incident.is_snoozed(utcnow()) is (wanted == "snooze")


def test_waking_is_asked_for_while_it_is_snoozed(client: Browser, home: str, responder: Membership):
    client.sign_in(responder)
    incident = make_incident()
    link = f"{home}/incidents/{incident.num}?do=wake"
    assert "点击下方按钮" not in client.get(link).text
    incident.snoozed_until = utcnow() + timedelta(hours=1)
    assert "取消屏蔽 #" in client.get(link).text


@pytest.mark.parametrize("wanted", ["", "delete", "close&x=1"])
def test_what_nobody_knows_or_makes_no_sense_is_not_asked(
    client: Browser, home: str, responder: Membership, wanted: str
):
    client.sign_in(responder)
    closed = make_incident(progress=Progress.CLOSED)
    assert "点击下方按钮" not in client.get(f"{home}/incidents/{closed.num}?do={wanted}").text


def test_whoever_may_only_look_is_asked_nothing_and_told_as_whom_they_came(
    client: Browser, home: str, viewer: Membership
):
    client.sign_in(viewer)
    page = client.get(f"{home}/incidents/{make_incident().num}?do=close").text
    assert "点击下方按钮" not in page
    assert "当前以 赵看 (zhao) 操作" in page
    assert f'href="{home}/account/switch"' in page


def test_a_page_that_is_not_theirs_says_as_whom_they_came(client: Browser, home: str, responder: Membership):
    client.sign_in(responder)
    hidden = make_incident(channel=make_channel("机密", is_private=True))
    answer = client.get(f"{home}/incidents/{hidden.num}")
    assert answer.status_code == 404
    assert "当前以 林晓 (lin) 操作" in answer.text
    assert f'href="{home}/account/switch"' in answer.text


def test_a_sign_in_that_failed_offers_another(client: Browser, home: str):
    answer = client.get(f"{home}/oauth?state=0&code=1")
    assert answer.status_code == 400
    assert f'href="{home}/"' in answer.text


def test_the_desktop_client_has_a_home_of_its_own(client: Browser, home: str, responder: Membership):
    client.sign_in(responder)
    assert client.get(f"{home}/pc").location == f"{home}/incidents"
