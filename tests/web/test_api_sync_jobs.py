"""A contact synchronisation by a program, from the first question to the passwords."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from extensions import db
from jobs.handlers import HANDLERS
from jobs.runner import Runner
from models import MembershipState
from platforms import PLATFORMS
from platforms.base import Contact
from platforms.base import Department as There
from services import api_tokens
from services.clock import utcnow
from tests.factories import default_tenant, make_integration, make_member, make_tenant
from tests.fakes import GroupPlatform
from tests.web.api_caller import boss, call

__all__ = ["boss", "call"]


@pytest.fixture
def integration(app, monkeypatch):
    """A connection to a company of four, in memory."""
    fake = GroupPlatform()
    fake.departments = [There("1", "示例企业"), There("2", "值班组", "1")]
    names = {"linxiao": "林晓", "zhouning": "周宁", "lilei": "李雷", "out": "不要"}
    fake.members["2"] = [Contact(key, name) for key, name in names.items()]
    monkeypatch.setitem(PLATFORMS, "chat", GroupPlatform)
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: fake)
    default_tenant().house_number = "ABC123"
    return make_integration(platform="chat", platform_key="chat:company")


@pytest.fixture
def work(app):
    """Let the worker do what waits."""

    def work():
        db.session.commit()
        Runner(app, HANDLERS, timedelta(seconds=60)).run_due()
        db.session.expire_all()

    return work


def test_read_compared_confirmed_and_reported(call, boss, integration, work):
    lin = make_member("lin")
    make_member("zhou", tenant=make_tenant("别处"))
    begun = call("POST", "/sync-jobs", 202, integration_id=integration.id)
    assert (begun["state"], begun["started_by"]) == ("reading", "boss")
    assert call("POST", "/sync-jobs", 202, integration_id=integration.id)["id"] == begun["id"]
    work()
    path = f"/sync-jobs/{begun['id']}"
    assert call("GET", path)["state"] == "comparing"
    left = call("GET", f"{path}/accounts")["items"]
    (pair,) = [one["person"] for one in left if one["username"] == "lin"]
    assert (pair["name"], pair["pairing"], pair["departments"]) == ("林晓", "by_name", ["值班组"])
    first = call("GET", f"{path}/people?limit=2")
    right = first["items"] + call("GET", f"{path}/people?limit=2&cursor={first['next_cursor']}")["items"]
    people = {one["external_id"]: one for one in right}
    assert set(people) == {"zhouning", "lilei", "out"}

    def change(key, verb, status=200, **body):
        seen = {"version": people[key]["version"]} | body
        return call("POST", f"{path}/people/{people[key]['id']}/{verb}", status, **seen)

    change("out", "exclude")
    assert change("out", "exclude", 409)["code"] == "Conflict"
    assert change("zhouning", "outside", 400)["code"] == "InvalidParameter"
    seen = change("zhouning", "outside", account="zhou")["version"]
    planned = call("GET", f"{path}/extent")
    assert [planned[name] for name in ("paired", "new", "review", "excluded")] == [1, 1, 1, 1]
    assert call("POST", f"{path}/confirm", 409, version=begun["version"])["code"] == "Conflict"
    assert call("POST", f"{path}/confirm", 202, version=seen)["state"] == "applying"
    work()
    done = call("GET", path)
    assert (done["state"], done["counts"]["created"], done["counts"]["review"]) == ("done", 1, 1)
    lines = {one["external_id"]: one for one in call("GET", f"{path}/report")["items"]}
    assert lines["lilei"]["text"] == "用户 李雷(ABC123lilei) 创建成功！"
    assert lines["linxiao"]["outcome"] == "updated"
    assert [one["external_id"] for one in call("GET", f"{path}/report?only=review")["items"]] == ["zhouning"]
    (unused,) = call("GET", "/members/not-signed-in")["items"]
    assert (unused["username"], unused["password_kind"]) == ("ABC123lilei", "random")
    (handed,) = call("POST", f"{path}/passwords")["items"]
    assert (handed["username"], len(handed["password"])) == ("ABC123lilei", 16)
    assert call("POST", f"{path}/passwords")["items"] == []
    assert [one["id"] for one in call("GET", f"/sync-jobs?integration_id={integration.id}")["items"]] == [begun["id"]]
    assert lin.state is MembershipState.ACTIVE


def test_a_comparison_is_given_up(call, integration, work):
    begun = call("POST", "/sync-jobs", 202, integration_id=integration.id)
    work()
    path = f"/sync-jobs/{begun['id']}"
    assert call("POST", f"{path}/discard")["state"] == "discarded"
    assert call("POST", f"{path}/discard", 409)["code"] == "Conflict"
    assert call("GET", "/members/not-signed-in")["items"] == []


def test_the_scope_for_synchronising_is_its_own(call, boss, integration):
    _, token = api_tokens.create("测试", ["read", "handle", "config", "send"], by=boss, now=utcnow())
    assert call("POST", "/sync-jobs", 403, token=token, integration_id=integration.id)["code"] == "AccessDenied"


def test_a_mode_that_is_told_no_names_is_not_read(call):
    """Its people would become accounts that are called by their ids."""
    connection = make_integration(mode="third_party", settings={"corp_id": "ww1234567890abcdef"})
    refused = call("POST", "/sync-jobs", 400, integration_id=connection.id)
    assert "第三方应用读不到成员姓名" in refused["message"]
    assert call("GET", f"/sync-jobs?integration_id={connection.id}")["items"] == []


def test_what_was_read_in_another_mode_is_not_applied(call, work, integration, monkeypatch):
    sync = call("POST", "/sync-jobs", 202, integration_id=integration.id)
    work()
    version = call("GET", f"/sync-jobs/{sync['id']}")["version"]
    (mode,) = GroupPlatform.modes
    monkeypatch.setattr(GroupPlatform, "modes", (replace(mode, withheld={"contacts": "读不到成员姓名"}),))
    refused = call("POST", f"/sync-jobs/{sync['id']}/confirm", 400, version=version)
    assert refused["message"] == "读不到成员姓名"
    assert call("GET", f"/sync-jobs/{sync['id']}")["state"] == "comparing"
