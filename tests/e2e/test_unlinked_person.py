"""Somebody who never opened the application misses a card, is told why, and gets it after linking."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.e2e.demo_company import Company, company  # noqa: F401  (a fixture)
from tests.e2e.wecom_console import PATIENCE_MS


@pytest.fixture
def context(context: BrowserContext) -> BrowserContext:
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    return context


def test_a_person_links_the_application_and_gets_what_was_missed(company: Company, context: BrowserContext):  # noqa: F811
    console, client = context.new_page(), company.client(context.new_page(), "zhou")
    title = company.push()
    sign_in(console, company, "lin")
    console.get_by_role("link", name=title).first.click()
    escalate_to_everybody(console)
    expect(told(console)).to_contain_text(re.compile("发送失败.*未关联应用", re.DOTALL))
    client.open_chats()
    expect(client.card(title)).to_have_count(0)

    app = company.open_app(client.page, "zhou")
    app.get_by_role("textbox", name="用户名", exact=True).fill("zhou")
    app.get_by_role("textbox", name="密码", exact=True).fill(company.password("zhou"))
    app.get_by_role("button", name="登录并继续").click()
    app.get_by_role("button", name="确认关联").click()
    expect(app.get_by_text("有 1 条未关闭故障的通知因“未关联应用”没有送达")).to_be_visible()
    app.get_by_role("button", name="重新发送给我").click()
    expect(app.get_by_text("已重新发送 1 条通知")).to_be_visible()

    client.open_chats()
    expect(client.card(title)).to_contain_text("待处理")
    expect(told(console)).to_contain_text("已发送")
    client.press(title, "开始处理")
    expect(client.card(title)).to_contain_text("处理中")
    expect(console.locator("#incident-detail")).to_contain_text("周成 开始处理")


def sign_in(page: Page, company: Company, username: str) -> None:  # noqa: F811
    page.goto(f"{company.product.base_url}/incidents")
    page.get_by_role("textbox", name="用户名").fill(username)
    page.get_by_role("textbox", name="密码").fill(company.password(username))
    page.get_by_role("button", name="登录").click()


def escalate_to_everybody(page: Page) -> None:
    page.locator("#escalate summary").click()
    page.get_by_label("升级到环节").select_option(label="下一环节")
    page.get_by_role("button", name="升级到此环节").click()


def told(page: Page) -> Locator:
    """The line about Zhou's WeCom under 通知到谁."""
    return page.locator(".told li", has_text=re.compile("周成.*企业微信", re.DOTALL))
