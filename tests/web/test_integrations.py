"""Connecting a chat platform, page by page: what is refused and how it is said, what is kept, who may."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import select

from blueprints.integrations.forms import saving_step
from extensions import db
from models import AccountLink, CheckState, Integration, IntegrationStatus, Job, Membership, Role
from platforms.errors import remember
from platforms.wecom.errors import IpNotTrusted
from services import accounts, calls, checks, instance, integrations, setup
from services.clock import utcnow
from tests.factories import make_integration, make_link, make_tenant
from tests.web.conftest import PASSWORD, Browser

CORP_ID, AGENT_ID = "ww1234567890abcdef", "1000002"
SECRET = "kFTfhbxxFFT1eSrXEKlbQTdTEBhLMpwIqJu_dROaWTo"
TOKEN, AES_KEY = "QDG6eKxVkPqWzLmN", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
FILE_NAME, FILE_CONTENT = "WW_verify_AbCdEfGh01234567.txt", "AbCdEfGh01234567"
STEPS: dict[str, dict[str, str]] = {
    "corp_id": {"corp_id": CORP_ID},
    "agent_id": {"agent_id": AGENT_ID},
    "secret": {"secret": SECRET},
    "trusted_domain": {
        "trusted_domain": "oncall.example.com",
        "ownership_file_name": FILE_NAME,
        "ownership_file_content": FILE_CONTENT,
    },
    "callback_keys": {"token": TOKEN, "encoding_aes_key": AES_KEY},
}
ALL_SECRETS = (SECRET, TOKEN, AES_KEY)


@pytest.fixture
def draft(admin_client: Browser) -> Integration:
    """A connection that the administrator has just begun."""
    admin_client.submit("/integrations/im/new/wecom/self_built", page="/integrations/im/")
    return db.session.scalars(select(Integration)).one()


@pytest.fixture
def colleague(app: Flask, admin: Membership) -> Iterator[Browser]:
    """A second administrator, Wu 吴凡, at a browser of his own."""
    user = accounts.create("wu", "吴凡", PASSWORD, now=utcnow())
    accounts.join(user, instance.default_tenant(now=utcnow()), Role.ADMIN, source="manual", now=utcnow())
    db.session.commit()
    app.test_client_class = Browser
    browser = app.test_client()
    assert isinstance(browser, Browser)
    assert browser.sign_in("wu").status_code == 303
    yield browser


def step_url(integration: Integration, key: str) -> str:
    return f"/integrations/im/{integration.id}/setup/{key}"


def test_a_step_is_done_by_its_button_and_not_by_opening_a_later_one(admin_client):
    admin_client.submit("/integrations/im/new/dingtalk/self_built", page="/integrations/im/")
    draft = db.session.scalars(select(Integration)).one()
    last = step_url(draft, setup.mode_of(draft).steps[-1].key)
    admin_client.get(last)
    assert "已看过" not in admin_client.get(last).text
    admin_client.submit(step_url(draft, "web_app"), {}, page=step_url(draft, "web_app"))
    assert admin_client.get(last).text.count("已看过") == 1


def save(client: Browser, integration: Integration, key: str, **changes: str):
    return client.submit(step_url(integration, key), STEPS.get(key, {}) | changes)


def complete(client: Browser, integration: Integration) -> None:
    for key in STEPS:
        assert save(client, integration, key).status_code == 303


def staged_checks(integration: Integration) -> list[str]:
    return [job.payload["check"] for job in db.session.scalars(select(Job).where(Job.kind == "run_check"))]


# --- what the platform grants -------------------------------------------------------------------------------------


def test_the_days_messages_are_shown_against_the_number_of_accounts_once_that_is_entered(admin_client: Browser) -> None:
    integration = make_integration()
    page = f"/integrations/im/{integration.id}"
    calls.note(integration, utcnow(), people=250)
    db.session.commit()
    shown = quota_of(admin_client.get(page).text)
    assert "今日应用消息" in shown and ">250<" in shown and "未知" in shown
    assert "我的企业 → 企业信息" in shown

    def enter(number: str) -> str:
        return admin_client.submit(f"{page}/quota", {"number": number}, page=page, follow_redirects=True).text

    entered = enter("2")
    shown = quota_of(entered)
    assert "额度已保存" in entered and ">400<" in shown and 'value="2"' in shown
    assert "今日发送人次已达到额度" not in shown
    assert "今日发送人次已达到额度" in quota_of(enter("1"))
    for number in ("many", "-1", "", "100000001"):
        refused = enter(number)
        assert "账号上限数 无效" in refused and 'value="1"' in quota_of(refused)


def test_who_may_not_edit_sees_the_use_and_enters_nothing(client: Browser, responder: Membership) -> None:
    integration = make_integration()
    client.sign_in(responder)
    page = f"/integrations/im/{integration.id}"
    shown = client.get(page).text
    assert "今日应用消息" in shown and "quota-number" not in shown
    assert client.submit(f"{page}/quota", {"number": "5"}, page=page).status_code == 403


def test_a_quota_of_another_organisation_is_not_entered(admin_client: Browser) -> None:
    integration = make_integration(tenant=make_tenant("elsewhere"))
    answer = admin_client.submit(f"/integrations/im/{integration.id}/quota", {"number": "5"}, page="/integrations/im/")
    assert answer.status_code == 404
    assert integration.settings == {}


def quota_of(page: str) -> str:
    found = re.search(r'<section class="card" id="quota".*?</section>', page, re.DOTALL)
    assert found
    return found[0]


# --- what is typed ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "wrong", "suspicion"),
    [
        ("corp_id", AGENT_ID, "这看起来像 AgentId"),
        ("corp_id", SECRET, "这看起来像 Secret"),
        ("agent_id", CORP_ID, "这看起来像企业 ID"),
        ("secret", CORP_ID, "这看起来像企业 ID"),
        ("secret", AGENT_ID, "这看起来像 AgentId"),
        ("secret", TOKEN, "这看起来像 Token"),
        ("trusted_domain", "https://oncall.example.com/h5", "这看起来像一个网址"),
        ("ownership_file_content", FILE_NAME, "这看起来像文件名"),
        ("token", AES_KEY, "这看起来像 EncodingAESKey"),
        ("encoding_aes_key", TOKEN, "这看起来像 Token"),
        ("encoding_aes_key", SECRET, "这看起来像 Secret"),
    ],
)
def test_a_value_in_the_wrong_field_is_recognised(admin_client: Browser, draft, field, wrong, suspicion) -> None:
    key = next(key for key, values in STEPS.items() if field in values)
    answer = save(admin_client, draft, key, **{field: wrong})
    assert answer.status_code == 422
    assert suspicion in answer.text
    assert "尚未保存" in answer.text
    at_once = admin_client.post(
        f"{step_url(draft, key)}/fields/{field}",
        data={field: wrong, "csrf_token": admin_client.token(step_url(draft, key))},
    )
    assert suspicion in at_once.text
    assert not draft.settings.get(field)
    assert field not in draft.secrets


def test_what_is_right_beside_a_mistake_stays_in_the_form(admin_client: Browser, draft: Integration) -> None:
    answer = save(admin_client, draft, "trusted_domain", ownership_file_content="two words")
    assert answer.status_code == 422
    assert 'value="oncall.example.com"' in answer.text
    assert f'value="{FILE_NAME}"' in answer.text


def test_a_secret_that_was_refused_does_not_come_back(admin_client: Browser, draft: Integration) -> None:
    answer = save(admin_client, draft, "callback_keys", encoding_aes_key=SECRET)
    assert answer.status_code == 422
    assert SECRET not in answer.text
    assert TOKEN not in answer.text


def test_a_needed_value_that_is_missing_is_asked_for(admin_client: Browser, draft: Integration) -> None:
    answer = save(admin_client, draft, "corp_id", corp_id="")
    assert answer.status_code == 422
    assert "请填写 企业 ID" in answer.text


def test_a_field_that_was_left_is_kept_at_once(admin_client: Browser, draft: Integration) -> None:
    page = step_url(draft, "corp_id")
    answer = admin_client.post(
        f"{page}/fields/corp_id", data={"corp_id": CORP_ID, "csrf_token": admin_client.token(page)}
    )
    assert "草稿已保存" in answer.text
    assert draft.settings["corp_id"] == CORP_ID


def test_a_complete_draft_becomes_active_and_says_so(admin_client: Browser, draft: Integration) -> None:
    complete(admin_client, draft)
    assert draft.status is IntegrationStatus.ACTIVE
    assert "集成已保存并启用" in admin_client.get(step_url(draft, "callback_url")).text


def test_secrets_are_shown_nowhere_and_stored_sealed(admin_client: Browser, draft: Integration) -> None:
    complete(admin_client, draft)
    pages = [step_url(draft, key) for key in STEPS] + ["/integrations/im/", f"/integrations/im/{draft.id}"]
    for page in pages:
        shown = admin_client.get(page).text
        assert not [secret for secret in ALL_SECRETS if secret in shown], page
    assert "已保存；留空则不变" in admin_client.get(step_url(draft, "secret")).text
    assert not [secret for secret in ALL_SECRETS if secret in str(draft.secrets)]


def test_an_empty_secret_keeps_the_stored_one_and_a_new_one_replaces_it(admin_client: Browser, draft) -> None:
    complete(admin_client, draft)
    before = integrations.platform_for(draft).settings.secret  # type: ignore[attr-defined]
    assert save(admin_client, draft, "secret", secret="").status_code == 303
    assert integrations.platform_for(draft).settings.secret == before == SECRET  # type: ignore[attr-defined]
    replacement = SECRET[::-1]
    assert save(admin_client, draft, "secret", secret=replacement).status_code == 303
    assert integrations.platform_for(draft).settings.secret == replacement  # type: ignore[attr-defined]


def test_a_company_is_connected_to_one_organisation_alone(admin_client: Browser, draft: Integration) -> None:
    other = make_integration(tenant=make_tenant("别的组织"), settings={"corp_id": CORP_ID})
    other.platform_key = integrations.platform_for(other).application_key
    db.session.commit()
    answer = save(admin_client, draft, "corp_id")
    assert answer.status_code == 422
    assert "AppKey重复" in answer.text
    assert "别的组织" not in answer.text
    assert "corp_id" not in draft.settings


def test_a_private_deployment_asks_for_its_endpoint(admin_client: Browser, draft: Integration) -> None:
    complete(admin_client, draft)
    answer = save(admin_client, draft, "deployment", is_private="1", endpoint="https://wwlocal.example.com/cgi-bin")
    assert answer.status_code == 422
    assert "请去掉后面的路径" in answer.text


# --- drafts and colleagues ----------------------------------------------------------------------------------------


def test_leaving_and_coming_back_opens_the_step_that_was_left(admin_client: Browser, draft: Integration) -> None:
    save(admin_client, draft, "corp_id")
    admin_client.get(step_url(draft, "agent_id"))
    admin_client.submit("/sign-out", page="/me")
    admin_client.sign_in("wang")
    again = admin_client.submit("/integrations/im/new/wecom/self_built", page="/me")
    page = admin_client.get(again.location)
    assert re.search(r'id="wizard-title".*?AgentId', page.text, re.DOTALL)
    assert f'value="{CORP_ID}"' in admin_client.get(step_url(draft, "corp_id")).text
    assert db.session.scalars(select(Integration)).one() == draft


def test_a_second_administrator_sees_who_is_at_it(admin_client: Browser, colleague: Browser, draft) -> None:
    assert "正在编辑" not in admin_client.get(step_url(draft, "corp_id")).text
    assert "王芳 正在编辑" in colleague.get(step_url(draft, "corp_id")).text
    assert "吴凡 正在编辑" in admin_client.get(step_url(draft, "corp_id")).text


def test_a_check_is_staged_once_however_often_it_is_asked_for(admin_client: Browser, draft: Integration) -> None:
    page = step_url(draft, "secret")
    for _ in range(3):
        url = f"/integrations/im/{draft.id}/checks/credentials"
        assert admin_client.submit(url, {"step": "secret"}, page=page).location.endswith("/setup/secret")
    assert staged_checks(draft).count("credentials") == 1


def test_a_changed_value_has_to_be_proven_again(admin_client: Browser, draft: Integration) -> None:
    checks.passed(draft, "credentials", now=utcnow())
    save(admin_client, draft, "corp_id")
    known = checks.get(draft, "credentials")
    assert known and known.state is CheckState.WAITING
    assert "credentials" in staged_checks(draft)


def test_the_poll_answers_nothing_until_a_check_changes(admin_client: Browser, draft: Integration) -> None:
    page = admin_client.get(step_url(draft, "callback_url")).text
    found = re.search(r'If-None-Match": "\\&#34;(\w+)|If-None-Match": "\\"(\w+)', page)
    assert found, "the page carries its tag"
    headers = {"HX-Request": "true", "If-None-Match": f'"{found[1] or found[2]}"'}
    assert admin_client.get(f"{step_url(draft, 'callback_url')}/state", headers=headers).status_code == 304
    checks.passed(draft, "callback", now=utcnow())
    changed = admin_client.get(f"{step_url(draft, 'callback_url')}/state", headers=headers)
    assert changed.status_code == 200
    assert "check-passed" in changed.text


def test_a_failed_check_says_what_to_do_and_where(admin_client: Browser, draft: Integration) -> None:
    refusal = IpNotTrusted("not allow to access from your ip", platform_code=60020, ip="203.0.113.7")
    checks.failed(draft, "trusted_ip", now=utcnow(), **remember(refusal))
    page = admin_client.get(f"/integrations/im/{draft.id}").text
    assert "企业微信拒绝了这台服务器的 IP 203.0.113.7（60020）" in page
    assert f'href="{step_url(draft, "trusted_ip")}"' in page


# --- the ownership file -------------------------------------------------------------------------------------------


def test_the_ownership_file_is_served_as_it_was_pasted(admin_client: Browser, draft: Integration, client) -> None:
    assert client.get(f"/{FILE_NAME}").status_code == 404
    save(admin_client, draft, "trusted_domain")
    answer = client.get(f"/{FILE_NAME}")
    assert (answer.status_code, answer.text, answer.mimetype) == (200, FILE_CONTENT, "text/plain")
    known = checks.get(draft, "domain")
    assert known is None or known.state is CheckState.WAITING, "another name of ours proves nothing"
    client.get(f"/{FILE_NAME}", base_url="http://oncall.example.com")
    known = checks.get(draft, "domain")
    assert known and known.state is CheckState.PASSED
    assert client.get("/WW_verify_0000000000000000.txt").status_code == 404


# --- who may ------------------------------------------------------------------------------------------------------


def paths(integration: Integration) -> list[tuple[str, str]]:
    base = f"/integrations/im/{integration.id}"
    reading = [f"{base}/checks", f"{base}/setup", f"{base}/setup/corp_id", f"{base}/setup/corp_id/state"]
    changing = [f"{base}/{end}" for end in ("checks", "checks/credentials", "name", "enable", "disable", "delete")]
    changing += [f"{base}/setup/corp_id", f"{base}/setup/corp_id/fields/corp_id", f"{base}/test-card"]
    changing += [f"{base}/people/1/unlink"]
    return [("GET", base)] + [("GET", path) for path in reading] + [("POST", path) for path in changing]


def test_another_organisations_connection_does_not_exist(admin_client: Browser) -> None:
    foreign = make_integration(tenant=make_tenant())
    token = admin_client.token("/integrations/im/")
    for method, path in paths(foreign):
        answer = admin_client.open(path, method=method, data={"csrf_token": token, "confirm_name": foreign.name})
        assert answer.status_code == 404, path
    assert db.session.get(Integration, foreign.id)


@pytest.mark.parametrize("who", ["viewer", "responder"])
def test_who_may_not_edit_reads_alone(client: Browser, who: str, request: pytest.FixtureRequest) -> None:
    member = request.getfixturevalue(who)
    integration = make_integration(settings={"corp_id": CORP_ID})
    client.sign_in(member)
    token = client.token("/me")
    page = client.get(f"/integrations/im/{integration.id}").text
    assert '<form method="post" action="/integrations' not in page
    assert "删除集成" not in page
    for method, path in paths(integration):
        if method == "POST" or "/setup" in path:
            assert client.open(path, method=method, data={"csrf_token": token}).status_code == 403, path
    assert "开始接入" not in client.get("/integrations/im/").text


# --- afterwards ---------------------------------------------------------------------------------------------------


def test_deleting_asks_for_the_name(admin_client: Browser, draft: Integration) -> None:
    page = f"/integrations/im/{draft.id}"
    refused = admin_client.submit(f"{page}/delete", {"confirm_name": "something"}, page=page)
    assert refused.status_code == 422
    assert "输入的名称不一致" in refused.text
    assert admin_client.submit(f"{page}/delete", {"confirm_name": draft.name}, page=page).status_code == 303
    assert not db.session.scalars(select(Integration)).all()


def test_the_name_is_asked_for_where_the_connection_is_saved(admin_client: Browser, draft: Integration) -> None:
    path = step_url(draft, saving_step(draft))
    assert 'name="integration_name"' in admin_client.get(path).text
    assert 'name="integration_name"' not in admin_client.get(step_url(draft, "corp_id")).text
    admin_client.submit(path, {"integration_name": "  一线值班 "})
    assert draft.name == "一线值班"
    admin_client.submit(path, {"integration_name": ""})
    assert draft.name == "一线值班"
    assert admin_client.submit(path, {"integration_name": "长" * 41}).status_code == 422
    assert draft.name == "一线值班"


def test_disabling_and_enabling(admin_client: Browser, draft: Integration) -> None:
    complete(admin_client, draft)
    page = f"/integrations/im/{draft.id}"
    admin_client.submit(f"{page}/disable", page=page)
    assert draft.status is IntegrationStatus.DISABLED
    assert "集成已停用" in admin_client.get(page).text
    admin_client.submit(f"{page}/enable", page=page)
    assert draft.status is IntegrationStatus.ACTIVE


def test_an_administrator_removes_a_link(admin_client: Browser, draft: Integration, responder: Membership) -> None:
    make_link(draft, responder)
    page = f"/integrations/im/{draft.id}"
    assert "已关联" in admin_client.get(f"{page}?people=linked").text
    admin_client.submit(f"{page}/people/{responder.user_id}/unlink", page=page)
    assert not db.session.scalars(select(AccountLink)).all()


def test_a_test_card_goes_to_linked_people_alone(admin_client: Browser, draft, responder: Membership) -> None:
    page = f"/integrations/im/{draft.id}"
    assert "还没有人完成账号关联" in admin_client.get(page).text
    answer = admin_client.submit(f"{page}/test-card", {"recipient": f"user-{responder.user_id}"}, page=page)
    assert answer.status_code == 303
    assert "请选择接收人" in admin_client.get(page).text
