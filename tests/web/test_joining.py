"""The pages on which people come in: invitations, house numbers, the queue of those who wait."""

from __future__ import annotations

import re
from html import unescape

import pytest

from extensions import db
from models import Membership, MembershipState, Role
from services import accounts, admission, invitations, linking, policy_people
from services.clock import utcnow
from tests.factories import make_channel, make_member, make_policy, make_tenant
from tests.web.conftest import PASSWORD, Browser

LINK = re.compile(r"/join\?token=[\w-]+")


@pytest.fixture
def zhou(admin: Membership) -> Membership:
    """A person of another organisation; the password is PASSWORD."""
    user = accounts.create("zhou", "周宁", PASSWORD, now=utcnow())
    return accounts.join(user, make_tenant("别处"), Role.RESPONDER, source="manual", now=utcnow())


def place_of(username: str, tenant_id: int = 0) -> Membership | None:
    user = accounts.find(username)
    return linking.place(user, tenant_id) if user else None


def link_of(admin: Membership, username: str = "") -> str:
    _, token = invitations.create(Role.VIEWER, username=username, by=admin, now=utcnow())
    db.session.commit()
    return f"/join?token={token}"


def test_an_administrator_hands_out_a_link_and_takes_it_back(client: Browser, admin_client: Browser) -> None:
    answer = admin_client.submit("/members/invitations", {"role": "viewer", "note": "给小周", "days": "7"})
    path = unescape(LINK.search(answer.text)[0])
    assert "这个链接只显示这一次" in answer.text
    page = admin_client.get("/members/invitations").text
    assert "给小周" in page
    assert path not in page
    (number,) = re.findall(r"/members/invitations/(\d+)/revoke", page)
    admin_client.submit(f"/members/invitations/{number}/revoke", page="/members/invitations")
    assert client.get(path).status_code == 404


def test_a_new_account_is_made_behind_the_link(client: Browser, admin: Membership) -> None:
    path = link_of(admin)
    assert admin.tenant.name in client.get(path).text
    fields = {"username": "newcomer", "real_name": "新人", "password": PASSWORD, "repeated": PASSWORD}
    token = path.partition("=")[2]
    assert client.submit("/join/new", {**fields, "token": token, "repeated": "x"}, page=path).status_code == 422
    answer = client.submit("/join/new", {**fields, "token": token}, page=path)
    assert answer.status_code == 303
    place = place_of("newcomer")
    assert place is not None
    assert (place.state, place.role) == (MembershipState.ACTIVE, Role.VIEWER)
    assert client.get("/me").status_code == 200
    assert client.get(path).status_code == 404


def test_an_existing_account_comes_in_with_its_password(client: Browser, admin: Membership, zhou: Membership) -> None:
    path = link_of(admin)
    token = path.partition("=")[2]
    wrong = client.submit("/join/sign-in", {"token": token, "username": "zhou", "password": "x"}, page=path)
    assert wrong.status_code == 422
    assert "用户名或密码不正确" in wrong.text
    client.submit("/join/sign-in", {"token": token, "username": "zhou", "password": PASSWORD}, page=path)
    assert place_of("zhou").state is MembershipState.ACTIVE
    assert admin.tenant.name in client.get("/me").text


def test_whoever_is_signed_in_comes_in_as_themself(client: Browser, admin: Membership, zhou: Membership) -> None:
    path = link_of(admin)
    client.sign_in(zhou)
    assert "以 周宁 (zhou) 加入" in client.get(path).text
    assert client.submit("/join", {"token": path.partition("=")[2]}, page=path).status_code == 303
    assert place_of("zhou").state is MembershipState.ACTIVE


def test_ended_links_look_alike_and_open_nothing(client: Browser, admin: Membership) -> None:
    made, token = invitations.create(Role.ADMIN, by=admin, now=utcnow())
    invitations.revoke(made.id, by=admin, now=utcnow())
    pages = [client.get(f"/join?token={each}") for each in (token, "never-existed", "")]
    assert {page.status_code for page in pages} == {404}
    assert all("邀请链接无效或已过期" in page.text for page in pages)
    for path in ("/join", "/join/sign-in", "/join/new"):
        assert client.submit(path, {"token": token}, page="/sign-in").status_code == 404


