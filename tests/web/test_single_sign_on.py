"""Single sign-on against a real provider: who comes in, who does not, and what it may be required for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select

from extensions import db
from models import (
    AccountLink,
    AuditEntry,
    Integration,
    Membership,
    MembershipState,
    Role,
    SsoIdentity,
    SsoProvider,
    Tenant,
)
from services import api_tokens, oidc, single_sign_on
from services.clock import utcnow
from services.oidc import Client, ProviderFailed
from tests.factories import make_integration, make_member, make_tenant
from tests.fakes import FakePlatform
from tests.providers import Provider, running_provider
from tests.web.conftest import PASSWORD, Browser

SECRET = "client-secret-canary"
PEOPLE = (
    {"sub": "w", "name": "王芳", "email": "Wang@example.com", "email_verified": True},
    {"sub": "unverified", "email": "wang@example.com", "email_verified": False},
    {"sub": "twin", "email": "wang@example.com", "email_verified": True},
    {"sub": "stranger", "email": "stranger@example.com", "email_verified": True},
    {"sub": "z", "email": "zhou@example.com", "email_verified": True},
)


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider(*PEOPLE) as running:
        yield running


@pytest.fixture
def settings(settings: Any, provider: Provider) -> Any:
    return replace(settings, demo=True, endpoint_allowlist=(provider.issuer,))


@pytest.fixture
def offered(admin: Membership, provider: Provider) -> SsoProvider:
    """The provider, switched on for the administrator's organisation; Wang's e-mail is known here."""
    admin.user.email, admin.user.is_superadmin = "wang@example.com", False
    made = single_sign_on.save(provider.issuer, "dutybell", SECRET, by=admin, now=utcnow())
    single_sign_on.try_out(made, now=utcnow())
    single_sign_on.set_enabled(made, True, by=admin)
    db.session.commit()
    return made


def leave(client: Browser, house: str = "", wanted: str = "") -> str:
    """Set off; returns the provider's address that the browser is sent to."""
    answer = client.get("/sso", query_string={"house": house, "next": wanted} if house else {"next": wanted})
    assert answer.status_code == 302, answer.text
    answer = client.get(answer.location)
    assert answer.status_code == 302, answer.text
    return str(answer.location)


def come_back(client: Browser, provider: Provider, subject: str, url: str = "") -> Any:
    back = urlsplit(provider.sign_in(url or leave(client), subject))
    return client.get(f"{back.path}?{back.query}")


def test_a_member_comes_in_by_a_verified_email(client, admin, offered, provider):
    answer = come_back(client, provider, "w", leave(client, wanted="/members"))
    assert (answer.status_code, answer.location) == (302, "/members")
    assert client.get("/members").status_code == 200
    identity = db.session.scalars(select(SsoIdentity)).one()
    assert (identity.user_id, identity.subject, identity.email) == (admin.user_id, "w", "Wang@example.com")
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.event == "sign_in")).one()
    assert (entry.actor_name, entry.detail["via"]) == ("wang", "sso")
    admin.user.email = "other@example.com"  # known by now: the address no longer matters
    db.session.commit()
    assert come_back(client, provider, "w").status_code == 302


@pytest.mark.parametrize("subject", ["unverified", "stranger", "z", "nobody"])
def test_others_do_not_come_in(client, admin, offered, provider, subject):
    """No verified e-mail; nobody's e-mail; somebody's of another organisation; no e-mail at all."""
    make_member("zhou", tenant=make_tenant("别的组织"), email="zhou@example.com")
    answer = come_back(client, provider, subject)
    assert answer.status_code == 403
    assert client.get("/members").status_code in {302, 303}
    assert db.session.scalars(select(SsoIdentity)).all() == []


def test_one_account_is_one_person_there(client, admin, offered, provider):
    assert come_back(client, provider, "w").status_code == 302
    client.submit("/sign-out", page="/me")
    assert come_back(client, provider, "twin").status_code == 403


