"""A provider's application: what WeCom tells us, the administrator's five steps, a card and a press."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from extensions import db
from jobs.handlers import HANDLERS
from jobs.handling import Settle
from jobs.outbox import Claim, Done
from models import CheckState, CorpAuth, Integration, IntegrationStatus, Job, JobState, LinkState, Provider
from platforms.base import Recipient
from platforms.wecom.errors import AuthorizeAppFirst
from services import checks, integrations, linking, provider_reading, providers
from tests import suites
from tests.factories import make_integration, make_link, make_member
from tests.web.conftest import Browser

STEPS = "/integrations/im/{}/setup/{}"
KINDS = ("take_authorisation", "read_authorisation", "check_provider", "run_check", "convert_links")
REFUSED = {"corpid_to_opencorpid": {"errcode": 48001, "errmsg": "api unauthorized"}}


@pytest.fixture
def provider(app: Flask, admin: Any) -> Provider:
    """Entered; WeCom answers as if all was well."""
    suites.script(app)
    return suites.enter()


@pytest.fixture
def ticket(client: Browser, provider: Provider) -> None:
    assert suites.command(client, "suite_ticket", SuiteTicket="ticket-1").data == b"success"
    work()


def work() -> None:
    """Do what the worker would, until nothing of it is left."""
    while job := db.session.scalars(
        select(Job).where(Job.kind.in_(KINDS), Job.state == JobState.PENDING).order_by(Job.id)
    ).first():
        claim = Claim(job.id, job.kind, job.tenant_id, job.subject_id, job.payload, 1, job.due_at)
        job.state = JobState.DONE
        db.session.commit()
        outcome = HANDLERS[claim.kind].run(claim)
        if isinstance(outcome, Settle):
            outcome = outcome.record()
        db.session.commit()
        assert isinstance(outcome, Done), outcome


def draft(client: Browser) -> Integration:
    client.submit("/integrations/im/new/wecom/third_party", page="/integrations/im/")
    return db.session.scalars(select(Integration)).one()


def save(client: Browser, integration: Integration, corp_id: str = suites.CORP_ID) -> Any:
    return client.submit(STEPS.format(integration.id, "save"), {"corp_id": corp_id})


def install(client: Browser) -> None:
    assert suites.command(client, "create_auth", AuthCode="auth-code-1").data == b"success"
    work()


# --- what WeCom tells the provider --------------------------------------------------------------------------------


@pytest.mark.parametrize("purpose", ["command", "data"])
@pytest.mark.parametrize("receiver", [suites.SUITE, suites.VALUES["provider_corp_id"]])
def test_both_addresses_pass_the_consoles_check(client, provider, purpose, receiver):
    answer = suites.check(client, purpose, receiver=receiver)
    assert (answer.status_code, answer.data) == (200, b"7386429105823746152")
    shown = {one.check.name: one.state for one in providers.progress(providers.of("wecom"), "wecom")}
    assert shown[purpose] is CheckState.PASSED


@pytest.mark.parametrize("odd", [{"token": "AnotherToken"}, {"receiver": "ww_somebody_else"}, {"seconds_ago": 9999}])
def test_what_is_not_genuine_is_refused(client, provider, odd):
    answer = suites.command(client, "suite_ticket", SuiteTicket="evil", **odd)
    assert (answer.status_code, answer.data) == (403, b"")
    assert provider_reading.ticket("wecom") == ""


def test_before_anything_was_entered_nothing_is_genuine(client, admin):
    assert suites.check(client, "command").status_code == 403


def test_an_installation_is_answered_at_once_and_done_afterwards(app, client, ticket):
    script = suites.script(app)
    for _ in range(3):  # a repeat has the same time and code
        assert suites.command(client, "create_auth", AuthCode="auth-code-1", TimeStamp="1").data == b"success"
    assert script.asked == []
    work()
    assert (script.times("get_permanent_code"), script.times("get_auth_info")) == (1, 1)
    auth = db.session.scalars(select(CorpAuth)).one()
    assert (auth.corp_id, auth.corp_name, auth.agent_id) == (suites.OWN_CORP, "示例企业", "1000007")
    assert auth.visible["whole_company"]
    assert "the-permanent-code" not in str(auth.permanent_code)


def test_a_removed_application_sends_nothing(client, admin_client, ticket):
    integration = draft(admin_client)
    install(client)
    assert save(admin_client, integration).status_code == 303

    assert suites.command(client, "cancel_auth", AuthCorpId=suites.OWN_CORP).data == b"success"
    work()

    auth = db.session.scalars(select(CorpAuth)).one()
    assert auth.permanent_code is None
    check = checks.get(integration, "authorised")
    assert check.state is CheckState.FAILED
    with pytest.raises(AuthorizeAppFirst):
        integrations.platform_for(db.session.get_one(Integration, integration.id)).send_text(Recipient("woLin"), "x")


def test_installing_again_brings_it_back(client, admin_client, ticket):
    integration = draft(admin_client)
    install(client)
    save(admin_client, integration)
    suites.command(client, "cancel_auth", AuthCorpId=suites.OWN_CORP)
    work()
    suites.command(client, "create_auth", AuthCode="auth-code-2")
    work()
    assert checks.get(integration, "authorised").state is CheckState.PASSED
    platform: Any = integrations.platform_for(integration)
    assert platform.settings.secret == "the-permanent-code"


def test_a_change_is_read_again(app, client, ticket):
    install(client)
    info = suites.ANSWERS["get_auth_info"]
    smaller = info | {"auth_info": {"agent": [{"agentid": 1000007, "privilege": {"allow_user": ["a", "b"]}}]}}
    suites.script(app, get_auth_info=smaller)
    suites.command(client, "change_auth", AuthCorpId=suites.OWN_CORP)
    work()
    auth = db.session.scalars(select(CorpAuth)).one()
    assert (auth.visible["people"], auth.visible["whole_company"]) == (2, False)


def test_a_reset_code_replaces_the_old_one(app, client, ticket):
    install(client)
    suites.script(app, get_permanent_code=suites.ANSWERS["get_permanent_code"] | {"permanent_code": "a-new-code"})
    suites.command(client, "reset_permanent_code", AuthCode="auth-code-9")
    work()
    auth = db.session.scalars(select(CorpAuth)).one()
    assert provider_reading.unsealed_code(auth.corp_id, str(auth.permanent_code)) == "a-new-code"


# --- the administrator's steps ------------------------------------------------------------------------------------


def test_without_a_provider_the_mode_cannot_be_chosen(admin_client):
    page = admin_client.get("/integrations/im/").text
    assert "本实例未配置企业微信服务商，请使用自建应用" in page
    answer = admin_client.submit("/integrations/im/new/wecom/third_party", page="/integrations/im/")
    assert answer.status_code == 409
    assert db.session.scalars(select(Integration)).all() == []


def test_the_steps_are_the_documented_ones(admin_client, ticket):
    integration = draft(admin_client)
    titles = [step.title for step in integrations.mode_of(integration).steps][:5]
    assert titles == ["添加第三方应用", "搜索并添加应用", "设置可见范围并同意授权", "获取企业 ID", "填写企业 ID 并保存"]
    page = admin_client.get(STEPS.format(integration.id, "find_app")).text
    assert "Dutybell" in page
    assert "http://localhost:8000/install/wecom-suite" in page


def test_a_company_that_has_not_authorised_is_told_so(app, admin_client, ticket):
    suites.script(app, **REFUSED)
    integration = draft(admin_client)
    answer = save(admin_client, integration)
    assert answer.status_code == 400
    assert ">authorize app first<" in answer.text
    assert "在企业微信工作台中可以看到本应用" in answer.text
    assert "企业 ID（Corp ID）是否正确" in answer.text
    assert suites.CORP_ID in answer.text
    assert integration.status is IntegrationStatus.DRAFT


def test_a_wrong_shape_is_refused_before_anybody_is_asked(app, admin_client, ticket):
    script = suites.script(app)
    answer = save(admin_client, draft(admin_client), "1000002")
    assert answer.status_code == 422
    assert script.times("corpid_to_opencorpid") == 0


def test_it_turns_green_by_itself_when_the_authorisation_arrives(app, client, admin_client, ticket):
    suites.script(app, **REFUSED)
    integration = draft(admin_client)
    assert save(admin_client, integration).status_code == 400
    suites.script(app)
    install(client)
    assert checks.get(integration, "authorised").state is CheckState.PASSED
    assert integration.status is IntegrationStatus.ACTIVE
    assert "示例企业" in admin_client.get(STEPS.format(integration.id, "save") + "/state").text


def test_a_company_that_has_authorised_is_connected_by_the_save(client, admin_client, ticket):
    install(client)
    integration = draft(admin_client)
    assert save(admin_client, integration).status_code == 303
    assert integration.status is IntegrationStatus.ACTIVE
    platform: Any = integrations.platform_for(integration)
    assert platform.settings.company_id == suites.OWN_CORP
    assert platform.settings.agent_id == "1000007"


def test_installing_by_link(app, client, ticket):
    away = client.get("/install/wecom-suite")
    assert away.status_code == 302
    assert away.location.startswith("https://open.work.weixin.qq.com/3rdapp/install?")
    state = away.location.partition("&state=")[2]
    assert client.get(f"/install/wecom-suite/done?auth_code=stolen&state={'0' * 32}").status_code == 400
    assert client.get(f"/install/wecom-suite/done?auth_code=from-link&state={state}").status_code == 200
    work()
    assert db.session.scalars(select(CorpAuth)).one().corp_id == suites.OWN_CORP


# --- signing in and pressing --------------------------------------------------------------------------------------


def test_the_one_home_page_finds_the_company(app, client, admin_client, ticket):
    install(client)
    integration = draft(admin_client)
    save(admin_client, integration)
    away = client.get("/h5/wecom-suite")
    assert f"appid={suites.SUITE}" in away.location and away.location.endswith("#wechat_redirect")
    state = away.location.partition("&state=")[2].partition("#")[0].partition("&")[0]
    suites.script(app, getuserinfo3rd={"corpid": suites.OWN_CORP, "userid": "woLin"})
    back = client.get(f"/h5/wecom-suite/oauth?code=c&state={state}")
    assert back.location == f"http://localhost:8000/h5/wecom/{integration.public_key}"


def test_an_event_of_a_company_comes_to_its_connection(client, admin_client, ticket):
    install(client)
    integration = draft(admin_client)
    save(admin_client, integration)
    event = {
        "ToUserName": suites.OWN_CORP,
        "FromUserName": "woLinEncrypted",
        "CreateTime": "1718000123",
        "MsgType": "event",
        "Event": "enter_agent",
        "AgentID": "1000007",
    }
    for receiver in (suites.OWN_CORP, suites.SUITE):
        assert suites.press(client, event, receiver=receiver).status_code == 200
    assert checks.get(integration, "callback").state is CheckState.PASSED
    assert suites.press(client, event | {"AgentID": "1000008"}).status_code == 403
    assert suites.press(client, event, receiver="wpAnotherCompany").status_code == 403


# --- the super-administrator's page -------------------------------------------------------------------------------


def test_the_settings_page_is_for_super_administrators(client, responder):
    client.sign_in(responder)
    assert client.get("/instance/providers/wecom").status_code == 403


def test_secrets_are_never_shown_again(app, admin, admin_client, provider):
    page = admin_client.get("/instance/providers/wecom").text
    for name, value in suites.VALUES.items():
        is_secret = name not in {"provider_corp_id", "app_name", "suite_id"}
        assert (value in page) is not is_secret, name
    assert "http://localhost:8000/callback/wecom-suite/command" in page


# --- from one mode to the other -----------------------------------------------------------------------------------


@pytest.fixture
def self_built(admin: Any) -> Integration:
    """A connection by the company's own application, with two people linked."""
    own = {"corp_id": suites.CORP_ID, "agent_id": "1000002"}
    integration = make_integration(settings=own, platform_key=f"wecom:{suites.CORP_ID}")
    integrations.set_secret(integration, "secret", "the-secret-of-its-own")
    for name in ("lin", "wu"):
        make_link(integration, make_member(name))
    db.session.commit()
    return integration


