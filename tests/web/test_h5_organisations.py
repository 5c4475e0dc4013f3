"""From one organisation into another on a phone: at once with a password, after the password for everybody else."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from extensions import db
from models import AuditEntry, Integration, IntegrationStatus, Membership, MembershipState, Role, TenantStatus
from services import accounts
from services.clock import utcnow
from tests.factories import make_incident, make_link, make_tenant
from tests.fakes import FakePlatform
from tests.web.conftest import PASSWORD, Browser
from tests.web.test_h5_sign_in import INSIDE, come_back, connection, home

DINGTALK = {"User-Agent": "Mozilla/5.0 DingTalk/7.0"}


@pytest.fixture
def integration(admin: Membership, monkeypatch: pytest.MonkeyPatch) -> Integration:
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: FakePlatform())
    return connection()


@pytest.fixture
def elsewhere(responder: Membership) -> Membership:
    """The same person in another organisation."""
    return accounts.join(responder.user, make_tenant("别家"), Role.RESPONDER, source="manual", now=utcnow())


@pytest.fixture
def theirs(elsewhere: Membership, integration: Integration) -> Integration:
    """The other organisation's application."""
    return connection(tenant=elsewhere.tenant)


def page_of(integration: Integration) -> str:
    return f"{home(integration)}/account/organisations"


def go(client: Browser, integration: Integration, place: Membership, **kwargs: Any) -> str:
    """Choose an organisation from the menu of an application; where that leads."""
    answer = client.submit(f"{page_of(integration)}/{place.tenant_id}", page=page_of(integration), **kwargs)
    assert answer.status_code == 303, answer.text
    return str(answer.location)


@pytest.fixture
def by_password(client: Browser, responder: Membership, integration: Integration) -> Browser:
    client.sign_in(responder)
    client.get(f"{home(integration)}/incidents")
    return client


@pytest.fixture
def vouched(client: Browser, integration: Integration, responder: Membership) -> Browser:
    """A session of the person that the first organisation's application opened."""
    make_link(integration, responder)
    come_back(client, integration, "lin")
    return client


# --- by password --------------------------------------------------------------------------------------------------


def test_the_menu_leads_to_the_other_organisations(
    by_password: Browser, integration: Integration, theirs: Integration
) -> None:
    assert page_of(integration) in by_password.get(f"{home(integration)}/incidents").text
    page = by_password.get(page_of(integration)).text
    assert f"{page_of(integration)}/{theirs.tenant_id}" in page
    assert "别家" in page
    assert f"{page_of(integration)}/{integration.tenant_id}" not in page, "one is there already"


def test_a_session_by_password_changes_at_once_and_wholly(
    by_password: Browser, integration: Integration, theirs: Integration, responder: Membership, elsewhere: Membership
) -> None:
    make_incident(title="这边的故障")
    make_incident(title="那边的故障", tenant=elsewhere.tenant)
    to = go(by_password, integration, elsewhere)
    assert to == f"{home(theirs)}/incidents"
    page = by_password.get(f"{to}?filter=open").text
    assert "已进入「别家」" in page
    assert "lin · 别家" in page
    assert "那边的故障" in page
    assert "这边的故障" not in page
    assert "那边的故障" in by_password.get("/incidents").text, "the console has changed with it"
    assert go(by_password, theirs, responder) == f"{home(integration)}/incidents"
    assert "这边的故障" in by_password.get("/incidents").text


def test_a_page_of_before_still_acts_in_the_organisation_that_its_address_names(
    by_password: Browser, integration: Integration, theirs: Integration, elsewhere: Membership
) -> None:
    here, there = make_incident(title="这边的故障"), make_incident(title="那边的故障", tenant=elsewhere.tenant)
    assert here.num == there.num
    go(by_password, integration, elsewhere)
    by_password.submit(f"{home(integration)}/incidents/{here.num}/acknowledge", page=page_of(theirs))
    assert (here.progress.value, there.progress.value) == ("Processing", "Triggered")


def test_the_application_of_the_client_in_hand_is_chosen(
    by_password: Browser, integration: Integration, theirs: Integration, elsewhere: Membership
) -> None:
    dingtalk = connection(tenant=elsewhere.tenant, platform="dingtalk")
    assert go(by_password, integration, elsewhere) == f"{home(theirs)}/incidents"
    there = f"/h5/dingtalk/{dingtalk.public_key}/incidents"
    assert go(by_password, integration, elsewhere, headers=DINGTALK) == there
    theirs.status = IntegrationStatus.DISABLED
    assert go(by_password, integration, elsewhere, headers=INSIDE) == there
    dingtalk.status = IntegrationStatus.DRAFT
    assert "/h5/" not in go(by_password, integration, elsewhere), "a draft has no pages to go to"


