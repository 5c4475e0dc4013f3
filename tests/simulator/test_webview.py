"""Pages inside WeCom: a host a person, hosts rewritten both ways, the authorise link answered silently."""

from urllib.parse import quote

import pytest
from flask import Response, make_response, redirect, request

from tests.simulator.conftest import CORP

HOST = "http://zhangsan.localhost"


@pytest.fixture
def phone(lab, product):
    """A phone inside 张三's WeCom, for an app whose trusted domain is the product's."""
    changed = {"corp_id": CORP, "agent_id": lab.agent_id, "trusted_domain": product.domain}
    lab.control("wecom/apps", changed, "patch")

    class Phone:
        def get(self, path, host=HOST, **more):
            return lab.http.get(path, base_url=host, **more)

        def post(self, path, **more):
            return lab.http.post(path, base_url=HOST, **more)

        def open(self, url):
            return self.get(f"/__open?url={quote(url, safe='')}")

    return Phone()


def test_opening_an_address_leads_to_its_path_on_the_webview(phone, product):
    product.files["h5/x"] = "page"
    answer = phone.open(f"{product.server.url}/h5/x?a=1&b=%2F#part")
    assert answer.headers["Location"] == "/h5/x?a=1&b=%2F#part"
    assert phone.get("/h5/x").data == b"page"


def test_foreign_addresses_are_not_opened(phone):
    answer = phone.open("http://elsewhere.example/")
    assert answer.status_code == 403
    assert "http://elsewhere.example/" in answer.get_data(as_text=True)


def test_before_anything_was_opened_there_is_a_hint(phone):
    assert "请从工作台打开应用" in phone.get("/h5").get_data(as_text=True)


def test_an_unknown_host_is_nobodys(phone):
    assert phone.get("/", "http://nobody.localhost").status_code == 404


def test_the_product_sees_its_own_host_and_wecoms_user_agent(lab, phone, product):
    seen: dict[str, object] = {}

    def page(path):
        names = ("Host", "Origin", "Referer", "User-Agent", "Cookie", "Connection")
        seen.update(
            {name: request.headers.get(name) for name in names}, body=request.get_data(), full=request.full_path
        )
        return "ok"

    product.page = page
    phone.open(product.server.url)
    headers = {"Origin": HOST, "Referer": f"{HOST}/h5/1?x", "User-Agent": "Mozilla/5.0 Chrome"}
    lab.http.set_cookie("sid", "1", domain="zhangsan.localhost")
    phone.post("/h5/1?q=a%2Fb", data=b"field=1", headers=headers)
    origin = product.server.url
    assert (seen["Host"], seen["Origin"], seen["Referer"]) == (product.domain, origin, f"{origin}/h5/1?x")
    assert seen["User-Agent"] == "Mozilla/5.0 Chrome wxwork/4.1.30 MicroMessenger/7.0.1 Language/zh"
    assert (seen["Cookie"], seen["body"]) == ("sid=1", b"field=1")
    assert seen["full"] == "/h5/1?q=a%2Fb"


def test_redirects_and_cookies_come_back_to_the_webview(phone, product):
    def page(path):
        answer = make_response(redirect(f"{product.server.url}/h5/next?x=1"))
        answer.set_cookie("sid", "1", domain="localhost", httponly=True)
        answer.set_cookie("other", "2")
        answer.headers["Strict-Transport-Security"] = "max-age=1"
        return answer

    product.page = page
    phone.open(product.server.url)
    answer = phone.get("/h5")
    assert answer.headers["Location"] == f"{HOST}/h5/next?x=1"
    cookies = answer.headers.getlist("Set-Cookie")
    assert len(cookies) == 2
    assert not any("Domain" in cookie for cookie in cookies)
    assert "Strict-Transport-Security" not in answer.headers


def test_status_and_compressed_bodies_pass_unchanged(phone, product):
    product.page = lambda path: Response(b"\x1f\x8b raw", status=418, headers={"Content-Encoding": "gzip"})
    phone.open(product.server.url)
    answer = phone.get("/h5")
    assert (answer.status_code, answer.data) == (418, b"\x1f\x8b raw")


def authorise(product, base="http://localhost:80", fragment="#wechat_redirect"):
    target = quote(f"{product.server.url}/h5/in", safe="")
    return (
        f"{base}/connect/oauth2/authorize?appid={CORP}&redirect_uri={target}"
        f"&response_type=code&scope=snsapi_base&state=st1{fragment}"
    )


@pytest.mark.parametrize("base", ["http://localhost", "https://open.weixin.qq.com"])
def test_a_redirect_to_the_authorise_page_signs_the_person_in(lab, phone, product, base):
    product.page = lambda path: redirect(authorise(product, base))
    phone.open(product.server.url)
    first = phone.get("/h5")
    assert first.headers["Location"].startswith(f"{HOST}/connect/oauth2/authorize?appid=")
    second = phone.get(first.headers["Location"].removeprefix(HOST))
    path, _, query = second.headers["Location"].partition("?")
    assert path == "/h5/in"
    assert "state=st1" in query
    code = query.partition("code=")[2].partition("&")[0]
    assert lab.call("auth/getuserinfo", code=code)["userid"] == "zhangsan"


def test_the_fragment_at_the_end_is_required(phone, product):
    product.page = lambda path: redirect(authorise(product, "http://localhost", fragment=""))
    phone.open(product.server.url)
    answer = phone.get(phone.get("/h5").headers["Location"].removeprefix(HOST))
    assert answer.status_code == 400
    assert "#wechat_redirect" in answer.get_data(as_text=True)


def test_an_authorise_link_can_be_the_home_page(phone, product):
    answer = phone.open(authorise(product, "http://localhost"))
    assert answer.headers["Location"].startswith("/connect/oauth2/authorize?appid=")


def test_a_product_that_is_down_is_said_so(phone, product):
    phone.open(product.server.url)
    product.server.stop()
    answer = phone.get("/h5")
    assert answer.status_code == 502
    assert "无法打开网页" in answer.get_data(as_text=True)


def test_names_that_are_no_host_names_and_namesakes_have_hosts_of_their_own(lab):
    people = [{"userid": "Wang.Fang@x", "name": "王芳"}, {"userid": "zhangsan", "name": "另一位张三"}]
    corp = lab.control("wecom/corps", {"name": "别家", "corp_id": "ww9999999999999999", "people": people})
    odd, namesake = (person["webview"] for person in corp["people"])
    assert odd.startswith("http://wang-fang-x-")
    assert namesake.startswith("http://zhangsan-")
    assert lab.get("state")["wecom"]["corps"][0]["people"][0]["webview"] == "http://zhangsan.localhost/"
