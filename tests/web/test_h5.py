"""The in-app pages: who gets in, what a stranger's link is worth, and how accounts are linked."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from extensions import db
from models import AccountLink, Integration, IntegrationStatus, LinkState, Membership, MembershipState, Progress, Role
from platforms.base import PlatformIdentity
from services import accounts, admission, checks, integrations
from services.clock import utcnow
from tests.factories import make_incident, make_integration, make_link, make_tenant
from tests.fakes import FakePlatform
from tests.web.conftest import PASSWORD, Browser

INSIDE = {"User-Agent": "Mozilla/5.0 (iPhone) wxwork/4.1.30 MicroMessenger/7.0.1"}
STATE = re.compile(r"state=([0-9a-f]+)")


@dataclass
class SilentSignIn(FakePlatform):
    """Codes are names of accounts, good for one use; "guest" belongs to no company."""

    used: set[str] = field(default_factory=set)

    def identify(self, code: str, *, in_client: bool, redirect_uri: str = "") -> PlatformIdentity:
        assert code not in self.used, "a code is asked about once"
        self.used.add(code)
        name = code.partition("-")[0]
        return PlatformIdentity(None if name == "guest" else name, f"{name} of WeCom")


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> SilentSignIn:
    fake = SilentSignIn()
    monkeypatch.setattr(integrations, "platform_for", lambda integration: fake)
    return fake


@pytest.fixture
def integration(admin: Membership, platform: SilentSignIn) -> Integration:
    return make_integration(settings={"trusted_domain": "localhost"})


@pytest.fixture
def home(integration: Integration) -> str:
    return f"/h5/wecom/{integration.public_key}"


@pytest.fixture
def lin_is_linked(integration: Integration, responder: Membership) -> AccountLink:
    link: AccountLink = make_link(integration, responder)
    return link


@pytest.fixture
def new_browser(app: Flask, client: Browser) -> Callable[[], Browser]:
    def make() -> Browser:
        made = app.test_client()
        assert isinstance(made, Browser)
        return made

    return make


def open_state(browser: Browser, home: str, **query: str) -> str:
    """Set out for the platform's sign-in; returns the state that travels along."""
    answer = browser.get(f"{home}/log-in", query_string=query, headers=INSIDE)
    assert answer.status_code == 302
    found = STATE.search(answer.location)
    assert found
    return found[1]


def come_back(browser: Browser, home: str, state: str, code: str = "lin") -> TestResponse:
    return browser.get(f"{home}/oauth", query_string={"code": code, "state": state}, headers=INSIDE)


def enter(browser: Browser, home: str, code: str = "lin", **query: str) -> TestResponse:
    """Silent sign-in; the answer is what follows it."""
    return come_back(browser, home, open_state(browser, home, **query), code)


def prove(browser: Browser, home: str, username: str = "lin", password: str = PASSWORD) -> TestResponse:
    return browser.submit(f"{home}/bind", {"username": username, "password": password})


def bind(browser: Browser, home: str, code: str = "lin", username: str = "lin") -> TestResponse:
    enter(browser, home, code)
    prove(browser, home, username)
    return browser.submit(f"{home}/bind/confirm")


def links() -> list[AccountLink]:
    return list(db.session.scalars(select(AccountLink)))


def is_inside(browser: Browser, home: str) -> bool:
    return browser.get(f"{home}/incidents").status_code == 200


# --- a linked person ----------------------------------------------------------------------------------------------


def test_a_linked_person_comes_in_silently_and_lands_where_they_were_going(client, home, integration, responder):
    make_link(integration, responder)
    incident = make_incident()
    wanted = f"{home}/incidents/{incident.num}"
    asked = client.get(wanted, headers=INSIDE)
    assert asked.location.startswith(home)
    onward = client.get(asked.location, headers=INSIDE)
    assert "log-in" in onward.location
    state = STATE.search(client.get(onward.location, headers=INSIDE).location)
    assert state
    assert come_back(client, home, state[1]).location == wanted
    assert "db-03" in client.get(wanted).text
    seen = checks.get(integration, "home_page")
    assert seen and seen.state.value == "passed"


