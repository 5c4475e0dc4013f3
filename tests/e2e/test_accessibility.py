"""Every page, in both colours, on a desk and on a phone: usable by everybody, and quiet in the browser's console."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect

from tests.e2e.conftest import keep_inside
from tests.e2e.demo_company import Company, company, new_phone  # noqa: F401  (fixtures)
from tests.e2e.wecom_console import PATIENCE_MS

RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "resultTypes": ["violations"],
}
RULES_OF_COLOURS = RULES | {"runOnly": ["color-contrast", "link-in-text-block"]}
"""All that can be otherwise in the dark: nothing but values of colours is (tests/unit/test_frontend_files.py)."""
DESK, HAND, NARROW = ({"width": 1440, "height": 900}, {"width": 390, "height": 844}, {"width": 320, "height": 700})
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
STRANGERS_PAGES = ("/sign-in", "/nothing-here")
CONSOLE_PAGES = (
    "/",
    "/incidents",
    "/incidents?scope=all",
    "/incidents?q=nothing",
    "/incidents/new",
    "/incidents/1",
    "/incidents/4",
    "/incidents/4/edit",
    "/channels",
    "/channels/new",
    "/channels/1",
    "/channels/1/sources",
    "/channels/1/policies",
    "/channels/1/policies/new",
    "/channels/1/settings",
    "/templates",
    "/templates/new",
    "/policies/1",
    "/deliveries",
    "/integrations/im/",
    "/integrations/im/1",
    "/integrations/alerts",
    "/integrations/alerts/new",
    "/integrations/alerts/1",
    "/integrations/alerts/2",
    "/members",
    "/members/new",
    "/members/invitations",
    "/departments",
    "/plan",
    "/audit",
    "/members/2",
    "/system/third-party",
    "/system/third-party/1",
    "/system/third-party/1/bound",
    "/system/third-party/not-signed-in",
    "/me",
    "/me/links",
    "/me/preferences",
    "/me/tokens",
    "/password",
    "/organisations",
    "/nothing-here",
    *(
        f"/integrations/im/1/setup/{key}"
        for key in (
            "create_app",
            "app_profile",
            "deployment",
            "corp_id",
            "agent_id",
            "secret",
            "trusted_domain",
            "callback_keys",
            "callback_url",
            "trusted_ip",
            "home_page",
            "try_it",
        )
    ),
)
DINGTALK_STEPS = ("permissions", "card_template", "publish", "install")
FEISHU_STEPS = ("create_app", "callback_keys")
H5_PAGES = (
    "/incidents",
    "/incidents?filter=open",
    "/incidents?filter=closed",
    "/incidents?q=nothing",
    "/incidents/1",
    "/incidents/1/more",
    "/incidents/4",
    "/incidents/4/more",
    "/incidents/4/snooze",
    "/incidents/4?do=close",
    "/incidents/999999",
    "/account",
    "/account/switch",
    "/account/organisations",
)


class Watched:
    """A page, and what its browser complains about while it is looked at."""

    def __init__(self, context: BrowserContext) -> None:
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.complaints: list[str] = []
        self.page.on("console", self._listen)
        self.page.on("pageerror", lambda error: self.complaints.append(f"{self.page.url}: {error}"))

    def _listen(self, message: ConsoleMessage) -> None:
        is_missing_page = "status of 404" in message.text and "nothing-here" in self.page.url + message.location["url"]
        if message.type in {"error", "warning"} and not is_missing_page and "999999" not in self.page.url:
            self.complaints.append(f"{self.page.url}: {message.text}")

    def look(self, url: str) -> list[str]:
        """What is wrong with one page, in every size and colour."""
        self.page.goto(url)
        self.page.evaluate(AXE_SCRIPT)
        return [*self._unfolded(), *self.complaints]

    def _unfolded(self) -> Iterator[str]:
        for size in (DESK, HAND):
            self.page.set_viewport_size(size)  # type: ignore[arg-type]
            for colours, rules in (("light", RULES), ("dark", RULES_OF_COLOURS)):
                self.page.emulate_media(color_scheme=colours, reduced_motion="reduce")  # type: ignore[arg-type]
                seen = self.page.evaluate("rules => axe.run(rules)", rules)
                assert seen["passes"], "axe looked at nothing"
                for found in seen["violations"]:
                    yield f"{self.page.url} {size['width']} {colours}: {found['id']} {targets(found)}"
        yield from self.too_wide()

    def too_wide(self) -> Iterator[str]:
        self.page.set_viewport_size(NARROW)  # type: ignore[arg-type]
        if (pixels := self.page.evaluate(SIDEWAYS)) > 0:
            yield f"{self.page.url}: {pixels} px too wide at 320 px"


def targets(found: dict[str, Any]) -> list[str]:
    return [f"{node['target'][0]}: {node['failureSummary'].splitlines()[-1].strip()}" for node in found["nodes"][:4]]


@pytest.fixture
def watched(new_context: Callable[..., BrowserContext], strangers: list[str]) -> Watched:
    context = new_context(**{"viewport": DESK})
    keep_inside(context, strangers)
    expect.set_options(timeout=PATIENCE_MS)
    return Watched(context)


def sign_in(page: Page, company: Company, username: str) -> None:  # noqa: F811
    page.goto(f"{company.product.base_url}/sign-in?next=/me")
    page.locator("[name=username]").fill(username)
    page.locator("[name=password]").fill(company.password(username))
    page.locator("form[data-guard] button.btn-primary").click()
    page.wait_for_url("**/me")


def in_english(page: Page) -> None:
    with page.expect_navigation():
        page.get_by_role("button", name="Switch to English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")


def enter_h5(company: Company, page: Page) -> str:  # noqa: F811
    """Sign in at the in-app pages in an ordinary browser; returns their address without the last part."""
    home = str(company.addresses["home_url"])
    page.goto(home)
    page.get_by_role("link", name="用账号密码登录").click()
    page.locator("[name=username]").fill("lin")
    page.locator("[name=password]").fill(company.password("lin"))
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("heading", name="故障")).to_be_visible()
    return home


def test_pages_for_strangers(company: Company, watched: Watched):  # noqa: F811
    base = company.product.base_url
    problems = [text for path in STRANGERS_PAGES for text in watched.look(base + path)]
    problems += watched.look(company.addresses["home_url"])
    assert not problems, "\n".join(problems)


def test_the_page_for_the_first_administrator(product, watched: Watched):
    problems = watched.look(f"{product.base_url}/first-administrator")
    assert not problems, "\n".join(problems)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(3))
def test_console_pages(company: Company, watched: Watched, part: int):  # noqa: F811
    sign_in(watched.page, company, "admin")
    problems = [text for path in CONSOLE_PAGES[part::3] for text in watched.look(company.product.base_url + path)]
    assert not problems, "\n".join(dict.fromkeys(problems))


@pytest.mark.timeout(600)
def test_pages_of_platforms_that_say_more(company: Company, watched: Watched):  # noqa: F811
    """What only some wizards have: choices, words to tick, files, checklists, groups; and a group's own page."""
    sign_in(watched.page, company, "admin")
    connections = {made["platform"]: made for made in company.info["integrations"]}
    paths = [f"/integrations/im/{connections['dingtalk']['id']}"]
    for platform, steps in (("dingtalk", DINGTALK_STEPS), ("feishu", FEISHU_STEPS)):
        paths += [f"/integrations/im/{connections[platform]['id']}/setup/{key}" for key in steps]
    dingtalk = connections["dingtalk"]
    home = f"/h5/dingtalk/{dingtalk['public_key']}"
    paths += [f"{home}/group?openConversationId={quote(name, safe='')}" for name in (*dingtalk["groups"], "unknown")]
    problems = [text for path in paths for text in watched.look(company.product.base_url + path)]
    assert not problems, "\n".join(dict.fromkeys(problems))


