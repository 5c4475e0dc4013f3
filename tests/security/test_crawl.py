"""A walk over every address of the product: headers, sessions, form tokens, origins."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.routing import Rule
from werkzeug.routing.converters import AnyConverter, NumberConverter

from app import create_app
from blueprints.gate import SELF_AUTHENTICATING
from config import Settings
from extensions import db
from models import Membership
from platforms import PLATFORMS
from tests.conftest import make_settings
from tests.security.conftest import World
from tests.web.conftest import Browser
from web_extensions import csrf

OPEN_TO_STRANGERS = {
    "auth.sign_in",
    "auth.submit_sign_in",
    "auth.first_admin",
    "auth.create_first_admin",
    "preferences.set_language",
    "preferences.set_theme",
    "sso.begin",
    "sso.start",
    "sso.callback",
    "ops.alive",
    "ops.ready",
    "ops.show_metrics",
    "api.openapi",
    "static",
}
"""The only addresses that do anything for somebody without session, key, token or signature."""
REFUSALS = {301, 302, 303, 308, 400, 401, 403, 404, 405}
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Address:
    endpoint: str
    method: str
    path: str

    @property
    def blueprint(self) -> str:
        return self.endpoint.partition(".")[0]


def addresses(app: Flask, numbers: int = 987654) -> list[Address]:
    """Every address with every method; its places filled with `numbers`, or with what does not exist."""
    found = []
    with app.test_request_context():
        router = app.url_map.bind("localhost")
        for rule in app.url_map.iter_rules():
            path = router.build(rule.endpoint, _values(rule, numbers), method=next(iter(rule.methods or {"GET"})))
            found += [
                Address(rule.endpoint, method, path) for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
            ]
    return found


def _values(rule: Rule, number: int) -> dict[str, object]:
    values: dict[str, object] = {}
    for name, converter in rule._converters.items():
        if isinstance(converter, NumberConverter):
            values[name] = number
        elif isinstance(converter, AnyConverter):
            values[name] = "wecom" if "wecom" in converter.items else sorted(converter.items)[0]
        else:
            values[name] = {"platform": "wecom", "filename": "css/tokens.css"}.get(name, "unknown")
    return values | dict(rule.defaults or {})


def test_every_answer_carries_the_security_headers(app: Flask, admin_client: Browser) -> None:
    for address in addresses(app):
        if address.method != "GET":
            continue
        headers = admin_client.get(address.path).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
        assert policy["script-src"] == "'self'", address
        assert policy["style-src"] == "'self'", address
        assert policy["object-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'", address
        assert policy["form-action"].startswith("'self'"), address
        assert headers["X-Content-Type-Options"] == "nosniff", address
        assert headers["Referrer-Policy"] == "no-referrer", address
        assert "Permissions-Policy" in headers, address
        assert headers["X-Frame-Options"] == "DENY", address
        assert headers["X-Request-Id"], address
        if address.endpoint != "static":
            assert "public" not in headers["Cache-Control"], address
        assert "Server" not in headers or "Python" not in headers["Server"], address


def test_pages_hold_no_inline_script_or_style(app: Flask, admin_client: Browser) -> None:
    for address in addresses(app):
        if address.method != "GET" or address.endpoint == "static":
            continue
        answer = admin_client.get(address.path, follow_redirects=True)
        if answer.mimetype != "text/html":
            continue
        page = answer.text
        assert "<script>" not in page, address
        assert "<style" not in page, address
        assert " style=" not in page, address
        assert " onclick=" not in page, address
        assert "javascript:" not in page, address


def test_only_the_listed_addresses_answer_without_a_session(app: Flask, client: Browser, admin: Membership) -> None:
    for address in addresses(app):
        if address.endpoint in OPEN_TO_STRANGERS:
            continue
        token = client.token("/sign-in")
        answer = client.open(address.path, method=address.method, headers={"X-CSRFToken": token})
        assert answer.status_code in REFUSALS, (address, answer.status_code)
        if answer.status_code in {301, 302, 303, 308}:
            assert answer.location.startswith(("/sign-in", "/h5/", "https://open.weixin.qq.com/")), address


def test_the_list_of_open_addresses_names_only_addresses_that_exist(app: Flask) -> None:
    assert {address.endpoint for address in addresses(app)} >= OPEN_TO_STRANGERS


def test_every_change_needs_the_forms_token(app: Flask, admin_client: Browser) -> None:
    for address in addresses(app):
        if address.method not in UNSAFE or address.blueprint in SELF_AUTHENTICATING:
            continue
        answer = admin_client.open(address.path, method=address.method, data={"language": "en", "theme": "dark"})
        assert answer.status_code == 400, (address, answer.status_code)
        assert "request.expired" in answer.text, address
    assert admin_client.get("/me").status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example", "http://localhost:1"]
)
def test_every_change_needs_our_own_origin(app: Flask, admin_client: Browser, origin: str) -> None:
    token = admin_client.token("/me")
    for address in addresses(app):
        if address.method not in UNSAFE or address.blueprint in SELF_AUTHENTICATING:
            continue
        headers = {"Origin": origin, "X-CSRFToken": token}
        answer = admin_client.open(address.path, method=address.method, headers=headers)
        assert answer.status_code == 403, (address, answer.status_code)
        assert "request.foreign_origin" in answer.text, address


@pytest.mark.parametrize(
    "origin", ["http://localhost", "http://localhost:80", "http://LOCALHOST", "http://localhost:8000"]
)
def test_our_own_origin_in_any_spelling_is_let_through(admin_client: Browser, origin: str) -> None:
    sent = admin_client.submit("/preferences/theme", {"theme": "dark"}, page="/me", headers={"Origin": origin})
    assert sent.status_code == 303


def test_a_browser_that_says_cross_site_is_refused_without_an_origin(admin_client: Browser) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert admin_client.submit("/me", {"real_name": "x"}, headers=headers).status_code == 403


WRITING_GETS = {
    "integrations.step": {"integrations", "integration_checks"},  # which step is open, what is waited for
    "integrations.step_state": {"jobs"},  # an open wizard has its checks tried again
    "ownership.ownership_file": {"integration_checks"},  # the platform fetched it
    "h5.oauth": {
        "receipts",
        "account_links",
        "audit_entries",
        "users",
        "integration_checks",
    },  # the way back from sign-in
    "sso.callback": {"receipts", "sso_identities", "audit_entries", "users"},  # the same, from an identity provider
    "callbacks.receive": {"integration_checks", "integrations"},  # the platform's own check of the address
}
"""The GETs that write, each with the tables that it may touch. None acts on a wish of the visitor's."""