def test_upper_and_lower_case_are_one_account(client, home, integration, responder):
    make_link(integration, responder)
    assert enter(client, home, "LIN").location.endswith("/incidents")
    assert is_inside(client, home)


def test_a_link_that_was_broken_is_mended_by_the_opening(client, home, integration, responder):
    link = make_link(integration, responder, state=LinkState.BROKEN)
    enter(client, home)
    assert link.state is LinkState.ACTIVE
    assert is_inside(client, home)


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_the_way_on_stays_here(client, home, integration, responder, wanted):
    make_link(integration, responder)
    assert enter(client, home, next=wanted).location == f"{home}/incidents"


# --- what a stranger's link is worth ------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["", "0" * 32, "not-a-state"])
def test_a_state_that_we_never_opened_is_refused(client, home, lin_is_linked, platform, state):
    answer = come_back(client, home, state)
    assert answer.status_code == 400
    assert "登录链接已失效" in answer.text
    assert not platform.used
    assert not is_inside(client, home)


def test_a_state_is_good_for_one_use(client, home, integration, responder, platform):
    make_link(integration, responder)
    state = open_state(client, home)
    assert come_back(client, home, state).status_code == 302
    assert come_back(client, home, state, "lin-again").status_code == 400
    assert platform.used == {"lin"}


def test_a_copied_cookie_does_not_make_a_state_new(client, home, lin_is_linked, new_browser):
    state = open_state(client, home)
    thief = new_browser()
    thief.set_cookie("dutybell", client.get_cookie("dutybell").value)
    assert come_back(client, home, state).status_code == 302
    assert come_back(thief, home, state, "lin-again").status_code == 400
    assert not is_inside(thief, home)


def test_a_state_is_old_after_ten_minutes(client, home, integration, responder, platform):
    make_link(integration, responder)
    with time_machine.travel(utcnow(), tick=False) as clock:
        state = open_state(client, home)
        clock.shift(timedelta(minutes=10, seconds=1))
        assert come_back(client, home, state).status_code == 400
    assert not platform.used


def test_a_state_of_another_connection_is_refused(client, home, integration, responder, platform):
    make_link(integration, responder)
    other = make_integration(settings={"trusted_domain": "localhost"}, platform_key="wecom:other")
    state = open_state(client, f"/h5/wecom/{other.public_key}")
    assert come_back(client, home, state).status_code == 400
    assert not platform.used


def test_an_attackers_code_does_not_work_in_the_victims_browser(client, home, integration, responder, new_browser):
    make_link(integration, responder)
    attacker, victim = new_browser(), client
    state = open_state(attacker, home)
    answer = come_back(victim, home, state)
    assert answer.status_code == 400
    assert not is_inside(victim, home)


def test_a_refusal_on_the_platform_is_no_sign_in(client, home, integration, responder):
    state = open_state(client, home)
    assert client.get(f"{home}/oauth", query_string={"state": state}, headers=INSIDE).status_code == 400


def test_a_guest_of_the_company_is_told_why(client, home, integration):
    answer = enter(client, home, "guest")
    assert answer.status_code == 403
    assert "不是已接入企业的成员" in answer.text


# --- linking ------------------------------------------------------------------------------------------------------


def test_a_link_is_made_after_password_and_confirmation_and_not_before(client, home, integration, responder):
    assert enter(client, home).location == f"{home}/bind"
    page = client.get(f"{home}/bind").text
    assert "lin of WeCom" in page
    assert prove(client, home).location == f"{home}/bind/confirm"
    assert not links()
    assert not is_inside(client, home)
    question = client.get(f"{home}/bind/confirm").text
    assert "与账号 林晓 (lin) 关联？" in question
    assert not links(), "looking is not confirming"

    client.submit(f"{home}/bind/confirm")

    assert [(link.user_id, link.external_user_id) for link in links()] == [(responder.user_id, "lin")]
    assert is_inside(client, home)


