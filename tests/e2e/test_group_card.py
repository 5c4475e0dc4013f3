"""An alert to two people and a group: pressed in the group, and every copy, the page and the console say the same."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import requests
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import select

from extensions import db
from models import Channel, Membership, User
from services import alert_sources, channels, groups, integrations, policies
from services.clock import utcnow
from tests.e2e.demo_company import Company, company, new_phone  # noqa: F401  (fixtures)
from tests.e2e.dingtalk_console import DingTalkClient
from tests.e2e.feishu_console import FeishuClient
from tests.e2e.wecom_console import PATIENCE_MS

CLIENTS: dict[str, tuple[Callable[..., Any], str]] = {
    "dingtalk": (DingTalkClient, "corp_id"),
    "feishu": (FeishuClient, "tenant_key"),
}


def connection(company: Company, platform: str) -> dict[str, Any]:  # noqa: F811
    found: dict[str, Any] = next(made for made in company.info["integrations"] if made["platform"] == platform)
    return found


def make_policy(company: Company, platform: str) -> str:  # noqa: F811
    """A channel whose incidents go to Lin, Wu and the platform's group; where alerts are pushed."""
    known = connection(company, platform)
    kind, group_id = f"{platform}_app", next(iter(known["groups"]))
    with company.product.app():
        now = utcnow()
        admin = db.session.scalars(select(Membership).join(User).where(User.username == "admin")).one()
        people = [db.session.scalars(select(User.id).where(User.username == name)).one() for name in ("lin", "wu")]
        integration = integrations.find_by_public_key(platform, known["public_key"])
        assert integration is not None
        chat = groups.find(integration, group_id)
        assert chat is not None
        channel: Channel = channels.create(f"群通知 {platform}", by=admin, now=now)
        unified = {severity: [kind] for severity in ("Critical", "Warning", "Info")}
        level = {"user_ids": people, "group_ids": [chat.id], "personal": {"mode": "unified", "unified": unified}}
        policies.create(channel, policies.draft(name="两人一群", levels=[level]), by=admin, now=now)
        source = alert_sources.create(channel.id, "standard", f"{platform} 监控", by=admin, now=now)
        db.session.commit()
        return alert_sources.push_url(source)


def push(url: str) -> str:
    title = f"db-{uuid.uuid4().hex[:6]} / disk.used"
    body = {"title_rule": title, "event_status": "Critical", "alert_key": title, "labels": {"resource": "db-03"}}
    assert requests.post(url, json=body, timeout=30).status_code == 200
    return title


def sign_in(page: Page, company: Company) -> None:  # noqa: F811
    page.goto(f"{company.product.base_url}/sign-in?next=/incidents")
    page.locator("[name=username]").fill("wang")
    page.locator("[name=password]").fill(company.password("wang"))
    page.get_by_role("button", name="登录", exact=True).click()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("platform", CLIENTS)
def test_a_press_in_the_group_changes_every_copy(company: Company, context: BrowserContext, platform: str):  # noqa: F811
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    make_client, organisation = CLIENTS[platform]
    about = connection(company, platform)
    title = push(make_policy(company, platform))
    lin, wu, in_group = (
        make_client(context.new_page(), company.product, about["credentials"][organisation], person)
        for person in ("lin", "wu", "wu")
    )
    for client in (lin, wu):
        client.open_chat("值班铃")
    in_group.open_chat(next(iter(about["groups"].values())))
    copies = (lin.card(title), wu.card(title), in_group.card(title))
    for card in copies:
        expect(card).to_contain_text("待处理")

    in_group.press(title, "开始处理")
    for card in copies:
        expect(card).to_contain_text("处理中")
    lin.press(title, "直接关闭")
    for card in copies:
        expect(card).to_contain_text("已关闭")

    console = context.new_page()
    sign_in(console, company)
    console.goto(f"{company.product.base_url}/incidents?scope=all&q={title.split(' ')[0]}")
    console.get_by_role("link", name=title).click()
    expect(console.locator("#incident-detail .prog-closed")).to_be_visible()
    expect(console.locator("#incident-detail")).to_contain_text(re.compile("吴迪 开始处理"))
    expect(console.locator("#incident-detail")).to_contain_text(re.compile("林晓.*关闭", re.DOTALL))
