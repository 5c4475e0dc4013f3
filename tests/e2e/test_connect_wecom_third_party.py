"""WeCom by a provider's application: the provider's settings, `authorize app first` and what mends it, a press."""

from __future__ import annotations

import pytest
import requests
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import select

from extensions import db
from models import Channel, Membership, User
from services import policies
from services.clock import utcnow
from tests.e2e import wizard
from tests.e2e.wecom_console import PATIENCE_MS, AdminConsole, ChatClient
from tests.e2e.wizard import APP, COMPANY, PASSWORD, box, check, go_on, on_step, turns_green
from tests.servers import Product


@pytest.fixture
def context(context: BrowserContext) -> BrowserContext:
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    return context


@pytest.mark.timeout(900)
def test_a_company_installs_the_providers_application_and_a_responder_presses_a_card(
    context: BrowserContext, product: Product
):
    prepared = wizard.prepare(product)
    page, wecom_page, client_page = (context.new_page() for _ in range(3))
    wizard.sign_in(page, product)
    become_provider(page, wecom_page, product)

    wecom = AdminConsole(wecom_page, product)
    wecom.create_company(COMPANY)
    corp_id = wecom.read_corp_id()
    connect(page, product, corp_id)
    install(wecom_page)
    turns_green(page, "应用授权")
    expect(page.locator(".wizard-steps")).to_contain_text("设置可见范围并同意授权")

    client = ChatClient(client_page, product, corp_id, "lin")
    app = client.open_app(APP)
    wizard.bind(app, "lin", PASSWORD)
    expect(app.get_by_text("没有等您处理的故障")).to_be_visible()

    title = alert(product, prepared)
    client.open_chats()
    expect(client.card(title)).to_contain_text("待处理")
    client.press(title, "开始处理")
    expect(client.card(title)).to_contain_text("处理中")


def alert(product: Product, prepared: wizard.Prepared) -> str:
    """An incident that Lin is told of; returns its title."""
    unified = {severity: ["wecom_app"] for severity in ("Critical", "Warning", "Info")}
    level = {"user_ids": [prepared.user_ids[0]], "personal": {"mode": "unified", "unified": unified}}
    with product.app():
        admin = db.session.scalars(select(Membership).join(User).where(User.username == "admin")).one()
        channel = db.session.get_one(Channel, prepared.channel_id)
        policies.create(channel, policies.draft(name="先找林芳", levels=[level]), by=admin, now=utcnow())
        db.session.commit()
    title = "db-03 / disk.used>95%"
    body = {"title_rule": title, "event_status": "Critical", "alert_key": title, "labels": {"resource": "db-03"}}
    assert requests.post(prepared.push_url, json=body, timeout=30).status_code == 200
    return title


def become_provider(page: Page, console: Page, product: Product) -> None:
    """What whoever runs the installation does once, beside the provider's console."""
    console.goto(f"{product.simulator_url}/wecom/provider/")
    console.get_by_label("应用名称").fill(APP)
    console.get_by_role("button", name="创建第三方应用").click()
    page.goto(f"{product.base_url}/instance/providers/wecom")
    page.get_by_role("textbox", name="应用名称").fill(APP)
    for name, place in (
        ("provider_corp_id", "#provider-corp-id"),
        ("provider_secret", "#provider-secret"),
        ("suite_id", "#suite-id"),
        ("suite_secret", "#suite-secret"),
    ):
        page.locator(f"#provider-form [name={name}]").fill(console.locator(place).inner_text())
    for name in ("token", "encoding_aes_key"):
        page.locator(f"#provider-form [name={name}]").fill(console.locator(f"[name={name}]").input_value())
    page.get_by_role("button", name="保存并检测").click()
    expect(page.get_by_text("服务商配置已保存")).to_be_visible()

    console.get_by_label("应用主页").fill(value(page, "pages-home_url"))
    console.get_by_label("可信域名").fill(value(page, "pages-trusted_domain"))
    console.get_by_role("button", name="保存主页与域名").click()
    console.get_by_label("数据回调URL").fill(value(page, "callbacks-data_url"))
    console.get_by_label("指令回调URL").fill(value(page, "callbacks-command_url"))
    console.get_by_role("button", name="保存回调配置").click()
    expect(console.get_by_text("回调配置已保存")).to_be_visible()
    expect(page.locator("#provider-checks .check-passed")).to_have_count(5)


def value(page: Page, name: str) -> str:
    return page.locator(f"#value-{name}").input_value()


def connect(page: Page, product: Product, corp_id: str) -> None:
    """The five documented steps, the last one before the application was installed."""
    page.goto(f"{product.base_url}/integrations/im/")
    page.locator(".cards .card", has_text="第三方应用").get_by_role("button", name="开始接入").click()
    on_step(page, "添加第三方应用")
    go_on(page, "搜索并添加应用")
    expect(page.locator("#value-app_name")).to_have_value(APP)
    go_on(page, "设置可见范围并同意授权")
    go_on(page, "获取企业 ID")
    go_on(page, "填写企业 ID 并保存")
    box(page, "企业 ID").fill(corp_id)
    page.get_by_role("button", name="保存", exact=True).click()
    expect(check(page, "应用授权")).to_contain_text("authorize app first")
    expect(check(page, "应用授权")).to_contain_text("在企业微信工作台中可以看到本应用")


def install(console: Page) -> None:
    """管理后台 → 应用管理 → 第三方 → 添加第三方应用."""
    console.get_by_role("link", name="应用管理").click()
    console.get_by_role("link", name="添加第三方应用").click()
    console.get_by_label("搜索").fill(APP)
    console.get_by_role("button", name="搜索").click()
    console.get_by_role("link", name="添加", exact=True).click()
    console.get_by_role("button", name="同意以上授权并添加").click()
    expect(console.get_by_text("应用已添加")).to_be_visible()
