"""Connecting DingTalk page by page, in the guide's order."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from extensions import db
from models import Integration, IntegrationStatus
from platforms.dingtalk.setup import SELF_BUILT
from platforms.dingtalk.template import FILE_NAME
from services import checks, groups
from services.clock import utcnow
from tests.web.conftest import Browser

CORP, CLIENT = "ding0123456789abcdef0123456789abcdef", "ding1a2b3c4d5e6f7g8h"
STEPS: dict[str, dict[str, str]] = {
    "corp_id": {"corp_id": CORP},
    "credentials": {"agent_id": "3012345678", "client_id": CLIENT, "client_secret": "s" * 64},
    "event_keys": {"aes_key": "o1w0aum42yaptlz8alnhwikjd3jenzt9cb9wmzptgus", "token": "OnCallToken2024abcd"},
}


@pytest.fixture
def draft(admin_client: Browser) -> Integration:
    return begin(admin_client)


def begin(browser: Browser) -> Integration:
    browser.submit("/integrations/im/new/dingtalk/self_built", page="/integrations/im/")
    return db.session.scalars(select(Integration).order_by(Integration.id.desc())).all()[0]


def step_url(integration: Integration, key: str) -> str:
    return f"/integrations/im/{integration.id}/setup/{key}"


def save(browser: Browser, integration: Integration, key: str, **changes: str):
    return browser.submit(step_url(integration, key), STEPS[key] | changes)


def complete(browser: Browser, integration: Integration) -> None:
    for key in STEPS:
        assert save(browser, integration, key).status_code == 303


def test_every_step_can_be_read_in_both_languages(admin_client: Browser, draft: Integration):
    for language, word in (("zh", "钉钉"), ("en", "DingTalk")):
        admin_client.set_cookie("language", language)
        for step in SELF_BUILT.steps:
            page = admin_client.get(step_url(draft, step.key), headers={"Accept-Language": language})
            assert page.status_code == 200
            assert word in page.text


def test_a_step_without_groups_names_no_button_that_it_has_not(admin_client: Browser, draft: Integration):
    page = admin_client.get(step_url(draft, "install")).text
    assert "完成上面的操作后，群聊会自动出现在这里" in page
    assert "刷新群列表" not in page


def test_the_keys_that_vanish_are_kept_at_once(admin_client: Browser, draft: Integration):
    assert "就会消失" in admin_client.get(step_url(draft, "event_keys")).text
    assert save(admin_client, draft, "event_keys").status_code == 303
    db.session.refresh(draft)
    assert draft.status is IntegrationStatus.DRAFT
    assert {"aes_key", "token"} <= draft.secrets.keys()


@pytest.mark.parametrize("aes_key", ["A" * 42, "A" * 44, "OnCallToken2024abcd"])
def test_an_aes_key_of_another_length_is_refused(admin_client: Browser, draft: Integration, aes_key: str):
    refused = save(admin_client, draft, "event_keys", aes_key=aes_key)
    assert refused.status_code == 422
    assert "43" in refused.text


def test_the_saved_keys_make_it_active_and_hand_out_the_addresses(admin_client: Browser, draft: Integration):
    complete(admin_client, draft)
    db.session.refresh(draft)
    assert draft.status is IntegrationStatus.ACTIVE
    base = f"dingtalk/{draft.public_key}"
    for key, address in (
        ("addresses", f"/callback/{base}/event"),
        ("cool_app", f"/h5/{base}/group?corpId=$CORPID$&amp;openConversationId=$ENCCID$"),
        ("web_app", f"/h5/{base}?corpId=$CORPID$"),
        ("web_app", f"/h5/{base}/pc?corpId=$CORPID$"),
        ("event_url", f"/callback/{base}/event"),
        ("security", f"/h5/{base}/oauth"),
    ):
        assert f'{address}"' in admin_client.get(step_url(draft, key)).text


def test_what_the_guide_asks_to_tick_can_be_copied(admin_client: Browser, draft: Integration):
    page = admin_client.get(step_url(draft, "permissions")).text
    assert all(code in page for code in ("qyapi_chat_manage", "qyapi_robot_sendmsg", "Card.Instance.Write"))
    page = admin_client.get(step_url(draft, "events")).text
    assert all(event in page for event in ("群会话更换群名称", "群内安装酷应用", "群内卸载酷应用"))


def test_the_step_of_the_events_shows_which_have_come(admin_client: Browser, draft: Integration):
    page = admin_client.get(step_url(draft, "events")).text
    live = f"{step_url(draft, 'events')}/state"
    assert f'hx-get="{live}' in page
    assert page.count("还没有收到过") == 3
    checks.passed(draft, f"{groups.SEEN}renamed", now=utcnow())
    db.session.commit()
    assert admin_client.get(live).text.count("还没有收到过") == 2


def test_the_card_template_can_be_downloaded(admin_client: Browser, draft: Integration):
    assert FILE_NAME in admin_client.get(step_url(draft, "card_template")).text
    file = admin_client.get(f"/integrations/im/{draft.id}/files/{FILE_NAME}")
    assert "attachment" in file.headers["Content-Disposition"]
    assert json.loads(json.loads(file.text)["editorData"])["variableList"]


def test_an_organisation_may_connect_several_but_no_application_twice(admin_client: Browser, draft: Integration):
    complete(admin_client, draft)
    second = begin(admin_client)
    assert second.id != draft.id
    assert save(admin_client, second, "corp_id").status_code == 303
    refused = save(admin_client, second, "credentials").text
    assert "AppKey重复" in refused
    assert "的集成「钉钉」接入" in refused, "it is this organisation's own"
