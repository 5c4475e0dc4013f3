"""Getting in from a chat platform: what a state, a code and a password are worth, and when it ends."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from sqlalchemy import func, select

from extensions import db
from models import AccountLink, AuditEntry, Integration, LinkState, Membership
from platforms.base import PlatformIdentity
from platforms.wecom.platform import WeCom
from tests.factories import make_integration, make_link, make_tenant
from tests.fakes import FakePlatform
from tests.web.conftest import PASSWORD, Browser

INSIDE = {"User-Agent": "Mozilla/5.0 wxwork/4.1"}


@pytest.fixture
def integration(admin: Membership, monkeypatch: pytest.MonkeyPatch) -> Integration:
    """A connection whose platform believes every code to be the person of that name."""
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: FakePlatform())
    made = connection()
    db.session.commit()
    return made


def connection(**values: Any) -> Integration:
    """A connection whose trusted domain is the host that tests ask."""
    return make_integration(settings={"corp_id": "ww0", "trusted_domain": "localhost"}, **values)


def home(integration: Integration) -> str:
    return f"/h5/wecom/{integration.public_key}"


def begin(client: Browser, integration: Integration) -> str:
    """The state that a sign-in was opened with."""
    answer = client.get(f"{home(integration)}/log-in", headers=INSIDE)
    return parse_qs(urlsplit(answer.location).query)["state"][0]


def come_back(client: Browser, integration: Integration, person: str) -> str:
    """Sign in on the platform as `person`; where that leads."""
    state = begin(client, integration)
    answer = client.get(f"{home(integration)}/oauth?state={state}&code={person}", headers=INSIDE)
    assert answer.status_code == 302
    return str(answer.location)


def links() -> int:
    return db.session.scalar(select(func.count()).select_from(AccountLink)) or 0


def test_a_linked_person_is_let_in_and_out_with_the_link(
    client: Browser, integration: Integration, responder: Membership
):
    link = make_link(integration, responder)
    assert come_back(client, integration, "lin").endswith("/incidents")
    assert client.get(f"{home(integration)}/incidents", headers=INSIDE).status_code == 200
    assert client.get("/incidents").status_code == 200
    db.session.delete(link)
    assert client.get("/incidents").status_code == 303
    assert client.get(f"{home(integration)}/incidents", headers=INSIDE).status_code == 302


def test_whoever_comes_through_the_application_needs_no_initial_password(
    client: Browser, integration: Integration, responder: Membership
):
    make_link(integration, responder)
    responder.user.must_change_password = True
    come_back(client, integration, "lin")
    assert client.get(f"{home(integration)}/incidents", headers=INSIDE).status_code == 200
    assert client.get("/incidents").status_code == 200


def test_a_session_ends_when_the_platform_lost_sight_of_the_person(
    client: Browser, integration: Integration, responder: Membership
):
    link = make_link(integration, responder)
    come_back(client, integration, "lin")
    link.state = LinkState.BROKEN
    assert client.get("/incidents").status_code == 303


@pytest.mark.parametrize("way", ["again", "other session", "other connection", "made up"])
def test_a_state_is_good_once_in_its_session_for_its_connection(
    app: Flask, client: Browser, integration: Integration, responder: Membership, way: str
):
    make_link(integration, responder)
    other = connection(tenant=make_tenant("别家"))
    make_link(other, responder)
    state, wanted, browser = begin(client, integration), integration, client
    if way == "again":
        client.get(f"{home(integration)}/oauth?state={state}&code=lin")
        client.submit("/sign-out", page="/me")
    if way == "other session":
        made = app.test_client()
        assert isinstance(made, Browser)
        browser = made
    if way == "other connection":
        wanted = other
    if way == "made up":
        state = "0" * 32
    assert browser.get(f"{home(wanted)}/oauth?state={state}&code=lin").status_code == 400
    assert browser.get("/incidents").status_code == 303


def test_linking_asks_for_the_password_and_then_once_more(
    client: Browser, integration: Integration, responder: Membership
):
    assert come_back(client, integration, "somebody").endswith("/bind")
    bind = f"{home(integration)}/bind"
    assert client.submit(bind, {"username": "lin", "password": "wrong"}).status_code == 422
    assert client.get(f"{bind}/confirm").status_code == 302
    assert client.submit(bind, {"username": "lin", "password": PASSWORD}).location.endswith("/bind/confirm")
    assert links() == 0
    client.submit(f"{bind}/confirm", page=f"{bind}/confirm")
    assert links() == 1


def test_a_wrong_password_is_told_as_on_the_sign_in_page(
    client: Browser, integration: Integration, responder: Membership
):
    come_back(client, integration, "somebody")
    page = client.submit(f"{home(integration)}/bind", {"username": "lin", "password": "wrong"}).text
    assert "尚未保存" not in page
    assert "notice-error" in page
    assert 'value="lin"' in page
    assert "用户名</label>" in page


def test_a_session_by_password_inside_a_client_leads_on_to_linking(
    client: Browser, integration: Integration, responder: Membership
):
    client.sign_in(responder)
    for path in ("/incidents", "/account"):
        page = client.get(f"{home(integration)}{path}", headers=INSIDE).text
        assert "尚未关联企业微信账号" in page, path
        assert f"{home(integration)}/log-in" in page, path
        assert "尚未关联企业微信账号" not in client.get(f"{home(integration)}{path}").text, (
            "in a browser there is no client"
        )
    make_link(integration, responder)
    come_back(client, integration, "lin")
    assert "尚未关联企业微信账号" not in client.get(f"{home(integration)}/incidents", headers=INSIDE).text


def test_a_password_proven_for_one_platform_account_links_no_other(
    client: Browser, integration: Integration, responder: Membership
):
    bind = f"{home(integration)}/bind"
    come_back(client, integration, "lin-of-the-platform")
    client.submit(bind, {"username": "lin", "password": PASSWORD})
    come_back(client, integration, "somebody-else")
    client.submit(f"{bind}/confirm", page=bind)
    assert links() == 0


def test_who_belongs_elsewhere_is_not_linked(client: Browser, admin: Membership, integration: Integration):
    other = connection(tenant=make_tenant("别家"))
    bind = f"{home(other)}/bind"
    come_back(client, other, "wang")
    assert client.submit(bind, {"username": "wang", "password": PASSWORD}).status_code == 422
    assert links() == 0


# --- codes that a script of ours asks the client for ---------------------------------------------------------------


@pytest.fixture
def asks_client(integration: Integration, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """The connection's platform asks its client; how each code was said to have come, in order."""
    capabilities = replace(WeCom.capabilities, sign_in_scripts=("js/sign_in_dingtalk.js",))
    monkeypatch.setattr(WeCom, "capabilities", capabilities)
    asked: list[bool] = []

    class Asked(FakePlatform):
        def client_sign_in(self) -> dict[str, str]:
            return {"corp_id": 'ding"0', "client_id": "dingabc"}

        def identify(self, code: str, *, in_client: bool, redirect_uri: str = "") -> PlatformIdentity:
            asked.append(in_client)
            return super().identify(code, in_client=in_client, redirect_uri=redirect_uri)

    monkeypatch.setattr("services.integrations.platform_for", lambda integration: Asked())
    return asked