def test_an_operator_of_the_instance_keeps_the_password(client, admin, offered, provider):
    admin.user.is_superadmin = True
    assert come_back(client, provider, "w").status_code == 403


def test_somebody_who_left_does_not_come_in(client, admin, offered, provider):
    admin.user.is_disabled = True
    assert come_back(client, provider, "w").status_code == 403


def test_the_request_has_state_nonce_and_challenge(client, offered):
    asked = {name: values[0] for name, values in parse_qs(urlsplit(leave(client)).query).items()}
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["code_challenge"]) == 43
    assert min(len(asked["state"]), len(asked["nonce"])) >= 32
    assert asked["redirect_uri"].endswith("/sso/callback")
    again = {name: values[0] for name, values in parse_qs(urlsplit(leave(client)).query).items()}
    assert not {asked[name] for name in ("state", "nonce", "code_challenge")} & set(again.values())


def test_a_way_back_works_once_and_in_its_own_session(client, app, offered, provider):
    back = urlsplit(provider.sign_in(leave(client), "w"))
    other = app.test_client()
    assert other.get(f"{back.path}?{back.query}").status_code == 400
    assert client.get(f"{back.path}?{back.query}").status_code == 302
    assert client.get(f"{back.path}?{back.query}").status_code == 400
    assert client.get("/sso/callback?code=x&state=y").status_code == 400
    assert client.get("/sso/callback").status_code == 400


def test_giving_up_there_is_said(client, offered, provider):
    url = leave(client)
    back, (state,) = urlsplit(provider.refuse(url)), parse_qs(urlsplit(url).query)["state"]
    answer = client.get(f"{back.path}?{back.query}&state={state}")  # which this provider forgets to send back
    assert answer.status_code == 403
    assert "身份提供方没有完成登录" in answer.text


def test_a_code_needs_its_own_verifier_and_nonce(offered, provider, admin):
    """Somebody else's code cannot be slipped in: what it is exchanged with stayed in the other session."""
    client = Client(provider.issuer, "dutybell", SECRET)
    described = oidc.discover(provider.issuer)
    back = "http://localhost:8000/sso/callback"
    proof = {"redirect_uri": back, "nonce": "n" * 32, "verifier": "v" * 64}

    def code() -> str:
        url = oidc.authorization_url(described, client, state="s", **proof)
        return parse_qs(urlsplit(provider.sign_in(url, "w")).query)["code"][0]

    assert oidc.identify(described, client, code(), **proof).email == "Wang@example.com"
    with pytest.raises(ProviderFailed):
        oidc.identify(described, client, code(), **(proof | {"nonce": "other"}))
    with pytest.raises(ProviderFailed):
        oidc.identify(described, replace(client, client_id="another"), code(), **proof)
    with pytest.raises(ProviderFailed):
        oidc.identify(replace(described, issuer="https://elsewhere"), client, code(), **proof)


