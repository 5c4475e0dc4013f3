"""Rows O of the enforcement list: authorise links, codes, web login, trusted domains."""

from urllib.parse import parse_qs, quote, urlsplit

import pytest

from tests.simulator.conftest import CORP

HOST = "http://zhangsan.localhost"


def link(**changes):
    values = {
        "appid": CORP,
        "redirect_uri": quote("http://localhost:5000/h5?next=1", safe=""),
        "response_type": "code",
        "scope": "snsapi_base",
        "state": "abc123",
    } | changes
    return "/connect/oauth2/authorize?" + "&".join(f"{name}={value}" for name, value in values.items())


@pytest.fixture
def inside(lab):
    """A browser inside 张三's WeCom."""
    lab.get("state")  # names the webviews
    return lambda path, host=HOST, method="get": getattr(lab.http, method)(path, base_url=host)


def code_of(answer):
    return parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]


def test_inside_the_client_the_link_answers_silently_with_code_and_state(lab, inside):
    answer = inside(link())
    assert answer.status_code == 302
    parts = urlsplit(answer.headers["Location"])
    query = parse_qs(parts.query)
    assert (parts.path, query["next"], query["state"]) == ("/h5", ["1"], ["abc123"])
    assert lab.call("auth/getuserinfo", code=query["code"][0])["userid"] == "zhangsan"


def test_outside_the_client_nobody_is_signed_in(lab):
    answer = lab.http.get(link())
    assert answer.status_code == 403
    assert "请在企业微信客户端打开链接" in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    ("change", "title"),
    [
        ({"appid": "wwother"}, "appid参数错误"),
        ({"redirect_uri": quote("http://localhost:5001/h5", safe="")}, "redirect_uri需使用应用可信域名"),
        ({"redirect_uri": quote("http://sub.localhost:5000/h5", safe="")}, "redirect_uri需使用应用可信域名"),
        ({"redirect_uri": "/h5"}, "redirect_uri参数错误"),
        ({"response_type": "token"}, "response_type参数错误"),
        ({"scope": "everything"}, "scope参数错误"),
        ({"state": "a-b"}, "state参数错误"),
        ({"agentid": "42"}, "agentid参数错误"),
        ({"_fragment": "missing"}, "#wechat_redirect"),
    ],
)
def test_a_wrong_link_says_what_is_wrong(lab, inside, change, title):
    answer = inside(link(**change))
    assert answer.status_code == 400
    assert title in answer.get_data(as_text=True)


def test_a_code_works_once_within_five_minutes(lab, inside):
    code = code_of(inside(link()))
    assert lab.call("auth/getuserinfo", code=code)["errcode"] == 0
    assert lab.call("auth/getuserinfo", code=code)["errcode"] == 40029
    late = code_of(inside(link()))
    lab.advance(301)
    assert lab.call("auth/getuserinfo", code=late)["errcode"] == 40029


def test_a_code_belongs_to_the_app_of_its_domain(lab, inside):
    other = lab.new_app(name="另一个", trusted_domain="localhost:6000")
    code = code_of(inside(link()))
    assert lab.call("auth/getuserinfo", code=code, secret=other["secret"])["errcode"] == 50001
    assert lab.call("auth/getuserinfo", code=code)["errcode"] == 0


def test_somebody_from_elsewhere_has_an_openid_only(lab, inside):
    people = [{"userid": "guest", "name": "客人"}]
    lab.control("wecom/corps", {"name": "别家", "corp_id": "ww9999999999999999", "people": people})
    lab.get("state")
    answer = lab.call("auth/getuserinfo", code=code_of(inside(link(), "http://guest.localhost")))
    assert answer["openid"]
    assert "userid" not in answer


def test_private_information_is_asked_for_and_gives_a_ticket(lab, inside):
    path = link(scope="snsapi_privateinfo", agentid=lab.agent_id)
    assert "同意" in inside(path).get_data(as_text=True)
    answer = lab.call("auth/getuserinfo", code=code_of(inside(path, method="post")))
    assert lab.call("auth/getuserdetail", {"user_ticket": answer["user_ticket"]})["userid"] == "zhangsan"
    assert lab.call("auth/getuserdetail", {"user_ticket": "x"})["errcode"] == 84015
    lab.advance(1801)
    assert lab.call("auth/getuserdetail", {"user_ticket": answer["user_ticket"]})["errcode"] == 84014


def test_no_ticket_outside_the_visible_range(lab, inside):
    lab.control("wecom/apps", {"corp_id": CORP, "agent_id": lab.agent_id, "visible": ["lisi"]}, "patch")
    path = link(scope="snsapi_privateinfo", agentid=lab.agent_id)
    answer = lab.call("auth/getuserinfo", code=code_of(inside(path, method="post")))
    assert answer["userid"] == "zhangsan"
    assert "user_ticket" not in answer


def test_a_code_can_be_had_without_a_browser(lab):
    code = lab.control("wecom/sign_in", {"corp_id": CORP, "userid": "lisi", "agent_id": lab.agent_id})["code"]
    assert lab.call("auth/getuserinfo", code=code)["userid"] == "LiSi"
    stranger = lab.control("wecom/sign_in", {"corp_id": CORP, "userid": "nobody", "agent_id": lab.agent_id})["code"]
    assert "openid" in lab.call("auth/getuserinfo", code=stranger)


def web_login(**changes):
    values = {
        "login_type": "CorpApp",
        "appid": CORP,
        "agentid": 1000002,
        "redirect_uri": quote("http://localhost:5000/back", safe=""),
        "state": "s1",
    } | changes
    return "/wwlogin/sso/login?" + "&".join(f"{name}={value}" for name, value in values.items())


def csrf(page):
    return page.get_data(as_text=True).partition('name="csrf_token" value="')[2].partition('"')[0]


def test_the_web_login_lets_one_choose_who_scans(lab):
    page = lab.http.get(web_login())
    assert "选择扫码的成员" in page.get_data(as_text=True)
    form = {"csrf_token": csrf(page), "userid": "LiSi", "answer": "confirm"}
    answer = lab.http.post(web_login(), data=form)
    assert answer.headers["Location"].startswith("http://localhost:5000/back?code=")
    assert lab.call("auth/getuserinfo", code=code_of(answer))["userid"] == "LiSi"


def test_a_refused_web_login_brings_no_code(lab):
    form = {"csrf_token": csrf(lab.http.get(web_login())), "answer": "refuse"}
    assert lab.http.post(web_login(), data=form).headers["Location"] == "http://localhost:5000/back?state=s1"


def test_the_web_login_checks_host_and_port(lab):
    wrong = web_login(redirect_uri=quote("http://localhost:5001/back", safe=""))
    assert lab.http.get(wrong).status_code == 400
    changed = {"corp_id": CORP, "agent_id": lab.agent_id, "login_domain": "localhost:5001"}
    lab.control("wecom/apps", changed, "patch")
    assert lab.http.get(wrong).status_code == 200
