"""An administrator takes over a company's twelve people, with namesakes and a stranger's account among them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping

import requests
from playwright.sync_api import BrowserContext, Locator, Page, expect

from extensions import db
from models import Role, Tenant
from services import accounts
from services.clock import utcnow
from tests.e2e.wecom_console import PATIENCE_MS
from tests.e2e.wizard import PASSWORD
from tests.servers import Product

HOUSE = "ABC123"
HERE = {"zhangsan": "张三", "lilei": "李雷", "lilei2": "李雷", "wangfang": "王芳"}
THERE = {
    "zhang.san": "张三",
    "li.lei": "李雷",
    "wang.fang": "王芳",
    "hanmei": "韩梅",
    "lucy": "露西",
    "lily": "莉莉",
    "jim": "吉姆",
    "kate": "凯特",
    "tom": "汤姆",
    "ann": "安",
    "bob": "鲍勃",
    "out": "外包",
}


def prepare(product: Product) -> dict[str, str]:
    """Four people here, twelve there; a stranger has the account that one of those would be given."""
    with product.app():
        now = utcnow()
        admin = accounts.create_first_administrator("admin", "管理员", PASSWORD, organisation="星河科技", now=now)
        admin.tenant.house_number = HOUSE
        for username, name in HERE.items():
            accounts.join(
                accounts.create(username, name, None, now=now), admin.tenant, Role.RESPONDER, source="manual", now=now
            )
        other = Tenant(name="别处", house_number="OTHER1", created_at=now)
        db.session.add(other)
        db.session.flush()
        stranger = accounts.create(f"{HOUSE}bob", "陌生人", None, now=now)
        accounts.join(stranger, other, Role.RESPONDER, source="manual", now=now)
        db.session.commit()
    corp_id = f"ww{secrets.token_hex(8)}"
    people = [{"userid": userid, "name": name, "departments": [2]} for userid, name in THERE.items()]
    company = {"corp_id": corp_id, "name": "星河科技", "departments": [{"id": 2, "name": "值班组"}], "people": people}
    control(product, "wecom/corps", company)
    made = control(product, "wecom/apps", {"corp_id": corp_id, "agent_id": 1000002, "trusted_ips": ["127.0.0.1"]})
    return {"AgentId": "1000002", "AppKey": corp_id, "AppSecret": str(made["secret"])}


def control(product: Product, path: str, body: Mapping[str, object]) -> dict[str, object]:
    answer = requests.post(f"{product.simulator_url}/control/{path}", json=body, timeout=30)
    assert answer.ok, answer.text
    return dict(answer.json())


def test_an_administrator_synchronises_twelve_people(product: Product, context: BrowserContext):
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    credentials = prepare(product)
    page = context.new_page()
    page.goto(f"{product.base_url}/sign-in?next=/system/third-party")
    page.locator("[name=username]").fill("admin")
    page.locator("[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="登录", exact=True).click()
    configure(page, credentials)

    page.get_by_role("button", name="同步", exact=True).click()
    expect(page.get_by_role("heading", name="本组织账号")).to_be_visible()
    expect(account(page, "zhangsan")).to_contain_text("按姓名匹配")
    expect(account(page, "lilei2")).to_contain_text("重名，请手动选择")
    expect(person(page, "li.lei")).to_contain_text("重名")
    account(page, "lilei2").get_by_role("link", name="选择用户").click()
    account(page, "lilei2").get_by_role("listitem").filter(has_text="li.lei").get_by_role("button", name="绑定").click()
    expect(account(page, "lilei2").get_by_text("手动", exact=True)).to_be_visible()
    person(page, "out").get_by_role("button", name="本次不同步").click()
    expect(person(page, "out").get_by_role("button", name="恢复")).to_be_visible()

    page.get_by_role("link", name="确认同步").click()
    expect(page.get_by_text("检测到未绑定的企业微信用户 8 位，平台将会为这 8 位用户创建新的账号")).to_be_visible()
    expect(page.get_by_label("随机一次性密码")).to_be_checked()
    page.get_by_role("button", name="确认同步").click()
    expect(page.get_by_text("用户 韩梅(ABC123hanmei) 创建成功！")).to_be_visible()
    expect(page.get_by_text("用户 李雷(lilei2) 更新成功！")).to_be_visible()
    expect(page.get_by_text("失败：账号 ABC123bob 已存在，请手动绑定")).to_be_visible()
    expect(page.get_by_text("用户 外包 本次未同步")).to_be_visible()
    page.get_by_role("button", name="显示并导出初始密码").click()
    expect(page.get_by_role("cell", name="ABC123hanmei")).to_be_visible()


def configure(page: Page, credentials: dict[str, str]) -> None:
    """系统管理 › 第三方配置 › 企业微信集成."""
    page.get_by_role("button", name="配置企业微信").click()
    for called, value in credentials.items():
        page.get_by_label(re.compile(rf"^{called}\b")).fill(value)
    page.get_by_role("button", name="保存", exact=True).click()
    expect(page.get_by_text("配置已保存")).to_be_visible()


def account(page: Page, username: str) -> Locator:
    """A row of the left column."""
    rows = page.locator("[id^='account-']")
    return rows.filter(has=page.locator(".dim", has_text=re.compile(f"^{username}$")))


def person(page: Page, userid: str) -> Locator:
    """A row of the right column."""
    return page.locator("[id^='person-']").filter(
        has=page.locator(".dim", has_text=re.compile(rf"^{re.escape(userid)} "))
    )