@pytest.mark.parametrize(
    "told",
    [
        {"authorization_endpoint": "http://["},
        {"token_endpoint": "http://["},
        {"jwks_uri": 5},
        {"token_endpoint_auth_methods_supported": 5},
        {"token_endpoint_auth_methods_supported": {"client_secret_basic": 1}},
    ],
)
def test_a_description_that_is_none_is_the_providers_fault(monkeypatch: pytest.MonkeyPatch, told: dict[str, Any]):
    issuer = "https://id.example.com"
    whole = {name: f"{issuer}/{name}" for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
    monkeypatch.setattr(oidc, "_get", lambda _url: {"issuer": issuer} | whole | told)
    with pytest.raises(ProviderFailed):
        oidc.discover(issuer)


def test_a_session_of_single_sign_on_stays_in_its_organisation(client, admin, offered, provider):
    other = make_tenant("别的组织")
    db.session.add(Membership(tenant_id=other.id, user_id=admin.user_id, role=Role.ADMIN, created_at=utcnow()))
    db.session.commit()
    come_back(client, provider, "w")
    page = client.get("/organisations").text
    assert "只能使用该组织" in page
    assert "别的组织" not in page, "nor is it told where else the person is"
    answer = client.submit("/organisations", {"tenant_id": other.id}, page="/me")
    assert answer.status_code == 404


def test_it_is_required_only_by_somebody_who_came_that_way(client, admin, offered, provider):
    client.sign_in(admin)
    client.submit("/sso/settings/require", page="/sso/settings")
    assert not db.session.get_one(Tenant, admin.tenant_id).requires_sso
    client.submit("/sign-out", page="/me")
    come_back(client, provider, "w")
    client.submit("/sso/settings/require", page="/sso/settings")
    assert db.session.get_one(Tenant, admin.tenant_id).requires_sso


def test_a_password_no_longer_opens_what_requires_it(client, app, admin, offered, provider):
    client.sign_in(admin)
    assert client.get("/members").status_code == 200
    admin.tenant.requires_sso = True
    db.session.commit()
    assert client.get("/members").status_code in {302, 303, 403}
    assert "要求使用单点登录" in client.get("/organisations").text
    client.submit("/sign-out", page="/organisations")
    client.sign_in(admin)
    assert client.get("/members").status_code in {302, 303, 403}
    come_back(client, provider, "w")
    assert client.get("/members").status_code == 200


def test_the_operator_has_a_way_back(app, client, admin, offered):
    admin.tenant.requires_sso = True
    db.session.commit()
    result = app.test_cli_runner().invoke(args=["allow-passwords", admin.tenant.house_number])
    assert result.exit_code == 0, result.output
    db.session.expire_all()
    client.sign_in(admin)
    assert client.get("/members").status_code == 200
    assert app.test_cli_runner().invoke(args=["allow-passwords", "NOBODY"]).exit_code == 1


def test_switching_it_off_lets_passwords_in_again(admin, offered):
    admin.tenant.requires_sso = True
    single_sign_on.set_enabled(offered, False, by=admin)
    assert admin.tenant.requires_sso is False


def test_an_administrator_sets_it_up(admin_client, admin, provider):
    page = admin_client.get("/sso/settings")
    assert "http://localhost:8000/sso/callback" in page.text
    fields = {"issuer": provider.issuer + "/", "client_id": "dutybell", "secret": SECRET}
    assert admin_client.submit("/sso/settings", fields).status_code == 303
    page = admin_client.get("/sso/settings")
    assert "发现文档与签名公钥均可读取" in page.text
    assert SECRET not in page.text
    stored = db.session.scalars(select(SsoProvider)).one()
    assert SECRET not in str(stored.secrets)
    assert admin_client.get("/sign-in").status_code == 302
    admin_client.submit("/sso/settings/enable", page="/sso/settings")
    assert db.session.scalars(select(SsoProvider)).one().is_enabled
    kept = stored.secrets
    admin_client.submit("/sso/settings", fields | {"secret": ""})
    assert db.session.scalars(select(SsoProvider)).one().is_enabled
    assert db.session.scalars(select(SsoProvider)).one().secrets == kept
    answer = admin_client.submit("/sso/settings/remove", {"confirm_name": provider.issuer}, page="/sso/settings")
    assert answer.status_code == 303
    assert db.session.scalars(select(SsoProvider)).all() == []


def test_another_issuer_does_not_get_the_old_secret(admin_client, admin, offered):
    admin_client.submit("/sso/settings", {"issuer": "https://evil.example", "client_id": "dutybell", "secret": ""})
    stored = db.session.scalars(select(SsoProvider)).one()
    assert (stored.secrets, stored.is_enabled) == ({}, False)
    assert "主机与端口不在运维人员允许的列表中" in admin_client.get("/sso/settings").text
    admin_client.submit("/sso/settings/enable", page="/sso/settings")
    assert not db.session.scalars(select(SsoProvider)).one().is_enabled


@pytest.mark.parametrize(
    "issuer",
    ["http://169.254.169.254", "https://127.0.0.1", "ftp://x.example", "nonsense", "https://[::1", "https://[x]/"],
)
def test_an_issuer_cannot_lead_inside(admin_client, admin, issuer):
    admin_client.submit("/sso/settings", {"issuer": issuer, "client_id": "x", "secret": ""})
    stored = db.session.scalars(select(SsoProvider)).one_or_none()
    assert stored is None or stored.problem is not None


def test_with_several_providers_the_house_number_decides(client, admin, offered, provider):
    other = make_tenant("别的组织", house_number="OTHER1")
    boss = make_member("zhou", Role.ADMIN, tenant=other, email="zhou@example.com")
    second = single_sign_on.save(provider.issuer, "other", SECRET, by=boss, now=utcnow())
    second.is_enabled = True
    db.session.commit()
    assert "门牌号" in client.get("/sso").text
    assert client.get("/sso?house=NOBODY").status_code == 404
    page = client.get("/sso?house=other1")
    assert "别的组织" in page.text
    answer = client.get("/sso/start?house=OTHER1")
    assert come_back(client, provider, "z", answer.location).status_code == 302
    assert db.session.scalars(select(SsoIdentity)).one().tenant_id == other.id


def test_the_button_is_there_when_it_is_offered(client, admin, offered):
    assert "/sso" in client.get("/sign-in").text
    offered.is_enabled = False
    db.session.commit()
    assert "/sso" not in client.get("/sign-in").text


def test_an_email_is_set_by_an_administrator_for_members_of_this_organisation_alone(admin_client, admin, responder):
    fields = {"real_name": "林晓", "role": "responder"}
    path = f"/members/{responder.id}"
    assert admin_client.submit(path, fields | {"email": "lin@example.com"}).status_code == 303
    assert responder.user.email == "lin@example.com"
    assert (
        admin_client.submit(
            f"/members/{admin.id}", {"real_name": "王", "role": "admin", "email": "LIN@example.com"}
        ).status_code
        == 422
    )
    assert admin_client.submit(path, fields | {"email": "nonsense"}).status_code == 422
    make_member("lin", tenant=make_tenant("别的组织"))
    admin.user.is_superadmin = False
    admin_client.submit(path, fields | {"email": "else@example.com"})
    db.session.expire_all()
    assert responder.user.email == "lin@example.com"


def first_opening(client: Browser, integration: Integration, person: str) -> str:
    """Open an application as somebody there who has no link yet; the address under which its pages are."""
    base = f"/h5/{integration.platform}/{integration.public_key}"
    agent = {"User-Agent": "Mozilla/5.0 wxwork/4.1"}
    there = client.get(f"{base}/log-in", headers=agent)
    state = parse_qs(urlsplit(there.location).query)["state"][0]
    assert client.get(f"{base}/oauth?code={person}&state={state}", headers=agent).location == f"{base}/bind"
    return base


def application(tenant: Tenant | None = None) -> Integration:
    settings = {"corp_id": "ww1", "agent_id": "1", "trusted_domain": "localhost"}
    return make_integration(settings=settings, tenant=tenant)


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: FakePlatform())


