"""Tokens, and what every call passes before its own rules."""

import pytest

from tests.simulator.feishu.conftest import Lab

TOKEN_PATH = "/open-apis/auth/v3/tenant_access_token/internal"


def refusal(lab, app_id, secret):
    answer = lab.http.post(TOKEN_PATH, json={"app_id": app_id, "app_secret": secret})
    return answer.status_code, answer.get_json()


def test_a_token_is_the_same_until_half_an_hour_is_left(lab):
    first = lab.token()
    assert first.startswith("t-")
    lab.advance(5000)
    assert lab.token() == first
    lab.advance(500)
    second = lab.token()
    assert second != first
    assert lab.code("GET", "bot/v3/info", token=first) == 0
    lab.advance(1800)
    assert lab.code("GET", "bot/v3/info", token=first) == 99991663
    assert lab.code("GET", "bot/v3/info", token=second) == 0


@pytest.mark.parametrize(
    ("app_id", "secret", "code", "text"),
    [
        ("test", "x", 10003, "invalid param"),
        ("", "", 10003, "invalid param"),
        ("cli_ffffffffffffffff", "x", 10014, "app id not exists"),
        (None, "wrong", 10014, "app secret invalid"),
    ],
)
def test_bad_credentials_are_told_with_http_200(lab, app_id, secret, code, text):
    status, body = refusal(lab, lab.app["app_id"] if app_id is None else app_id, secret)
    assert (status, body["code"], body["msg"]) == (200, code, text)


def test_the_app_token_is_the_tenant_token(lab):
    body = {"app_id": lab.app["app_id"], "app_secret": lab.app["secret"]}
    answer = lab.http.post("/open-apis/auth/v3/app_access_token/internal/", json=body).get_json()
    assert answer["app_access_token"] == answer["tenant_access_token"] == lab.token()


@pytest.mark.parametrize(("method", "path"), [("GET", "nonsense/v1"), ("DELETE", "bot/v3/info"), ("GET", "im/v1")])
def test_unknown_paths_and_methods_are_no_json(lab, method, path):
    answer = lab.call(method, path)
    assert (answer.status_code, answer.mimetype, answer.data) == (404, "text/plain", b"404 page not found")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", 99991661),
        ("t-without-the-word", 99991661),
        ("Bearer ", 99991661),
        ("Bearer t-unknown", 99991663),
        ("Bearer eyJunknown", 99991668),
        ("Bearer u-unknown", 99991668),
    ],
)
def test_tokens_are_checked_before_anything_else(lab, header, code):
    answer = lab.http.post("/open-apis/im/v1/messages", data="no json", headers={"Authorization": header})
    assert (answer.status_code, answer.get_json()["code"]) == (400, code)
    assert answer.headers["X-Tt-Logid"] == answer.get_json()["error"]["log_id"]


def test_the_state_of_the_app_counts(lab):
    fresh = lab.new_app(released=False)
    assert lab.code("GET", "bot/v3/info", app=fresh) == 99991673
    lab.change(enabled=False)
    assert lab.code("GET", "bot/v3/info") == 99991662


def test_the_allow_list_spares_the_token_call(lab):
    lab.change(allowed_ips=["203.0.113.9"])
    answer = lab.call("GET", "bot/v3/info")
    assert answer.get_json()["msg"] == "ip 127.0.0.1 is denied by app setting"
    assert (answer.status_code, answer.get_json()["code"]) == (400, 99991401)
    lab.change(allowed_ips=["127.0.0.1"])
    assert lab.code("GET", "bot/v3/info") == 0


def test_a_missing_permission_names_those_that_would_do(lab):
    lab.change(scopes=["im:message"])
    body = lab.call("GET", "im/v1/chats").get_json()
    assert body["code"] == 99991672
    assert [row["subject"] for row in body["error"]["permission_violations"]] == [
        "im:chat",
        "im:chat:readonly",
        "im:chat:read",
    ]
    assert lab.app["app_id"] in body["error"]["helps"][0]["url"]


