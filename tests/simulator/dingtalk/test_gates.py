"""What every call passes: token, address, permission, frequency, quota, body; the envelopes of both families."""

import pytest

from tests.simulator.dingtalk.conftest import CLIENT, CORP, SECRET

QUERY = "/v1.0/im/sceneGroups/query"
SUB = "/topapi/v2/department/listsub"


def test_a_token_lives_on_while_it_is_asked_for(lab):
    first = lab.token()
    lab.control("clock", {"advance_seconds": 7000})
    assert lab.token() == first
    lab.control("clock", {"advance_seconds": 7000})
    assert lab.call("GET", "/v1.0/contact/users/me", token=first)[1]["code"] == "InvalidAuthentication"  # no person's
    assert lab.old("/auth/scopes", token=first)["errcode"] == 0
    lab.control("clock", {"advance_seconds": 300})
    assert lab.old("/auth/scopes", token=first)["errcode"] == 40014
    assert lab.token() != first


@pytest.mark.parametrize(
    ("client", "secret"), [(CLIENT, "wrong"), ("dingnobody", SECRET), ("", "")], ids=["secret", "client", "empty"]
)
def test_wrong_credentials(lab, client, secret):
    answer = lab.http.post("/v1.0/oauth2/accessToken", json={"appKey": client, "appSecret": secret})
    assert (answer.status_code, answer.get_json()["code"]) == (400, "invalidClientIdOrSecret")
    assert set(answer.get_json()) == {"code", "requestid", "message"}
    assert lab.http.post("/v1.0/oauth2/accessToken").get_json()["code"] == "Missingbody"
    old = lab.http.get("/gettoken", query_string={"appkey": client or "x", "appsecret": secret or "x"}).get_json()
    assert old["errcode"] == 40096
    assert lab.http.get("/gettoken").get_json()["errcode"] == 40035


@pytest.mark.parametrize(
    ("corp", "client", "status", "code"),
    [
        (CORP, CLIENT, 200, None),
        ("dingmadeup", CLIENT, 500, "unknownError"),
        ("dingother", CLIENT, 401, "unauthorized.client"),
        (CORP, "dingnobody", 400, "invalid.client"),
    ],
)
def test_the_unified_token_knows_whose_app_it_is(lab, corp, client, status, code):
    lab.control("dingtalk/corps", {"corp_id": "dingother", "name": "别家"})
    body = {"client_id": client, "client_secret": SECRET, "grant_type": "client_credentials"}
    answer = lab.http.post(f"/v1.0/oauth2/{corp}/token", json=body)
    assert (answer.status_code, answer.get_json().get("code")) == (status, code)


def test_where_the_token_is_looked_for(lab):
    token = lab.token()
    for sent in ({"query_string": {"access_token": token}}, {"headers": {"Authorization": f"Bearer {token}"}}, {}):
        answer = lab.http.post(QUERY, json={}, **sent)
        assert (answer.status_code, answer.get_json()["code"]) == (400, "AuthenticationFailed.MissingParameter")
    assert lab.call("POST", QUERY, {}, token="dead")[1]["code"] == "InvalidAuthentication"
    wrapped = lab.old(SUB, {}, token="dead")
    assert (wrapped["errcode"], wrapped["sub_code"]) == (88, "40014")
    assert wrapped["errmsg"] == "ding talk error[subcode=40014,submsg=不合法的access_token]"
    assert lab.old("/auth/scopes", token="dead")["errcode"] == 40014
    assert lab.old(SUB, {}, token="")["sub_code"] == "40000"


def test_a_token_of_either_family_is_good_for_both(lab):
    old = lab.http.get("/gettoken", query_string={"appkey": CLIENT, "appsecret": SECRET}).get_json()["access_token"]
    assert old == lab.token()


def test_addresses_that_do_not_exist(lab):
    assert lab.call("POST", "/v1.0/nothing", {}) == (200, {"errcode": 404, "errmsg": "请求的URI地址不存在"})
    assert lab.call("POST", "/v1.0/robot/oToMessages/batchRecall", {})[1]["errcode"] == 404
    assert lab.old("/topapi/nothing", {})["errcode"] == 22


@pytest.mark.parametrize(
    ("allowed", "is_admitted"),
    [([], True), (["127.0.0.1"], True), (["127.0.*"], True), (["203.0.113.7"], False), (["*.7"], False)],
)
def test_addresses_that_may_call(lab, allowed, is_admitted):
    lab.change(ip_whitelist=allowed)
    status, answer = lab.call("POST", QUERY, {"openConversationId": lab.cid, "coolAppCode": lab.cool_app_code})
    old = lab.old("/auth/scopes")
    if is_admitted:
        assert (status, old["errcode"]) == (200, 0)
        return
    assert (status, answer["code"]) == (403, "Forbidden.AccessDenied.IpNotInWhiteList")
    assert "request ip=127.0.0.1" in answer["message"]
    assert (old["errcode"], "request ip=127.0.0.1" in old["errmsg"]) == (60020, True)


