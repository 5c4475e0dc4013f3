"""What an administrator and a member do in the simulated WeCom, by the words that they read there."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from playwright.sync_api import Locator, Page, expect

from tests.servers import Product

PATIENCE_MS = 60_000
TRIES = 12
EFFECTIVE_AFTER_SECONDS = 61


class AdminConsole:
    """管理后台: a company and its application."""

    def __init__(self, page: Page, product: Product) -> None:
        self.page = page
        self.product = product
        self.app_url = ""

    def create_company(self, name: str) -> None:
        """A company with three members: lin 林芳, wu 吴伟 and zhou 周敏."""
        self.page.goto(f"{self.product.simulator_url}/wecom/console/")
        self.page.get_by_label("企业名称").fill(name)
        self.page.get_by_role("button", name="新建企业").click()

    def create_app(self, name: str) -> None:
        """An application that everybody sees."""
        self.page.get_by_role("link", name="创建应用").click()
        self.page.get_by_label("应用名称").fill(name)
        self.page.get_by_label("（全员）").check()
        self.page.get_by_role("button", name="创建应用").click()
        expect(self.page.get_by_text("应用已创建")).to_be_visible()
        self.app_url = self.page.url

    @property
    def corp_id(self) -> str:
        return urlsplit(self.app_url).path.split("/")[3]

    def read_corp_id(self) -> str:
        self.page.get_by_role("link", name="我的企业").click()
        return self.page.locator("#corp-id").inner_text()

    def read_agent_id(self) -> str:
        self.page.goto(self.app_url)
        return self.page.locator("#agent-id").inner_text()

    def read_secret(self) -> str:
        self.page.goto(self.app_url)
        self.page.get_by_role("link", name="查看", exact=True).click()
        return self.page.locator("#secret").inner_text()

    def set_trusted_domain(self, domain: str) -> tuple[str, str]:
        """Returns name and content of the ownership file that has to be served there."""
        self.open("设置可信域名")
        self.page.get_by_label("可作为应用OAuth2.0网页授权功能的回调域名").fill(domain)
        self.page.get_by_role("button", name="确定").click()
        expect(self.page.get_by_text("可信域名已保存")).to_be_visible()
        name = self.page.get_by_role("link", name=re.compile("WW_verify_")).inner_text()
        return name, self.page.locator("#verify-content").inner_text()

    def verify_domain(self) -> None:
        self.open("设置可信域名")
        self.page.get_by_role("button", name="申请校验域名").click()
        expect(self.page.get_by_text("域名归属校验通过")).to_be_visible()

    def make_keys(self) -> tuple[str, str]:
        """Random Token and EncodingAESKey; the page stays open, nothing is saved yet."""
        self.open("设置API接收")
        self.page.get_by_role("button", name="Token 随机获取").click()
        self.page.get_by_role("button", name="EncodingAESKey 随机获取").click()
        token = self.page.get_by_label("Token", exact=True).input_value()
        return token, self.page.get_by_label("EncodingAESKey", exact=True).input_value()

    def save_callback(self, url: str) -> None:
        """Paste the address beside the keys and save; WeCom tries it, with a second's patience."""
        self.page.get_by_label("URL").fill(url)
        saved = self.page.get_by_text("接收消息服务器已保存")
        refused = self.page.locator(".flash.error")
        for _ in range(TRIES):
            self.page.get_by_role("button", name="保存", exact=True).last.click()
            expect(saved.or_(refused)).to_be_visible()
            if saved.is_visible():
                return
        raise AssertionError(refused.inner_text())

    def set_trusted_ips(self, addresses: str) -> None:
        """Takes effect after a minute there; the simulated minute is short."""
        self.open("配置企业可信IP")
        self.page.get_by_label("企业可信IP").fill(addresses)
        self.page.get_by_role("button", name="确定").click()
        expect(self.page.get_by_text("企业可信IP已保存")).to_be_visible()

    def let_a_minute_pass(self) -> None:
        self.product.control("POST", "/clock", json={"advance_seconds": EFFECTIVE_AFTER_SECONDS})

    def set_home_page(self, url: str) -> None:
        self.open("设置应用主页")
        self.page.get_by_label("网页地址").fill(url)
        self.page.get_by_role("button", name="保存", exact=True).click()
        expect(self.page.get_by_text("应用主页已保存")).to_be_visible()

    def set_login_domain(self, domain: str) -> None:
        self.open("设置授权回调域")
        self.page.get_by_label("授权回调域").fill(domain)
        self.page.get_by_role("button", name="保存", exact=True).click()
        expect(self.page.get_by_text("授权回调域已保存")).to_be_visible()

    def open(self, button: str) -> None:
        self.page.goto(self.app_url)
        self.page.get_by_role("link", name=button).click()


class ChatClient:
    """A member's WeCom: chats, cards, the workbench, and pages opened inside."""

    def __init__(self, page: Page, product: Product, corp_id: str, person: str) -> None:
        self.page = page
        self.home = f"{product.simulator_url}/wecom/client/{corp_id}/{person}"

    def open_chats(self) -> None:
        self.page.goto(f"{self.home}/")

    def open_app(self, name: str) -> Page:
        """Press the application's icon in the workbench; returns the page that opens inside WeCom."""
        self.page.goto(f"{self.home}/workbench")
        return self.opened_by(self.page.get_by_role("link", name=name))

    def opened_by(self, link: Locator) -> Page:
        with self.page.context.expect_page() as opened:
            link.click()
        page = opened.value
        page.wait_for_load_state()
        return page

    def card(self, title: str) -> Locator:
        """The newest card whose title contains this."""
        return self.page.locator(".card", has=self.page.locator(".card-title", has_text=title)).last

    def press(self, title: str, button: str) -> None:
        self.card(title).get_by_role("button", name=button, exact=True).click()

    def press_in_menu(self, title: str, button: str) -> None:
        self.card(title).get_by_label("更多").click()
        self.press(title, button)

    def open_card(self, title: str) -> Page:
        """Press the card itself."""
        return self.opened_by(self.card(title).locator("a.card-link"))
