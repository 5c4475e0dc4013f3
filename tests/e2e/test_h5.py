"""The in-app pages on a phone: getting in without a word, everything that can be done, and getting in elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, Response, expect

from demo.company import APPLICATION
from tests.e2e.demo_company import Company, company, new_phone  # noqa: F401  (fixtures)
from tests.e2e.wecom_console import AdminConsole
from tests.factories import make_integration, make_member, make_tenant

FIRST_LOAD_BYTES = 100 * 1024
THUMB_PIXELS = 44
REST = "1.5s"
Phones = Callable[..., Page]


@pytest.fixture
def phone(new_phone: Phones) -> Page:  # noqa: F811
    return new_phone()


def open_incident(company: Company, page: Page, person: str) -> Page:  # noqa: F811
    """A new alert's incident, opened inside the person's WeCom."""
    title = company.push()
    app = company.open_app(page, person)
    app.get_by_role("link", name="全部未关闭").click()
    app.get_by_role("link", name=title).click()
    expect(app.locator("#h5-incident .prog-triggered")).to_be_visible()
    return app


def do(app: Page, block: str, button: str) -> None:
    """Send the form of one block of 更多操作, which is open."""
    app.locator(f"#{block}").get_by_role("button", name=button, exact=True).click()


def unfold(app: Page, block: str) -> Locator:
    """Open 更多操作 and one block of it."""
    app.get_by_role("link", name="更多操作").click()
    found = app.locator(f"#{block}")
    if found.get_attribute("open") is None:
        found.locator("summary").click()
    return found


def press(app: Page, button: str) -> None:
    app.locator(".h5-bar").get_by_role("button", name=button, exact=True).click()


def says(app: Page, text: str) -> None:
    expect(app.locator("#notice")).to_contain_text(text)


def test_opening_the_app_signs_in_without_a_word(company: Company, phone: Page):  # noqa: F811
    first = company.open_app(phone, "lin")
    expect(first.get_by_role("heading", name="故障")).to_be_visible()
    first.get_by_label("账户：林晓").click()
    expect(first.get_by_text("lin · 星河科技")).to_be_visible()
    first.close()
    phone.context.clear_cookies()

    second = company.open_app(phone, "lin")

    expect(second.get_by_role("heading", name="故障")).to_be_visible()
    assert "/h5/wecom/" in second.url


def test_everything_can_be_done_on_a_phone(company: Company, phone: Page):  # noqa: F811
    app = open_incident(company, phone, "lin")
    incident = app.locator("#h5-incident")
    main = app.locator(".bar-main button").bounding_box()
    assert main and main["height"] >= THUMB_PIXELS and main["y"] + main["height"] <= 844

    press(app, "开始处理")
    says(app, "已开始处理")
    expect(incident.locator(".prog-processing")).to_be_visible()

    unfold(app, "comment").get_by_role("textbox").fill("正在**扩容**")
    do(app, "comment", "发表评论")
    expect(incident.locator("strong", has_text="扩容")).to_be_visible()

    unfold(app, "severity").get_by_role("radio", name="一般").check()
    do(app, "severity", "保存")
    expect(incident.locator(".sev-warning").first).to_be_visible()

    unfold(app, "add").get_by_role("checkbox", name="吴迪").check()
    do(app, "add", "添加")
    expect(incident.locator(".facts")).to_contain_text("吴迪")

    unfold(app, "escalate").get_by_role("combobox").select_option(label="下一环节")
    do(app, "escalate", "升级到此环节")
    expect(incident.locator(".facts")).to_contain_text("王芳")

    unfold(app, "reassign").get_by_role("checkbox", name="林晓").check()
    do(app, "reassign", "重新分派")
    expect(incident.locator(".facts")).not_to_contain_text("王芳")

    app.get_by_role("link", name="更多操作").click()
    app.get_by_role("link", name="屏蔽其他时长").click()
    app.get_by_role("button", name=re.compile("4 ?小时 · 至")).click()
    expect(incident.locator(".prog-snoozed")).to_be_visible()
    press(app, "取消屏蔽")
    says(app, "已取消屏蔽")
    press(app, "屏蔽 2 小时")
    says(app, "已屏蔽至")

    unfold(app, "close").get_by_label("故障根因").fill("磁盘没有清理")
    app.locator("#close").get_by_label("解决办法").fill("加了定时清理")
    do(app, "close", "关闭故障")
    expect(incident.locator(".prog-closed")).to_be_visible()
    expect(incident).to_contain_text("加了定时清理")

    app.get_by_role("link", name="重新打开").click()
    app.locator("#reopen").get_by_role("textbox").fill("又满了")
    do(app, "reopen", "重新打开故障")
    expect(incident.locator(".prog-closed")).to_have_count(0)
    press(app, "关闭")
    says(app, "已关闭")


@pytest.mark.parametrize("options", [{}, {"reduced_motion": "reduce"}, {"java_script_enabled": False}])
def test_the_second_of_two_taps_does_nothing_else(company: Company, new_phone: Phones, options: dict[str, Any]):  # noqa: F811
    app = open_incident(company, new_phone(**options), "lin")
    bar = app.locator(".h5-bar")
    places = {name: bar.get_by_role("button", name=name).bounding_box() for name in ("关闭", "屏蔽 2 小时")}
    place = bar.get_by_role("button", name="开始处理").bounding_box()
    assert place
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    animations = app.context.new_cdp_session(app)
    animations.send("Animation.enable")
    animations.send("Animation.setPlaybackRate", {"playbackRate": 0})

    app.touchscreen.tap(x, y)
    says(app, "已开始处理")
    tap_all_over(app, bar)  # while the bar rests
    expect(bar.get_by_text("已在处理")).to_be_visible()
    expect(bar.locator(".bar-actions")).to_have_css("animation-duration", REST)
    animations.send("Animation.setPlaybackRate", {"playbackRate": 1})
    expect(bar.get_by_role("button", name="关闭")).to_have_css("pointer-events", "auto")
    app.touchscreen.tap(x, y)  # and much later, in the same place

    expect(bar.get_by_text("已在处理")).to_be_visible()
    expect(app.locator("#h5-incident .prog-processing")).to_be_visible()
    assert places == {name: bar.get_by_role("button", name=name).bounding_box() for name in places}
    press(app, "关闭")
    says(app, "已关闭")


def tap_all_over(app: Page, bar: Locator) -> None:
    box = bar.bounding_box()
    assert box
    for part in range(20, int(box["width"]), 40):
        app.touchscreen.tap(box["x"] + part, box["y"] + box["height"] / 2)


def test_a_refused_form_keeps_what_was_typed_and_shows_what_is_wrong(company: Company, phone: Page):  # noqa: F811
    app = open_incident(company, phone, "lin")
    app.get_by_role("link", name="更多操作").click()
    app.get_by_role("link", name="屏蔽其他时长").click()
    minutes = app.get_by_label("其他时长")
    minutes.fill("1441")
    app.get_by_role("button", name="按此时长屏蔽").click()
    expect(app.get_by_text("请填写 1 到 1440 之间的分钟数").first).to_be_visible()
    expect(minutes).to_have_value("1441")
    minutes.fill("15")
    app.get_by_role("button", name="按此时长屏蔽").click()
    expect(app.locator("#h5-incident .prog-snoozed")).to_be_visible()


def test_who_comes_second_is_told_who_was_first(company: Company, new_phone: Phones):  # noqa: F811
    lin, wu = new_phone(), new_phone()
    hers = open_incident(company, lin, "lin")
    his = company.open_app(wu, "wu")
    his.goto(re.sub("^http://lin", "http://wu", hers.url))
    press(hers, "开始处理")
    says(hers, "已开始处理")
    press(hers, "关闭")
    says(hers, "已关闭")

    press(his, "关闭")

    expect(his.locator("#notice")).to_contain_text(re.compile("林晓 已于 .* 关闭"))


def test_switching_the_account_asks_first_and_ends_the_link(company: Company, phone: Page):  # noqa: F811
    app = company.open_app(phone, "wang")
    app.get_by_label("账户：王芳").click()
    app.get_by_role("link", name="切换账户").click()
    expect(app.get_by_text("当前已关联 wang，切换后该账号将不再收到本应用消息。")).to_be_visible()
    app.get_by_role("link", name="保持不变").click()
    expect(app.get_by_text("已关联企业微信账号")).to_be_visible()
    app.get_by_role("link", name="切换账户").last.click()
    app.get_by_role("button", name="取消关联并切换").click()

    expect(app.get_by_role("heading", name="关联账号")).to_be_visible()
    sign_in_to_link(company, app, "wang", "wrong password, surely")
    expect(app.get_by_text("用户名或密码不正确").first).to_be_visible()
    sign_in_to_link(company, app, "wang")
    app.get_by_role("button", name="确认关联").click()
    says(app, "关联成功")


def sign_in_to_link(company: Company, app: Page, username: str, password: str = "") -> None:  # noqa: F811
    app.get_by_role("textbox", name="用户名", exact=True).fill(username)
    app.get_by_role("textbox", name="密码", exact=True).fill(password or company.password(username))
    app.get_by_role("button", name="登录并继续").click()


def test_another_organisation_is_a_password_away_and_then_a_tap(company: Company, new_phone: Phones):  # noqa: F811
    with company.product.app():
        elsewhere = make_tenant("银河科技")
        make_member("wu", tenant=elsewhere)
        address = f"/h5/wecom/{make_integration(tenant=elsewhere).public_key}/incidents"
    app = company.open_app(new_phone(viewport={"width": 320, "height": 640}), "wu")
    home = urlsplit(app.url).path
    choose_organisation(app)
    expect(app.get_by_text("要进入您所在的其他组织，请输入账号 wu 的密码。")).to_be_visible()
    expect(app.get_by_text("银河科技")).to_have_count(0)
    app.get_by_role("textbox", name="密码").fill("wrong password, surely")
    app.get_by_role("button", name="继续").click()
    expect(app.get_by_text("当前密码不正确").first).to_be_visible()
    app.get_by_role("textbox", name="密码").fill(company.password("wu"))
    app.get_by_role("button", name="继续").click()
    expect(app.get_by_text("当前组织")).to_be_visible()
    other = app.get_by_role("button", name="银河科技")
    box = other.bounding_box()
    assert box and box["height"] >= THUMB_PIXELS and box["x"] + box["width"] <= 320
    other.click()

    says(app, "已进入「银河科技」")
    assert urlsplit(app.url).path == address
    app.get_by_label("账户：吴迪").click()
    expect(app.get_by_text("wu · 银河科技")).to_be_visible()
    app.get_by_role("button", name="Switch to English").click()
    choose_organisation(app, account="Account: 吴迪", entry="Switch organisation")
    expect(app.get_by_text("Current organisation")).to_be_visible()
    app.get_by_role("button", name="星河科技").click()
    says(app, "You are in “星河科技” now")
    assert urlsplit(app.url).path == home
    app.get_by_label("Account: 吴迪").click()
    app.get_by_role("button", name="切换到中文").click()
    expect(app.get_by_label("账户：吴迪")).to_be_visible()


def choose_organisation(app: Page, account: str = "账户：吴迪", entry: str = "切换组织") -> None:
    app.get_by_label(account).click()
    app.get_by_role("link", name=entry).click()


def test_outside_the_client_there_is_a_qr_code_and_a_password(company: Company, new_phone: Phones):  # noqa: F811
    wecom = AdminConsole(new_phone(), company.product)
    wecom.app_url = company.app_url
    wecom.set_login_domain(company.addresses["trusted_domain"])
    page = new_phone()
    page.goto(company.addresses["home_url"])
    expect(page.get_by_role("heading", name="请在企业微信中打开")).to_be_visible()
    page.get_by_role("link", name="用企业微信扫码登录").click()
    page.get_by_role("radio", name="吴迪").check()
    page.get_by_role("button", name="确认登录").click()
    expect(page.get_by_label("账户：吴迪")).to_be_visible()

    other = new_phone()
    other.goto(company.addresses["home_url"])
    other.get_by_role("link", name="用账号密码登录").click()
    other.get_by_role("textbox", name="用户名").fill("lin")
    other.get_by_role("textbox", name="密码").fill(company.password("lin"))
    other.get_by_role("button", name="登录").click()
    expect(other.get_by_label("账户：林晓")).to_be_visible()
    assert "/h5/wecom/" in other.url


def test_words_in_the_search_field_stand_clear_of_any_picture(company: Company, phone: Page):  # noqa: F811
    app = company.open_app(phone, "lin")
    app.get_by_text("搜索与筛选").click()
    expect(app.get_by_role("searchbox")).to_have_css("background-image", "none")


def test_it_works_without_scripts(company: Company, new_phone: Phones):  # noqa: F811
    app = open_incident(company, new_phone(java_script_enabled=False), "lin")
    press(app, "开始处理")
    says(app, "已开始处理")
    unfold(app, "comment").get_by_role("textbox").fill("没有脚本")
    do(app, "comment", "发表评论")
    expect(app.get_by_text("没有脚本", exact=True)).to_be_visible()
    press(app, "屏蔽 2 小时")
    expect(app.locator(".prog-snoozed")).to_be_visible()
    press(app, "取消屏蔽")
    press(app, "关闭")
    expect(app.locator(".prog-closed")).to_be_visible()
    app.get_by_role("link", name="返回").click()
    app.get_by_role("link", name="已关闭").click()
    expect(app.get_by_role("link", name=re.compile("已关闭.*disk.used")).first).to_be_visible()


@pytest.mark.parametrize("shown", ["list", "incident"])
def test_the_first_load_is_small(company: Company, new_phone: Phones, shown: str):  # noqa: F811
    phone = new_phone()
    title = company.push()
    client = company.client(phone, "lin")
    received: list[Response] = []
    phone.context.on("response", lambda response: received.append(response) if is_ours(response) else None)
    if shown == "list":
        app = client.open_app(APPLICATION)
    else:
        client.open_chats()
        client.page.get_by_role("link", name=APPLICATION).click()
        app = client.open_card(title)
        expect(app.locator("#h5-incident")).to_be_visible()
    app.wait_for_load_state("networkidle")
    sizes = {response.url: response.request.sizes() for response in received if response.status == 200}
    total = sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes.values())
    assert any(url.endswith(".js") or ".js?" in url for url in sizes)
    assert total <= FIRST_LOAD_BYTES, sizes


def is_ours(response: Response) -> bool:
    """A page of the product, as it comes through a person's webview."""
    return ".localhost:" in response.url and "/__" not in response.url
