"""The trial of WeCom's interface licences ends: a warning, a card that is refused, the licence, and then the card."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect
from sqlalchemy import select

from extensions import db
from models import CorpAuth, Integration, IntegrationStatus, Membership
from services import accounts, notifications, providers, setup
from services.clock import utcnow
from simulator.app import create_app
from simulator.server import start
from simulator.wecom import ids, licence_desk, suites
from simulator.wecom import setup as corps
from simulator.wecom.state import Person
from tests.e2e.wecom_console import PATIENCE_MS, ChatClient
from tests.factories import make_channel, make_incident, make_link, make_member
from tests.servers import Product, running_product, wait_until

PASSWORD = "correct horse battery staple"
TOKEN, KEY = "SuiteToken2026", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg"
TITLE = "db-03 / disk.used>95%"


@dataclass
class Company:
    """A company that installed the application. world, corp: the simulated WeCom and the company there."""

    product: Product
    world: Any
    corp: Any
    integration_id: int = 0

    @property
    def licences(self) -> str:
        """The product's page of the company's licences."""
        return f"{self.product.base_url}/integrations/im/{self.integration_id}/licences"

    @property
    def desk(self) -> str:
        """Where a provider buys and activates licences."""
        return f"{self.product.simulator_url}/wecom/console/{self.corp.corp_id}/licences"

    def tell_lin(self) -> str:
        """Assign an incident to Lin, whose WeCom is to be told; returns its address."""
        with self.product.app():
            lin = make_member("lin")
            incident = make_incident(make_channel(), responders=(lin,), title=TITLE)
            now = utcnow()
            notifications.notify(incident, cause="assign", user_ids=[lin.user_id], now=now)
            db.session.commit()
            return f"{self.product.base_url}/incidents/{incident.num}"


@pytest.fixture
def company(tmp_path: Path, sqlite_template: Path) -> Iterator[Company]:
    """Everything as after a successful installation; the simulator runs in this process."""
    app = create_app()
    running = start(app)
    home, url = tmp_path / "home", running.url
    try:
        with running_product(home, sqlite_template, SIMULATOR_URL=url, ENDPOINT_ALLOWLIST=url) as product:
            product.simulator_url = url
            world = app.extensions["simulator"].platforms["wecom"].world
            with world.store.lock:
                corp = corps.create_corp(world, "示例企业")
                corps.save_person(world, corp, Person("lin", "林晓"))
            yield connect(Company(product, world, corp))
    finally:
        running.stop()


def connect(company: Company) -> Company:
    """The provider is entered and verified, the company installs, an administrator names it; Lin is linked."""
    world, base = company.world, company.product.base_url
    suite = suites.create_suite(world, "值班铃")
    entered = {
        "provider_corp_id": suite.provider_corp_id,
        "provider_secret": suite.provider_secret,
        "app_name": suite.name,
        "suite_id": suite.suite_id,
        "suite_secret": suite.secret,
        "token": TOKEN,
        "encoding_aes_key": KEY,
    }
    with company.product.app():
        admin = accounts.create_first_administrator("wang", "王芳", PASSWORD, organisation="测试组织", now=utcnow())
        providers.save("wecom", entered, by=admin.user, now=utcnow())
        db.session.commit()
    urls = {purpose: f"{base}/callback/wecom-suite/{purpose}" for purpose in ("command", "data")}
    suites.save_callbacks(world, suite, urls, TOKEN, KEY)
    with world.store.lock:
        _app, auth_code = suites.install(world, company.corp, suite, [], [1])
    assert suites.announce(world, suite, auth_code) == ""
    with company.product.app():
        now = utcnow()
        member = db.session.query(Membership).one()
        integration = setup.begin("wecom", "third_party", by=member, now=now)
        setup.save(integration, {"corp_id": company.corp.corp_id}, by=member, now=now)
        db.session.commit()
        wait_until(is_authorised, "the company's authorisation")
        setup.try_all(integration, by=member, now=utcnow())
        db.session.commit()
        company.integration_id = integration.id
        make_link(integration, make_member("lin"), external_user_id=ids.own_userid(suite, company.corp.corp_id, "lin"))
    wait_until(lambda: is_active(company), "the company's connection works")
    return company


def is_authorised() -> bool:
    db.session.rollback()
    return db.session.scalar(select(CorpAuth.id)) is not None


def is_active(company: Company) -> bool:
    with company.product.app():
        return db.session.get_one(Integration, company.integration_id).status is IntegrationStatus.ACTIVE


def test_a_card_that_was_refused_arrives_once_the_licence_is_bought(company: Company, context: BrowserContext):
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    console, desk, client = context.new_page(), context.new_page(), chats(company, context.new_page())
    licence_desk.set_trial(company.world, company.corp, 6.5)
    sign_in(console, company)
    read_now(console, company)
    expect(console.get_by_text("企微许可试用还剩 7 天")).to_be_visible()
    console.goto(company.product.base_url)
    expect(console.get_by_text("届时 1 位未开通许可的成员将收不到消息。")).to_be_visible()

    desk.goto(company.desk)
    desk.get_by_role("button", name="结束试用").click()
    expect(desk.get_by_text("试用已结束")).to_be_visible()
    console.goto(company.tell_lin())
    expect(console.locator(".told li", has_text="林晓")).to_contain_text("未开通企微许可")
    console.goto(f"{company.product.base_url}/deliveries")
    console.get_by_role("link", name="查看许可").click()
    expect(console.get_by_text("企微许可试用已于")).to_be_visible()
    expect(row(console)).to_contain_text("未开通")
    client.open_chats()
    expect(client.card(TITLE)).to_have_count(0)

    desk.locator("#licence-lin").get_by_role("button", name="激活").click()
    expect(desk.get_by_text("许可已激活")).to_be_visible()
    read_now(console, company)
    expect(row(console)).to_contain_text("已激活")
    client.open_chats()
    expect(client.card(TITLE)).to_contain_text("待处理")


def chats(company: Company, page: Page) -> ChatClient:
    return ChatClient(page, company.product, company.corp.corp_id, "lin")


def sign_in(page: Page, company: Company) -> None:
    page.goto(f"{company.product.base_url}/sign-in")
    page.get_by_role("textbox", name="用户名").fill("wang")
    page.get_by_role("textbox", name="密码").fill(PASSWORD)
    page.get_by_role("button", name="登录").click()
    page.wait_for_url(f"{company.product.base_url}/")


def read_now(page: Page, company: Company) -> None:
    page.goto(company.licences)
    page.get_by_role("button", name="立即读取").click()


def row(page: Page) -> Locator:
    """How Lin stands."""
    return page.get_by_role("row", name=re.compile("林晓"))
