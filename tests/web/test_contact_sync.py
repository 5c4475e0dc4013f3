"""The pages of a contact synchronisation, as an administrator without scripts uses them."""

from __future__ import annotations

import base64
import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from extensions import db
from jobs.handlers import HANDLERS
from jobs.runner import Runner
from models import AccountLink, ContactSync, GeneratedAccount, Integration, IntegrationStatus, SyncPerson, User
from platforms import PLATFORMS
from platforms.base import Contact, Department
from services.clock import utcnow
from tests.factories import make_integration, make_link, make_tenant
from tests.fakes import GroupPlatform

PLACE = "/system/third-party"


@pytest.fixture
def platform(monkeypatch):
    fake = GroupPlatform(departments=[Department("1", "示例企业")])
    fake.members["1"] = [Contact("lin", "林晓"), Contact("lilei", "李雷")]
    monkeypatch.setitem(PLATFORMS, "chat", GroupPlatform)
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: fake)
    return fake


@pytest.fixture
def integration(app, admin, platform) -> Integration:
    admin.tenant.house_number = "ABC123"
    return make_integration(platform="chat", name="畅聊", platform_key="chat:company")


@pytest.fixture
def work(app):
    def run() -> None:
        db.session.commit()
        Runner(app, HANDLERS, timedelta(seconds=60)).run_due()
        db.session.expire_all()

    return run


def _sync() -> ContactSync:
    return db.session.scalars(select(ContactSync).order_by(ContactSync.id.desc()).limit(1)).one()


def _confirmed(browser, integration, work, **choice) -> str:
    browser.submit(f"{PLACE}/{integration.id}/sync", page=f"{PLACE}/{integration.id}")
    work()
    page = f"{PLACE}/syncs/{_sync().id}"
    browser.submit(f"{page}/confirm", {"version": _sync().version} | choice)
    work()
    return page


def test_from_the_button_to_the_report(admin_client, responder, integration, work):
    page = f"{PLACE}/{integration.id}"
    begun = admin_client.submit(f"{page}/sync", page=page)
    assert "正在读取通讯录" in admin_client.get(begun.location).text
    work()
    compared = admin_client.get(begun.location).text
    assert "按姓名匹配" in compared
    assert "示例企业" in compared
    asked = admin_client.get(f"{begun.location}/confirm").text
    assert "检测到未绑定的畅聊用户 1 位，平台将会为这 1 位用户创建新的账号" in asked
    assert re.search(r'value="random"\s+checked', asked)
    admin_client.submit(f"{begun.location}/confirm", {"version": _sync().version, "initial_passwords": "random"})
    assert "正在同步" in admin_client.get(begun.location).text
    work()
    report = admin_client.get(begun.location).text
    assert "用户 李雷(ABC123lilei) 创建成功！" in report
    assert "用户 林晓(lin) 更新成功！" in report
    assert "ABC123lilei" in admin_client.get(f"{begun.location}/report.csv").get_data().decode("utf-8-sig")


def test_initial_passwords_are_shown_once(admin_client, responder, integration, work):
    page = _confirmed(admin_client, integration, work)
    shown = admin_client.submit(f"{page}/passwords", page=page)
    assert "这些密码只显示这一次" in shown.text
    content = base64.b64decode(re.search(r"base64,([^\"]+)", shown.text)[1]).decode("utf-8-sig")
    (line,) = content.splitlines()[1:]
    name, username, _password = line.split(",")
    assert (name, username) == ("李雷", "ABC123lilei")
    assert "初始密码只能显示一次" not in admin_client.get(page).text
    assert db.session.scalars(select(SyncPerson).where(SyncPerson.password.is_not(None))).all() == []


def test_the_initial_password_opens_one_page_and_once(admin_client, app, responder, integration, work):
    _confirmed(admin_client, integration, work, initial_passwords="account")
    person = app.test_client()
    assert person.sign_in("ABC123lilei", "ABC123lilei").location.startswith("/password")
    assert person.get("/").location.startswith("/password")
    other = app.test_client()
    refused = other.sign_in("ABC123lilei", "ABC123lilei")
    assert refused.status_code == 403
    assert "初始密码已使用或已过期" in refused.text
    person.submit("/password", {"password": "eine sehr lange Losung", "repeated": "eine sehr lange Losung"})
    assert other.sign_in("ABC123lilei", "eine sehr lange Losung").status_code == 303


def test_the_initial_password_ends_after_three_days(admin_client, app, responder, integration, work):
    _confirmed(admin_client, integration, work, initial_passwords="account")
    made = db.session.scalars(select(GeneratedAccount)).one()
    assert made.password_until - made.created_at == timedelta(hours=72)
    made.password_until = utcnow() - timedelta(seconds=1)
    assert app.test_client().sign_in("ABC123lilei", "ABC123lilei").status_code == 403


def test_who_has_not_come_yet_is_listed(admin_client, app, responder, integration, work):
    _confirmed(admin_client, integration, work, initial_passwords="account")
    assert "ABC123lilei" in admin_client.get(f"{PLACE}/not-signed-in").text
    app.test_client().sign_in("ABC123lilei", "ABC123lilei")
    assert "ABC123lilei" not in admin_client.get(f"{PLACE}/not-signed-in").text