def test_a_named_invitation_stands_among_the_persons_organisations(
    client: Browser, admin: Membership, zhou: Membership
) -> None:
    link_of(admin, username="zhou")
    client.sign_in(zhou)
    assert "接受邀请" in client.get("/organisations").text
    assert client.submit("/organisations/0/accept", page="/organisations").status_code == 303
    assert place_of("zhou").state is MembershipState.ACTIVE
    assert admin.tenant.name in client.get("/me").text


def test_a_named_invitation_is_declined(client: Browser, admin: Membership, zhou: Membership) -> None:
    link_of(admin, username="zhou")
    client.sign_in(zhou)
    client.submit("/organisations/0/decline", page="/organisations")
    assert place_of("zhou") is None
    assert client.submit("/organisations/0/accept", page="/organisations").status_code == 404


def test_a_person_asks_with_the_house_number_and_is_let_in(
    client: Browser, admin: Membership, zhou: Membership
) -> None:
    client.sign_in(zhou)
    sent = {"house_number": admin.tenant.house_number}
    page = client.submit("/organisations/join", sent, page="/organisations", follow_redirects=True).text
    assert "您的加入申请正在审核中" in page
    unknown = {"house_number": "XXXXXX"}
    page = client.submit("/organisations/join", unknown, page="/organisations", follow_redirects=True).text
    assert "没有找到这个门牌号" in page
    place = place_of("zhou")
    assert place is not None
    client.submit("/sign-out", page="/organisations")

    client.sign_in(admin)
    queue = client.get("/members/requests").text
    assert "周宁" in queue
    assert "通过门牌号申请" in queue
    client.submit(f"/members/{place.id}/approve", {"role": "viewer"}, page="/members/requests")
    assert (place.state, place.role) == (MembershipState.ACTIVE, Role.VIEWER)
    late = client.submit(f"/members/{place.id}/refuse", page="/me", follow_redirects=True)
    assert "不能这样操作" in late.text
    assert place.state is MembershipState.ACTIVE


def test_a_refused_person_is_told_and_asks_in_vain(client: Browser, admin: Membership, zhou: Membership) -> None:
    place = admission.ask_by_house_number(zhou.user, admin.tenant.house_number, now=utcnow())
    admission.refuse(place, reason="SECRET-REASON", by=admin, now=utcnow())
    client.sign_in(zhou)
    sent = {"house_number": admin.tenant.house_number}
    page = client.submit("/organisations/join", sent, page="/organisations", follow_redirects=True).text
    assert "您的加入申请已被拒绝" in page
    assert "SECRET-REASON" not in page
    assert place.state is MembershipState.REFUSED


def test_only_administrators_see_who_asks_and_who_is_invited(client: Browser, responder: Membership) -> None:
    client.sign_in(responder)
    for path in ("/members/requests", "/members/invitations"):
        assert client.get(path).status_code == 403
    assert "待审核" not in client.get("/members").text


def test_before_somebody_is_disabled_the_page_shows_where_they_are_needed(
    admin_client: Browser, responder: Membership
) -> None:
    policy = make_policy(make_channel("支付"), responder, name="夜班")
    page = f"/members/{responder.id}"
    shown = admin_client.get(page).text
    assert "支付 · 夜班" in shown
    assert "只通知此人" in shown
    answer = admin_client.submit(f"{page}/disable", page=page, follow_redirects=True)
    assert "1 个分派环节原本只通知此人" in answer.text
    assert [use.policy for use in policy_people.uses(0, responder.user_id)] == [policy]


def test_leaving_needs_the_typed_name_and_another_administrator(client: Browser, responder: Membership) -> None:
    client.sign_in(responder)
    client.submit("/me/leave", {"confirm_name": "x"}, page="/me")
    assert responder.state is MembershipState.ACTIVE
    client.submit("/me/leave", {"confirm_name": responder.tenant.name}, page="/me")
    assert responder.state is MembershipState.LEFT
    assert client.get("/me").status_code == 303
    client.sign_in("wang")
    page = client.submit("/me/leave", {"confirm_name": responder.tenant.name}, page="/me", follow_redirects=True)
    assert "最后一位管理员" in page.text


def test_members_are_filtered_by_state(admin_client: Browser, responder: Membership) -> None:
    make_member("gone", state=MembershipState.LEFT)
    page = admin_client.get("/members?state=left").text
    assert ">gone<" in page
    assert ">lin<" not in page