def test_confirming_needs_the_forms_token(client, home, integration, responder):
    enter(client, home)
    prove(client, home)
    assert client.post(f"{home}/bind/confirm").status_code == 400
    assert not links()


def test_confirming_without_a_proven_password_leads_back(client, home, integration, responder):
    enter(client, home)
    token = client.token(f"{home}/bind")
    client.post(f"{home}/bind/confirm", data={"csrf_token": token})
    assert not links()


def test_binding_without_a_silent_sign_in_leads_back(client, home, integration, responder):
    for path in ("bind", "bind/confirm"):
        assert client.get(f"{home}/{path}").location == f"{home}/"


def test_an_identity_is_remembered_for_ten_minutes(client, home, integration, responder):
    with time_machine.travel(utcnow(), tick=False) as clock:
        enter(client, home)
        prove(client, home)
        token = client.token(f"{home}/bind/confirm")
        clock.shift(timedelta(minutes=10, seconds=1))
        client.post(f"{home}/bind/confirm", data={"csrf_token": token})
    assert not links()


def test_an_identity_of_one_connection_is_none_of_another(client, home, integration, responder):
    other = make_integration(settings={"trusted_domain": "localhost"}, platform_key="wecom:other")
    enter(client, home)
    assert client.get(f"/h5/wecom/{other.public_key}/bind").status_code == 302


def test_a_wrong_password_says_so_and_counts(client, home, integration, responder):
    enter(client, home)
    for _ in range(5):
        answer = prove(client, home, password="wrong password, surely")
        assert answer.status_code == 422
        assert "用户名或密码不正确" in answer.text
    locked = prove(client, home)
    assert locked.status_code == 422
    assert not links()


def test_an_account_of_another_organisation_cannot_be_linked(client, home, integration):
    user = accounts.create("zhou", "周宁", PASSWORD, now=utcnow())
    accounts.join(user, make_tenant("别的组织"), Role.RESPONDER, source="manual", now=utcnow())
    enter(client, home)
    answer = prove(client, home, "zhou")
    assert answer.status_code == 422
    assert "不属于此应用所在的组织" in answer.text


def test_a_link_moves_with_the_person_who_proves_both_sides(client, home, integration, responder):
    make_link(integration, responder, external_user_id="old-lin", external_name="旧账号")
    enter(client, home, "new")
    prove(client, home)
    assert "目前关联着 旧账号" in client.get(f"{home}/bind/confirm").text
    client.submit(f"{home}/bind/confirm")
    assert [link.external_user_id for link in links()] == ["new"]


def test_an_account_on_the_platform_moves_to_whom_it_is_now(client, home, integration, responder, viewer):
    make_link(integration, viewer, external_user_id="shared")
    enter(client, home, "shared")
    client.submit(f"{home}/account/unlink", page=f"{home}/account/switch")
    bind(client, home, "shared-again", "lin")
    assert [(link.user_id, link.external_user_id) for link in links()] == [(responder.user_id, "shared")]


def test_a_one_time_password_is_replaced_before_anything_else(client, home, integration, admin, responder):
    password = accounts.set_one_time_password(responder.user)
    db.session.commit()
    enter(client, home)
    prove(client, home, password=password)
    after = client.submit(f"{home}/bind/confirm")
    assert after.status_code == 303
    page = client.get(after.location, follow_redirects=True)
    assert "请先设置自己的密码" in page.text
    assert not is_inside(client, home)


def test_whom_the_application_names_needs_no_password(client, home, integration, responder):
    make_link(integration, responder)
    accounts.set_one_time_password(responder.user)
    db.session.commit()
    enter(client, home)
    assert is_inside(client, home)
    assert client.get("/incidents", follow_redirects=True).request.path == "/incidents"


