"""Somebody under review opens the app, waits, is approved, and is in without touching anything."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.demo_company import Company, company, new_phone  # noqa: F401  (fixtures)
from tests.e2e.wecom_console import PATIENCE_MS


def test_a_waiting_member_is_let_in_by_the_page_itself(
    company: Company,  # noqa: F811
    context: BrowserContext,
    new_phone: Callable[..., Page],  # noqa: F811
):
    context.set_default_timeout(PATIENCE_MS)
    console, phone = context.new_page(), new_phone()
    link = send_away_and_invite(console, company)
    come_back(phone, link, company)

    app = company.open_app(phone, "zhou")
    app.get_by_role("textbox", name="用户名", exact=True).fill("zhou")
    app.get_by_role("textbox", name="密码", exact=True).fill(company.password("zhou"))
    app.get_by_role("button", name="登录并继续").click()
    app.get_by_role("button", name="确认关联").click()
    expect(app.get_by_text("您的加入申请正在审核中")).to_be_visible()
    expect(app.get_by_role("link", name="查看是否已通过")).to_be_visible()

    console.goto(f"{company.product.base_url}/members/requests")
    console.get_by_role("region", name="周成").get_by_role("button", name="通过").click()
    expect(console.get_by_text("周成 已加入，可以立即使用")).to_be_visible()

    expect(app.get_by_role("heading", name="故障")).to_be_visible()
    assert "/h5/wecom/" in app.url


def send_away_and_invite(page: Page, company: Company) -> str:  # noqa: F811
    """As the administrator: disable Zhou and make a link that names nobody."""
    base, admin = company.product.base_url, company.info["admin"]
    page.goto(f"{base}/members?q=zhou")
    page.get_by_role("textbox", name="用户名").fill(admin["username"])
    page.get_by_role("textbox", name="密码").fill(admin["password"])
    page.get_by_role("button", name="登录").click()
    page.get_by_role("link", name="周成").click()
    page.locator("summary", has_text="停用…").click()
    page.get_by_role("button", name="停用此成员").click()
    page.goto(f"{base}/members/invitations")
    page.get_by_role("button", name="生成邀请链接").click()
    return page.locator("#invitation-link").input_value()


def come_back(page: Page, link: str, company: Company) -> None:  # noqa: F811
    """As Zhou, who left: the link leads under review."""
    page.goto(link)
    page.locator("#known-username").fill("zhou")
    page.locator("#known-password").fill(company.password("zhou"))
    page.get_by_role("button", name="登录并加入").click()
    expect(page.get_by_text("您的加入申请正在审核中")).to_be_visible()
    page.context.clear_cookies()