@pytest.mark.timeout(600)
def test_in_app_pages(company: Company, watched: Watched):  # noqa: F811
    home = enter_h5(company, watched.page)
    problems = [text for path in H5_PAGES for text in watched.look(home + path)]
    assert not problems, "\n".join(dict.fromkeys(problems))


@pytest.mark.timeout(600)
def test_the_page_that_links_accounts(company: Company, new_phone: Callable[..., Page]):  # noqa: F811
    phone = new_phone()
    watched = Watched(phone.context)
    app = company.open_app(phone, "zhou")
    problems = watched.look(app.url)
    watched.page.locator("[name=username]").fill("zhou")
    watched.page.locator("[name=password]").fill(company.password("zhou"))
    watched.page.get_by_role("button", name="登录并继续").click()
    expect(watched.page.get_by_role("heading", name="确认关联")).to_be_visible()
    problems += watched.look(watched.page.url)
    assert not problems, "\n".join(dict.fromkeys(problems))


@pytest.mark.timeout(600)
def test_english_fits_on_a_narrow_phone_too(company: Company, watched: Watched):  # noqa: F811
    home, page = str(company.addresses["home_url"]), watched.page
    sign_in(page, company, "admin")
    in_english(page)
    problems = []
    for url in [company.product.base_url + path for path in CONSOLE_PAGES] + [home + path for path in H5_PAGES]:
        page.goto(url)
        problems += watched.too_wide()
    assert not problems, "\n".join(problems)