def switch(client: Browser, integration: Integration, mode: str) -> Any:
    detail = f"/integrations/im/{integration.id}"
    return client.submit(f"{detail}/mode/{mode}", page=detail)


def test_links_are_converted_where_wecom_knows_the_ids(app, client, admin_client, ticket, self_built):
    install(client)
    converted = {"open_userid_list": [{"userid": "lin", "open_userid": "woLinAsTheProviderSees"}]}
    suites.script(app, userid_to_openuserid=converted)
    assert switch(admin_client, self_built, "third_party").status_code == 303
    work()
    assert self_built.status is IntegrationStatus.ACTIVE
    lin, wu = (linking.find_for_user(self_built, make_member(name).user_id) for name in ("lin", "wu"))
    assert (lin.external_user_id, lin.state) == ("woLinAsTheProviderSees", LinkState.ACTIVE)
    assert (wu.external_user_id, wu.state) == ("wu", LinkState.BROKEN)


def test_the_way_back_asks_for_nothing_again(client, admin_client, ticket, self_built):
    switch(admin_client, self_built, "third_party")
    assert switch(admin_client, self_built, "self_built").status_code == 303
    platform: Any = integrations.platform_for(self_built)
    assert platform.settings.secret == "the-secret-of-its-own"
    assert platform.settings.suite_id == ""
    assert db.session.scalars(select(CorpAuth.integration_id)).all() in ([], [None])


def test_the_same_mode_is_no_change(admin_client, ticket, self_built):
    assert switch(admin_client, self_built, "self_built").status_code == 409