def test_removing_a_link_keeps_the_account(admin_client, responder, integration, work):
    make_link(integration, responder, external_user_id="lin")
    page = f"{PLACE}/{integration.id}/bound"
    assert "林晓" in admin_client.get(page).text
    admin_client.submit(f"{page}/{responder.user_id}/remove", page=page)
    assert db.session.scalars(select(AccountLink)).all() == []
    assert db.session.get(User, responder.user_id) is not None


def test_whoever_was_overtaken_is_told_and_sees_what_is(admin_client, responder, integration, work):
    begun = admin_client.submit(f"{PLACE}/{integration.id}/sync", page=f"{PLACE}/{integration.id}").location
    work()
    lin = db.session.scalars(select(SyncPerson).where(SyncPerson.external_user_id == "lin")).one()
    seen = {"version": lin.version}
    verb = f"{begun}/people/{lin.id}/apart"
    assert admin_client.submit(verb, seen, page=begun).status_code == 303
    late = admin_client.submit(verb, seen, page=begun)
    assert late.status_code == 409
    assert "另一位管理员刚刚修改了比对结果" in late.text


def test_an_account_is_chosen_by_hand(admin_client, responder, integration, work):
    begun = admin_client.submit(f"{PLACE}/{integration.id}/sync", page=f"{PLACE}/{integration.id}").location
    work()
    lin = db.session.scalars(select(SyncPerson).where(SyncPerson.external_user_id == "lin")).one()
    admin_client.submit(f"{begun}/people/{lin.id}/apart", {"version": lin.version}, page=begun)
    choice = f"{begun}?choose={responder.user_id}&q=李"
    assert "李雷" in admin_client.get(choice).text
    lilei = db.session.scalars(select(SyncPerson).where(SyncPerson.external_user_id == "lilei")).one()
    fields = {"version": lilei.version, "user_id": responder.user_id}
    admin_client.submit(f"{begun}/people/{lilei.id}/pair", fields, page=choice)
    assert lilei.user_id == responder.user_id
    assert "手动" in admin_client.get(begun).text


def test_others_have_no_business_here(client, responder, integration):
    client.sign_in(responder)
    for path in (PLACE, f"{PLACE}/{integration.id}", f"{PLACE}/not-signed-in"):
        assert client.get(path).status_code == 403


def test_wecoms_credentials_are_one_record_and_never_shown(admin_client):
    admin_client.submit(f"{PLACE}/new/wecom", page=PLACE)
    integration = db.session.scalars(select(Integration)).one()
    page = f"{PLACE}/{integration.id}"
    assert "企业微信尚未配置，请配置企业微信" in admin_client.get(page).text
    values = {"agent_id": "1000002", "corp_id": "ww0123456789abcdef", "secret": "s" * 43}
    assert admin_client.submit(page, values).status_code == 303
    shown = admin_client.get(page).text
    assert "1000002" in shown
    assert "s" * 43 not in shown
    assert "http://localhost:8000/tenantId/0" in shown
    assert "企业微信尚未配置" not in shown


def test_a_configuration_is_given_up_and_revived_with_its_links(admin_client, responder):
    settings = {"corp_id": "ww0123456789abcdef", "agent_id": "1000002"}
    wecom = make_integration(settings=settings, secrets={"secret": "x"}, platform_key="wecom:ww0123456789abcdef")
    link = make_link(wecom, responder)
    page = f"{PLACE}/{wecom.id}"
    admin_client.submit(f"{page}/end", page=page)
    assert wecom.status is IntegrationStatus.DISABLED
    assert "企业微信尚未配置" in admin_client.get(page).text
    admin_client.submit(page, settings)
    assert wecom.status is not IntegrationStatus.DISABLED
    assert db.session.get(AccountLink, link.id) is not None


def test_an_app_key_of_another_organisation_is_refused(admin_client):
    make_integration(tenant=make_tenant("别处"), platform_key="wecom:ww0123456789abcdef")
    admin_client.submit(f"{PLACE}/new/wecom", page=PLACE)
    integration = db.session.scalars(select(Integration).where(Integration.tenant_id == 0)).one()
    refused = admin_client.submit(f"{PLACE}/{integration.id}", {"corp_id": "ww0123456789abcdef"})
    assert refused.status_code == 422
    assert "AppKey重复" in refused.text


@pytest.mark.parametrize("platform_slug", ["wecom", "dingtalk", "feishu"])
def test_what_is_to_be_done_outside_is_said_in_the_platforms_own_words(app, admin_client, platform_slug) -> None:
    connection = make_integration(platform=platform_slug)
    db.session.commit()
    page = admin_client.get(f"{PLACE}/{connection.id}").text
    steps = [sentence for sentence, _name in PLATFORMS[platform_slug].capabilities.contact_steps]
    assert steps
    assert [sentence for sentence in steps if sentence not in page] == []
    assert ("企业可信 IP" in page) == (platform_slug == "wecom")
    assert f"/tenantId/{connection.tenant_id}" in page


def test_a_credential_of_the_wrong_form_is_named_as_the_page_calls_it(app, admin_client) -> None:
    connection = make_integration(platform="wecom")
    db.session.commit()
    place = f"{PLACE}/{connection.id}"
    refused = admin_client.submit(place, {"corp_id": "nonsense", "agent_id": "1000002"}, page=place)
    assert refused.status_code == 422
    assert "企业 ID 应以 ww" in refused.text
    assert "corp_id 无效" not in refused.text
    assert 'value="nonsense"' in refused.text
