"""The pages of teams and departments."""

from __future__ import annotations

import pytest

from extensions import db
from models import Channel, Department, Membership, Role, Team
from services import accounts
from services.clock import utcnow
from tests.web.conftest import PASSWORD, Browser


def test_a_team_is_made_filled_and_deleted(admin_client: Browser, responder: Membership) -> None:
    page = admin_client.submit("/teams", {"name": "支付组", "description": "夜班"}).location
    admin_client.submit(f"{page}/members", {"username": "lin"}, page=page)
    assert "林晓" in admin_client.get(page).text
    team = db.session.scalars(db.select(Team)).one()
    admin_client.submit("/channels/new", {"name": "支付", "team_id": team.id, "close_timeout_minutes": 0})
    channel = db.session.scalars(db.select(Channel)).one()
    assert channel.team_id == team.id
    assert f'selected value="{team.id}"' in admin_client.get(f"/channels/{channel.id}/settings").text
    refused = admin_client.submit(f"{page}/delete", page=page, follow_redirects=True).text
    assert "仍在使用：支付" in refused
    admin_client.submit(f"/channels/{channel.id}/settings", {"name": "支付", "close_timeout_minutes": 0})
    assert "团队已删除" in admin_client.submit(f"{page}/delete", page=page, follow_redirects=True).text


@pytest.mark.parametrize("area", ["/teams", "/departments"])
def test_members_are_offered_and_a_wrong_one_stays_as_typed(admin_client: Browser, responder: Membership, area) -> None:
    admin_client.submit(area, {"name": "支付组", "parent_id": ""})
    page = f"{area}/1"
    assert '<option value="lin">林晓</option>' in admin_client.get(page).text
    refused = admin_client.submit(f"{page}/members", {"username": "林小"}, page=page)
    assert refused.status_code == 422
    assert 'value="林小"' in refused.text
    assert "<span>本组织没有这个用户名或姓名的成员</span>" in refused.text
    assert 'value="支付组"' in refused.text, "the form of settings keeps what is stored"
    admin_client.submit(f"{page}/members", {"username": " 林晓 "}, page=page)
    assert f"/members/{responder.id}/remove" in (after := admin_client.get(page).text)
    assert '<option value="lin">' not in after


def test_two_of_one_name_are_told_apart_by_their_user_names(admin_client: Browser, responder: Membership) -> None:
    for username in ("wu", "wu2"):
        accounts.join(
            accounts.create(username, "吴凡", PASSWORD, now=utcnow()),
            responder.tenant,
            Role.RESPONDER,
            source="manual",
            now=utcnow(),
        )
    db.session.commit()
    page = admin_client.submit("/teams", {"name": "支付组"}).location
    refused = admin_client.submit(f"{page}/members", {"username": "吴凡"}, page=page)
    assert "有多位成员叫这个名字，请填写用户名" in refused.text
    assert admin_client.submit(f"{page}/members", {"username": "wu2"}, page=page).status_code == 303


def test_a_department_is_made_filled_and_deleted(admin_client: Browser, responder: Membership) -> None:
    admin_client.submit("/departments", {"name": "公司", "parent_id": ""})
    upper = db.session.scalars(db.select(Department)).one()
    admin_client.submit("/departments", {"name": "研发", "parent_id": upper.id})
    lower = db.session.scalars(db.select(Department).where(Department.parent_id == upper.id)).one()
    page = f"/departments/{lower.id}"
    admin_client.submit(f"{page}/members", {"username": "lin"}, page=page)
    assert "林晓" in admin_client.get(page).text
    admin_client.submit(f"{page}/members/{responder.id}/remove", page=page)
    assert f"/members/{responder.id}/remove" not in admin_client.get(page).text
    assert admin_client.submit(page, {"name": "研发部", "parent_id": lower.id}).status_code in {400, 422}
    admin_client.submit(page, {"name": "研发部", "parent_id": ""})
    assert "研发部" in admin_client.get("/departments").text
    assert "部门已删除" in admin_client.submit(f"{page}/delete", page=page, follow_redirects=True).text


def test_others_look_but_change_nothing(client: Browser, responder: Membership) -> None:
    client.sign_in(responder)
    for path in ("/teams", "/departments"):
        page = client.get(path)
        assert page.status_code == 200
        assert "<h2>新建" not in page.text
        assert client.submit(path, {"name": "x"}, page="/me").status_code == 403
