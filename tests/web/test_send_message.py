"""The send-message API: path, headers, parameters, envelope and every error are those of its documentation."""

from __future__ import annotations

from contextvars import Context
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from blueprints.send_message import waiting
from extensions import db
from jobs.handlers import HANDLERS
from jobs.runner import Runner
from models import AuditEntry, Delivery, DeliveryState, IntegrationStatus, LinkState, Membership, MembershipState, Role
from platforms import PLATFORMS
from platforms.errors import PlatformBusy
from platforms.wecom.errors import from_answer
from services import api_tokens
from services.clock import utcnow
from tests.factories import make_integration, make_link, make_member, make_tenant
from tests.fakes import FakePlatform

PATH = "/sys/thirdApp/sendMessageTest"
APPS = {"WECHAT_ENTERPRISE": "wecom", "DINGTALK": "dingtalk", "FEISHU": "feishu"}


def token_of(member: Membership, *scopes: str) -> str:
    return api_tokens.create("测试", scopes or ("send",), by=member, now=utcnow())[1]


@pytest.fixture
def platform(monkeypatch) -> FakePlatform:
    made = FakePlatform()
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: made)
    return made


@pytest.fixture
def boss(app) -> Membership:
    return make_member("boss", Role.ADMIN)


@pytest.fixture
def works(app, monkeypatch) -> None:
    """While a request waits, the worker does what is due."""
    runner = Runner(app, HANDLERS, timedelta(seconds=60))
    monkeypatch.setattr(waiting, "pause", lambda _seconds: Context().run(runner.run_due))


@pytest.fixture
def send(client, boss, platform, works):
    """Send as the administrator: send(receiver="lin") → answer."""
    token = token_of(boss)

    def send(token: str | None = token, tenant: str | None = "0", **body: Any):
        headers = {"X-Access-Token": token, "X-Tenant-Id": tenant}
        known = {"app": "WECHAT_ENTERPRISE", "content": "演练：订单服务将在 15:00 切换"}
        sent = {name: value for name, value in (known | body).items() if value is not None}
        return client.post(PATH, json=sent, headers={name: value for name, value in headers.items() if value})

    return send


def made() -> list[Delivery]:
    return list(db.session.scalars(select(Delivery).order_by(Delivery.id)))


def said(answer) -> tuple[int, bool, int, str]:
    assert set(answer.json) == {"success", "message", "code", "result", "timestamp"}
    assert abs(answer.json["timestamp"] / 1000 - utcnow().timestamp()) < 60
    return answer.status_code, answer.json["success"], answer.json["code"], answer.json["message"]


@pytest.mark.parametrize("app_name", APPS)
def test_a_linked_member_gets_the_text(send, platform, app_name):
    make_link(make_integration(platform=APPS[app_name]), make_member("lin"))
    answer = send(app=app_name, receiver="lin", sendAll=False)
    assert said(answer) == (200, True, 200, "")
    assert answer.json["result"] == {
        "errcode": 0,
        "errmsg": "ok",
        "invaliduser": "",
        "msgid": "message-1",
        "deliveries": [{"username": "lin", "state": "sent"}],
    }
    assert [(message.to, message.text) for message in platform.messages] == [("lin", "演练：订单服务将在 15:00 切换")]
    (delivery,) = made()
    assert (delivery.source, delivery.state, delivery.incident_id) == ("api", DeliveryState.SENT, None)
    assert delivery.channel_kind == PLATFORMS[APPS[app_name]].capabilities.channel_kind
    assert [attempt.outcome for attempt in delivery.attempts] == ["sent"]
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.event == "message.sent")).one()
    assert (entry.actor_name, entry.target, entry.detail["outcome"]) == ("boss", "lin", "accepted")


def test_nothing_is_sent_in_the_request(send, platform, monkeypatch):
    make_link(make_integration(), make_member("lin"))
    monkeypatch.setattr(waiting, "SECONDS", 0)
    answer = send(receiver="lin")
    assert said(answer) == (200, True, 200, "已受理，正在发送")
    assert answer.json["result"]["deliveries"] == [{"username": "lin", "state": "queued"}]
    assert platform.messages == []


def test_only_a_few_requests_wait(send, platform):
    make_link(make_integration(), make_member("lin"))
    taken = [waiting._places.acquire(blocking=False) for _ in range(waiting.MOST_WAITING)]
    try:
        assert said(send(receiver="lin"))[3] == "已受理，正在发送"
    finally:
        for _ in filter(None, taken):
            waiting._places.release()


