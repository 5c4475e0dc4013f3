"""Rows D of the enforcement list: what an app sees of the contacts."""

import pytest

from tests.simulator.conftest import CORP


@pytest.fixture
def narrow(lab):
    """The app sees only department 2 and 张三."""
    lab.control("wecom/apps", {"corp_id": CORP, "agent_id": lab.agent_id, "visible": ["zhangsan", 2]}, "patch")
    return lab


def test_people_outside_the_range_are_refused(narrow):
    assert narrow.call("user/get", userid="lisi")["errcode"] == 60011
    assert narrow.call("user/get", userid="nobody")["errcode"] == 60111
    assert narrow.call("user/simplelist", department_id=1)["errcode"] == 60011
    assert narrow.call("user/simplelist", department_id=9)["errcode"] == 60003


def test_only_direct_members_are_listed(lab):
    assert [user["userid"] for user in lab.call("user/simplelist", department_id=1)["userlist"]] == ["zhangsan", "LiSi"]
    assert [user["userid"] for user in lab.call("user/list", department_id=2)["userlist"]] == ["zhou"]


def test_departments_end_at_the_range(narrow):
    assert [item["id"] for item in narrow.call("department/list")["department"]] == [2]
    assert narrow.call("department/simplelist")["department_id"] == [{"id": 2, "parentid": 1, "order": 1}]
    assert narrow.call("department/list", id=1)["errcode"] == 60011


def test_sensitive_fields_are_absent(lab):
    record = lab.call("user/get", userid="ZHANGSAN")
    assert record["userid"] == "zhangsan"
    assert not {"mobile", "email", "biz_mail", "avatar", "gender", "qr_code", "address"} & set(record)


def test_the_list_of_ids_is_for_contact_sync(lab):
    assert lab.call("user/list_id", {"limit": 10})["errcode"] == 48002
    secret = lab.get("state")["wecom"]["corps"][0]["contact_sync_secret"]
    lab.control("wecom/apps", {"corp_id": CORP, "agent_id": 0, "trusted_ips": ["127.0.0.1"]}, "patch")
    lab.advance(61)
    page = lab.call("user/list_id", {"limit": 2}, secret=secret)
    rest = lab.call("user/list_id", {"limit": 2, "cursor": page["next_cursor"]}, secret=secret)
    assert [row["userid"] for row in page["dept_user"] + rest["dept_user"]] == ["zhangsan", "LiSi", "zhou"]
    assert rest["next_cursor"] == ""
    assert lab.call("user/list", secret=secret, department_id=1)["errcode"] == 48009


def test_the_app_describes_itself(narrow):
    app = narrow.call("agent/get", agentid=narrow.agent_id)
    assert app["allow_userinfos"] == {"user": [{"userid": "zhangsan"}]}
    assert (app["allow_partys"], app["redirect_domain"], app["close"]) == ({"partyid": [2]}, "localhost:5000", 0)
    assert narrow.call("agent/get", agentid=1)["errcode"] == 301002


def test_tickets_are_kept_for_two_hours_and_limited(lab):
    first = lab.call("get_jsapi_ticket")
    assert first["ticket"] == lab.call("get_jsapi_ticket")["ticket"]
    assert lab.call("ticket/get", type="agent_config")["ticket"] != first["ticket"]
    assert lab.call("ticket/get", type="other")["errcode"] == 40058
    lab.control("wecom/limits", {"ticket_per_app_per_hour": 3})
    assert lab.call("get_jsapi_ticket")["errcode"] == 45009


def test_the_platforms_addresses_are_lists(lab):
    for name in ("get_api_domain_ip", "getcallbackip"):
        assert "127.0.0.1" in lab.call(name)["ip_list"]
