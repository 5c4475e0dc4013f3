"""The authorise page, the exchange of a code, and who is behind a token."""

import base64
import hashlib
import re
from urllib.parse import parse_qs, quote, urlsplit

import pytest

PAGE = "/open-apis/authen/v1/authorize"
BACK = "http://localhost:5000/h5/feishu/k/oauth"


@pytest.fixture
def site(lab):
    lab.change(redirect_urls=[BACK])
    return lab


def link(lab, **changes):
    query = {"client_id": lab.app["app_id"], "response_type": "code", "redirect_uri": BACK, "state": "s 1"} | changes
    return f"{PAGE}?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items() if value)


def authorise(lab, answer="confirm", user_id="lin", **changes):
    """What choosing a person on the page leads to."""
    page = lab.http.get(link(lab, **changes)).get_data(as_text=True)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    form = {"csrf_token": token[1] if token else "", "answer": answer, "user_id": user_id}
    target = lab.http.post(link(lab, **changes), data=form).headers["Location"]
    return {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}


def exchange(lab, code, **changes):
    body = {"grant_type": "authorization_code", "client_id": lab.app["app_id"], "client_secret": lab.app["secret"]}
    body |= {"code": code, "redirect_uri": BACK} | changes
    answer = lab.http.post("/open-apis/authen/v2/oauth/token", json={k: v for k, v in body.items() if v is not None})
    return answer.status_code, answer.get_json()


def test_a_person_is_found_by_the_code(site):
    came_back = authorise(site)
    assert came_back["state"] == "s 1"
    status, granted = exchange(site, came_back["code"])
    assert (status, granted["code"], granted["token_type"]) == (200, 0, "Bearer")
    person = site.call("GET", "authen/v1/user_info", token=granted["access_token"]).get_json()
    assert person["data"]["open_id"] == site.open_id()
    assert person["data"]["name"] == "林芳"
    assert not {"email", "user_id", "mobile"} & set(person["data"])
    site.change(scopes=["contact:user.email:readonly", "contact:user.employee_id:readonly"])
    person = site.call("GET", "authen/v1/user_info", token=granted["access_token"]).get_json()["data"]
    assert (person["email"], person["user_id"]) == ("lin@example.com", "lin")


def test_a_refusal_comes_back_without_a_code(site):
    assert authorise(site, "refuse") == {"error": "access_denied", "state": "s 1"}
    assert "state" not in authorise(site, state="")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"redirect_uri": "http://localhost:5000/other"}, 20029),
        ({"redirect_uri": BACK + "/"}, 20029),
        ({"redirect_uri": "https://localhost:5000/h5/feishu/k/oauth"}, 20029),
        ({"client_id": "cli_ffffffffffffffff"}, 20048),
        ({"scope": "contact:user.phone:readonly"}, 20027),
        ({"response_type": "token"}, 20001),
    ],
)
def test_a_wrong_link_is_an_error_page(site, changes, code):
    answer = site.http.get(link(site, **changes))
    assert (answer.status_code, answer.mimetype) == (400, "text/html")
    assert f"错误码：{code}" in answer.get_data(as_text=True)


def test_what_follows_the_path_is_not_compared(site):
    assert site.http.get(link(site, redirect_uri=f"{BACK}?next=/x#part")).status_code == 200
    assert authorise(site, redirect_uri=f"{BACK}?next=/x")["next"] == "/x"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"code": "unknown"}, 20003),
        ({"code": None}, 20001),
        ({"client_secret": "wrong"}, 20002),
        ({"client_secret": None}, 20001),
        ({"client_id": "cli_ffffffffffffffff"}, 20048),
        ({"grant_type": "password"}, 20036),
        ({"redirect_uri": f"{BACK}/x"}, 20071),
        ({"redirect_uri": None}, 20071),
    ],
)
def test_a_wrong_exchange_is_http_400(site, changes, code):
    status, body = exchange(site, **({"code": authorise(site)["code"]} | changes))
    assert (status, body["code"]) == (400, code)
    assert body["error"]
    assert body["error_description"]


