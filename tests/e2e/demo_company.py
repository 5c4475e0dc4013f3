"""The demo company, running, for journeys that begin where somebody is connected already."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import BrowserContext, Page, expect

from demo.company import APPLICATION
from tests.e2e.conftest import PHONE, keep_inside
from tests.e2e.wecom_console import PATIENCE_MS, ChatClient
from tests.servers import Product, running_product


@dataclass(frozen=True)
class Company:
    """info: what `make demo-info` prints."""

    product: Product
    info: dict[str, Any]

    @property
    def credentials(self) -> dict[str, Any]:
        return dict(self.info["integrations"][0]["credentials"])

    @property
    def addresses(self) -> dict[str, str]:
        return dict(self.info["integrations"][0]["addresses"])

    @property
    def app_url(self) -> str:
        """The application's page in the simulated admin console."""
        known = self.credentials
        return f"{self.product.simulator_url}/wecom/console/{known['corp_id']}/apps/{known['agent_id']}"

    def password(self, username: str) -> str:
        people = [*self.info["people"], self.info["admin"]]
        return str(next(person["password"] for person in people if person["username"] == username))

    def push(self, kind: str = "standard") -> str:
        """Raise an alert and return its title; Lin is on call for it."""
        title = f"db-{uuid.uuid4().hex[:6]} / disk.used>95%"
        body = {
            "title_rule": title,
            "event_status": "Critical",
            "alert_key": title,
            "labels": {"resource": "db-03", "check": "disk.used>95%"},
            "description": "数据盘 **/data** 使用率 96.3%",
        }
        answer = requests.post(self.info["alert_sources"][kind], json=body, timeout=30)
        assert answer.status_code == 200, answer.text
        return title

    def client(self, page: Page, person: str) -> ChatClient:
        return ChatClient(page, self.product, self.credentials["corp_id"], person)

    def open_app(self, page: Page, person: str) -> Page:
        """What opens inside the person's WeCom when they press the icon in the workbench."""
        return self.client(page, person).open_app(APPLICATION)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Company]:
    with running_product(tmp_path_factory.mktemp("demo"), sqlite_template) as product:
        yield Company(product, product.load_demo())


@pytest.fixture
def new_phone(new_context: Callable[..., BrowserContext], strangers: list[str]) -> Callable[..., Page]:
    """Makes phones, each with cookies of its own; options are those of a browser context."""

    def make(**options: Any) -> Page:
        context = new_context(**(PHONE | options))
        keep_inside(context, strangers)
        context.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        return context.new_page()

    return make
