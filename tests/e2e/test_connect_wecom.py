"""From an empty instance to a handled alert: an administrator follows the wizard, a responder presses the card."""

from __future__ import annotations

import re
import uuid

import pytest
import requests
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.wecom_console import PATIENCE_MS, AdminConsole, ChatClient
from tests.e2e.wizard import (
    APP,
    CHANNEL,
    COMPANY,
    PASSWORD,
    begin,
    bind,
    box,
    check,
    go_on,
    on_step,
    passes,
    turns_green,
)
from tests.servers import Product


@pytest.fixture
def context(context: BrowserContext) -> BrowserContext:
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    return context


@pytest.mark.timeout(900)
def test_an_administrator_connects_wecom_and_a_responder_handles_an_alert(context: BrowserContext, product: Product):
    console, wecom_page, client_page = (context.new_page() for _ in range(3))
    create_first_administrator(console, product)
    one_time_password = add_member(console, product, "lin", "林芳")
    create_channel(console)
    push_url = create_alert_source(console)
    create_policy(console, "林芳")

    wecom = AdminConsole(wecom_page, product)
    connect(console, wecom, product)
    client = ChatClient(client_page, product, wecom.corp_id, "lin")
    bind_from_workbench(console, client, one_time_password)
    try_a_card(console, client)

    title = push(push_url)
    handle_by_card(console, client, product, title)


def create_first_administrator(page: Page, product: Product) -> None:
    page.goto(product.base_url)
    expect(page.get_by_role("heading", name="创建第一位管理员")).to_be_visible()
    for label, value in (("组织名称", COMPANY), ("用户名", "admin"), ("姓名", "管理员")):
        box(page, label).fill(value)
    box(page, "密码").fill(PASSWORD)
    box(page, "再次输入密码").fill(PASSWORD)
    page.get_by_role("button", name="创建并登录").click()
    expect(page.get_by_text("还有什么要设置")).to_be_visible()


def next_step(page: Page, product: Product, button: str) -> None:
    """What the overview offers as the next thing to do."""
    page.goto(product.base_url)
    page.locator(".setup-list").get_by_role("link", name=button).click()


def add_member(page: Page, product: Product, username: str, name: str) -> str:
    """Returns the one-time password that the page shows once."""
    next_step(page, product, "添加成员")
    box(page, "用户名").fill(username)
    box(page, "姓名").fill(name)
    page.get_by_role("button", name="添加成员").click()
    return page.locator("#one-time-password").input_value()


def create_channel(page: Page) -> None:
    page.get_by_role("navigation", name="主导航").get_by_role("link", name="协作空间").click()
    page.get_by_role("link", name="新建协作空间").first.click()
    box(page, "名称").fill(CHANNEL)
    page.get_by_role("button", name="创建").click()
    expect(page.get_by_text(f"协作空间「{CHANNEL}」已创建")).to_be_visible()


def create_policy(page: Page, person: str) -> None:
    """个人渠道 → 企业微信, whatever the severity; warns that nobody is linked yet."""
    page.get_by_role("navigation", name="主导航").get_by_role("link", name="协作空间").click()
    page.get_by_role("link", name=CHANNEL).click()
    page.get_by_role("link", name="分派策略").click()
    page.get_by_role("link", name="新建分派策略").first.click()
    box(page, "策略名称").fill("先找值班")
    page.get_by_role("checkbox", name=re.compile(person)).check()
    page.get_by_role("radio", name="统一指定").check()
    for kind in page.locator(".kinds").get_by_role("checkbox", name="企业微信").all():
        kind.check()
    page.get_by_role("button", name="创建策略").click()
    expect(page.get_by_role("cell", name="先找值班")).to_be_visible()


def create_alert_source(page: Page) -> str:
    page.get_by_role("navigation", name="主导航").get_by_text("集成中心").click()
    page.get_by_role("navigation", name="主导航").get_by_role("link", name="告警源").click()
    page.get_by_role("link", name="新建告警源").first.click()
    page.get_by_role("radio", name=re.compile("标准|脚本")).check()
    box(page, "名称").fill("自研监控")
    page.get_by_label("协作空间").select_option(label=CHANNEL)
    page.get_by_role("button", name="创建").click()
    return page.locator("#push-url").input_value()


# --- the wizard, beside the platform's console --------------------------------------------------------------------