def test_several_receivers_each_have_a_fate(send):
    integration = make_integration()
    make_link(integration, make_member("lin"))
    make_link(integration, make_member("zhou"), state=LinkState.PENDING)
    make_member("wu")
    answer = send(receiver=" lin, wu,LIN,ghost ,zhou")
    assert said(answer) == (200, True, 200, "部分发送成功")
    assert answer.json["result"]["invaliduser"] == "wu|ghost|zhou"
    assert [(row["username"], row["state"], row.get("message")) for row in answer.json["result"]["deliveries"]] == [
        ("lin", "sent", None),
        ("wu", "failed", "未关联应用"),
        ("ghost", "failed", "用户 ghost 不存在"),
        ("zhou", "failed", "成员审核中"),
    ]
    assert len(made()) == 3


def test_everybody_is_one_message_where_the_platform_can(send, platform):
    make_integration()
    answer = send(sendAll=True, receiver="nobody")
    assert said(answer) == (200, True, 200, "")
    assert answer.json["result"]["deliveries"] == [{"username": "@all", "state": "sent"}]
    assert [message.to for message in platform.messages] == ["@all"]


def test_everybody_is_whoever_is_linked_elsewhere(send, platform):
    integration = make_integration(platform="feishu")
    make_link(integration, make_member("lin"))
    make_link(integration, make_member("wu"))
    make_link(integration, make_member("zhou", state=MembershipState.LEFT))
    make_member("zhao")
    answer = send(app="FEISHU", sendAll="true")
    assert said(answer) == (200, True, 200, "")
    assert sorted(message.to for message in platform.messages) == ["lin", "wu"]


def test_everybody_of_nobody(send):
    make_integration(platform="dingtalk")
    answer = send(app="DINGTALK", sendAll=True)
    assert said(answer) == (200, False, 500, "未关联应用")
    assert answer.json["result"]["deliveries"] == []


def test_without_a_valid_token_nobody_sends(send, boss):
    soon = utcnow() + timedelta(minutes=1)
    expired, old = api_tokens.create("旧", ["send"], by=boss, now=utcnow(), expires_at=soon)
    expired.expires_at = utcnow() - timedelta(minutes=1)
    for token in (None, "", "x", "dby_wrong", "Bearer x", "x" * 5000, old):
        assert said(send(token=token, receiver="lin")) == (401, False, 401, "Token失效，请重新登录!")


def test_the_scope_and_the_role_are_both_needed(send, boss):
    make_integration()
    assert said(send(token=token_of(boss, "read", "handle"), receiver="boss")) == (200, False, 510, "没有权限")
    viewer = token_of(make_member("zhao", Role.VIEWER))
    assert said(send(token=viewer, receiver="boss")) == (200, False, 510, "没有权限")
    responder = token_of(make_member("lin"))
    assert said(send(token=responder, sendAll=True)) == (200, False, 510, "没有权限")
    assert said(send(token=responder, receiver="boss")) == (200, False, 500, "未关联应用")


def test_an_unknown_organisation_is_refused(send):
    for tenant in ("7", "x", "-1", "0x0", "99999999999999"):
        assert said(send(tenant=tenant, receiver="boss")) == (200, False, 500, "租户不存在！")


def test_the_organisation_is_0_unless_named(send, boss):
    make_link(make_integration(), boss)
    assert said(send(tenant=None, receiver="boss")) == (200, True, 200, "")
    other = make_tenant("别的组织")
    zhou = make_member("zhou", Role.ADMIN, tenant=other)
    make_link(make_integration(tenant=other), zhou)
    token = token_of(zhou)
    assert said(send(token=token, tenant=None, receiver="zhou")) == (200, False, 500, "租户不存在！")
    assert said(send(token=token, tenant="0", receiver="boss")) == (200, False, 500, "租户不存在！")
    assert said(send(token=token, tenant=str(other.id), receiver="zhou")) == (200, True, 200, "")


def test_people_of_other_organisations_do_not_exist(send):
    make_integration()
    make_member("zhou", tenant=make_tenant("别的组织"))
    assert said(send(receiver="zhou, ghost")) == (200, False, 500, "用户 zhou、ghost 不存在")
    assert made() == []
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.event == "message.sent")).one()
    assert entry.detail["outcome"] == "用户 zhou、ghost 不存在"


def test_without_a_configuration(send):
    other = make_tenant("别的组织")
    for app_name, name in (("WECHAT_ENTERPRISE", "企业微信"), ("DINGTALK", "钉钉"), ("FEISHU", "飞书")):
        make_integration(platform=APPS[app_name], status=IntegrationStatus.DRAFT)
        make_integration(platform=APPS[app_name], tenant=other)
        assert said(send(app=app_name, receiver="boss")) == (200, False, 500, f"{name}尚未配置，请配置{name}")
        assert said(send(app=app_name, sendAll=True))[3] == f"{name}尚未配置，请配置{name}"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"app": "QQ", "receiver": "boss"}, "不识别的第三方APP"),
    ({"app": None, "receiver": "boss"}, "不识别的第三方APP"),
    ({}, "receiver 与 sendAll 需填写一个"),
    ({"receiver": " , ", "sendAll": False}, "receiver 与 sendAll 需填写一个"),
    ({"receiver": "boss", "content": ""}, "content 不能为空"),
    ({"receiver": "boss", "content": None}, "content 不能为空"),
    ({"receiver": "boss", "content": " \n"}, "content 不能为空"),
    ({"receiver": "boss", "content": "警" * 683}, "content 超过 2048 字节"),
    ({"receiver": "boss", "content": 7}, "content 须为字符串"),
    ({"receiver": ["boss"]}, "receiver 须为字符串"),
    ({"receiver": ",".join(f"u{n}" for n in range(1001))}, "receiver 超过 1000 个"),
    ({"receiver": "ghost"}, "用户 ghost 不存在"),
]


