"""A stored connection becomes a platform that can be called, and has its addresses."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask

from extensions import db
from models import Integration, IntegrationStatus
from platforms.errors import AddressRefused, SettingsIncomplete
from platforms.wecom.platform import WeCom
from services import integrations
from tests.factories import make_integration, make_tenant

SETTINGS = {"corp_id": "ww1234567890abcdef", "agent_id": "1000002"}


def platform_of(integration: Integration) -> WeCom:
    platform = integrations.platform_for(integration)
    assert isinstance(platform, WeCom)
    return platform


def configure(app: Flask, **changes: object) -> None:
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], **changes)


def test_a_connection_is_found_by_its_key_on_its_platform(app):
    made = make_integration(public_key="k1")
    assert integrations.find_by_public_key("wecom", "k1") == made
    assert integrations.find_by_public_key("feishu", "k1") is None
    assert integrations.find_by_public_key("wecom", "") is None


def test_messages_go_through_active_connections_of_the_organisation_alone(app):
    active = make_integration()
    make_integration(status=IntegrationStatus.DISABLED)
    make_integration(status=IntegrationStatus.DRAFT)
    make_integration(tenant=make_tenant())
    assert integrations.active_for(active.tenant_id) == [active]


def test_the_stored_values_reach_the_platform(app):
    integration = make_integration(settings=SETTINGS)
    integrations.set_secret(integration, "secret", "s3cret")
    db.session.commit()
    platform = platform_of(integration)
    assert platform.settings.secret == "s3cret"
    assert platform.settings.agent_id == "1000002"
    assert platform.reached_at["api"] == "https://qyapi.weixin.qq.com"
    assert "s3cret" not in repr(platform.settings)


def test_making_a_platform_reads_nothing_from_the_database(app):
    integration = make_integration(settings=SETTINGS)
    db.session.commit()
    platform_of(integration)
    assert not db.session().in_transaction()


def test_transports_are_shared(app):
    first, second = make_integration(settings=SETTINGS), make_integration(settings=SETTINGS)
    transports = {id(platform_of(each).client._transport) for each in (first, second)}
    assert len(transports) == 1


def test_a_draft_says_what_is_missing_when_it_is_needed(app):
    platform = platform_of(make_integration(settings={}))
    db.session.commit()
    with pytest.raises(SettingsIncomplete):
        platform.identify("code", in_client=True)
    assert platform.run_check("credentials").detail["code"] == "platform.settings_incomplete"


def test_an_endpoint_must_be_allowed_by_the_operator(app):
    private = make_integration(settings=SETTINGS | {"is_private": True, "endpoint": "https://wwlocal.example.com"})
    with pytest.raises(AddressRefused):
        platform_of(private)
    app.extensions.pop("endpoint_guard")
    configure(app, endpoint_allowlist=("wwlocal.example.com",))
    platform = platform_of(private)
    assert platform.client._base == "https://wwlocal.example.com"
    assert platform.sign_in_url("https://x", "s", in_client=True).startswith("https://wwlocal.example.com/connect/")


def test_a_leftover_endpoint_of_a_public_deployment_is_ignored(app):
    settings = SETTINGS | {"is_private": False, "endpoint": "https://169.254.169.254"}
    assert platform_of(make_integration(settings=settings)).client._base == "https://qyapi.weixin.qq.com"


def test_addresses_are_made_of_the_public_address_and_the_key(app):
    configure(app, public_url="https://oncall.example.com", egress_ips=("203.0.113.7", "203.0.113.8"))
    made = integrations.addresses(make_integration(public_key="k1"))
    assert made == {
        "callback_url": "https://oncall.example.com/callback/wecom/k1",
        "home_url": "https://oncall.example.com/h5/wecom/k1",
        "trusted_domain": "oncall.example.com",
        "ownership_file_url": "",
        "egress_ips": "203.0.113.7;203.0.113.8",
    }


def test_pages_are_opened_on_the_trusted_domain(app):
    configure(app, public_url="https://oncall.example.com")
    settings = {"trusted_domain": "im.example.com", "ownership_file_name": "WW_verify_AbCdEfGh01234567.txt"}
    integration = make_integration(public_key="k1", settings=settings)
    made = integrations.addresses(integration)
    assert made["home_url"] == "https://im.example.com/h5/wecom/k1"
    assert made["callback_url"].startswith("https://oncall.example.com/")
    assert made["ownership_file_url"] == "https://im.example.com/WW_verify_AbCdEfGh01234567.txt"
    assert integrations.incident_url(integration, 1024) == "https://im.example.com/h5/wecom/k1/incidents/1024"


def test_what_is_kept_of_a_deleted_connection_is_not_used_for_the_next_one_of_its_number(app):
    """SQLite gives numbers again, and by then it may be another organisation's."""
    first = make_integration()
    number = first.id
    assert integrations.connected_as(number, first.version).integration.public_key == first.public_key
    db.session.delete(first)
    db.session.commit()
    second = make_integration(tenant=make_tenant("邻居"), id=number)
    assert integrations.connected_as(number, second.version).integration.public_key == second.public_key
