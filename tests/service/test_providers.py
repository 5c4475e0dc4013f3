"""What this installation is as a provider: entered once, kept secret, with tokens that all organisations share."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from errors import AccessDenied, InvalidInput, NotFound
from extensions import db
from models import CheckState, PlatformToken, Provider
from platforms.errors import SettingsIncomplete
from platforms.provider import TicketArrived
from platforms.wecom.errors import AuthorizeAppFirst, SuiteTicketInvalid
from services import integrations, providers
from tests.factories import NOW, default_tenant, make_integration, make_member
from tests.suites import VALUES, script


@pytest.fixture(autouse=True)
def organisation(app: Flask) -> None:
    default_tenant()


@pytest.fixture
def operator(app: Flask) -> Any:
    return make_member("root", is_superadmin=True).user


@pytest.fixture
def entered(operator: Any) -> Provider:
    provider = providers.save("wecom", VALUES, by=operator, now=NOW)
    db.session.commit()
    return provider


def arrive(ticket: str, *, minutes: int = 0) -> None:
    providers.take_ticket("wecom", TicketArrived("s", "n", NOW + timedelta(minutes=minutes), ticket=ticket))
    db.session.commit()


def test_secrets_are_encrypted_and_the_rest_can_be_shown(entered):
    assert set(entered.secrets) == {"provider_secret", "suite_secret", "token", "encoding_aes_key"}
    assert not [value for value in VALUES.values() if value in json.dumps(entered.secrets)]
    assert entered.settings == {name: VALUES[name] for name in ("provider_corp_id", "app_name", "suite_id")}
    assert providers.is_configured("wecom")


def test_an_empty_secret_keeps_the_stored_one(entered, operator):
    before = dict(entered.secrets)
    providers.save("wecom", VALUES | {"suite_secret": "", "app_name": "值班铃"}, by=operator, now=NOW)
    assert entered.secrets["suite_secret"] == before["suite_secret"]
    assert entered.settings["app_name"] == "值班铃"


def test_a_wrong_shape_keeps_nothing(app, operator):
    with pytest.raises(InvalidInput) as refused:
        providers.save("wecom", VALUES | {"encoding_aes_key": "short"}, by=operator, now=NOW)
    assert refused.value.field == "encoding_aes_key"
    assert providers.of("wecom") is None


def test_only_super_administrators_enter_them(app):
    with pytest.raises(AccessDenied):
        providers.save("wecom", VALUES, by=make_member("lin").user, now=NOW)


def test_platforms_without_providers_have_none(app, operator):
    with pytest.raises(NotFound):
        providers.save("feishu", VALUES, by=operator, now=NOW)


def test_the_newest_ticket_stays(entered):
    arrive("ticket-2", minutes=10)
    arrive("ticket-1")
    db.session.refresh(entered)
    assert entered.ticket is not None and "ticket" not in entered.ticket
    assert providers.provider_reading.ticket("wecom") == "ticket-2"


def test_without_a_ticket_nothing_is_asked(app, entered):
    asked = script(app)
    with pytest.raises(SuiteTicketInvalid):
        providers.application("wecom").install_url("https://x.example", "s")
    assert asked.asked == []


def test_the_tokens_are_fetched_once_for_all_organisations(app, entered):
    arrive("ticket-1")
    asked = script(app, corpid_to_opencorpid={"open_corpid": "wpOpen1"})
    for _ in range(2):
        url = providers.application("wecom").install_url("https://x.example/back", "state1")
        assert "pre_auth_code=pre-1" in url and "suite_id=ww0000000000suite1" in url
        assert providers.application("wecom").own_id_of("ww1234567890abcdef") == "wpOpen1"
    assert (asked.times("get_suite_token"), asked.times("get_provider_token")) == (1, 1)
    body = next(params["body"] for name, params in asked.asked if name == "get_suite_token")
    assert body["suite_ticket"] == "ticket-1"
    kept = db.session.scalars(select(PlatformToken)).all()
    assert {token.provider_id for token in kept} == {entered.id}
    assert not any("token" in (token.value or "") for token in kept)


def test_other_values_prove_themselves_again(app, entered, operator):
    script(app)
    providers.note("wecom", "command", now=NOW)
    providers.try_all("wecom", now=NOW)
    db.session.commit()
    states = {shown.check.name: shown.state for shown in providers.progress(entered, "wecom")}
    assert states["provider_token"] is states["command"] is CheckState.PASSED
    assert states["suite_token"] is CheckState.WAITING

    providers.save("wecom", VALUES | {"provider_secret": "another-secret-of-some-length"}, by=operator, now=NOW)
    db.session.commit()
    assert {shown.state for shown in providers.progress(entered, "wecom")} == {CheckState.WAITING}
    assert db.session.scalars(select(PlatformToken)).all() == []


@pytest.mark.parametrize("code", [48001, 40013, 2000002])
def test_an_unknown_company_is_told_the_documented_sentence(app, entered, code):
    script(app, corpid_to_opencorpid={"errcode": code, "errmsg": "no"})
    with pytest.raises(AuthorizeAppFirst) as refused:
        providers.application("wecom").own_id_of("ww1234567890abcdef")
    assert refused.value.message == "authorize app first"
    assert refused.value.status == 400
    assert refused.value.platform_code == str(code)


def test_what_was_not_entered_is_named(app):
    with pytest.raises(SettingsIncomplete):
        providers.application("wecom").own_id_of("ww1234567890abcdef")
    assert not providers.is_configured("wecom")


def test_a_self_built_connection_needs_no_provider(app):
    integration = make_integration()
    assert integrations.mode_of(integration).needs_provider is False
    assert integrations.mode_of(integration).withheld == {}
