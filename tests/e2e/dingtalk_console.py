"""What an administrator and a member do in the simulated DingTalk, by the words that they read there."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import Locator, Page, expect

from tests.e2e.wecom_console import TRIES
from tests.servers import Product


class DeveloperConsole:
    """开发者后台: a company and its application."""

    def __init__(self, page: Page, product: Product) -> None:
        self.page = page
        self.product = product
        self.app_url = ""

    def create_company(self, name: str) -> None:
        """A company with three members: lin 林芳, wu 吴伟 and zhou 周敏."""
        self.page.goto(f"{self.product.simulator_url}/dingtalk/console/")
        self.page.get_by_label("企业名称").fill(name)
        self.page.get_by_role("button", name="新建企业").click()

    def create_app(self, name: str) -> None:
        self.page.get_by_role("link", name="创建应用").click()
        self.page.get_by_label("应用名称").fill(name)
        self.page.get_by_label("应用描述").fill("接收和处理告警")
        self.page.get_by_role("button", name="保存").click()
        self._saw("应用已创建")
        self.app_url = self.page.url

    @property
    def corp_id(self) -> str:
        return urlsplit(self.app_url).path.split("/")[3]

    def read_credentials(self) -> tuple[str, str, str]:
        """AgentID, ClientID and ClientSecret."""
        self.page.goto(self.app_url)
        self.page.get_by_role("link", name="查看", exact=True).click()
        agent_id, client_id, secret = (
            self.page.locator(f"#{name}") for name in ("agent-id", "client-id", "client-secret")
        )
        return agent_id.inner_text(), client_id.inner_text(), secret.inner_text()

    def make_keys(self) -> tuple[str, str]:
        """加密 aes_key and 签名 token; the page stays open, nothing is saved yet."""
        self._open("/events")
        self.page.locator("[value=random_key]").click()
        self.page.locator("[value=random_token]").click()
        return self.page.locator("[name=aes_key]").input_value(), self.page.locator("[name=token]").input_value()

    def save_event_address(self, url: str) -> None:
        """Beside the keys of make_keys; DingTalk tries the address, with two seconds' patience."""
        saved, refused = self.page.get_by_text("请求网址已保存"), self.page.locator(".flash.error")
        for _ in range(TRIES):
            self.page.locator("[name=url]").fill(url)
            self.page.get_by_role("button", name="保存", exact=True).last.click()
            expect(saved.or_(refused)).to_be_visible()
            if saved.is_visible():
                return
        raise AssertionError(refused.inner_text())

    def tick_events(self, names: list[str]) -> None:
        for name in names:
            self.page.locator(f"[name=tags][value={name}]").check()
        self.page.get_by_role("button", name="保存事件").click()
        self._saw("事件订阅已保存")

    def create_cool_app(self, url: str) -> str:
        """Returns its code."""
        self._open("/cool_app")
        for name in ("pc_url", "mobile_url"):
            self.page.locator(f"[name={name}]").fill(url)
        self.page.get_by_role("button", name="发布", exact=True).click()
        self._saw("酷应用已发布")
        return self.page.locator("#cool-app-code").inner_text()

    def switch_robot_on(self) -> None:
        self._open("/robot")
        self.page.locator("[name=is_on]").check()
        self.page.get_by_role("button", name="保存", exact=True).click()
        self._saw("机器人已保存")

    def set_home_pages(self, home_url: str, pc_home_url: str) -> None:
        self._open("/web")
        self.page.locator("[name=home_url]").fill(home_url)
        self.page.locator("[name=pc_home_url]").fill(pc_home_url)
        self.page.get_by_role("button", name="保存", exact=True).click()
        self._saw("网页应用已保存")

    def set_security(self, addresses: str, redirect_url: str) -> None:
        self._open("/security")
        self.page.locator("[name=addresses]").fill(addresses)
        self.page.locator("[name=redirect_urls]").fill(redirect_url)
        self.page.get_by_role("button", name="保存", exact=True).click()
        self._saw("安全设置已保存")

    def grant(self, points: list[str]) -> None:
        self._open("/permissions")
        for point in points:
            button = self.page.get_by_role("button", name=f"申请权限 {point}", exact=True)
            if button.count():
                button.click()
                self._saw("权限已开通")

    def import_template(self, content: str) -> str:
        """A card template from a downloaded file; returns its id."""
        self.page.goto(f"{self.product.simulator_url}/dingtalk/console/{self.corp_id}/cards")
        self.page.get_by_label("模板名称").fill("值班铃")
        self.page.locator("[name=definition]").fill(content)
        self.page.get_by_role("button", name="导入", exact=True).click()
        publish = self.page.get_by_role("button", name="发布", exact=True)
        expect(self.page.locator(".template-id")).to_be_visible()
        if publish.count():
            publish.click()
        return self.page.locator(".template-id").inner_text()

    def release(self) -> None:
        """A version with everything, for everybody."""
        self._open("/release")
        for part in ("web", "robot", "cool_app"):
            self.page.locator(f"[name=parts][value={part}]").check()
        self.page.locator("[name=visible][value=all]").check()
        self.page.get_by_role("button", name="直接发布").click()
        self._saw("新版本已发布")

    def _open(self, path: str) -> None:
        self.page.goto(f"{self.app_url}{path}")

    def _saw(self, text: str) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible()


class DingTalkClient:
    """A member's DingTalk: chats, cards, the workbench, groups, and pages opened inside."""

    def __init__(self, page: Page, product: Product, corp_id: str, person: str) -> None:
        self.page = page
        self.home = f"{product.simulator_url}/dingtalk/client/{corp_id}/{person}"

    def open_app(self, name: str) -> Page:
        self.page.goto(f"{self.home}/workbench")
        return self.opened_by(self.page.get_by_role("link", name=name).first)

    def opened_by(self, link: Locator) -> Page:
        with self.page.context.expect_page() as opened:
            link.click()
        page = opened.value
        page.wait_for_load_state()
        return page

    def create_group(self, name: str) -> None:
        """With everybody; it is open afterwards."""
        self.open_chats()
        self.page.get_by_text("发起群聊", exact=True).click()
        self.page.get_by_label("群名称").fill(name)
        self.page.get_by_role("button", name="创建群聊").click()

    def install_cool_app(self, name: str) -> None:
        """Into the group that is open."""
        settings = self.page.get_by_role("link", name="更多酷应用")
        enable = self.page.get_by_role("button", name=f"启用 {name}")
        expect(settings.or_(enable).first).to_be_visible()
        if settings.is_visible():
            settings.click()
        enable.click()
        expect(self.page.get_by_text("酷应用已启用")).to_be_visible()

    def open_chats(self) -> None:
        self.page.goto(f"{self.home}/")

    def open_chat(self, title: str) -> None:
        """And wait for it: the newest stands there before, and what is pressed in it may be lost on the way."""
        self.open_chats()
        named = self.page.locator("strong", has_text=title)
        self.page.locator(".chat-list a", has=named).click()
        expect(self.page.locator(".in-chat h2")).to_contain_text(title)

    def card(self, title: str) -> Locator:
        """The newest card that names this title."""
        return self.page.locator(".card", has_text=title).last

    def press(self, title: str, button: str) -> None:
        self.card(title).get_by_role("button", name=button, exact=True).click()

    def open_entry(self, name: str) -> Page:
        """The quick entry of the group that is open."""
        return self.opened_by(self.page.locator(".dt-bar").get_by_role("link", name=name).first)
