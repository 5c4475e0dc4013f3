"""Connecting Feishu page by page, in the guide's order."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from extensions import db
from models import Integration, IntegrationStatus
from platforms.feishu.setup import SELF_BUILT
from services import checks
from services.clock import utcnow
from tests.web.conftest import Browser

APP_ID = "cli_9f5343c580712544"
NOTE = "尚未启用 Encrypt Key"
STEPS: dict[str, dict[str, str]] = {
    "create_app": {"brand": "feishu"},
    "credentials": {"app_id": APP_ID, "app_secret": "s" * 32},
    "callback_keys": {"verification_token": "v" * 32, "encrypt_key": ""},
}


@pytest.fixture
def draft(admin_client: Browser) -> Integration:
    return begin(admin_client)


def begin(browser: Browser) -> Integration:
    browser.submit("/integrations/im/new/feishu/self_built", page="/integrations/im/")
    return db.session.scalars(select(Integration).order_by(Integration.id.desc())).all()[0]


def step_url(integration: Integration, key: str) -> str:
    return f"/integrations/im/{integration.id}/setup/{key}"


def save(browser: Browser, integration: Integration, key: str, **changes: str):
    return browser.submit(step_url(integration, key), STEPS[key] | changes)


def complete(browser: Browser, integration: Integration, **changes: str) -> None:
    for key, values in STEPS.items():
        mine = {name: value for name, value in changes.items() if name in values}
        assert save(browser, integration, key, **mine).status_code == 303


def test_every_step_can_be_read_in_both_languages(admin_client: Browser, draft: Integration):
    for language, word in (("zh", "飞书"), ("en", "Feishu")):
        admin_client.set_cookie("language", language)
        for step in SELF_BUILT.steps:
            page = admin_client.get(step_url(draft, step.key), headers={"Accept-Language": language})
            assert page.status_code == 200
            assert word in page.text


def test_the_saved_keys_make_it_active_and_hand_out_the_addresses(admin_client: Browser, draft: Integration):
    complete(admin_client, draft)
    db.session.refresh(draft)
    assert draft.status is IntegrationStatus.ACTIVE
    base = f"feishu/{draft.public_key}"
    for key, address in (
        ("home_page", f"/h5/{base}"),
        ("card_callback", f"/callback/{base}/card"),
        ("redirect_url", f"/h5/{base}/oauth"),
        ("event_subscription", f"/callback/{base}/event"),
    ):
        assert f'{address}"' in admin_client.get(step_url(draft, key)).text


def test_without_an_encrypt_key_a_note_says_what_that_means(admin_client: Browser, draft: Integration):
    assert NOTE in admin_client.get(step_url(draft, "callback_keys")).text
    complete(admin_client, draft, encrypt_key="AlertKey-0123456789abcdef")
    assert NOTE not in admin_client.get(step_url(draft, "callback_keys")).text


def test_links_lead_into_the_chosen_brands_console(admin_client: Browser, draft: Integration):
    assert 'href="https://open.feishu.cn/app"' in admin_client.get(step_url(draft, "permissions")).text
    complete(admin_client, draft, brand="lark")
    page = admin_client.get(step_url(draft, "permissions")).text
    assert f'href="https://open.larksuite.com/app/{APP_ID}/auth"' in page


def test_another_brand_asks_for_the_secret_again(admin_client: Browser, draft: Integration):
    complete(admin_client, draft)
    assert save(admin_client, draft, "create_app", brand="lark").status_code == 303
    db.session.refresh(draft)
    assert "app_secret" not in draft.secrets


def test_an_organisation_may_connect_several(admin_client: Browser, draft: Integration):
    complete(admin_client, draft)
    second = begin(admin_client)
    assert second.id != draft.id
    refused = save(admin_client, second, "credentials")
    assert "AppKey重复" in refused.text


def test_what_the_checks_found_is_shown(admin_client: Browser, draft: Integration):
    complete(admin_client, draft)
    checks.passed(draft, "scopes", now=utcnow(), recommended="im:resource:upload")
    checks.passed(draft, "groups", now=utcnow(), groups=3)
    db.session.commit()
    assert "建议再开通：im:resource:upload" in admin_client.get(step_url(draft, "permissions")).text
    assert "3 个群" in admin_client.get(step_url(draft, "groups")).text
