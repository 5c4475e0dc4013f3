"""The pages about members, and the personal centre."""

from __future__ import annotations

import re

import pytest

from extensions import db
from models import ApiToken, Membership, MembershipState, Role
from services import accounts
from services.clock import utcnow
from tests.factories import make_member, make_tenant
from tests.web.conftest import PASSWORD, Browser

SHOWN_ONCE = re.compile(r'id="one-time-password"[^>]*value="([^"]+)"')


def test_an_administrator_adds_somebody_who_must_choose_a_password(admin_client: Browser) -> None:
    fields = {"username": "lin", "real_name": "林晓", "role": "responder"}
    answer = admin_client.submit("/members/new", fields)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    found = SHOWN_ONCE.search(answer.text)
    assert found
    assert found[1] not in admin_client.get("/members").text
    admin_client.submit("/sign-out", page="/me")
    assert admin_client.sign_in("lin", found[1]).location == "/password"


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"username": "WANG"}, "已被使用"),
        ({"username": "有 空格"}, "请用 2 到 64 个字母"),
        ({"username": ""}, "请填写用户名"),
        ({"role": "emperor"}, "role-messages"),
    ],
)
def test_a_refused_member_says_why(admin_client: Browser, fields: dict[str, str], complaint: str) -> None:
    answer = admin_client.submit("/members/new", {"username": "lin", "real_name": "林晓", "role": "viewer"} | fields)
    assert answer.status_code in {400, 422}
    assert complaint in answer.text


def test_members_are_searched_and_filtered(admin_client: Browser, responder: Membership) -> None:
    assert "林晓" in admin_client.get("/members").text
    only_admins = admin_client.get("/members?role=admin").text.split('id="member-list"')[1]
    assert "林晓" not in only_admins
    assert "林晓" in admin_client.get("/members?q=林").text.split('id="member-list"')[1]
    assert "没有符合条件的成员" in admin_client.get("/members?q=nobody").text


def test_role_and_name_are_changed(admin_client: Browser, responder: Membership) -> None:
    path = f"/members/{responder.id}"
    assert admin_client.submit(path, {"real_name": "林小晓", "role": "viewer"}).status_code == 303
    assert (responder.user.real_name, responder.role) == ("林小晓", Role.VIEWER)


def test_the_last_administrator_cannot_step_down(admin_client: Browser, admin: Membership) -> None:
    answer = admin_client.submit(f"/members/{admin.id}", {"real_name": "王芳", "role": "viewer"})
    assert answer.status_code == 422
    assert "最后一位管理员" in answer.text
    assert admin.role is Role.ADMIN


def test_disabling_and_restoring(admin_client: Browser, responder: Membership) -> None:
    page = f"/members/{responder.id}"
    assert admin_client.submit(f"{page}/disable", page=page).status_code == 303
    assert responder.state is MembershipState.LEFT
    assert admin_client.submit(f"{page}/restore", page=page).status_code == 303
    assert responder.state is MembershipState.ACTIVE


def test_a_reset_password_is_shown_once(admin_client: Browser, responder: Membership) -> None:
    page = f"/members/{responder.id}"
    answer = admin_client.submit(f"{page}/reset-password", page=page)
    found = SHOWN_ONCE.search(answer.text)
    assert found
    assert responder.user.must_change_password
    assert accounts.authenticate("lin", found[1], address="192.0.2.1", now=utcnow())


def test_others_look_but_change_nothing(client: Browser, responder: Membership, viewer: Membership) -> None:
    for somebody in (responder, viewer):
        client.sign_in(somebody)
        page = client.get("/members")
        assert page.status_code == 200
        assert "添加成员" not in page.text
        assert client.get("/members/new").status_code == 403
        assert client.submit("/members/new", {"username": "x1", "role": "admin"}, page="/me").status_code == 403
        assert client.submit(f"/members/{viewer.id}/disable", page="/me").status_code == 403
        client.submit("/sign-out", page="/me")


def test_members_of_other_organisations_are_not_found(admin_client: Browser) -> None:
    foreign = make_member("zhou", tenant=make_tenant("别处"))
    assert admin_client.get(f"/members/{foreign.id}").status_code == 404
    for verb in ("disable", "restore", "reset-password"):
        assert admin_client.submit(f"/members/{foreign.id}/{verb}", page="/me").status_code == 404
    assert "周宁" not in admin_client.get("/members").text


def test_hostile_names_are_only_text(admin_client: Browser, responder: Membership) -> None:
    responder.user.real_name = "<img src=x onerror=alert(1)>%s{{7*7}}"
    for path in ("/members", f"/members/{responder.id}"):
        page = admin_client.get(path).text
        assert "<img src=x" not in page
        assert "{{7*7}}" in page


# --- the personal centre ------------------------------------------------------------------------------------------


def test_a_token_is_shown_once_and_can_be_deleted(admin_client: Browser) -> None:
    answer = admin_client.submit("/me/tokens", {"name": "值班大屏", "scopes": ["read"], "lifetime": "30"})
    found = re.search(r'id="new-token"[^>]*value="(dby_[^"]+)"', answer.text)
    assert found
    page = admin_client.get("/me/tokens").text
    assert "值班大屏" in page
    assert found[1] not in page
    token = db.session.query(ApiToken).one()
    assert admin_client.submit(f"/me/tokens/{token.id}/revoke", page="/me/tokens").status_code == 303
    assert "值班大屏" not in admin_client.get("/me/tokens").text


def test_tokens_of_others_are_out_of_reach(client: Browser, admin: Membership, responder: Membership) -> None:
    client.sign_in(responder)
    client.submit("/me/tokens", {"name": "mine", "scopes": ["read"], "lifetime": "30"})
    token = db.session.query(ApiToken).one()
    client.submit("/sign-out", page="/me")
    client.sign_in(admin)
    assert "mine" not in client.get("/me/tokens").text
    assert client.submit(f"/me/tokens/{token.id}/revoke", page="/me/tokens").status_code == 404


def test_without_channels_the_preferences_say_what_to_do(admin_client: Browser) -> None:
    assert "还没有可用的通知渠道" in admin_client.get("/me/preferences").text
    assert "还没有关联的账号" in admin_client.get("/me/links").text


def test_the_password_stays_out_of_every_page(admin_client: Browser) -> None:
    for path in ("/me", "/me/tokens", "/members", "/password"):
        assert PASSWORD not in admin_client.get(path).text
