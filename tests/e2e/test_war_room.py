"""A war room from its switch to its end, on each platform: made from the incident, told what happens, and ended."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.e2e.demo_company import Company, company, new_phone  # noqa: F401  (fixtures)
from tests.e2e.dingtalk_console import DingTalkClient
from tests.e2e.feishu_console import FeishuClient
from tests.e2e.wecom_console import PATIENCE_MS, ChatClient

CLIENTS: dict[str, tuple[type[Any], str]] = {
    "wecom": (ChatClient, "corp_id"),
    "dingtalk": (DingTalkClient, "corp_id"),
    "feishu": (FeishuClient, "tenant_key"),
}


def connection(company: Company, platform: str) -> dict[str, Any]:  # noqa: F811
    found: dict[str, Any] = next(made for made in company.info["integrations"] if made["platform"] == platform)
    return found


def sign_in(page: Page, company: Company) -> None:  # noqa: F811
    page.goto(f"{company.product.base_url}/sign-in?next=/incidents")
    page.locator("[name=username]").fill("admin")
    page.locator("[name=password]").fill(company.password("admin"))
    page.get_by_role("button", name="登录", exact=True).click()


def switch_on(page: Page, company: Company, platform: str) -> None:  # noqa: F811
    """增强功能 → 开启作战室, with what the platform wants to be told, instead of whichever had it before."""
    known = connection(company, platform)
    page.goto(f"{company.product.base_url}/integrations/im/{known['id']}")
    block = page.locator("#enhanced")
    if platform == "dingtalk":
        body = {"client_id": known["credentials"]["client_id"], "name": "作战室"}
        template = company.product.control("POST", "/dingtalk/group_templates", json=body)
        block.get_by_label("模板 ID").fill(template["template_id"])
        block.get_by_label("机器人 ID").fill(template["robot_code"])
    block.get_by_label("开启作战室").check()
    if (instead := block.get_by_label("改用本集成")).count():
        instead.check()
    block.get_by_role("button", name="保存").click()
    expect(page.locator("#enhanced .tag", has_text="已开启")).to_be_visible()


def open_group(client: Any, name: str) -> None:
    client.open_chats()
    client.page.locator(".chat-list a", has=client.page.locator("strong", has_text=name)).first.click()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("platform", CLIENTS)
def test_a_war_room_from_its_creation_to_its_end(company: Company, context: BrowserContext, platform: str):  # noqa: F811
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    console = context.new_page()
    sign_in(console, company)
    switch_on(console, company, platform)

    title = company.push()
    console.goto(f"{company.product.base_url}/incidents?q={title.split(' ')[0]}")
    console.get_by_role("link", name=title).click()
    room = console.locator("#room")
    room.get_by_text("创建作战室…").click()
    room.get_by_label("吴迪").check()
    room.get_by_label("周成").check()
    room.get_by_role("button", name="创建作战室").click()
    expect(room.locator(".state-line")).to_contain_text("进行中")
    expect(room.get_by_text("吴迪、林晓")).to_be_visible()
    expect(room).to_contain_text("周成 · 未关联应用")

    make_client, organisation = CLIENTS[platform]
    wu = make_client(
        context.new_page(), company.product, connection(company, platform)["credentials"][organisation], "wu"
    )
    short = title.split(" ")[0]
    open_group(wu, short)
    thread: Locator = wu.page.locator("#messages")
    expect(thread).to_contain_text(short)
    console.get_by_role("button", name="认领").click()
    expect(thread).to_contain_text("处理中")
    console.get_by_role("textbox", name="评论").fill("已切换到备库")
    console.get_by_role("button", name="发表评论").click()
    expect(thread).to_contain_text("管理员：已切换到备库")

    console.get_by_role("button", name="关闭", exact=True).click()
    console.get_by_role("button", name="结束作战室").click()
    expect(console.locator("#room .state-line")).to_contain_text("已结束")
    record = console.locator("#incident-detail")
    expect(record).to_contain_text("管理员 创建了作战室")
    expect(record).to_contain_text("管理员 结束了作战室")
    ended = wu.page.locator(".chat-list strong", has_text="[已结束] [严重]")
    if platform == "feishu":
        wu.open_chats()
        expect(wu.page.locator(".chat-list strong", has_text=short)).to_have_count(0)
    else:
        expect(ended.first).to_be_visible()
