"""What an administrator and a member do in the simulated Feishu, by the words that they read there."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import Locator, Page, expect

from tests.e2e.wecom_console import TRIES
from tests.servers import Product


class DeveloperConsole:
    """开发者后台 and 管理后台: a company and its application."""

    def __init__(self, page: Page, product: Product) -> None:
        self.page = page
        self.product = product
        self.app_url = self.tenant_url = ""

    def create_company(self, name: str) -> None:
        """A company with three members: lin 林芳, wu 吴伟 and zhou 周敏."""
        self.page.goto(f"{self.product.simulator_url}/feishu/console/")
        self.page.get_by_label("企业名称").fill(name)
        self.page.get_by_role("button", name="新建企业").click()
        self._saw("企业已创建")
        self.tenant_url = self.page.url

    @property
    def tenant_key(self) -> str:
        return urlsplit(self.tenant_url).path.rstrip("/").split("/")[-1]

    def create_app(self, name: str) -> None:
        self.page.get_by_label("应用名称").fill(name)
        self.page.get_by_role("button", name="创建", exact=True).click()
        self._saw("应用已创建")
        self.app_url = self.page.url.rstrip("/")

    def read_credentials(self) -> tuple[str, str]:
        """App ID and App Secret."""
        self.page.get_by_role("link", name="查看", exact=True).click()
        return self.page.locator("#app-id").inner_text(), self.page.locator("#app-secret").inner_text()

    def make_keys(self) -> tuple[str, str]:
        """Verification Token and a new Encrypt Key."""
        self._open("/events?tab=encryption")
        self.page.get_by_role("button", name="随机生成").click()
        self._saw("Encrypt Key 已保存")
        return self.page.locator("#verification-token").inner_text(), self.page.locator("#encrypt-key").input_value()

    def add_abilities(self) -> None:
        self._open("/abilities")
        for name in ("机器人", "网页应用"):
            self.page.get_by_role("button", name=f"添加 {name}").click()
            self._saw(f"{name}已添加")

    def set_home_pages(self, url: str) -> None:
        self._open("/abilities")
        for name in ("desktop_url", "mobile_url"):
            self.page.locator(f"[name={name}]").fill(url)
        self.page.locator("[value=homes]").click()
        self._saw("主页已保存")

    def save_card_address(self, url: str) -> None:
        self._save_address("callbacks", url)
        self._tick("callbacks", "card.action.trigger", "回调已保存")

    def save_event_address(self, url: str, events: list[str]) -> None:
        self._save_address("events", url)
        for name in events:
            self.page.locator(f"[name=events][value='{name}']").check()
        self._tick("events", events[0], "事件已保存")

    def add_redirect(self, url: str) -> None:
        self._open("/security")
        self.page.locator("[name=url]").last.fill(url)
        self.page.get_by_role("button", name="添加", exact=True).click()
        self._saw("重定向 URL 已添加")

    def grant(self, scopes: list[str]) -> None:
        self._open("/permissions")
        for name in scopes:
            self.page.locator(f"[name=scopes][value='{name}']").check()
        self.page.get_by_role("button", name="开通权限").click()
        self._saw("权限已保存")

    def release(self) -> None:
        """A version for everybody, and the administrator's approval."""
        self._open("/versions")
        self.page.get_by_label("全部成员").check()
        self.page.get_by_role("button", name="申请线上发布").click()
        self._saw("版本已")
        self.page.goto(f"{self.tenant_url.rstrip('/')}/admin")
        approve = self.page.locator("[name=action][value=approve]")
        if approve.count():
            approve.click()
            self._saw("应用已上线")

    def _save_address(self, tab: str, url: str) -> None:
        """Feishu tries the address, with a second's patience."""
        self._open(f"/events?tab={tab}")
        refused = self.page.locator(".flash.error")
        saved = self.page.get_by_text("请求地址已保存")
        for _ in range(TRIES):
            self.page.locator("[name=url]").fill(url)
            self.page.get_by_role("button", name="保存", exact=True).click()
            expect(saved.or_(refused)).to_be_visible()
            if saved.is_visible():
                return
        raise AssertionError(refused.inner_text())

    def _tick(self, name: str, value: str, said: str) -> None:
        self.page.locator(f"[name={name}][value='{value}']").check()
        self.page.get_by_role("button", name="添加", exact=True).click()
        self._saw(said)

    def _open(self, path: str) -> None:
        self.page.goto(f"{self.app_url}{path}")

    def _saw(self, text: str) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible()


class FeishuClient:
    """A member's Feishu: chats, cards, the workbench, groups, and pages opened inside."""

    def __init__(self, page: Page, product: Product, tenant_key: str, person: str) -> None:
        self.page = page
        self.home = f"{product.simulator_url}/feishu/client/{tenant_key}/{person}"

    def open_app(self, name: str) -> Page:
        self.page.goto(f"{self.home}/workbench")
        return self.opened_by(self.page.get_by_role("link", name=name))

    def opened_by(self, link: Locator) -> Page:
        with self.page.context.expect_page() as opened:
            link.click()
        page = opened.value
        page.wait_for_load_state()
        return page

    def create_group(self, name: str) -> None:
        """With everybody; its settings are open afterwards."""
        self.open_chats()
        self.page.get_by_text("创建群组", exact=True).click()
        self.page.get_by_label("群名称").fill(name)
        self.page.get_by_role("button", name="创建", exact=True).click()
        expect(self.page.get_by_text("群组已创建")).to_be_visible()

    def add_bot(self, name: str) -> None:
        """To the group whose settings are open."""
        self.page.get_by_role("button", name=f"添加 {name}").click()
        expect(self.page.get_by_role("button", name=f"移出 {name}")).to_be_visible()

    def open_chats(self) -> None:
        self.page.goto(f"{self.home}/")

    def open_chat(self, title: str) -> None:
        """And wait for it: the newest stands there before, and what is pressed in it may be lost on the way."""
        self.open_chats()
        named = self.page.locator("strong", has_text=title)
        self.page.locator(".chat-list a", has=named).click()
        expect(self.page.locator(".in-chat h2")).to_contain_text(title)

    def card(self, title: str) -> Locator:
        """The newest card whose title contains this."""
        return self.page.locator(".fs-card", has=self.page.locator(".fs-title", has_text=title)).last

    def press(self, title: str, button: str) -> None:
        self.card(title).get_by_role("button", name=button, exact=True).click()

    def open_card(self, title: str) -> Page:
        return self.opened_by(self.card(title).locator("a.fs-title"))
