"""Choosing many incidents in the console: one box for all of them, a count, and a question before they are closed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import DESKTOP
from tests.e2e.demo_company import Company, company, new_phone  # noqa: F401  (fixtures)


@pytest.mark.parametrize("has_scripts", [True, False])
def test_many_are_chosen_counted_and_closed_after_a_question(
    company: Company,  # noqa: F811
    new_phone: Callable[..., Page],  # noqa: F811
    has_scripts: bool,
):
    titles = [company.push() for _ in range(2)]
    page = new_phone(**DESKTOP, is_mobile=False, has_touch=False, java_script_enabled=has_scripts)
    sign_in(company, page)
    for title in titles:
        expect(page.get_by_role("link", name=title)).to_be_visible()
    expect(page.get_by_text("勾选故障后可以批量认领或关闭")).to_be_visible()
    expect(page.get_by_role("button", name="批量认领")).to_be_hidden()
    all_of_them = page.get_by_role("checkbox", name="全选本页")

    if has_scripts:
        all_of_them.check()
        count = page.locator("[name=num]:checked").count()
        expect(page.get_by_text(f"已选 {count}")).to_be_visible()
        all_of_them.uncheck()
    else:
        expect(all_of_them).to_be_hidden()
    for title in titles:
        page.get_by_role("row").filter(has_text=title).get_by_role("checkbox").check()
    page.locator("summary", has_text="批量关闭…").click()
    expect(page.get_by_text("勾选的故障会全部关闭")).to_be_visible()
    page.get_by_role("button", name="关闭勾选的故障").click()

    for title in titles:
        expect(page.get_by_role("row").filter(has_text=title)).to_contain_text("已完成")
    page.get_by_role("link", name="返回故障列表").click()
    expect(page.get_by_label("严重程度")).to_have_value("Critical")
    for title in titles:
        expect(page.get_by_role("link", name=title)).to_have_count(0)


def sign_in(company: Company, page: Page) -> None:  # noqa: F811
    admin = company.info["admin"]
    page.goto(f"{company.product.base_url}/incidents?severity=Critical")
    page.get_by_role("textbox", name="用户名").fill(admin["username"])
    page.get_by_role("textbox", name="密码").fill(admin["password"])
    page.get_by_role("button", name="登录").click()
