"""The product API."""

from __future__ import annotations

import json
import re

import pytest
from sqlalchemy.exc import OperationalError

from extensions import db
from models import MembershipState, Progress, Role, Severity, TenantStatus
from services import api_tokens
from services.clock import utcnow
from tests.factories import make_channel, make_incident, make_member, make_tenant

ACTIONS = ("acknowledge", "unacknowledge", "close", "reopen", "snooze", "wake", "comment")


def token_of(member, *scopes):
    return api_tokens.create("测试", scopes or ("read", "handle"), by=member, now=utcnow())[1]


@pytest.fixture
def lin(app):
    return make_member("lin")


@pytest.fixture
def call(client, lin):
    """Call the API as Lin: call("GET", "/incidents") → answer."""
    token = token_of(lin)

    def call(method, path, token=token, **kwargs):
        return client.open(
            f"/api/v1{path}", method=method, headers={"Authorization": f"Bearer {token}"} | kwargs.pop("headers", {}),
            **kwargs,
        )  # fmt: skip

    return call


def error(answer):
    assert answer.content_type == "application/problem+json"
    assert set(answer.json) == {"type", "title", "status", "detail", "request_id", "error"}
    assert answer.json["title"] == answer.json["error"]["message"]
    assert answer.json["status"] == answer.status_code
    return answer.status_code, answer.json["error"]["code"]


def test_a_list_shows_open_incidents(call):
    channel = make_channel()
    make_incident(channel, title="CPU")
    make_incident(channel, title="Done", progress=Progress.CLOSED)
    data = call("GET", "/incidents").json["data"]
    assert [item["title"] for item in data["items"]] == ["CPU"]
    assert data["items"][0]["channel"] == {"id": channel.id, "name": channel.name}
    assert data["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("scope=all", {"CPU", "Disk", "Done"}),
        ("scope=closed", {"Done"}),
        ("scope=mine", {"Disk"}),
        ("severity=Warning", {"Disk"}),
        ("progress=Triggered", {"CPU"}),
        ("text=isk", {"Disk"}),
        ("since=2100-01-01T00:00:00Z", set()),
        ("until=2100-01-01T00:00:00%2B08:00&scope=open", {"CPU", "Disk"}),
        ("channel_id=99999", set()),
    ],
)
def test_filters(call, lin, query, titles):
    make_incident(title="CPU")
    make_incident(title="Disk", severity=Severity.WARNING, acknowledged_by=lin)
    make_incident(title="Done", progress=Progress.CLOSED)
    assert {item["title"] for item in call("GET", f"/incidents?{query}").json["data"]["items"]} == titles


@pytest.mark.parametrize(
    "query",
    [
        "scope=everything",
        "severity=critical",
        "progress=Open",
        "channel_id=x",
        "channel_id=-1",
        "limit=0",
        "limit=101",
        "limit=1e9",
        "limit=٣",
        "since=yesterday",
        "until=",
        "sort=id",
        "channel_id=99999999999",
    ],
)
def test_a_filter_that_is_wrong_is_named(call, query):
    answer = call("GET", f"/incidents?{query}")
    assert error(answer) == (400, "InvalidParameter")
    assert query.partition("=")[0] in answer.json["error"]["message"]


def test_pages_go_on_by_cursor(call):
    for number in range(5):
        make_incident(title=f"I{number}")
    seen, path = [], "/incidents?limit=2"
    while path:
        data = call("GET", path).json["data"]
        seen += [item["num"] for item in data["items"]]
        path = data["next_cursor"] and f"/incidents?limit=2&cursor={data['next_cursor']}"
    assert sorted(seen) == [1, 2, 3, 4, 5]
    assert len(seen) == 5