def test_what_is_wrong_is_said(send, boss):
    make_link(make_integration(), boss)
    for body, message in WRONG:
        assert said(send(**body)) == (200, False, 500, message)
    assert made() == []


def test_2048_bytes_are_not_too_long(send, boss, platform):
    make_link(make_integration(), boss)
    assert said(send(receiver="boss", content="警" * 682 + "ab"))[1] is True
    assert len(platform.messages[0].text.encode()) == 2048


def test_nobody_linked(send):
    make_integration()
    answer = send(receiver="boss")
    assert said(answer) == (200, False, 500, "未关联应用")
    assert [(row["username"], row["state"]) for row in answer.json["result"]["deliveries"]] == [("boss", "failed")]
    (delivery,) = made()
    assert (delivery.state, delivery.failure_code) == (DeliveryState.FAILED, "app_not_linked")


def test_the_platforms_refusal_is_told(send, boss, platform):
    make_link(make_integration(), boss)
    platform.errors.append(from_answer(60020, "not allow to access from your ip, from ip: 203.0.113.9"))
    answer = send(receiver="boss")
    assert said(answer) == (200, False, 500, "平台拒绝了服务器 IP 203.0.113.9")
    assert answer.json["result"]["errcode"] == 60020
    assert "not allow to access" in answer.json["result"]["errmsg"]
    assert answer.json["result"]["invaliduser"] == "boss"


def test_a_busy_platform_is_tried_again(send, boss, platform):
    make_link(make_integration(), boss)
    platform.errors.append(PlatformBusy("busy"))
    answer = send(receiver="boss")
    assert said(answer) == (200, True, 200, "已受理，正在发送")
    assert answer.json["result"]["deliveries"][0]["state"] == "retrying"


def test_a_disabled_configuration_is_named(send, boss):
    make_link(make_integration(status=IntegrationStatus.DISABLED), boss)
    assert said(send(receiver="boss")) == (200, False, 500, "集成已停用")
    assert said(send(sendAll=True)) == (200, False, 500, "集成已停用")


def test_too_frequent(send, boss):
    token = token_of(boss, "read")
    answers = [send(token=token, receiver="boss") for _ in range(61)]
    assert {said(answer) for answer in answers[:60]} == {(200, False, 510, "没有权限")}
    assert said(answers[60]) == (429, False, 429, "请求过于频繁")
    assert 0 < int(answers[60].headers["Retry-After"]) <= 60
    assert said(send(receiver="boss"))[0] == 200


def test_other_answers_have_the_envelope_too(client, boss):
    headers = {"X-Access-Token": token_of(boss)}
    assert said(client.get(PATH)) == (405, False, 405, "请使用 POST 请求")
    assert said(client.post(PATH, data="{", content_type="application/json", headers=headers))[:3] == (200, False, 500)
    assert said(client.post(PATH, json=[], headers=headers)) == (200, False, 500, "请求体须为 JSON 对象")
    assert said(client.post(PATH, data={"app": "x"}, headers=headers))[:3] == (200, False, 500)
    assert said(client.post(PATH, json={"content": "x" * 2**20}, headers=headers))[:3] == (413, False, 413)


def test_a_session_sends_as_well(admin_client, platform, works):
    cookie = admin_client.get_cookie("dutybell").value
    make_integration()
    body = {"app": "WECHAT_ENTERPRISE", "content": "x", "receiver": "wang"}
    answer = admin_client.post(PATH, json=body, headers={"X-Access-Token": cookie})
    assert said(answer) == (200, False, 500, "未关联应用")
    assert said(admin_client.post(PATH, json=body)) == (401, False, 401, "Token失效，请重新登录!")
    admin_client.submit("/sign-out", page="/me")
    answer = admin_client.post(PATH, json=body, headers={"X-Access-Token": cookie})
    assert said(answer) == (401, False, 401, "Token失效，请重新登录!")


def test_answers_are_chinese_for_everybody(client, boss):
    make_integration()
    headers = {"X-Access-Token": token_of(boss), "Accept-Language": "en"}
    answer = client.post(PATH, json={"app": "WECHAT_ENTERPRISE", "content": "x", "receiver": "boss"}, headers=headers)
    assert said(answer)[3] == "未关联应用"
