"""What a platform's setup data may hold beyond fields and addresses, as the wizard's pages show it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from sqlalchemy import select

from extensions import db
from models import AuditEntry, Integration
from platforms import PLATFORMS
from platforms.base import Capabilities, Group
from platforms.setup import (
    APP_ICON,
    SetupCheck,
    SetupCode,
    SetupField,
    SetupFile,
    SetupGuide,
    SetupMode,
    SetupStep,
    SetupValue,
)
from platforms.wecom.platform import WeCom
from services import groups
from services.clock import utcnow
from tests.web.conftest import Browser

BRAND = SetupField(
    "brand",
    "版本",
    kind="choice",
    required=False,
    choices=(("feishu", "飞书"), ("lark", "Lark")),
    asks_again=("secret",),
)
KEY = SetupField("key", "Encrypt Key", kind="secret", required=False, unless_filled="没有加密，任何人都能读到内容")
STEP = SetupStep(
    key="only",
    title="唯一一步",
    where=(),
    console_path="/app/{corp_id}/event",
    instructions=("照做。",),
    fields=(SetupField("corp_id", "企业 ID"), BRAND, KEY),
    values=(SetupValue("egress_ips", "出口 IP", separator=","),),
    checks=("credentials",),
    codes=(SetupCode("im:chat", "读取群"), SetupCode("im:message", required=False)),
    files=(SetupFile("card.json", "卡片模板", '{"a": "甲"}'),),
    pictures=(APP_ICON,),
    guide=SetupGuide("创建应用", "https://docs.example.com/create#1"),
    shows_groups=True,
    checklist=("可见范围是全部员工", "勾选了机器人"),
)
MODE = SetupMode(
    "self_built", "企业自建应用", (STEP,), (SetupCheck("credentials", "凭证", "等待", "only", active=True),)
)


@pytest.fixture
def draft(admin_client: Browser, monkeypatch: pytest.MonkeyPatch) -> Integration:
    monkeypatch.setattr(WeCom, "modes", (MODE,))
    return begin(admin_client)


def begin(browser: Browser) -> Integration:
    browser.submit("/integrations/im/new/wecom/self_built", page="/integrations/im/")
    return db.session.scalars(select(Integration).order_by(Integration.id.desc())).first()  # type: ignore[return-value]


def step_url(integration: Integration) -> str:
    return f"/integrations/im/{integration.id}/setup/only"


def test_words_to_tick_a_file_to_upload_and_what_to_look_at_again_are_on_the_step(
    admin_client: Browser, draft: Integration
):
    page = admin_client.get(step_url(draft)).text
    assert "im:chat,im:message" in page and "读取群" in page and "可选" in page
    assert "勾选了机器人" in page
    assert "下载 card.json" in page


def test_a_file_is_downloaded_as_it_is(admin_client: Browser, draft: Integration):
    answer = admin_client.get(f"/integrations/im/{draft.id}/files/card.json")
    assert answer.json == {"a": "甲"}
    assert answer.headers["Content-Disposition"] == "attachment; filename=card.json"
    assert admin_client.get(f"/integrations/im/{draft.id}/files/other.json").status_code == 404


def test_an_icon_to_hand_in_and_where_the_vendor_says_more_are_on_the_step(admin_client: Browser, draft: Integration):
    page = admin_client.get(step_url(draft)).text
    icon = re.search(r'href="([^"]+)" download="dutybell-icon.png"', page)
    assert icon
    answer = admin_client.get(icon[1])
    assert (answer.status_code, answer.content_type) == (200, "image/png")
    assert 'href="https://docs.example.com/create#1" target="_blank" rel="noopener noreferrer">创建应用' in page


def test_the_console_is_called_what_its_vendor_calls_it(admin_client: Browser, draft: Integration):
    assert "打开企业微信管理后台" in admin_client.get(step_url(draft)).text
    assert [kind.console_name for kind in PLATFORMS.values()] == [
        "企业微信管理后台",
        "钉钉开发者后台",
        "飞书开发者后台",
    ]


def test_a_choice_has_its_first_until_another_is_made(admin_client: Browser, draft: Integration):
    page = admin_client.get(step_url(draft)).text
    assert re.search(r'<input checked [^>]*value="feishu"', page) and page.count("<input checked") == 1
    chosen = {"corp_id": "ww1", "brand": "lark", "key": "0" * 8}
    admin_client.submit(step_url(draft), chosen)
    assert draft.settings["brand"] == "lark"
    events = db.session.scalars(select(AuditEntry.event)).all()
    assert "integration.endpoint_changed" in events
    answer = admin_client.submit(step_url(draft), {"corp_id": "ww1", "brand": "another", "key": "0" * 8})
    assert answer.status_code == 422
    assert draft.settings["brand"] == "lark"


def test_what_was_left_out_is_said_until_it_is_filled(admin_client: Browser, draft: Integration):
    assert "没有加密" in admin_client.get(step_url(draft)).text
    assert "没有加密" in admin_client.get(f"/integrations/im/{draft.id}").text
    admin_client.submit(step_url(draft), {"corp_id": "ww1", "brand": "feishu", "key": "12345678"})
    assert "没有加密" not in admin_client.get(step_url(draft)).text
    assert "没有加密" not in admin_client.get(f"/integrations/im/{draft.id}").text


def test_a_platform_that_is_connected_more_than_once_gets_names_apart(
    admin_client: Browser, draft: Integration, monkeypatch: pytest.MonkeyPatch
):
    several: Capabilities = replace(WeCom.capabilities, one_per_tenant=False)
    monkeypatch.setattr(WeCom, "capabilities", several)
    assert begin(admin_client).id == draft.id, "a draft is finished before another is begun"
    admin_client.submit(step_url(draft), {"corp_id": "ww1", "brand": "feishu", "key": "12345678"})
    second = begin(admin_client)
    assert (draft.name, second.name) == ("企业微信", "企业微信 2")


def test_groups_appear_on_the_open_step(admin_client: Browser, draft: Integration):
    page = admin_client.get(step_url(draft)).text
    assert "还没有发现群聊" in page
    etag = re.search(r'If-None-Match": "\\"(\w+)\\""', page)
    assert etag
    polled = {"HX-Request": "true", "If-None-Match": f'"{etag[1]}"'}
    assert admin_client.get(f"{step_url(draft)}/state", headers=polled).status_code == 304
    groups.note_seen(draft, Group("cid1", "支付值班群"), origin="cool_app", now=utcnow())
    assert "支付值班群" in admin_client.get(f"{step_url(draft)}/state", headers=polled).text


def test_a_deep_link_has_the_parts_that_are_known(admin_client: Browser, draft: Integration):
    assert 'href="https://work.weixin.qq.com/app"' in admin_client.get(step_url(draft)).text
    admin_client.submit(step_url(draft), {"corp_id": "ww1", "brand": "feishu", "key": "12345678"})
    assert 'href="https://work.weixin.qq.com/app/ww1/event"' in admin_client.get(step_url(draft)).text