def test_one_incident_comes_with_its_record(call, lin):
    incident = make_incident(title="CPU", description="hot", acknowledged_by=lin)
    call("POST", f"/incidents/{incident.num}/comment", json={"text": "看一下"})
    data = call("GET", f"/incidents/{incident.num}").json["data"]
    assert (data["title"], data["description"], data["progress"]) == ("CPU", "hot", "Processing")
    assert data["responders"][0]["user"] == "lin"
    [entry] = [entry for entry in data["timeline"] if entry["type"] == "comment"]
    assert (entry["via"], entry["actor"]) == ("api", "林晓")
    assert "看一下" in entry["text"]
    assert data["deliveries"] == []
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", data["started_at"])


def test_an_incident_is_handled(call):
    num = make_incident().num
    steps = [
        ("acknowledge", {}, "Processing"),
        ("snooze", {"minutes": 120}, "Processing"),
        ("wake", {}, "Processing"),
        ("unacknowledge", {}, "Triggered"),
        ("close", {"root_cause": "磁盘", "resolution": "扩容"}, "Closed"),
        ("reopen", {"reason": "又来了"}, "Triggered"),
    ]
    for action, body, progress in steps:
        data = call("POST", f"/incidents/{num}/{action}", json=body).json["data"]
        assert (data["changed"], data["incident"]["progress"]) == (True, progress), action
        assert data["message"]


def test_a_body_is_not_needed_where_nothing_is_said(call):
    num = make_incident().num
    assert call("POST", f"/incidents/{num}/acknowledge").json["data"]["changed"] is True
    again = call("POST", f"/incidents/{num}/acknowledge")
    assert (again.status_code, again.json["data"]["changed"]) == (200, False)


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("snooze", {}),
        ("snooze", {"minutes": "120"}),
        ("snooze", {"minutes": True}),
        ("snooze", {"minutes": 0}),
        ("snooze", {"minutes": 1441}),
        ("snooze", {"minutes": 10**400}),
        ("comment", {}),
        ("comment", {"text": " "}),
        ("comment", {"text": "x" * 1025}),
        ("comment", {"text": ["x"]}),
        ("reopen", {}),
        ("close", {"cause": "x"}),
        ("close", {"root_cause": "x" * 1025}),
        ("acknowledge", []),
        ("acknowledge", {"force": True}),
    ],
)
def test_wrong_wishes_are_refused(call, action, body):
    num = make_incident(progress=Progress.CLOSED if action == "reopen" else Progress.TRIGGERED).num
    assert error(call("POST", f"/incidents/{num}/{action}", json=body)) == (400, "InvalidParameter")


