"""Groups that the bot makes itself, and single people of the directory."""

import pytest

from tests.simulator.feishu.conftest import TENANT


@pytest.fixture
def room(lab):
    body = {"name": "[严重] #1024", "user_id_list": [lab.open_id()]}
    return str(lab.call("POST", "im/v1/chats", body, uuid="u-1").get_json()["data"]["chat_id"])


def test_the_bot_makes_a_group_once(lab, room):
    again = lab.call("POST", "im/v1/chats", {"name": "x"}, uuid="u-1").get_json()["data"]
    assert (again["chat_id"], again["name"]) == (room, "[严重] #1024")
    assert lab.send(None, room)["code"] == 0
    assert lab.seen_by()[0]["to"] == room
    lab.advance(36_001)
    assert lab.call("POST", "im/v1/chats", {"name": "x"}, uuid="u-1").get_json()["data"]["chat_id"] != room


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"user_id_list": ["ou_unknown"]}, 232043),
        ({"user_id_list": ["ou_unknown"] * 51}, 232001),
        ({"user_id_list": "ou_unknown"}, 232001),
        ({"bot_id_list": ["cli_unknown"]}, 232021),
        ({"bot_id_list": ["cli_unknown"] * 6}, 232001),
    ],
)
def test_who_cannot_be_in_a_group(lab, body, code):
    assert lab.code("POST", "im/v1/chats", body) == code


def test_people_outside_the_range_cannot_be_called(lab, room):
    lab.change(available=["lin"])
    assert lab.code("POST", "im/v1/chats", {"user_id_list": [lab.open_id("wu")]}) == 232024
    path, body = f"im/v1/chats/{room}/members", {"id_list": [lab.open_id("lin"), lab.open_id("wu")]}
    assert lab.code("POST", path, body) == 232024
    assert lab.code("POST", path, body, succeed_type="2") == 232024
    data = lab.call("POST", path, body, succeed_type="1").get_json()["data"]
    assert data["invalid_id_list"] == [lab.open_id("wu")]


def test_the_way_of_succeeding_counts(lab, room):
    path = f"im/v1/chats/{room}/members"
    lab.control("feishu/resign", {"tenant_key": TENANT, "person": "zhou"})
    gone, wu = lab.open_id("zhou"), lab.open_id("wu")
    assert lab.code("POST", path, {"id_list": ["ou_unknown"]}) == 232043
    assert lab.code("POST", path, {"id_list": [gone]}, succeed_type="2") == 232024
    assert lab.call("POST", path, {"id_list": [gone, wu]}).get_json()["data"]["invalid_id_list"] == [gone]
    data = lab.call("POST", path, {"id_list": ["ou_unknown"]}, succeed_type="1").get_json()["data"]
    assert data["not_existed_id_list"] == ["ou_unknown"]
    members = lab.call("GET", path).get_json()["data"]["items"]
    assert [row["name"] for row in members] == ["林芳", "吴伟"]
    other = lab.new_app(name="别的应用")
    assert lab.code("POST", path, {"id_list": [other["app_id"]]}, member_id_type="app_id") == 0
    assert lab.send(None, room, app=other)["code"] == 0


def test_the_owner_ends_a_group(lab, room):
    foreign = lab.group()
    assert lab.code("DELETE", f"im/v1/chats/{foreign}") == 232017
    assert lab.code("DELETE", f"im/v1/chats/{room}") == 0
    assert lab.code("DELETE", f"im/v1/chats/{room}") == 232009


def test_a_single_person_shows_what_the_permissions_let(lab):
    path = f"contact/v3/users/{lab.open_id()}"
    assert lab.code("GET", path) == 99991672
    lab.change(scopes=["contact:contact.base:readonly", "contact:user.base:readonly"])
    user = lab.call("GET", path).get_json()["data"]["user"]
    assert (user["name"], set(user)) == ("林芳", {"open_id", "union_id", "name"})
    assert lab.code("GET", "contact/v3/users/ou_unknown") == 41012
    lab.change(available=["wu"])
    assert lab.code("GET", path) == 41050