def test_permissions_wait_for_a_version_unless_nobody_reviews_them(lab):
    lab.change(scopes=[])
    lab.change(scopes=["im:chat"], released=False)
    assert lab.code("GET", "im/v1/chats") == 99991672
    lab.change(scopes=["im:chat:readonly"], released=False)
    assert lab.code("GET", "im/v1/chats") == 0
    lab.change(scopes=["im:chat"], released=False)
    released = lab.control("feishu/release", {"app_id": lab.app["app_id"]})
    assert released["scopes"] == ["im:chat"]
    assert lab.code("GET", "im/v1/chats") == 0


def test_frequencies_say_how_long_to_wait(lab):
    lab.control("feishu/limits", {"api_per_second": 2})
    token = lab.token()
    assert [lab.code("GET", "bot/v3/info", token=token) for _ in range(2)] == [0, 0]
    answer = lab.call("GET", "bot/v3/info", token=token)
    assert (answer.status_code, answer.get_json()["code"]) == (429, 99991400)
    assert answer.headers["x-ogw-ratelimit-reset"] == "1"
    lab.advance(1)
    assert lab.code("GET", "bot/v3/info", token=token) == 0


def test_the_month_s_quota_counts_successes_of_messages_and_groups(lab):
    lab.control("feishu/limits", {"monthly_calls": 2})
    assert lab.code("GET", "bot/v3/info") == 0
    assert lab.send({"text": ""})["code"] == 230001
    assert [lab.send({"text": "a"})["code"] for _ in range(3)] == [0, 0, 99991403]
    assert lab.code("GET", "bot/v3/info") == 0


@pytest.mark.parametrize(
    ("raw", "code"), [(b"no json", 9499), (b"[]", 9499), (b"", 99992402), (b'{"msg_type":"text"}', 99992402)]
)
def test_bodies_have_to_be_objects_with_what_is_needed(lab, raw, code):
    headers = {"Authorization": f"Bearer {lab.token()}"}
    answer = lab.http.post("/open-apis/im/v1/messages?receive_id_type=open_id", data=raw, headers=headers)
    assert (answer.status_code, answer.get_json()["code"]) == (400, code)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("rate_limit", 429, 99991400),
        ("busy", 500, 2200),
        ("ip_refused", 400, 99991401),
        ("expired_token", 400, 99991663),
        ("concurrency", 400, 230020),
    ],
)
def test_the_generic_faults_speak_feishu(lab, fault, status, code):
    token = lab.token()
    lab.control("faults", {"platform": "feishu", "fault": fault, "app_id": lab.app["app_id"]})
    answer = lab.call("GET", "bot/v3/info", token=token)
    assert (answer.status_code, answer.get_json()["code"]) == (status, code)
    assert (lab.token() == token) is (fault != "expired_token")


def test_a_fault_may_strike_the_token_call_alone(lab):
    fault = {"platform": "feishu", "fault": "http_502_html", "path": "tenant_access_token"}
    lab.control("faults", fault)
    body = {"app_id": lab.app["app_id"], "app_secret": lab.app["secret"]}
    assert lab.http.post(TOKEN_PATH, json=body).status_code == 502
    assert lab.http.post(TOKEN_PATH, json=body).status_code == 200


def test_flat_answers_stay_flat(lab: Lab) -> None:
    assert lab.call("GET", "bot/v3/info").get_json()["bot"]["activate_status"] == 2
    assert lab.call("GET", "application/v6/scopes").get_json()["data"]["scopes"] == [
        {"scope_name": "contact:user.id:readonly", "grant_status": 1},
        {"scope_name": "im:chat", "grant_status": 1},
        {"scope_name": "im:message", "grant_status": 1},
        {"scope_name": "im:resource:upload", "grant_status": 1},
    ]


def test_some_people_may_be_left_out(lab):
    fault = {"platform": "feishu", "fault": "invalid_users", "users": "wu", "count": 2}
    lab.control("faults", fault)
    assert [lab.send(None, lab.open_id(who))["code"] for who in ("lin", "wu", "wu")] == [0, 230013, 0]


def test_a_token_call_may_fail_with_any_number(lab):
    lab.control("faults", {"platform": "feishu", "fault": "errcode", "code": 10014, "path": "tenant_access_token"})
    assert refusal(lab, lab.app["app_id"], lab.app["secret"]) == (200, {"code": 10014, "msg": "unknown error"})