def test_an_application_speaks_for_its_own_organisation_alone(client, home, integration, responder):
    """Whoever runs it could name anybody."""
    elsewhere = make_tenant("别家")
    place = {"tenant_id": elsewhere.id, "user_id": responder.user_id}
    db.session.add(Membership(**place, role=Role.ADMIN, created_at=utcnow()))
    responder.user.is_superadmin = True
    make_link(integration, responder)
    db.session.commit()
    enter(client, home)
    assert is_inside(client, home)
    client.submit("/organisations", {"tenant_id": elsewhere.id}, page="/me")
    assert "组织：别家" not in client.get("/me").text
    assert "只能使用该组织" in client.get("/organisations").text
    assert client.get("/instance/organisations").status_code == 403


# --- who is not let in --------------------------------------------------------------------------------------------


def test_a_disabled_connection_is_closed(client, home, integration, responder):
    make_link(integration, responder)
    enter(client, home)
    integration.status = IntegrationStatus.DISABLED
    db.session.commit()
    for path in ("", "/incidents", "/log-in", "/bind"):
        answer = client.get(f"{home}{path}", headers=INSIDE)
        assert answer.status_code == 403
        assert "集成已停用" in answer.text


def test_an_unknown_connection_does_not_exist(client, home):
    for path in ("/h5/wecom/nothing", "/h5/nothing/nothing", f"{home.replace('wecom', 'feishu')}"):
        assert client.get(path).status_code == 404


def test_a_membership_under_review_is_told_to_wait_and_let_in_afterwards(client, home, integration, responder):
    responder.state = MembershipState.UNDER_REVIEW
    db.session.commit()
    bind(client, home)
    page = client.get(f"{home}/incidents")
    assert page.status_code == 403
    assert "您的加入申请正在审核中" in page.text
    assert "王芳" in page.text
    assert links()[0].state is LinkState.PENDING

    asking = f"{home}/waiting?next={home}/incidents"
    assert f"{home}/waiting?next=" in page.text
    assert client.get(asking, headers={"HX-Request": "true"}).headers.get("HX-Redirect") is None

    admission.approve(responder, by=admin_of(responder), now=utcnow())
    db.session.commit()
    assert links()[0].state is LinkState.ACTIVE
    assert client.get(asking, headers={"HX-Request": "true"}).headers["HX-Redirect"] == f"{home}/incidents"
    assert client.get(asking).location == f"{home}/incidents"
    assert is_inside(client, home)
    enter(client, home, "lin-later")
    assert links()[0].state is LinkState.ACTIVE


def admin_of(member):
    """Somebody who decides in the same organisation."""
    wanted = select(Membership).where(Membership.tenant_id == member.tenant_id, Membership.role == Role.ADMIN)
    return db.session.scalars(wanted).first()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (MembershipState.REFUSED, "您的加入申请已被拒绝"),
        (MembershipState.LEFT, "您已不是该组织的成员"),
        (MembershipState.INVITED, "尚未接受"),
    ],
)
def test_every_state_says_what_it_is(client, home, integration, responder, state, words):
    make_link(integration, responder)
    enter(client, home)
    responder.state = state
    db.session.commit()
    answer = client.get(f"{home}/incidents")
    assert answer.status_code == 403
    assert words in answer.text


def test_who_may_not_look_can_still_switch(client, home, integration, responder):
    responder.state = MembershipState.UNDER_REVIEW
    db.session.commit()
    bind(client, home)
    client.submit(f"{home}/account/unlink", page=f"{home}/account/switch")
    assert not links()
    assert client.get(f"{home}/incidents", headers=INSIDE).status_code == 302


def test_somebody_who_left_is_not_let_in(client, home, integration, responder):
    make_link(integration, responder)
    enter(client, home)
    responder.state = MembershipState.LEFT
    db.session.commit()
    assert client.get(f"{home}/incidents").status_code == 403