def contents() -> dict[str, str]:
    """A digest of every table."""
    found = {}
    for table in db.metadata.sorted_tables:
        rows = db.session.execute(db.select(table).order_by(*table.primary_key.columns)).all()
        found[table.name] = hashlib.sha256(repr(rows).encode()).hexdigest()
    db.session.rollback()
    return found


@pytest.mark.parametrize("query", ["", "?action=close&verb=delete&num=1&confirm=1&next=/&_method=DELETE"])
def test_no_get_changes_anything(app: Flask, client: Browser, own: World, admin: Membership, query: str) -> None:
    """As an administrator, with everything there to be changed."""
    client.sign_in(admin)
    client.get("/incidents/11")
    before = contents()
    for address in [each for number in (1, 11) for each in addresses(app, numbers=number)]:
        if address.method != "GET":
            continue
        path = address.path.replace("/wecom/unknown", f"/wecom/{own.public_key}")
        client.get(path + query, headers={"X-HTTP-Method-Override": "DELETE"})
        after = contents()
        changed = {name for name in after if after[name] != before[name]}
        assert changed <= WRITING_GETS.get(address.endpoint, set()), (address, changed)
        before = after
    assert WRITING_GETS.keys() <= {address.endpoint for address in addresses(app)}


def test_what_takes_no_form_token_is_listed(app: Flask) -> None:
    """Monitoring systems, programs and platforms: each request proves itself by a key, a token or a signature."""
    assert {"intake", "api", "send_message", "callbacks", "provider_callbacks"} == SELF_AUTHENTICATING
    assert {getattr(each, "name", each) for each in csrf._exempt_blueprints} == SELF_AUTHENTICATING
    assert not csrf._exempt_views


def test_self_authenticating_routes_look_at_no_cookie(app: Flask, admin_client: Browser) -> None:
    for address in addresses(app):
        if address.blueprint in SELF_AUTHENTICATING and address.endpoint not in {"api.openapi", "api.unknown_route"}:
            answer = admin_client.open(address.path, method=address.method, json={})
            assert answer.status_code in {401, 403, 404, 405, 415}, (address, answer.status_code)
            assert "Set-Cookie" not in answer.headers, address


