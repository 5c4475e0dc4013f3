"""Feishu from an empty connection to a card that was pressed: the wizard beside both consoles, and a group."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e import wizard
from tests.e2e.feishu_console import DeveloperConsole, FeishuClient
from tests.e2e.wecom_console import PATIENCE_MS
from tests.e2e.wizard import APP, COMPANY, PASSWORD, check, fill, go_on, on_step, passes, turns_green, value
from tests.servers import Product

GROUP = "支付值班群"
SCOPES = ["im:chat", "im:message"]
EVENTS = ["im.chat.member.bot.added_v1", "im.chat.member.bot.deleted_v1", "im.chat.disbanded_v1", "im.chat.updated_v1"]


@pytest.fixture
def context(context: BrowserContext) -> BrowserContext:
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    return context


@pytest.mark.timeout(900)
def test_an_administrator_connects_feishu_and_a_responder_presses_a_card(context: BrowserContext, product: Product):
    wizard.prepare(product)
    page, feishu_page, client_page = (context.new_page() for _ in range(3))
    wizard.sign_in(page, product)
    feishu = DeveloperConsole(feishu_page, product)
    connect(page, feishu)
    client = FeishuClient(client_page, product, feishu.tenant_key, "lin")

    app = client.open_app(APP)
    wizard.bind(app, "lin", PASSWORD)
    expect(app.get_by_text("没有等您处理的故障")).to_be_visible()
    turns_green(page, "首次打开应用")

    go_on(page, "把机器人添加到群")
    expect(page.get_by_text("还没有发现群聊")).to_be_visible()
    client.create_group(GROUP)
    client.add_bot(APP)
    expect(page.locator(".known-groups")).to_contain_text(GROUP)
    turns_green(page, "群列表")

    go_on(page, "试一下")
    page.get_by_role("button", name="发送测试卡片").click()
    passes(page, "测试消息")
    client.open_chat(APP)
    client.page.locator(".fs-card button").first.click()
    turns_green(page, "卡片按钮")


def connect(page: Page, feishu: DeveloperConsole) -> None:
    """Every step in the documented order; each check turns green on the page that is open."""
    wizard.begin(page, "飞书")
    on_step(page, "创建自建应用")
    feishu.create_company(COMPANY)
    feishu.create_app(APP)
    go_on(page, "复制凭证信息")
    app_id, app_secret = feishu.read_credentials()
    fill(page, app_id=app_id, app_secret=app_secret)
    page.locator("#wizard-title").click()  # leaving the field saves and tries it
    passes(page, "应用凭证")
    go_on(page, "复制事件回调的 Token 信息")
    expect(page.get_by_text("选填")).to_be_visible()
    token, key = feishu.make_keys()
    fill(page, verification_token=token, encrypt_key=key)
    go_on(page, "开通网页应用和机器人能力")
    feishu.add_abilities()
    go_on(page, "配置网页应用主页")
    feishu.set_home_pages(value(page, "home_url"))
    go_on(page, "配置消息卡片请求网址")
    feishu.save_card_address(value(page, "card_url"))
    turns_green(page, "消息卡片请求网址")
    go_on(page, "添加重定向 URL")
    feishu.add_redirect(value(page, "redirect_url"))
    go_on(page, "申请应用权限")
    feishu.grant(SCOPES)
    go_on(page, "订阅群事件")
    feishu.save_event_address(value(page, "event_url"), EVENTS)
    turns_green(page, "事件请求地址")
    go_on(page, "发布与审核")
    expect(check(page, "首次打开应用")).to_contain_text("等待第一位成员")
    feishu.release()
    passes(page, "机器人")