def test_a_code_works_once_and_for_its_own_app(site):
    code, other = authorise(site)["code"], site.new_app(name="别的应用")
    foreign = {"client_id": other["app_id"], "client_secret": other["secret"]}
    assert exchange(site, code, **foreign)[1]["code"] == 20024
    assert exchange(site, code)[1]["code"] == 0
    assert exchange(site, code)[1]["code"] == 20065


@pytest.mark.parametrize(("where", "seconds"), [(BACK, 300), ("", 180)])
def test_a_code_expires(site, where, seconds):
    def new_code():
        body = {"app_id": site.app["app_id"], "person": "lin", "redirect_uri": where}
        return site.control("feishu/sign_in", body)["code"]

    code, late = new_code(), new_code()
    site.advance(seconds - 1)
    assert exchange(site, code, redirect_uri=where or None)[1]["code"] == 0
    site.advance(2)
    assert exchange(site, late, redirect_uri=where or None)[1]["code"] == 20004


@pytest.mark.parametrize("method", ["S256", "plain"])
def test_pkce(site, method):
    verifier = "v" * 50
    hashed = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    challenge = {"code_challenge": hashed if method == "S256" else verifier, "code_challenge_method": method}
    assert exchange(site, authorise(site, **challenge)["code"], code_verifier="w" * 50)[1]["code"] == 20049
    assert exchange(site, authorise(site, **challenge)["code"], code_verifier=verifier)[1]["code"] == 0


def test_people_outside_and_apps_that_are_off(site):
    code = authorise(site)["code"]
    site.change(available=["wu"])
    assert exchange(site, code)[1]["code"] == 20010
    site.change(enabled=False)
    assert exchange(site, authorise(site)["code"])[1]["code"] == 20069


def test_the_newer_token_endpoint(site):
    basic = base64.b64encode(f"{site.app['app_id']}:{site.app['secret']}".encode()).decode()
    form = {"grant_type": "client_credentials"}
    answer = site.http.post("/oauth/v3/token", data=form, headers={"Authorization": f"Basic {basic}"})
    assert answer.get_json()["access_token"].startswith("eyJ")
    both = form | {"client_id": site.app["app_id"], "client_secret": site.app["secret"]}
    answer = site.http.post("/oauth/v3/token", data=both, headers={"Authorization": f"Basic {basic}"})
    assert (answer.status_code, answer.get_json()["code"]) == (400, 20070)
    assert site.http.post("/oauth/v3/token", data=both).get_json()["code"] == 0


def test_a_user_token_is_no_application_token(site):
    granted = exchange(site, authorise(site)["code"])[1]
    assert site.code("GET", "im/v1/chats", token=granted["access_token"]) == 99991668
    assert site.code("GET", "authen/v1/user_info", token=site.token()) == 99991671
    assert site.code("GET", "authen/v1/user_info", token="eyJunknown") == 99991668
    site.control("feishu/resign", {"tenant_key": "2ca1d211f64f6438", "person": "lin"})
    answer = site.call("GET", "authen/v1/user_info", token=granted["access_token"])
    assert (answer.status_code, answer.get_json()["code"]) == (200, 20021)


def test_the_app_reads_its_own_settings_with_the_permission(site):
    path = "application/v6/applications/me"
    assert site.code("GET", path) == 99991672
    site.change(scopes=["application:application:self_manage"])
    app = site.call("GET", path).get_json()["data"]["app"]
    assert (app["redirect_urls"], app["status"]) == ([BACK], 1)
    assert site.code("GET", "application/v6/applications/cli_other") == 210504


def test_the_page_ticket_stays_for_a_while(site):
    first = site.call("POST", "jssdk/ticket/get").get_json()["data"]
    assert first["expire_in"] == 7200
    assert site.call("POST", "jssdk/ticket/get").get_json()["data"]["ticket"] == first["ticket"]
    site.advance(6000)
    assert site.call("POST", "jssdk/ticket/get").get_json()["data"]["ticket"] != first["ticket"]
