"""Signing in: codes of the client and of the browser, and the webview with its bridge."""

from urllib.parse import parse_qs, quote, urlsplit

import pytest

from simulator.wire import mask
from tests.simulator.dingtalk.conftest import CLIENT, CORP, SECRET

WHO = "/topapi/v2/user/getuserinfo"
REDIRECT = "https://oncall.example.com/oauth"
HOST = "http://lin.dingtalk.localhost"


def code(lab, **changes):
    return lab.control("dingtalk/sign_in", {"client_id": CLIENT, "person": "lin"} | changes)["code"]


def test_a_code_of_the_client_is_good_once(lab):
    text = code(lab)
    who = lab.old(WHO, {"code": text})["result"]
    assert (who["userid"], who["name"], bool(who["unionid"])) == ("lin", "林值班", True)
    assert lab.old(WHO, {"code": text})["errcode"] == 40078
    assert lab.old(WHO, {"code": code(lab, kind="oauth")})["errcode"] == 40078
    assert lab.old(WHO, {})["errcode"] == 41026
    late = code(lab)
    lab.control("clock", {"advance_seconds": 301})
    assert lab.old(WHO, {"code": late})["errcode"] == 40078


def test_a_code_belongs_to_one_app(lab):
    other = lab.control("dingtalk/apps", {"corp_id": CORP, "name": "别的应用"})
    token = lab.token(other["client_id"], other["client_secret"])
    assert lab.old(WHO, {"code": code(lab)}, token=token)["errcode"] == 40078


def exchange(lab, text):
    body = {"clientId": CLIENT, "clientSecret": SECRET, "grantType": "authorization_code", "code": text}
    return lab.http.post("/v1.0/oauth2/userAccessToken", json=body).get_json()


def test_a_code_of_the_browser_becomes_a_persons_token(lab):
    lab.change(redirect_urls=[REDIRECT])
    link = {"client_id": CLIENT, "response_type": "code", "scope": "openid corpid", "prompt": "consent", "state": "s1"}
    page = lab.http.get("/oauth2/auth", query_string=link | {"redirect_uri": REDIRECT}).get_data(as_text=True)
    token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
    answer = lab.http.post(
        "/oauth2/auth",
        query_string=link | {"redirect_uri": REDIRECT},
        data={"csrf_token": token, "userid": "lin", "answer": "confirm"},
    )
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert query["authCode"] == query["code"]
    assert query["state"] == ["s1"]
    got = exchange(lab, query["code"][0])
    assert (got["corpId"], got["expireIn"]) == (CORP, 7200)
    me = lab.call("GET", "/v1.0/contact/users/me", token=got["accessToken"])[1]
    assert me["nick"] == "林值班"
    assert lab.old("/topapi/user/getbyunionid", {"unionid": me["unionId"]})["result"]["userid"] == "lin"
    assert exchange(lab, query["code"][0])["code"] == "invalidParameter.authCode.notFound"
    assert exchange(lab, code(lab))["code"] == "invalidParameter.authCode.notFound"
    for wrong in ({"redirect_uri": "https://elsewhere.example"}, {"prompt": ""}, {"client_id": "x"}):
        assert lab.http.get("/oauth2/auth", query_string=link | {"redirect_uri": REDIRECT} | wrong).status_code == 400


def test_somebody_from_another_company_has_no_userid_here(lab):
    lab.control(
        "dingtalk/corps", {"corp_id": "dingother", "name": "别家", "people": [{"userid": "gast", "name": "客"}]}
    )
    token = exchange(lab, code(lab, kind="oauth", person="dingother/gast"))["accessToken"]
    me = lab.call("GET", "/v1.0/contact/users/me", token=token)[1]
    assert lab.old("/topapi/user/getbyunionid", {"unionid": me["unionId"]})["errcode"] == 60121


@pytest.fixture
def phone(lab, product):
    lab.change(home_url=f"{product.url}/h5?corpId=$CORPID$")
    opened = lab.http.get(f"/__open?url={quote(f'{product.url}/h5?corpId={CORP}', safe='')}", base_url=HOST)
    assert opened.headers["Location"] == f"/h5?corpId={CORP}"
    return lab


def ask(lab, origin=HOST, **body):
    answer = lab.http.post("/__dingtalk/code", base_url=HOST, json=body, headers={"Origin": origin})
    return answer.get_json()


def test_a_page_in_the_client_has_the_bridge_and_gets_codes(phone):
    page = phone.http.get("/h5", base_url=HOST).get_data(as_text=True)
    assert '<head><script src="/__simulator/dingtalk/bridge.js"></script></head>' in page
    assert "WebViewJavascriptBridge" in phone.http.get("/__simulator/dingtalk/bridge.js", base_url=HOST).text
    for more in ({}, {"clientId": CLIENT}):
        assert phone.old(WHO, {"code": ask(phone, corpId=CORP, **more)["code"]})["result"]["userid"] == "lin"


def test_codes_that_the_client_does_not_give(phone, product):
    assert ask(phone, corpId="dingother")["errorCode"] == 3
    assert ask(phone, corpId=CORP, clientId="dingnobody")["errorCode"] == 3
    assert ask(phone, origin="http://elsewhere.example", corpId=CORP)["errorCode"] == 7
    phone.change(visible=["wu"])
    assert "可见范围" in ask(phone, corpId=CORP)["errorMessage"]
    phone.change(visible="all", home_url="https://other.example/h5")
    refused = ask(phone, corpId=CORP)
    assert (refused["errorCode"], product.url.partition("//")[2] in refused["errorMessage"]) == (3, True)


def test_the_sign_in_page_in_the_client_knows_who_asks(phone, product):
    phone.change(redirect_urls=[f"{product.url}/h5"])
    link = (
        f"client_id={CLIENT}&response_type=code&scope=openid&prompt=consent&redirect_uri={quote(product.url + '/h5')}"
    )
    opened = phone.http.get(
        f"/__open?url={quote(f'https://login.dingtalk.com/oauth2/auth?{link}', safe='')}", base_url=HOST
    )
    answer = phone.http.get(opened.headers["Location"], base_url=HOST)
    assert answer.headers["Location"].startswith("/h5?authCode=")


def test_secrets_are_shortened_on_pages():
    shown = mask('{"appSecret": "abcdefghijkl", "accessToken": "abcdefghijkl", "apiSecret": "abcdefghijkl"}')
    assert "fghijkl" not in shown