def test_a_platform_account_is_bound_by_single_sign_on(client, admin, offered, provider, platform):
    base = first_opening(client, application(), "w-wecom")
    admin.tenant.requires_sso = True
    db.session.commit()
    page = client.get(f"{base}/bind").text
    assert "单点登录并继续" in page
    assert 'name="password"' not in page
    away = client.get(f"{base}/bind/sso")
    answer = come_back(client, provider, "w", away.location)
    assert answer.location == f"{base}/bind/confirm"
    assert "王芳" in client.get(answer.location).text
    client.submit(f"{base}/bind/confirm")
    link = db.session.scalars(select(AccountLink)).one()
    assert (link.user_id, link.source) == (admin.user_id, "sso")
    assert client.get(f"{base}/incidents").status_code == 200
    assert client.post(f"{base}/bind", data={"username": "wang", "password": PASSWORD}).status_code in {302, 303, 400}


def test_a_provider_binds_nobody_in_another_organisation(client, admin, offered, provider, platform):
    """Somebody who runs a provider here must not become its members elsewhere, where these are members, too."""
    other = make_tenant("别的组织")
    db.session.add(Membership(tenant_id=other.id, user_id=admin.user_id, role=Role.ADMIN, created_at=utcnow()))
    db.session.commit()
    here = first_opening(client, application(), "w-wecom")
    away = client.get(f"{here}/bind/sso").location
    there = first_opening(client, application(other), "intruder")
    come_back(client, provider, "w", away)
    assert client.get(f"{there}/bind/confirm").location == f"{there}/"
    client.submit(f"{there}/bind/confirm", page=f"{there}/bind")
    assert db.session.scalars(select(AccountLink)).all() == []