def test_ending_a_link_ends_the_session_that_came_through_it(client, home, integration, responder):
    link = make_link(integration, responder)
    enter(client, home)
    assert is_inside(client, home)
    db.session.delete(link)
    db.session.commit()
    assert client.get(f"{home}/incidents").location.startswith(home)
    assert client.get("/incidents").status_code in {302, 303}


def test_unlinking_oneself_asks_first(client, home, integration, responder):
    make_link(integration, responder)
    enter(client, home)
    assert "切换后该账号将不再收到本应用消息" in client.get(f"{home}/account/switch").text
    assert links()
    client.submit(f"{home}/account/unlink", page=f"{home}/account/switch")
    assert not links()
    assert not is_inside(client, home)


def test_outside_the_client_there_are_two_ways_in(client, home, integration, responder):
    page = client.get(f"{home}/")
    assert "请在企业微信中打开" in page.text
    assert f"/sign-in?next={home}/incidents" in page.text
    client.sign_in(responder)
    assert client.get(f"{home}/").location == f"{home}/incidents"
    assert is_inside(client, home)


def test_an_incident_of_another_organisation_does_not_exist(client, home, integration, responder):
    make_link(integration, responder)
    foreign = make_incident(tenant=make_tenant(), num=77)
    enter(client, home)
    token = client.token(f"{home}/account/switch")
    for path in ("", "/more", "/snooze"):
        assert client.get(f"{home}/incidents/{foreign.num}{path}").status_code == 404
    for verb in ("acknowledge", "close", "wake", "refresh"):
        answer = client.post(f"{home}/incidents/{foreign.num}/{verb}", data={"csrf_token": token})
        assert answer.status_code == 404


def test_a_viewer_sees_no_buttons_and_presses_none(client, home, integration, viewer):
    make_link(integration, viewer)
    incident = make_incident(flapping_since=utcnow())
    enter(client, home, "zhao")
    page = client.get(f"{home}/incidents/{incident.num}")
    assert "开始处理" not in page.text
    assert "抖动中" in page.text
    assert "抖动中" in client.get(f"{home}/incidents?filter=open").text
    token = client.token(f"{home}/account/switch")
    answer = client.post(f"{home}/incidents/{incident.num}/acknowledge", data={"csrf_token": token})
    assert answer.status_code == 403


def test_the_address_with_an_organisation_leads_to_its_application(client, home, integration):
    assert client.get("/tenantId/0").location.endswith(home)
    assert client.get("/tenantId/41").status_code == 404


MAC = {"User-Agent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) wxwork/4.1.30 MicroMessenger/7.0.1"}


def test_the_page_of_an_incident_leads_to_the_browser_and_says_how_on_a_mac(client, home, integration, responder):
    make_link(integration, responder)
    incident = make_incident()
    enter(client, home)
    page = f"{home}/incidents/{incident.num}"
    assert f'href="/incidents/{incident.num}">在浏览器打开' in client.get(page, headers=MAC).text
    assert "ctrl + command + shift + d" in client.get(page, headers=MAC).text
    assert "ctrl + command + shift + d" not in client.get(page, headers=INSIDE).text


def test_a_search_on_a_phone_finds_a_number_and_names_what_is_closed(client, home, integration, responder):
    make_link(integration, responder)
    closed = make_incident(title="pay-gateway 超时", progress=Progress.CLOSED, closed_at=utcnow())
    enter(client, home)
    assert client.get(f"{home}/incidents?q=%23{closed.num}").location == f"{home}/incidents/{closed.num}"
    assert "已关闭的故障中有 1 个" in client.get(f"{home}/incidents?filter=open&q=pay-gateway").text


def test_each_kind_of_entry_has_its_sign_on_a_phone(client, home, integration, responder):
    make_link(integration, responder)
    incident = make_incident()
    enter(client, home)
    page = f"{home}/incidents/{incident.num}"
    client.submit(f"{page}/acknowledge", page=page)
    assert "tl-ok" in client.get(page).text
