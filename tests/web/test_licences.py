"""Licences on pages: the countdown, who is without, reading them anew, and the warning on the first page."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from extensions import db
from models import CorpAuth, Delivery, DeliveryState, Integration, InterfaceLicence, MemberLicence, Membership
from platforms.licences import LicenceRules
from platforms.wecom.platform import WeCom
from services import licence_notices, licence_reading, outbox, vault
from services.clock import utcnow
from tests import suites
from tests.factories import make_channel, make_incident, make_integration, make_link
from tests.web.conftest import Browser

RULES = LicenceRules(
    "企微许可", "许可由应用的服务商，即本系统的运维方，向企业微信购买并激活。", "改用企业自建应用则不需要许可。"
)


@pytest.fixture
def integration(admin: Membership, responder: Membership, monkeypatch: pytest.MonkeyPatch) -> Integration:
    mode = replace(WeCom.modes[0], slug="licensed", licences=RULES)
    monkeypatch.setattr(WeCom, "modes", (*WeCom.modes, mode))
    made = make_integration(mode="licensed", name="企业微信")
    make_link(made, responder)
    return made


def know(integration: Integration, *, days: float, **values: object) -> InterfaceLicence:
    """What was read: the trial ends in so many days."""
    now = utcnow()
    known = InterfaceLicence(tenant_id=integration.tenant_id, integration_id=integration.id, read_at=now)
    known.trial_starts_at, known.trial_ends_at = now - timedelta(days=60), now + timedelta(days=days)
    db.session.add(known)
    db.session.commit()
    return known


def page(integration: Integration) -> str:
    return f"/integrations/im/{integration.id}/licences"


def test_the_connections_page_counts_down(client: Browser, admin, integration: Integration):
    know(integration, days=29.5)
    client.sign_in(admin)
    shown = client.get(f"/integrations/im/{integration.id}").text
    assert "试用剩余天数" in shown
    assert ">30<" in shown
    assert page(integration) in shown
    assert "届时" not in client.get("/").text


@pytest.mark.parametrize(("days", "says"), [(14.5, "企微许可试用还剩 15 天"), (-1, "企微许可试用已于")])
def test_administrators_are_warned_where_they_look(client: Browser, admin, integration, days: float, says: str):
    know(integration, days=days)
    client.sign_in(admin)
    for path in ("/", "/integrations/im", f"/integrations/im/{integration.id}", page(integration)):
        shown = client.get(path, follow_redirects=True).text
        assert says in shown, path
        assert "许可由应用的服务商，即本系统的运维方，向企业微信购买并激活。" in shown


def test_who_may_change_nothing_is_not_warned_on_the_first_page(client: Browser, responder, integration):
    know(integration, days=-1)
    client.sign_in(responder)
    assert "企微许可" not in client.get("/").text
    assert client.get(page(integration)).status_code == 200
    assert client.submit(page(integration), page="/me").status_code == 403


def test_the_page_shows_how_each_stands_and_reads_anew(client: Browser, admin, integration: Integration):
    know(integration, days=-1)
    client.sign_in(admin)
    shown = client.get(page(integration)).text
    assert "林晓" in shown
    assert "未开通" in shown
    assert client.submit(page(integration)).status_code == 303
    assert outbox.pending(licence_reading.KIND, integration.id) is not None
    assert "正在从平台读取" in client.get(page(integration)).text
    ends = utcnow() + timedelta(days=365)
    bought = MemberLicence(tenant_id=0, integration_id=integration.id, external_user_id="lin", expires_at=ends)
    db.session.add(bought)
    shown = client.get(page(integration), headers={"HX-Request": "true"}).text
    assert "已激活" in shown
    assert "<html" not in shown
    assert "林晓" not in client.get(page(integration) + "?only=lacking").text


def test_a_failed_message_leads_to_the_page(client: Browser, admin, responder, integration: Integration):
    incident = make_incident(make_channel(), responders=(responder,))
    lost = Delivery(
        tenant_id=0,
        incident_id=incident.id,
        channel_kind="wecom_app",
        integration_id=integration.id,
        user_id=responder.user_id,
        state=DeliveryState.FAILED,
        failure_code="wecom_license_missing",
        reference="r-1",
        created_at=utcnow(),
    )
    db.session.add(lost)
    client.sign_in(admin)
    shown = client.get("/deliveries").text
    assert "未开通企微许可" in shown
    assert page(integration) in shown


def test_a_connection_that_needs_none_has_no_such_page(client: Browser, admin):
    plain = make_integration()
    client.sign_in(admin)
    assert client.get(page(plain)).status_code == 404
    assert client.submit(page(plain), page="/me").status_code == 404


def test_notices_lead_to_the_page(app, integration: Integration):
    assert licence_notices.page_url(integration).endswith(page(integration))


@pytest.fixture
def installed(app, admin: Membership) -> Integration:
    """The connection of a company that installed the provider's application."""
    suites.script(app)
    provider = suites.enter()
    made = make_integration(mode="third_party", settings={"corp_id": suites.CORP_ID})
    known = {"tenant_id": 0, "provider_id": provider.id, "integration_id": made.id, "corp_id": suites.OWN_CORP}
    sealed = vault.seal(0, vault.corp_auth_field(suites.OWN_CORP), "permanent")
    db.session.add(CorpAuth(**known, permanent_code=sealed, agent_id="1000007", authorised_at=utcnow()))
    db.session.commit()
    return made


def test_the_licences_are_read_when_the_platform_says_that_they_changed(client: Browser, installed: Integration):
    answer = suites.command(client, "auto_activate", AuthCorpId=suites.OWN_CORP)
    assert (answer.status_code, answer.data) == (200, b"success")
    assert outbox.pending(licence_reading.KIND, installed.id) is not None


def test_the_licences_are_read_when_a_member_was_stopped(client: Browser, installed: Integration):
    stopped = {"ToUserName": suites.OWN_CORP, "FromUserName": "woLin", "CreateTime": "1", "MsgType": "event"}
    answer = suites.press(client, stopped | {"Event": "unlicensed_notify", "AgentID": "1000007"})
    assert answer.status_code == 200
    assert outbox.pending(licence_reading.KIND, installed.id) is not None


def test_an_event_about_a_company_that_nobody_connected_changes_nothing(client: Browser, installed: Integration):
    assert suites.command(client, "auto_activate", AuthCorpId="wpSomebodyElse").status_code == 200
    assert outbox.pending(licence_reading.KIND, installed.id) is None


def test_the_wizard_ends_with_the_trial(client: Browser, admin, installed: Integration):
    know(installed, days=29.5)
    client.sign_in(admin)
    steps = f"/integrations/im/{installed.id}/setup"
    assert "试用剩余天数" in client.get(f"{steps}/try_it").text
    assert "试用剩余天数" not in client.get(f"{steps}/corp_id").text