def test_a_body_is_json_and_small(call):
    num = make_incident().num
    assert error(call("POST", f"/incidents/{num}/comment", data="text=x")) == (400, "InvalidContentType")
    big = {"text": "x" * 2 * 1024 * 1024}
    assert error(call("POST", f"/incidents/{num}/comment", json=big)) == (413, "EntityTooLarge")


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "bearer {token}", "Basic {token}", "Bearer x{token}", "Bearer {cut}", "{token}",
     "Bearer " + "x" * 9000, "BearerBearer {token}"],
)  # fmt: skip
def test_without_the_exact_token_nobody_comes_in(client, lin, header):
    token = token_of(lin)
    answer = client.get("/api/v1/incidents", headers={"Authorization": header.format(token=token, cut=token[:-1])})
    assert error(answer) == (401, "Unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_token_may_begin_with_any_letter(client, lin, monkeypatch):
    for prefix in ("B", "e", "a", "r", "Bearer"):
        monkeypatch.setattr(api_tokens, "PREFIX", prefix)
        answer = client.get("/api/v1/incidents", headers={"Authorization": f"Bearer {token_of(lin)}"})
        assert answer.status_code == 200, prefix


def test_a_list_is_served_though_nothing_can_be_written(call, monkeypatch):
    """The disk is full: only the note of the token's use is lost."""

    def full(*_arguments, **_values):
        raise OperationalError("UPDATE api_tokens", {}, Exception("database or disk is full"))

    make_incident(make_channel(), title="CPU")
    monkeypatch.setattr(api_tokens, "note_use", full)

    answer = call("GET", "/incidents")

    assert [item["title"] for item in answer.json["data"]["items"]] == ["CPU"]


def test_scopes_and_rights_are_both_needed(call, lin):
    num = make_incident().num
    reading = token_of(lin, "read")
    assert error(call("POST", f"/incidents/{num}/close", token=reading)) == (403, "AccessDenied")
    handling = token_of(lin, "handle")
    assert error(call("GET", "/incidents", token=handling)) == (403, "AccessDenied")
    viewer = token_of(make_member("wu", Role.VIEWER))
    assert call("GET", "/incidents", token=viewer).status_code == 200
    assert error(call("POST", f"/incidents/{num}/close", token=viewer)) == (403, "AccessDenied")


def test_other_organisations_are_not_there(call):
    zhou = token_of(make_member("zhou", Role.ADMIN, tenant=make_tenant("别的组织")))
    num = make_incident().num
    assert call("GET", "/incidents?scope=all", token=zhou).json["data"]["items"] == []
    assert error(call("GET", f"/incidents/{num}", token=zhou)) == (404, "ResourceNotFound")
    for action in ACTIONS:
        body = {"minutes": 5} if action == "snooze" else {"text": "x"} if action == "comment" else {}
        body = {"reason": "x"} if action == "reopen" else body
        assert error(call("POST", f"/incidents/{num}/{action}", token=zhou, json=body)) == (404, "ResourceNotFound")


def test_a_private_channel_stays_private(call):
    hidden = make_incident(make_channel("私有", is_private=True))
    assert error(call("GET", f"/incidents/{hidden.num}")) == (404, "ResourceNotFound")
    assert error(call("POST", f"/incidents/{hidden.num}/close")) == (404, "ResourceNotFound")


def test_a_session_is_no_token(client, lin):
    assert error(client.get("/api/v1/incidents")) == (401, "Unauthorized")


def test_unknown_addresses_are_json(call, client):
    assert error(call("GET", "/nothing")) == (404, "RouteNotFound")
    assert error(call("DELETE", "/")) == (404, "RouteNotFound")
    assert error(call("GET", "/incidents/2147483647")) == (404, "ResourceNotFound")
    assert error(call("GET", "/incidents/99999999999999999999")) == (404, "RouteNotFound")
    assert error(call("GET", "/incidents/x")) == (404, "RouteNotFound")
    assert call("DELETE", "/incidents/1").status_code in {404, 405}


def test_use_is_noted(call, lin):
    call("GET", "/incidents")
    [token] = api_tokens.own(lin)
    assert token.last_used_at is not None


def test_the_description_names_every_route_and_no_other(client, app):
    document = client.get("/api/v1/openapi.json").json
    described = {
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in item
        if method in {"get", "post", "put", "patch", "delete"}
    }
    routes = {
        (method, re.sub(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("api.") and rule.endpoint not in {"api.unknown_route", "api.openapi"}
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert described == routes
    assert len(described) > 60


def test_the_description_holds_together(client):
    document = client.get("/api/v1/openapi.json").json
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": "http://localhost:8000"}]
    for reference in re.findall(r'"#/([\w/]+)"', json.dumps(document)):
        place = document
        for part in reference.split("/"):
            place = place[part]
    operations = [op["operationId"] for item in document["paths"].values() for op in item.values()]
    assert len(operations) == len(set(operations))


def test_the_commit_is_before_the_answer(call):
    num = make_incident().num
    call("POST", f"/incidents/{num}/close")
    db.session.rollback()
    assert call("GET", f"/incidents/{num}").json["data"]["progress"] == "Closed"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda member: setattr(member.tenant, "status", TenantStatus.FROZEN), "组织已被冻结"),
        (lambda member: setattr(member, "state", MembershipState.UNDER_REVIEW), "您的加入申请正在审核中"),
        (lambda member: setattr(member.user, "is_disabled", True), "您已不是该组织的成员"),
    ],
)
def test_whose_owner_may_not_act_is_denied_and_told_why(call, lin, change, code):
    change(lin)
    db.session.commit()
    answer = call("GET", "/incidents")
    assert error(answer) == (403, "AccessDenied")
    assert answer.json["title"] == code
