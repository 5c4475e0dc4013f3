"""Single sign-on from its setting up to somebody's first opening of the application."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from services.integrations import origin_of
from tests.e2e.demo_company import Company, new_phone  # noqa: F401  (a fixture)
from tests.e2e.wecom_console import PATIENCE_MS
from tests.providers import Provider, running_provider
from tests.servers import running_product


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running_provider({"sub": "zhou-there", "email": "zhou@example.com", "email_verified": True}) as running:
        yield running


@pytest.fixture
def company(tmp_path: Path, sqlite_template: Path, provider: Provider) -> Iterator[Company]:
    with running_product(tmp_path / "demo", sqlite_template, ENDPOINT_ALLOWLIST=provider.issuer) as product:
        yield Company(product, product.load_demo())


def test_somebody_links_the_application_by_single_sign_on(
    company: Company,
    provider: Provider,
    context: BrowserContext,
    new_phone: Callable[..., Page],  # noqa: F811
    strangers: list[str],
):
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    console = context.new_page()
    console.goto(f"{company.product.base_url}/members?q=zhou")
    console.get_by_role("textbox", name="用户名").fill("admin")
    console.get_by_role("textbox", name="密码").fill(company.password("admin"))
    console.get_by_role("button", name="登录").click()
    console.get_by_role("link", name="周成").click()
    console.get_by_label("邮箱").fill("zhou@example.com")
    console.get_by_role("button", name="保存").click()
    console.goto(f"{company.product.base_url}/sso/settings")
    console.get_by_label("Issuer").fill(provider.issuer)
    console.get_by_label("Client ID").fill("dutybell")
    console.get_by_role("textbox", name="Client Secret").fill("a-secret-of-ours")
    console.get_by_role("button", name="保存并检测").click()
    expect(console.get_by_text("发现文档与签名公钥均可读取")).to_be_visible()
    console.get_by_role("button", name="启用", exact=True).click()
    expect(console.get_by_role("link", name="试一下：用单点登录重新进入")).to_be_visible()

    phone = new_phone()
    app = company.open_app(phone, "zhou")
    own = origin_of(app.url)
    app.get_by_role("button", name="单点登录并继续").click()
    app.get_by_role("button", name="zhou-there").click()
    strangers[:] = [asked for asked in strangers if "//cdn.jsdelivr.net/" not in asked]  # by the provider's page
    # The simulated client keeps each person's cookies under a host of their own, and nobody comes in without them.
    expect(app.get_by_text("登录链接已失效")).to_be_visible()
    app.goto(app.url.replace(origin_of(app.url), own))
    expect(app.get_by_text("周成").first).to_be_visible()
    app.get_by_role("button", name="确认关联").click()
    expect(app.get_by_role("heading", name="故障")).to_be_visible()