def test_an_organisation_without_an_application_opens_its_console(
    by_password: Browser, integration: Integration, elsewhere: Membership
) -> None:
    to = go(by_password, integration, elsewhere)
    assert "别家" in by_password.get(to, follow_redirects=True).text


def test_who_belongs_to_one_organisation_is_told_so(by_password: Browser, integration: Integration) -> None:
    assert "您只属于这一个组织" in by_password.get(page_of(integration)).text


@pytest.mark.parametrize("why", ["left", "frozen", "never there", "under review"])
def test_what_is_closed_to_the_person_is_not_there(
    by_password: Browser, integration: Integration, elsewhere: Membership, why: str
) -> None:
    if why == "left":
        elsewhere.state = MembershipState.LEFT
    elif why == "under review":
        elsewhere.state = MembershipState.UNDER_REVIEW
    elif why == "frozen":
        elsewhere.tenant.status = TenantStatus.FROZEN
    else:
        db.session.delete(elsewhere)
    path = f"{page_of(integration)}/{elsewhere.tenant_id}"
    assert "别家" not in by_password.get(page_of(integration)).text
    assert by_password.submit(path, page=page_of(integration)).status_code == 404
    assert by_password.get("/incidents").status_code == 200


def test_an_organisation_that_requires_single_sign_on_is_entered_by_that(
    by_password: Browser, integration: Integration, theirs: Integration, elsewhere: Membership
) -> None:
    elsewhere.tenant.requires_sso = True
    page = unescape(by_password.get(page_of(integration)).text)
    found = re.search(r'href="/sso/start\?house=(\w+)&next=([^"]+)"', page)
    assert found and found.groups() == (elsewhere.tenant.house_number, f"{home(theirs)}/incidents")
    path = f"{page_of(integration)}/{elsewhere.tenant_id}"
    assert by_password.submit(path, page=page_of(integration)).location == page_of(integration)
    assert by_password.get(f"{home(theirs)}/incidents").status_code == 403


def test_who_may_not_look_here_finds_the_way_to_where_they_may(
    by_password: Browser, integration: Integration, theirs: Integration, responder: Membership, elsewhere: Membership
) -> None:
    responder.state = MembershipState.LEFT
    page = by_password.get(f"{home(integration)}/incidents")
    assert page.status_code == 403
    assert page_of(integration) in page.text
    assert go(by_password, integration, elsewhere) == f"{home(theirs)}/incidents"
    assert by_password.get(f"{home(theirs)}/incidents").status_code == 200


def test_it_is_said_in_english_too(by_password: Browser, integration: Integration, theirs: Integration) -> None:
    page = by_password.get(page_of(integration), headers={"Accept-Language": "en"}).text
    assert "Switch organisation" in page
    assert "Current organisation" in page


# --- out of a session that the application opened -----------------------------------------------------------------


def test_a_session_of_the_application_asks_for_the_password_first(
    vouched: Browser, app: Flask, integration: Integration, theirs: Integration, elsewhere: Membership
) -> None:
    page = vouched.get(page_of(integration), headers=INSIDE).text
    assert "别家" not in page
    assert 'name="current"' in page
    other = app.test_client()
    assert isinstance(other, Browser)
    cookie = vouched.get_cookie(app.config["SESSION_COOKIE_NAME"])
    assert cookie is not None
    other.set_cookie(cookie.key, cookie.value)
    assert other.get("/incidents").status_code == 200
    answer = vouched.submit(page_of(integration), {"current": PASSWORD})
    assert answer.location == page_of(integration)
    assert "别家" in vouched.get(page_of(integration)).text
    assert go(vouched, integration, elsewhere) == f"{home(theirs)}/incidents"
    assert vouched.get(f"{home(theirs)}/incidents").status_code == 200
    assert other.get("/incidents").status_code == 303, "the session of before has ended, also its copies"
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.event == "sign_in")).all()[-1]
    assert (entry.actor_name, entry.tenant_id, entry.detail["via"]) == ("lin", integration.tenant_id, "password")


def test_after_the_password_one_is_still_where_one_was(
    vouched: Browser, integration: Integration, elsewhere: Membership
) -> None:
    vouched.submit(page_of(integration), {"current": PASSWORD})
    page = vouched.get(f"{home(integration)}/incidents", headers=INSIDE)
    assert page.status_code == 200
    assert "lin · 测试组织" in page.text
    assert "尚未关联" not in page.text


def test_a_person_without_a_password_is_told_another_way(
    vouched: Browser, integration: Integration, responder: Membership, elsewhere: Membership
) -> None:
    responder.user.password_hash = None
    page = vouched.submit(page_of(integration), {"current": "guessed"})
    assert page.status_code == 422
    assert "从那个组织自己的应用打开" in page.text
    assert "别家" not in page.text
