"""Getting in and out: sign-in, lockout, one-time passwords, the first administrator, sessions."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
from flask import Flask

from app import create_app
from blueprints.access import safe_next
from config import Settings
from extensions import db
from models import Membership, MembershipState, Role, TenantStatus
from services import accounts, instance, members
from services.clock import utcnow
from tests.factories import make_member, make_tenant
from tests.web.conftest import PASSWORD, Browser

EVIL = [
    "//evil.example",
    "///evil.example",
    "////evil.example/%2e%2e",
    "https://evil.example",
    "HTTPS://evil.example",
    "http:evil.example",
    "https:/evil.example",
    "http:///evil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "evil.example",
    "evil.example/members",
    "@evil.example",
    "\\evil.example",
    "\\\\evil.example",
    "/\\evil.example",
    "/\\/evil.example",
    "\\/evil.example",
    "/%5cevil.example",
    "/%5Cevil.example",
    "/%2fevil.example",
    "/%2Fevil.example",
    "%2f%2fevil.example",
    "/%252fevil.example",
    "/%255cevil.example",
    "/\tevil.example",
    "/\t/evil.example",
    "/%09/evil.example",
    "/\nevil.example",
    "/%0aevil.example",
    "/%0d%0aLocation: https://evil.example",
    "/members\r\nSet-Cookie: a=b",
    " //evil.example",
    " https://evil.example",
    "/x//evil.example",
    "/x/..//evil.example",
    "/user:pass@evil.example",
    "//user@evil.example/",
    "/\u2028/evil.example",
    "/\0evil",
    "?next=//evil.example",
    "#//evil.example",
    "/" + "a" * 1001,
    "//[::1]",
    "/../../evil",
]


def cookie_content(client: Browser) -> dict[str, object]:
    """What the session cookie says to somebody who only decodes it."""
    cookie = client.get_cookie("dutybell")
    assert cookie is not None
    value = cookie.value
    packed = value.startswith(".")
    body = value.lstrip(".").split(".")[0]
    raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    content: dict[str, object] = json.loads(zlib.decompress(raw) if packed else raw)
    return content


# --- where sign-in leads ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("evil", EVIL)
def test_sign_in_leads_to_no_foreign_place(evil: str) -> None:
    assert safe_next(evil) is None


@pytest.mark.parametrize(
    "own", ["/", "/incidents?filter=mine&q=a%20b", "/incidents/12#timeline", "/me?x=a@b", "/h5/wecom/k-_1/incidents/3"]
)
def test_sign_in_leads_back_to_own_pages(own: str) -> None:
    assert safe_next(own) == own


def test_a_stranger_is_sent_to_sign_in_and_back(client: Browser, admin: Membership) -> None:
    asked = client.get("/members?role=admin")
    assert asked.status_code == 303
    assert asked.location == "/sign-in?next=/members?role%3Dadmin"
    page = client.get(asked.location)
    assert 'value="/members?role=admin"' in page.text
    entered = client.submit("/sign-in", {"username": "wang", "password": PASSWORD, "next": "/members?role=admin"})
    assert entered.status_code == 303
    assert entered.location == "/members?role=admin"


def test_an_evil_next_is_dropped(client: Browser, admin: Membership) -> None:
    page = client.get("/sign-in?next=//evil.example")
    assert "evil" not in page.text.split("<main")[1].split("<footer")[0]
    entered = client.submit("/sign-in", {"username": "wang", "password": PASSWORD, "next": "https://evil.example"})
    assert entered.location == "/"


def test_a_fragment_of_a_stranger_leaves_the_page_for_sign_in(client: Browser, admin: Membership) -> None:
    answer = client.get("/members", headers={"HX-Request": "true", "HX-Current-URL": "http://localhost/members?q=li"})
    assert answer.headers["HX-Redirect"] == "/sign-in?next=/members?q%3Dli"


def test_a_fragment_of_a_page_without_an_address_leads_to_sign_in(client: Browser, admin: Membership) -> None:
    answer = client.get("/incidents", headers={"HX-Request": "true", "HX-Current-URL": "http://["})
    assert answer.headers["HX-Redirect"] == "/sign-in"


# --- in and out ---------------------------------------------------------------------------------------------------


def test_a_wrong_password_is_explained_without_telling_which_part(client: Browser, admin: Membership) -> None:
    wrong = client.submit("/sign-in", {"username": "wang", "password": "not the password"})
    unknown = client.submit("/sign-in", {"username": "nobody", "password": "not the password"})
    for answer in (wrong, unknown):
        assert answer.status_code == 422
        assert "用户名或密码不正确" in answer.text
        assert "not the password" not in answer.text


def test_the_sixth_guess_waits(client: Browser, admin: Membership) -> None:
    for _ in range(5):
        assert client.submit("/sign-in", {"username": "WANG", "password": "wrong"}).status_code == 422
    locked = client.submit("/sign-in", {"username": "wang", "password": PASSWORD})
    assert locked.status_code == 429
    assert "15 分钟后再试" in locked.text
    assert 0 < int(locked.headers["Retry-After"]) <= 900


def test_a_session_is_a_new_one_after_sign_in(client: Browser, admin: Membership) -> None:
    client.get("/sign-in")
    with client.session_transaction() as planted:
        planted["planted"] = "by somebody else"
        before = planted["csrf_token"]
    client.sign_in(admin)
    content = cookie_content(client)
    assert "planted" not in content
    assert content.get("csrf_token") != before


def test_signing_out_also_ends_copies_of_the_cookie(admin_client: Browser) -> None:
    copied = admin_client.get_cookie("dutybell")
    assert copied is not None
    assert admin_client.submit("/sign-out", page="/me").status_code == 303
    assert admin_client.get("/me").status_code == 303
    admin_client.set_cookie("dutybell", copied.value)
    assert admin_client.get("/me").status_code == 303


def test_a_session_ends_after_twelve_hours_however_busy(client: Browser, admin: Membership) -> None:
    start = utcnow()
    with time_machine.travel(start, tick=False) as clock:
        client.sign_in(admin)
        for hours in (4, 8, 11.9):
            clock.move_to(start + timedelta(hours=hours))
            assert client.get("/me").status_code == 200
            client.submit("/preferences/theme", {"theme": "dark"}, page="/me")
        clock.move_to(start + timedelta(hours=12, minutes=5))
        assert client.get("/me").status_code == 303


def test_disabling_somebody_ends_the_session_at_once(client: Browser, admin: Membership, responder: Membership) -> None:
    client.sign_in(responder)
    assert client.get("/me").status_code == 200
    members.disable(responder, by=admin, now=utcnow())
    assert client.get("/me").status_code == 303
    assert client.sign_in(responder).location == "/organisations"
    page = client.get("/organisations")
    assert page.status_code == 403
    assert "您已不是该组织的成员" in page.text


def test_a_changed_password_ends_other_sessions(app: Flask, admin_client: Browser, admin: Membership) -> None:
    elsewhere = app.test_client()
    assert isinstance(elsewhere, Browser)
    elsewhere.sign_in(admin)
    fields = {"current": PASSWORD, "password": "another good password", "repeated": "another good password"}
    assert admin_client.submit("/password", fields).status_code == 303
    assert admin_client.get("/me").status_code == 200
    assert elsewhere.get("/me").status_code == 303


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"current": "wrong"}, "当前密码不正确"),
        ({"password": "password123", "repeated": "password123"}, "这个密码很常见"),
        ({"password": "short", "repeated": "short"}, "密码至少需要 8 个字符，建议 15 个以上"),
        ({"repeated": "something else"}, "两次输入的密码不一致"),
        ({"password": PASSWORD, "repeated": PASSWORD}, "新密码与旧密码相同"),
    ],
)
def test_a_refused_password_says_why(admin_client: Browser, fields: dict[str, str], complaint: str) -> None:
    good = {"current": PASSWORD, "password": "another good password", "repeated": "another good password"}
    answer = admin_client.submit("/password", good | fields)
    assert answer.status_code == 422
    assert complaint in answer.text
    assert 'value="another good password"' not in answer.text


# --- one-time passwords -------------------------------------------------------------------------------------------


def test_a_one_time_password_opens_one_page_only(client: Browser, admin: Membership) -> None:
    member, password = members.add("lin", "林晓", Role.RESPONDER, by=admin, now=utcnow())
    entered = client.sign_in(member, password)
    assert entered.location == "/password"
    for path in ("/", "/me", "/members", "/organisations", "/integrations/alerts", "/me/tokens"):
        answer = client.get(path)
        assert answer.status_code in {302, 303}, path
        assert answer.location.startswith("/password"), path
    assert client.submit("/me/tokens", {"name": "x", "scopes": "read"}, page="/password").location.startswith(
        "/password"
    )
    changed = client.submit("/password", {"password": "my own password 1", "repeated": "my own password 1"})
    assert changed.status_code == 303
    assert client.get("/me").status_code == 200


# --- the first administrator --------------------------------------------------------------------------------------


def test_an_empty_instance_asks_for_its_first_administrator(client: Browser) -> None:
    assert client.get("/sign-in").location == "/first-administrator"
    fields = {
        "setup_code": instance.setup_code().lower(),
        "organisation": "支付平台",
        "username": "wang",
        "real_name": "王芳",
        "password": PASSWORD,
        "repeated": PASSWORD,
    }
    made = client.submit("/first-administrator", fields)
    assert made.status_code == 303
    assert "支付平台" in client.get("/me").text
    assert client.get("/first-administrator").location == "/sign-in"


@pytest.mark.parametrize("code", ["", "AAAA-AAAA-AAAA-AAAA", "x" * 64])
def test_the_first_visitor_is_not_the_first_administrator(client: Browser, code: str) -> None:
    fields = {"organisation": "x", "username": "evil", "real_name": "x", "password": PASSWORD, "repeated": PASSWORD}
    answer = client.submit("/first-administrator", fields | {"setup_code": code})
    assert answer.status_code == 422
    assert "安装码" in answer.text
    assert accounts.is_empty()
    assert instance.setup_code() not in answer.text


def test_a_wrong_setup_code_is_told_together_with_all_else(client: Browser) -> None:
    fields = {"setup_code": "AAAA", "organisation": "x", "username": "wang", "real_name": "x"}
    page = client.submit("/first-administrator", fields | {"password": PASSWORD, "repeated": "another"}).text
    assert "安装码不正确" in page
    assert "两次输入的密码不一致" in page
    assert "新密码" not in page


def test_a_demo_asks_for_no_setup_code(client: Browser, app: Flask) -> None:
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], demo=True)
    assert "安装码" not in client.get("/first-administrator").text
    fields = {"organisation": "x", "username": "wang", "real_name": "x", "password": PASSWORD, "repeated": PASSWORD}
    assert client.submit("/first-administrator", fields).status_code == 303


def test_the_setup_code_is_told_at_the_start_and_by_a_command(
    app: Flask, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("WARNING"):
        create_app(settings)
    assert instance.setup_code() in caplog.text
    runner = app.test_cli_runner()
    assert instance.setup_code() in runner.invoke(args=["setup-code"]).output
    accounts.create_first_administrator("wang", "王芳", PASSWORD, now=utcnow())
    db.session.commit()
    assert runner.invoke(args=["setup-code"]).exit_code == 1
    db.session.rollback()  # or the start would find the database locked, and say nothing for that reason
    caplog.clear()
    create_app(settings)
    assert "does not answer" not in caplog.text
    assert instance.setup_code() not in caplog.text


def test_nobody_becomes_first_administrator_afterwards(client: Browser, admin: Membership) -> None:
    fields = {"organisation": "x", "username": "evil", "real_name": "x", "password": PASSWORD, "repeated": PASSWORD}
    answer = client.submit("/first-administrator", fields, page="/sign-in")
    assert answer.status_code == 404
    assert accounts.find("evil") is None


# --- organisations ------------------------------------------------------------------------------------------------


def test_a_person_of_two_organisations_chooses(client: Browser, admin: Membership) -> None:
    there = make_member("wang", tenant=make_tenant("海外分部"))
    assert client.sign_in(admin).location == "/organisations"
    page = client.get("/organisations").text
    assert "测试组织" in page
    assert "海外分部" in page
    chosen = client.submit("/organisations", {"tenant_id": there.tenant_id})
    assert chosen.status_code == 303
    assert "海外分部" in client.get("/me").text


def test_nobody_enters_an_organisation_of_others(admin_client: Browser) -> None:
    foreign = make_tenant("别处")
    assert admin_client.submit("/organisations", {"tenant_id": foreign.id}).status_code == 404


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (MembershipState.UNDER_REVIEW, "您的加入申请正在审核中"),
        (MembershipState.REFUSED, "您的加入申请已被拒绝"),
        (MembershipState.LEFT, "您已不是该组织的成员"),
        (MembershipState.INVITED, "您收到了该组织的邀请"),
    ],
)
def test_what_stands_in_the_way_is_said_in_words(
    client: Browser, responder: Membership, state: MembershipState, words: str
) -> None:
    responder.state = state
    assert client.sign_in(responder).location == "/organisations"
    assert words in client.get("/organisations").text
    assert client.get("/me").location.startswith("/organisations")


def test_a_frozen_organisation_opens_nothing(client: Browser, admin: Membership) -> None:
    admin.tenant.status = TenantStatus.FROZEN
    db.session.commit()
    client.sign_in(admin)
    assert "组织已被冻结" in client.get("/organisations").text
    assert client.get("/members").status_code == 303