def test_permission_points_are_off_until_they_are_granted(lab):
    lab.change(permissions=[])
    status, answer = lab.call("POST", QUERY, {})
    assert (status, answer["code"]) == (403, "Forbidden.AccessDenied.AccessTokenPermissionDenied")
    assert answer["accessdenieddetail"] == {"requiredScopes": ["qyapi_chat_manage"]}
    old = lab.old(SUB, {})
    assert (old["errcode"], old["sub_code"]) == (88, "60011")
    assert "qyapi_get_department_list" in old["sub_msg"]
    assert lab.old("/auth/scopes")["errcode"] == 0
    lab.change(permissions=["qyapi_chat_manage"])
    assert lab.call("POST", QUERY, {})[1]["code"] == "MissingopenConversationId"


def test_the_older_cards_are_closed_to_new_apps(lab):
    status, answer = lab.call("POST", "/v1.0/im/interactiveCards/send", {})
    assert (status, answer["code"]) == (403, "Forbidden.AccessDenied.AccessTokenPermissionDenied")


def test_the_gateway_misses_bodies_and_fields(lab):
    assert lab.call("POST", "/v1.0/card/instances/createAndDeliver")[1]["code"] == "Missingbody"
    body = {"cardTemplateId": "x", "outTrackId": "y", "openSpaceId": "z"}
    assert lab.call("POST", "/v1.0/card/instances/createAndDeliver", body)[1]["code"] == "MissingcardData"


def test_twenty_calls_a_second_and_five_thousand_a_month(lab):
    lab.control("dingtalk/limits", {"qps": 2})
    token, body = lab.token(), {"openConversationId": lab.cid, "coolAppCode": lab.cool_app_code}
    codes = [lab.call("POST", QUERY, body, token=token)[1].get("code") for _ in range(12)]
    assert "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi" in codes
    lab.control("dingtalk/limits", {"qps": 0, "monthly_calls": 3})
    lab.control("reset", {})
    codes = [lab.call("POST", QUERY, body, token=token)[1].get("code") for _ in range(4)]
    assert codes == [None, None, None, "Forbidden.AccessDenied.ApiCountLimitForOrg"]
    assert lab.old(SUB, {})["errcode"] == 0  # contacts are not counted


def test_a_blocked_address_reads_a_page(lab):
    lab.control("dingtalk/limits", {"banned": True})
    answer = lab.http.post("/v1.0/oauth2/accessToken", json={})
    assert (answer.status_code, answer.mimetype) == (200, "text/html")


@pytest.mark.parametrize(
    ("fault", "new", "old"),
    [
        ({"fault": "rate_limit"}, "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi", "90018"),
        ({"fault": "concurrency"}, "Forbidden.AccessDenied.QpsLimitForApi", "90002"),
        ({"fault": "busy"}, "system.busy", "-1"),
        ({"fault": "expired_token"}, "InvalidAuthentication", "42001"),
        ({"fault": "errcode", "name": "group.disbanded", "code": 400013}, "group.disbanded", "400013"),
        ({"fault": "ip_refused"}, "Forbidden.AccessDenied.IpNotInWhiteList", "60020"),
    ],
)
def test_faults_speak_both_languages(lab, fault, new, old):
    lab.control("faults", fault | {"platform": "dingtalk", "path": QUERY, "app_id": CLIENT})
    lab.control("faults", fault | {"platform": "dingtalk", "path": SUB})
    token = lab.token()
    assert lab.call("POST", QUERY, {}, token=token)[1]["code"] == new
    answer = lab.old(SUB, {}, token=lab.token())
    assert (answer.get("sub_code") or str(answer["errcode"])) == old
    if fault["fault"] == "expired_token":
        assert lab.token() != token


def test_faults_of_one_platform_leave_the_other_alone(lab):
    lab.control("faults", {"platform": "wecom", "fault": "http_500", "count": -1})
    assert lab.token()
    lab.control("faults", {"platform": "dingtalk", "fault": "http_502_html", "path": "accessToken"})
    assert lab.http.post("/v1.0/oauth2/accessToken", json={}).status_code == 502


def test_tickets_and_reset(lab):
    assert lab.call("POST", "/v1.0/oauth2/jsapiTickets")[1]["expireIn"] == 7200
    assert lab.old("/get_jsapi_ticket")["ticket"]
    lab.control("reset", {"all": True})
    assert lab.http.get("/control/state").get_json()["dingtalk"]["corps"] == []