def test_a_program_sets_it_up(admin, client, provider):
    admin.user.is_superadmin = False
    scopes = [scope.value for scope in api_tokens.Scope]
    headers = {"Authorization": f"Bearer {api_tokens.create('x', scopes, by=admin, now=utcnow())[1]}"}

    def call(method: str, path: str = "", status: int = 200, **body: str) -> Any:
        answer = client.open(f"/api/v1/single-sign-on{path}", method=method, headers=headers, json=body or None)
        assert answer.status_code == status, answer.text
        return answer.json.get("data")

    call("GET", status=404)
    made = call("PATCH", issuer=provider.issuer, client_id="dutybell", client_secret=SECRET)
    assert (made["has_secret"], made["is_enabled"]) == (True, False)
    assert SECRET not in str(made)
    call("POST", "/enable", 409)
    assert call("POST", "/check")["problem"] == ""
    assert call("POST", "/enable")["is_enabled"] is True
    call("POST", "/require", 400)  # nobody has come in that way
    assert call("PATCH", client_id="other")["is_enabled"] is False
    call("DELETE", "?confirm_name=x", 400)
    assert call("DELETE", f"?confirm_name={provider.issuer}") == {"deleted": True}


def test_a_providers_session_enters_no_other_organisation_by_its_application(client, admin, offered, provider):
    elsewhere = make_tenant("别家")
    place = make_member("wang", Role.ADMIN, tenant=elsewhere)
    theirs = application(elsewhere)
    base = f"/h5/{theirs.platform}/{theirs.public_key}"
    come_back(client, provider, "w")
    for path in ("/incidents", "/account", "/waiting"):
        answer = client.get(base + path)
        assert answer.status_code == (302 if path == "/waiting" else 403)
        assert "别家" not in answer.text
    assert "只能使用该组织" in client.get(f"{base}/incidents").text
    place.state = MembershipState.UNDER_REVIEW
    db.session.commit()
    assert "只能使用该组织" in client.get(f"{base}/incidents").text
    assert client.get(f"{base}/waiting").status_code == 302, "nor what becomes of a request there"
    assert client.get("/members").status_code == 200, "it remains where it was"


def test_a_password_does_not_replace_the_provider_in_the_application_either(client, admin, offered, provider):
    mine = application()
    base = f"/h5/{mine.platform}/{mine.public_key}"
    client.sign_in(admin)
    assert client.get(f"{base}/incidents").status_code == 200
    admin.tenant.requires_sso = True
    db.session.commit()
    page = client.get(f"{base}/incidents")
    assert page.status_code == 403
    assert "要求使用单点登录" in page.text
    way_on = unescape(re.search(r'href="(/sso/start[^"]+)"', page.text)[1])
    away = client.get(way_on)
    assert come_back(client, provider, "w", away.location).location == f"{base}/incidents"
    assert client.get(f"{base}/incidents").status_code == 200
