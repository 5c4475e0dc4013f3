"""The setup wizard in a browser, whatever the platform: its steps, fields and checks; and the first opening."""

from __future__ import annotations

import re
from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect

from extensions import db
from models import Role
from services import accounts, alert_sources, channels
from services.clock import utcnow
from tests.servers import Product

PASSWORD = "correct horse battery staple"
PEOPLE = (("lin", "林芳"), ("wu", "吴伟"))
COMPANY, APP, CHANNEL = "星河科技", "值班铃", "支付核心"


@dataclass(frozen=True)
class Prepared:
    """An organisation with an administrator, Lin 林芳 and Wu 吴伟, whose password is PASSWORD; nothing is connected."""

    push_url: str
    channel_id: int
    user_ids: tuple[int, int]


def prepare(product: Product) -> Prepared:
    """What the first pages lead to, without clicking: another journey goes through those."""
    with product.app():
        now = utcnow()
        admin = accounts.create_first_administrator("admin", "管理员", PASSWORD, organisation=COMPANY, now=now)
        people = [
            accounts.create(username, name, PASSWORD, now=now) for username, name in (("lin", "林芳"), ("wu", "吴伟"))
        ]
        for person in people:
            accounts.join(person, admin.tenant, Role.RESPONDER, source="manual", now=now)
        channel = channels.create(CHANNEL, by=admin, now=now)
        source = alert_sources.create(channel.id, "standard", "自研监控", by=admin, now=now)
        db.session.commit()
        return Prepared(alert_sources.push_url(source), channel.id, (people[0].id, people[1].id))


def sign_in(page: Page, product: Product) -> None:
    page.goto(f"{product.base_url}/sign-in?next=/integrations/im/")
    page.locator("[name=username]").fill("admin")
    page.locator("[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="登录", exact=True).click()
    expect(page.get_by_role("heading", name="可以接入")).to_be_visible()


def begin(page: Page, platform: str) -> None:
    """开始接入 on the card of a platform, by its name."""
    page.locator(".cards .card", has=page.get_by_role("heading", name=platform, exact=True)).get_by_role(
        "button", name="开始接入"
    ).click()


def box(page: Page, label: str) -> Locator:
    return page.get_by_role("textbox", name=label, exact=True)


def fill(page: Page, **values: str) -> None:
    """Fields of the open step by their names in the setup data."""
    for name, value in values.items():
        page.locator(f"#step-form [name={name}]").fill(value)


def value(page: Page, name: str) -> str:
    """A generated value that the open step offers."""
    return page.locator(f"#value-{name}").input_value()


def on_step(page: Page, title: str) -> None:
    """The page of this step, its scripts at work: a field that is left before is judged with the whole form."""
    expect(page.locator("#wizard-title")).to_contain_text(title)
    page.wait_for_load_state("domcontentloaded")
    expect(page.locator("[hx-trigger]:not([data-htmx-powered])")).to_have_count(0)


def go_on(page: Page, title: str) -> None:
    """On to the step of this title."""
    page.locator(".wizard-actions button[type=submit]").click()
    on_step(page, title)


def check(page: Page, label: str) -> Locator:
    return page.locator("#step-checks .check", has_text=label)


def passes(page: Page, label: str) -> None:
    """On the open page by itself: nothing is loaded again here."""
    expect(check(page, label)).to_have_class(re.compile("check-passed"))


def turns_green(page: Page, label: str) -> None:
    """The check passes, and with it the step."""
    passes(page, label)
    expect(page.locator(".wizard-steps [aria-current=step]")).to_contain_text("已验证")


def bind(app: Page, username: str, password: str) -> None:
    """The first opening: prove who one is here, and confirm."""
    expect(app.get_by_role("heading", name="关联账号")).to_be_visible()
    box(app, "用户名").fill(username)
    box(app, "密码").fill(password)
    app.get_by_role("button", name="登录并继续").click()
    expect(app.get_by_text(f"({username}) 关联？")).to_be_visible()
    app.get_by_role("button", name="确认关联").click()
