"""The pages of teams and departments."""

from __future__ import annotations

from extensions import db
from models import Channel, Department, Membership, Team
from tests.web.conftest import Browser


def test_a_team_is_made_filled_and_deleted(admin_client: Browser, responder: Membership) -> None:
    page = admin_client.submit("/teams", {"name": "支付组", "description": "夜班"}).location
    admin_client.submit(f"{page}/members", {"username": "lin"}, page=page)
    assert "林晓" in admin_client.get(page).text
    assert (
        "没有这个用户名"
        in admin_client.submit(f"{page}/members", {"username": "nobody"}, page=page, follow_redirects=True).text
    )
    team = db.session.scalars(db.select(Team)).one()
    admin_client.submit("/channels/new", {"name": "支付", "team_id": team.id, "close_timeout_minutes": 0})
    channel = db.session.scalars(db.select(Channel)).one()
    assert channel.team_id == team.id
    assert f'selected value="{team.id}"' in admin_client.get(f"/channels/{channel.id}/settings").text
    refused = admin_client.submit(f"{page}/delete", page=page, follow_redirects=True).text
    assert "仍在使用：支付" in refused
    admin_client.submit(f"/channels/{channel.id}/settings", {"name": "支付", "close_timeout_minutes": 0})
    assert "团队已删除" in admin_client.submit(f"{page}/delete", page=page, follow_redirects=True).text


def test_a_department_is_made_filled_and_deleted(admin_client: Browser, responder: Membership) -> None:
    admin_client.submit("/departments", {"name": "公司", "parent_id": ""})
    upper = db.session.scalars(db.select(Department)).one()
    admin_client.submit("/departments", {"name": "研发", "parent_id": upper.id})
    lower = db.session.scalars(db.select(Department).where(Department.parent_id == upper.id)).one()
    page = f"/departments/{lower.id}"
    admin_client.submit(f"{page}/members", {"username": "lin"}, page=page)
    assert "林晓" in admin_client.get(page).text
    admin_client.submit(f"{page}/members/{responder.id}/remove", page=page)
    assert "林晓" not in admin_client.get(page).text
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