def test_inside_the_client_a_page_asks_it_for_a_code(
    client: Browser, integration: Integration, asks_client: list[bool], responder: Membership
):
    make_link(integration, responder)
    page = client.get(f"{home(integration)}/log-in?next={home(integration)}/incidents/7", headers=INSIDE)
    assert 'src="/static/js/sign_in_dingtalk.js' in page.text
    assert 'data-corp-id="ding&#34;0"' in page.text and 'data-client-id="dingabc"' in page.text
    way_back = html.unescape(page.text.partition('data-return="')[2].partition('"')[0])
    answer = client.get(f"{way_back}&code=lin", headers=INSIDE)
    assert answer.location.endswith("/incidents/7")
    assert asks_client == [True]


def test_how_a_code_came_is_kept_with_its_state_and_not_told_by_the_way_back(
    client: Browser, integration: Integration, asks_client: list[bool], responder: Membership
):
    make_link(integration, responder)
    outside = client.get(f"{home(integration)}/log-in")
    state = parse_qs(urlsplit(outside.location).query)["state"][0]
    client.get(f"{home(integration)}/oauth?state={state}&code=lin", headers=INSIDE)
    assert asks_client == [False]


def test_a_session_by_password_of_somebody_linked_is_not_told_to_link(
    client: Browser, integration: Integration, responder: Membership
):
    link = make_link(integration, responder)
    client.sign_in(responder)
    assert "尚未关联企业微信账号" not in client.get(f"{home(integration)}/incidents", headers=INSIDE).text
    link.state = LinkState.BROKEN
    assert "尚未关联企业微信账号" in client.get(f"{home(integration)}/incidents", headers=INSIDE).text


# --- an id that the company gave to somebody else -------------------------------------------------------------------


@pytest.fixture
def union_ids(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What stays with whoever has an id now, by the id."""
    known: dict[str, str] = {}

    def identify(_self: FakePlatform, code: str, **_how: object) -> PlatformIdentity:
        return PlatformIdentity(code, code, known.get(code, ""))

    monkeypatch.setattr(FakePlatform, "identify", identify)
    return known


def test_who_was_given_the_id_of_somebody_before_is_not_let_in_as_them(
    client: Browser,
    app: Flask,
    integration: Integration,
    responder: Membership,
    viewer: Membership,
    union_ids: dict[str, str],
):
    link = make_link(integration, responder)
    assert come_back(client, integration, "lin").endswith("/incidents")
    assert link.external_union_id == ""
    union_ids["lin"] = "first person"
    assert come_back(client, integration, "lin").endswith("/incidents"), "links of before learn it on the way"
    assert link.external_union_id == "first person"

    union_ids["lin"] = "somebody else"
    newcomer = app.test_client()
    assert isinstance(newcomer, Browser)
    assert come_back(newcomer, integration, "lin").endswith("/bind")
    assert links() == 0
    assert client.get("/incidents").status_code == 303, "nor does the session of before go on"
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.event == "link.ended")).one()
    assert (entry.actor_name, entry.target, entry.tenant_id) == ("", "lin: lin", integration.tenant_id)

    bind = f"{home(integration)}/bind"
    newcomer.submit(bind, {"username": viewer.user.username, "password": PASSWORD})
    newcomer.submit(f"{bind}/confirm", page=f"{bind}/confirm")
    made = db.session.scalars(select(AccountLink)).one()
    assert (made.user_id, made.external_union_id) == (viewer.user_id, "somebody else")
    assert come_back(newcomer, integration, "lin").endswith("/incidents")


def test_a_platform_that_tells_nothing_more_ends_no_link(
    client: Browser, integration: Integration, responder: Membership, union_ids: dict[str, str]
):
    make_link(integration, responder, external_union_id="known")
    assert come_back(client, integration, "lin").endswith("/incidents")
    assert db.session.scalars(select(AccountLink)).one().external_union_id == "known"
