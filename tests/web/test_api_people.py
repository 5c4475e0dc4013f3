"""What programs can do about people: departments, teams, invitations, requests, seats, the organisation itself."""

from __future__ import annotations

from extensions import db
from models import MembershipState, Role
from services import api_tokens
from services.clock import utcnow
from tests.factories import make_member
from tests.web.api_caller import boss, call

__all__ = ["boss", "call"]


def test_departments_are_made_moved_filled_and_deleted(call, boss):
    root = call("POST", "/departments", 201, name="总部")
    below = call("POST", "/departments", 201, name="运维", parent_id=root["id"])
    path = f"/departments/{below['id']}"
    assert (root["kind"], below["kind"], below["source"]) == ("company", "department", "local")
    assert call("GET", path) == below
    (placed,) = call("POST", f"{path}/members", 201, username="boss")["items"]
    assert (placed["member"]["username"], placed["source"]) == ("boss", "manual")
    assert call("POST", f"{path}/members", 400, username="nobody")["code"] == "InvalidParameter"
    tree = [(one["name"], one["depth"], one["members"]) for one in call("GET", "/departments")["items"]]
    assert tree == [("总部", 0, 0), ("运维", 1, 1)]
    assert call("PATCH", f"/departments/{root['id']}", 400, parent_id=below["id"])["code"] == "InvalidParameter"
    assert call("DELETE", f"/departments/{root['id']}", 400)["code"] == "ReferenceExist"
    moved = call("PATCH", path, name="运维组", parent_id=None)
    assert (moved["name"], moved["parent_id"]) == ("运维组", None)
    assert call("DELETE", f"{path}/members/{boss.id}") == {"deleted": True}
    assert call("GET", f"{path}/members")["items"] == []
    assert call("DELETE", path) == {"deleted": True}


def test_teams_own_channels_and_are_changed_by_their_own(call, boss, client):
    team = call("POST", "/teams", 201, name="值班一组")
    path = f"/teams/{team['id']}"
    lin = make_member("lin")
    assert [one["member"]["username"] for one in call("POST", f"{path}/members", 201, username="lin")["items"]] == [
        "lin"
    ]
    _, theirs = api_tokens.create("测试", ["read", "config"], by=lin, now=utcnow())
    assert call("PATCH", path, token=theirs, description="夜班")["description"] == "夜班"
    _, others = api_tokens.create("测试", ["config"], by=make_member("wu"), now=utcnow())
    assert call("PATCH", path, 403, token=others, description="x")["code"] == "AccessDenied"
    channel = call("POST", "/channels", 201, name="订单", team_id=team["id"])
    assert call("PATCH", f"/channels/{channel['id']}", is_private=True)["team_id"] == team["id"]
    assert call("DELETE", path, 400)["code"] == "ReferenceExist"
    assert call("PATCH", f"/channels/{channel['id']}", team_id=None)["team_id"] is None
    assert [(one["name"], one["members"]) for one in call("GET", "/teams")["items"]] == [("值班一组", 1)]
    assert call("DELETE", f"{path}/members/{lin.id}") == {"deleted": True}
    assert call("DELETE", path) == {"deleted": True}


def test_a_conflict_carries_the_present_state(call, client):
    team = call("POST", "/teams", 201, name="一组")
    path = f"/api/v1/teams/{team['id']}"
    now = call("PATCH", f"/teams/{team['id']}", name="二组", version=team["version"])
    member = make_member("zhao", Role.ADMIN)
    _, both = api_tokens.create("测试", ["read", "config"], by=member, now=utcnow())
    _, blind = api_tokens.create("测试", ["config"], by=member, now=utcnow())
    body = {"name": "三组", "version": team["version"]}
    told = client.patch(path, json=body, headers={"Authorization": f"Bearer {both}"})
    assert (told.status_code, told.json["error"]["code"], told.json["present"]) == (409, "Conflict", now)
    untold = client.patch(path, json=body, headers={"Authorization": f"Bearer {blind}"})
    assert untold.status_code == 409
    assert "present" not in untold.json


def test_people_are_invited_and_decided_about(call, client):
    made = call("POST", "/invitations", 201, role="viewer", note="外包", days=3)
    assert made["link"].startswith("http://localhost:8000/join?token=")
    assert [one["id"] for one in call("GET", "/invitations")["items"]] == [made["invitation"]["id"]]
    assert made["link"].partition("token=")[2] not in str(call("GET", "/invitations"))
    assert call("DELETE", f"/invitations/{made['invitation']['id']}") == {"deleted": True}
    assert call("GET", "/invitations")["items"] == []
    for name in ("zhao", "wu"):
        make_member(name).state = MembershipState.UNDER_REVIEW
    db.session.commit()
    zhao, wu = call("GET", "/members/requests")["items"]
    assert call("POST", f"/members/{zhao['id']}/approve", role="viewer")["role"] == "viewer"
    assert call("POST", f"/members/{wu['id']}/refuse", reason="不认识")["state"] == "refused"
    assert [one["username"] for one in call("GET", "/members?state=refused")["items"]] == ["wu"]
    assert call("POST", f"/members/{wu['id']}/reopen")["state"] == "under_review"
    assert call("POST", f"/members/{zhao['id']}/refuse", 409)["code"] == "Conflict"
    assert call("PATCH", f"/members/{wu['id']}", email="Wu@example.com")["username"] == "wu"


def test_seats_are_counted_given_and_taken_back(call, boss):
    assert call("GET", "/seats")["number"] is None
    lin = make_member("lin")
    plan = call("PATCH", "/seats", number=1)
    assert (plan["number"], plan["free"]) == (1, 1)
    (holder,) = call("POST", "/seats", 201, user_id=lin.user_id)["holders"]
    assert (holder["username"], holder["kind"]) == ("lin", "fixed")
    assert call("POST", "/seats", 400, user_id=boss.user_id)["code"] == "NoLicense"
    assert call("DELETE", f"/seats/{lin.user_id}")["holders"] == []
    assert call("PATCH", "/seats", number=None)["free"] is None


def test_the_organisation_is_described_anew(call):
    before = call("GET", "/organisation")
    after = call("PATCH", "/organisation", name="示例公司", snooze_presets=[60, 30, 120])
    assert after == before | {"name": "示例公司", "snooze_presets": [30, 60, 120]}
    assert call("PATCH", "/organisation", 400, timezone="Mars/Base")["code"] == "InvalidParameter"