def test_errors_and_redirects_carry_the_headers_too(app: Flask, client: Browser, admin: Membership) -> None:
    big = {"data": b"x" * (1024 * 1024 + 1), "content_type": "application/x-www-form-urlencoded"}
    answers = [
        client.get("/nowhere"),
        client.get("/members"),
        client.put("/sign-in"),
        client.post("/sign-in", data={}),
        client.post("/sign-in", **big),
        client.get("/api/v1/incidents"),
        client.post("/event/push/alert/standard", json={}),
        client.post("/callback/wecom/x"),
        client.get("/static/nowhere.js"),
        client.get("/incidents/" + "9" * 40),
    ]
    assert {answer.status_code // 100 for answer in answers} == {3, 4}
    for answer in answers:
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"], answer.request.path
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"], answer.request.path
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "Traceback" not in answer.text


@pytest.mark.parametrize("platform", sorted(PLATFORMS))
def test_no_page_is_framed_not_even_by_its_platforms_own_client(client: Browser, platform: str) -> None:
    headers = client.get(f"/h5/{platform}/unknown/incidents").headers
    assert "frame-ancestors 'none';" in f"{headers['Content-Security-Policy']};"
    assert headers["X-Frame-Options"] == "DENY"


def test_no_debug_page_answers(app: Flask, client: Browser, admin: Membership) -> None:
    assert not app.debug
    for path in (
        "/console",
        "/?__debugger__=yes&cmd=resource&f=debugger.js",
        "/debug",
        "/.env",
        "/.git/config",
        "/admin",
    ):
        answer = client.get(path)
        assert answer.status_code in {303, 404}, path
        assert "EVALEX" not in answer.text


def test_a_forged_host_changes_no_link(client: Browser, admin: Membership) -> None:
    """Addresses that leave the system come from PUBLIC_URL, never from the request."""
    answer = client.get("/sign-in", headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    assert "evil.example" not in answer.text
    moved = client.get("/members", headers={"Host": "evil.example"})
    assert moved.location.startswith("/sign-in")


def test_the_session_cookie_is_out_of_reach(client: Browser, admin: Membership) -> None:
    cookie = client.sign_in(admin).headers["Set-Cookie"]
    assert cookie.startswith("dutybell=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie


def test_behind_https_the_cookie_is_bound_to_the_host(app: Flask, tmp_path: Path) -> None:
    settings: Settings = make_settings(tmp_path, public_url="https://bell.example")
    secure = create_app(settings).test_client()
    answer = secure.get("/sign-in", base_url="https://bell.example", headers={"Accept": "application/json"})
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")
    with create_app(settings).app_context():
        db.create_all()
        db.session.remove()
    cookie = create_app(settings).test_client().get("/first-administrator", base_url="https://bell.example")
    assert cookie.headers["Set-Cookie"].startswith("__Host-dutybell=")
    assert "Secure" in cookie.headers["Set-Cookie"]
    assert "Domain" not in cookie.headers["Set-Cookie"]


def test_the_address_of_the_visitor_is_taken_from_trusted_proxies_only(tmp_path: Path) -> None:
    def seen(**changes: object) -> str:
        app = create_app(make_settings(tmp_path, **changes))
        app.add_url_rule("/who", view_func=_who, endpoint="static_who")
        return app.test_client().get("/who", headers={"X-Forwarded-For": "198.51.100.7, 203.0.113.9"}).text

    assert seen() == "127.0.0.1"
    assert seen(trusted_proxies=1) == "203.0.113.9"


def test_static_files_are_kept_for_ever_under_their_version(client: Browser, admin: Membership) -> None:
    page = client.get("/sign-in").text
    address = page.split('href="/static/css/tokens.css')[1].split('"')[0]
    assert "immutable" in client.get(f"/static/css/tokens.css{address}").headers["Cache-Control"]
    assert "immutable" not in client.get("/static/css/tokens.css").headers["Cache-Control"]


@pytest.mark.parametrize(
    "trick",
    [
        "/static/../config.py",
        "/static/..%2fconfig.py",
        "/static/%2e%2e/config.py",
        "/static../config.py",
        "/static/..\\config.py",
        "/static/%5c..%5cconfig.py",
        "/static//etc/passwd",
        "/static/css/../../app.py",
        "/static/....//config.py",
        "/static/%252e%252e/config.py",
        "/static/..;/config.py",
        "/static/%c0%ae%c0%ae/config.py",
        "/static../var/dutybell.sqlite",
        "/dashboard../data/config.yaml",
        "/sign-in/../static/../config.py",
        "/static/css/tokens.css%00.py",
        "/..%2f..%2fvar%2fsecret_key.txt",
    ],
)
def test_static_files_lead_to_nothing_else(client: Browser, trick: str) -> None:
    answer = client.get(trick)
    assert "import" not in answer.text
    assert answer.status_code in {303, 308, 400, 404}


def test_metrics_are_for_this_machine_or_the_holder_of_the_token(tmp_path: Path, client: Browser) -> None:
    assert "dutybell_outbox_due" in client.get("/metrics").text
    assert client.get("/metrics", environ_base={"REMOTE_ADDR": "203.0.113.9"}).status_code == 404
    assert client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 404


def _who() -> str:
    from flask import request

    return request.remote_addr or ""


_who.is_public = True  # type: ignore[attr-defined]