def connect(page: Page, wecom: AdminConsole, product: Product) -> None:
    """Every step in the documented order; each check turns green on the page that is open."""
    next_step(page, product, "打开集成中心")
    begin(page, "企业微信")
    on_step(page, "创建应用")
    wecom.create_company(COMPANY)
    go_on(page, "配置应用 Logo、名称和可见范围")
    wecom.create_app(APP)
    go_on(page, "选择是否为非私有化部署版本")
    go_on(page, "填写企业 ID")
    corp_id = wecom.read_corp_id()
    refuse_what_belongs_elsewhere(page, wecom)
    box(page, "企业 ID").fill(corp_id)
    go_on(page, "填写 AgentId")
    box(page, "AgentId").fill(wecom.read_agent_id())
    go_on(page, "填写 Secret")
    box(page, "Secret").fill(wecom.read_secret())
    expect(page.locator("#draft-saved")).to_contain_text("草稿已保存")
    page.locator("#wizard-title").click()  # leaving the field saves and tries it
    turns_green(page, "应用凭证")
    go_on(page, "设置可信域名")
    name, content = wecom.set_trusted_domain(product.base_url.removeprefix("http://"))
    box(page, "可信域名").fill(page.locator("#value-trusted_domain").input_value())
    box(page, "归属校验文件名").fill(name)
    box(page, "归属校验文件内容").fill(content)
    page.locator("#wizard-title").click()
    expect(check(page, "可信域名")).to_contain_text("等待企业微信读取归属校验文件")
    wecom.verify_domain()
    turns_green(page, "可信域名")
    go_on(page, "获取 Token 和 EncodingAESKey")
    token, key = wecom.make_keys()
    box(page, "Token").fill(token)
    box(page, "EncodingAESKey").fill(key)
    page.get_by_role("button", name="保存", exact=True).click()
    on_step(page, "填写回调地址")
    expect(page.get_by_text("集成已保存并启用")).to_be_visible()
    wecom.save_callback(page.locator("#value-callback_url").input_value())
    turns_green(page, "回调地址")
    go_on(page, "配置企业可信IP")
    expect(check(page, "企业可信IP")).to_contain_text("60020")
    wecom.set_trusted_ips(page.locator("#value-egress_ips").input_value())
    wecom.let_a_minute_pass()
    turns_green(page, "企业可信IP")
    go_on(page, "设置应用主页")
    wecom.set_home_page(page.locator("#value-home_url").input_value())


def refuse_what_belongs_elsewhere(page: Page, wecom: AdminConsole) -> None:
    box(page, "企业 ID").fill(wecom.read_secret())
    page.locator("#wizard-title").click()
    expect(page.get_by_text("这看起来像 Secret")).to_be_visible()


# --- the responder ------------------------------------------------------------------------------------------------


def bind_from_workbench(console: Page, client: ChatClient, one_time_password: str) -> None:
    """The first opening links; the wizard's step turns green meanwhile."""
    app = client.open_app(APP)
    expect(app.locator(".who-card")).to_contain_text("lin")
    bind(app, "lin", one_time_password)
    box(app, "新密码").fill(PASSWORD)
    box(app, "再次输入新密码").fill(PASSWORD)
    app.get_by_role("button", name="保存新密码").click()
    expect(app.get_by_text("没有等您处理的故障")).to_be_visible()
    app.close()
    turns_green(console, "应用主页")


def try_a_card(console: Page, client: ChatClient) -> None:
    go_on(console, "试一下")
    console.get_by_role("button", name="发送测试卡片").click()
    passes(console, "测试消息")
    client.open_chats()
    client.page.locator(".card .buttons button").first.click()
    turns_green(console, "卡片按钮")


def push(push_url: str) -> str:
    title = f"db-{uuid.uuid4().hex[:6]} / disk.used>95%"
    body = {"title_rule": title, "event_status": "Critical", "alert_key": title, "labels": {"resource": "db-03"}}
    answer = requests.post(push_url, json=body, timeout=30)
    assert answer.status_code == 200, answer.text
    return title


def handle_by_card(console: Page, client: ChatClient, product: Product, title: str) -> None:
    """Each press is seen on the card, in the page behind it and in the console."""
    card = client.card(title)
    expect(card).to_contain_text("待处理")
    console.goto(f"{product.base_url}/incidents")
    console.get_by_role("link", name=title).click()
    expect(console.locator("#incident-detail .prog-triggered")).to_be_visible()

    client.press(title, "开始处理")
    expect(card).to_contain_text("处理中")
    behind = client.open_card(title)
    expect(behind.locator("#h5-incident .prog-processing")).to_be_visible()
    expect(console.locator("#incident-detail .prog-processing")).to_be_visible()
    expect(behind.locator("#h5-incident")).to_contain_text("林芳 开始处理")
    expect(console.locator("#incident-detail")).to_contain_text(re.compile("企业微信卡片|卡片"))

    client.press(title, "屏蔽 2 小时")
    expect(card).to_contain_text("屏蔽至")
    for page in (behind.locator("#h5-incident"), console.locator("#incident-detail")):
        expect(page.locator(".prog-snoozed")).to_be_visible()
    client.press(title, "取消屏蔽")
    expect(console.locator("#incident-detail .prog-snoozed")).to_have_count(0)
    client.press_in_menu(title, "屏蔽 4 小时")
    expect(card).to_contain_text("屏蔽至")
    expect(console.locator("#incident-detail .prog-snoozed")).to_be_visible()

    client.press(title, "直接关闭")
    expect(card).to_contain_text("已关闭")
    expect(behind.locator("#h5-incident .prog-closed")).to_be_visible()
    expect(console.locator("#incident-detail .prog-closed")).to_be_visible()
    expect(card.locator(".buttons button")).to_have_text(["状态刷新"])
