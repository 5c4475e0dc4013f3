"""DingTalk from an empty connection to a card that was pressed: the wizard beside the console, and a group."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e import wizard
from tests.e2e.dingtalk_console import DeveloperConsole, DingTalkClient
from tests.e2e.wecom_console import PATIENCE_MS
from tests.e2e.wizard import APP, COMPANY, PASSWORD, fill, go_on, on_step, passes, turns_green, value
from tests.servers import Product

GROUP = "支付值班群"
POINTS = ["qyapi_chat_manage", "qyapi_robot_sendmsg", "Card.Instance.Write"]
EVENTS = ["chat_update_title", "im_cool_app_install", "im_cool_app_uninstall"]


@pytest.fixture
def context(context: BrowserContext) -> BrowserContext:
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    return context


@pytest.mark.timeout(900)
def test_an_administrator_connects_dingtalk_and_a_responder_presses_a_card(context: BrowserContext, product: Product):
    wizard.prepare(product)
    page, dingtalk_page, client_page = (context.new_page() for _ in range(3))
    wizard.sign_in(page, product)
    dingtalk = DeveloperConsole(dingtalk_page, product)
    connect(page, dingtalk)
    client = DingTalkClient(client_page, product, dingtalk.corp_id, "lin")

    go_on(page, "打开应用并关联账号")
    app = client.open_app(APP)
    wizard.bind(app, "lin", PASSWORD)
    expect(app.get_by_text("没有等您处理的故障")).to_be_visible()
    turns_green(page, "应用首页")

    go_on(page, "在群聊中安装酷应用")
    client.create_group(GROUP)
    client.install_cool_app(APP)
    expect(page.locator(".known-groups li")).to_have_count(1)
    turns_green(page, "群聊")

    go_on(page, "试一下")
    page.get_by_role("button", name="发送测试卡片").click()
    passes(page, "测试消息")
    client.open_chat(APP)
    client.page.locator(".card button").first.click()
    turns_green(page, "卡片按钮")

    client.open_chat(GROUP)
    entry = client.open_entry(APP)
    expect(entry.get_by_role("heading", name=GROUP)).to_be_visible()
    expect(entry.get_by_text("没有未关闭的故障")).to_be_visible()


def connect(page: Page, dingtalk: DeveloperConsole) -> None:
    """Every step in the documented order; each check turns green on the page that is open."""
    wizard.begin(page, "钉钉")
    on_step(page, "创建自建应用")
    dingtalk.create_company(COMPANY)
    dingtalk.create_app(APP)
    go_on(page, "复制企业 CorpId")
    fill(page, corp_id=dingtalk.corp_id)
    go_on(page, "复制应用凭证信息")
    agent_id, client_id, client_secret = dingtalk.read_credentials()
    fill(page, agent_id=agent_id, client_id=client_id, client_secret=client_secret)
    page.locator("#wizard-title").click()  # leaving the field saves and tries it
    turns_green(page, "应用凭证")
    go_on(page, "复制事件订阅信息")
    aes_key, token = dingtalk.make_keys()
    fill(page, aes_key=aes_key, token=token)
    go_on(page, "查看集成信息")
    event_page = dingtalk.page
    dingtalk.page = event_page.context.new_page()  # who leaves the page of the keys loses them
    go_on(page, "创建酷应用")
    fill(page, cool_app_code=dingtalk.create_cool_app(value(page, "group_url")))
    go_on(page, "配置机器人与消息推送")
    dingtalk.switch_robot_on()
    go_on(page, "配置应用地址")
    dingtalk.set_home_pages(value(page, "home_url"), value(page, "pc_home_url"))
    go_on(page, "填写事件订阅请求网址")
    dingtalk.page, other_page = event_page, dingtalk.page
    dingtalk.save_event_address(value(page, "event_url"))
    turns_green(page, "事件订阅请求网址")
    go_on(page, "选中群会话事件")
    dingtalk.tick_events(EVENTS)
    dingtalk.page = other_page
    go_on(page, "申请应用权限")
    dingtalk.grant(POINTS)
    go_on(page, "填写服务器出口 IP")
    dingtalk.set_security(value(page, "egress_ips"), value(page, "redirect_url"))
    turns_green(page, "服务器出口 IP")
    go_on(page, "导入卡片模板")
    with page.expect_download() as download:
        page.get_by_role("link", name="下载").click()
    content = download.value.path().read_text(encoding="utf-8")
    fill(page, card_template_id=dingtalk.import_template(content))
    go_on(page, "应用发布")
    dingtalk.release()
