"""Errors say what happened and what to do: as a page, as a fragment, as JSON; in the reader's language."""

from __future__ import annotations

import io
import time
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from gunicorn.http.errors import InvalidHeaderName
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm.exc import StaleDataError

from blueprints import database_trouble
from blueprints.access import public
from errors import AccessDenied, AppError, Conflict, InvalidInput, NotFound
from models import Membership
from tests.web.conftest import Browser
from texts import N_


class Slow(AppError):
    code = "test.slow"
    message = N_("操作过于频繁")
    status = 429
    retry_after = timedelta(seconds=7)


ERRORS: dict[str, Exception] = {
    "missing": NotFound(),
    "denied": AccessDenied(),
    "conflict": Conflict(),
    "stale": StaleDataError("UPDATE statement on table"),
    "busy": OperationalError("SELECT secret", {}, Exception("database is locked")),
    "slow": Slow(),
    "invalid": InvalidInput("name", N_("请填写姓名")),
    "crash": ZeroDivisionError("with a secret inside"),
    "hostile": InvalidInput("<script>alert(1)</script>", "%(x)s %s {0}"),
}
STATUS = {
    "missing": 404,
    "denied": 403,
    "conflict": 409,
    "stale": 409,
    "busy": 503,
    "slow": 429,
    "invalid": 400,
    "crash": 500,
    "hostile": 400,
}


@pytest.fixture
def broken(app: Flask, client: Browser, admin: Membership) -> Browser:
    """A browser on an application with views that end in errors."""
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @public
    def fail(kind: str) -> str:
        raise ERRORS[kind]

    app.add_url_rule("/fail/<kind>", view_func=fail, methods=["GET", "POST"])
    app.add_url_rule("/api/fail/<kind>", view_func=fail, endpoint="api_fail")
    app.add_url_rule("/api/v1/fail/<kind>", view_func=fail, endpoint="api.fail")
    return client


@pytest.mark.parametrize("kind", ERRORS)
def test_a_page_says_what_happened_with_the_requests_number(broken: Browser, kind: str) -> None:
    answer = broken.get(f"/fail/{kind}", headers={"X-Request-Id": "number-of-request-1"})
    assert answer.status_code == STATUS[kind]
    assert answer.mimetype == "text/html"
    assert "number-of-request-1" in answer.text
    assert answer.headers["X-Request-Id"] == "number-of-request-1"
    for internal in ("Traceback", "secret", "SELECT", "ZeroDivision", "<script>alert"):
        assert internal not in answer.text


@pytest.mark.parametrize("kind", ERRORS)
def test_a_fragment_is_only_the_notice(broken: Browser, kind: str) -> None:
    answer = broken.get(f"/fail/{kind}", headers={"HX-Request": "true"})
    assert answer.status_code == STATUS[kind]
    assert "<html" not in answer.text
    assert "notice-error" in answer.text


@pytest.mark.parametrize("kind", ERRORS)
def test_programs_get_json(broken: Browser, kind: str) -> None:
    for answer in (
        broken.get(f"/fail/{kind}", headers={"Accept": "application/json"}),
        broken.get(f"/api/fail/{kind}"),
    ):
        assert answer.status_code == STATUS[kind]
        said = answer.get_json()
        assert set(said) - {"type", "title", "status", "detail"} == {"request_id", "error"}
        assert said["error"]["code"]
        assert said["error"]["message"]
        assert "secret" not in answer.text


def test_advice_when_to_come_back_is_a_header(broken: Browser) -> None:
    assert broken.get("/fail/slow").headers["Retry-After"] == "7"
    assert broken.get("/fail/busy").headers["Retry-After"] == "5"
    assert "Retry-After" not in broken.get("/fail/missing").headers


def test_errors_speak_the_readers_language(broken: Browser) -> None:
    assert "内容刚刚被其他人修改" in broken.get("/fail/conflict").text
    assert '<html lang="en"' in broken.get("/fail/conflict", headers={"Accept-Language": "en"}).text


def test_an_invalid_value_is_named(broken: Browser) -> None:
    assert "名称 无效：请填写姓名" in broken.get("/fail/invalid").text


def test_unknown_pages_and_methods(broken: Browser) -> None:
    assert "找不到这个页面" in broken.get("/no/such/page").text
    wrong = broken.get("/sign-out")
    assert wrong.status_code == 405
    assert "POST" in wrong.headers["Allow"]


def test_too_large_a_form_is_refused(broken: Browser, admin: Membership) -> None:
    answer = broken.post("/sign-in", data={"username": "x" * (1024 * 1024 + 1)})
    assert answer.status_code == 413
    assert "上限为 1 MiB" in answer.text


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/sign-in", "application/x-www-form-urlencoded"),
        ("/callback/wecom/x", "text/xml"),
        ("/event/push/alert/standard?integration_key=x", "application/json"),
        ("/api/v1/incidents", "application/json"),
        ("/sys/thirdApp/sendMessageTest", "application/json"),
    ],
)
def test_a_body_that_ends_in_no_http_is_refused(broken: Browser, path: str, content_type: str) -> None:
    """gunicorn reads the last lines of a chunked body with the body, and says in its own words what is wrong."""

    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, _into: Any) -> int:
            raise InvalidHeaderName("CONTENT-LENGTH")

    sent = {"wsgi.input": Broken(), "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    answer = broken.post(path, content_type=content_type, environ_overrides=sent)
    assert answer.status_code in {400, 401, 404}
    assert "意料之外" not in answer.text


def test_an_expired_form_says_that_nothing_was_stored(broken: Browser) -> None:
    answer = broken.post("/sign-in", data={"username": "wang"})
    assert answer.status_code == 400
    assert "内容没有提交" in answer.text


@pytest.mark.parametrize(
    "given", ["short", "x" * 65, "with space and more", "evil\nline-break", "<script>alert(1)</script>"]
)
def test_a_strange_request_number_is_replaced(client: Browser, given: str) -> None:
    answer = client.get("/healthz", headers={"X-Request-Id": given.replace("\n", " ")})
    assert answer.headers["X-Request-Id"] != given
    assert len(answer.headers["X-Request-Id"]) == 16


def test_ready_names_what_is_missing(client: Browser) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json()["checks"] == {"database": "ok", "migrations": "ok", "worker": "failed"}


def test_a_database_that_cannot_answer_is_one_line_a_minute_and_a_banner(
    broken: Browser, admin_client: Browser, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "数据库暂时不能保存内容"
    assert told not in admin_client.get("/integrations/alerts").text
    for _ in range(5):
        assert broken.get("/fail/busy").status_code == 503
    assert [line.getMessage() for line in caplog.records if "cannot answer" in line.getMessage()] == [
        "The database cannot answer: OperationalError; 0 more since the last line."
    ]
    assert told in admin_client.get("/integrations/alerts").text
    now = time.monotonic()
    monkeypatch.setattr(database_trouble.time, "monotonic", lambda: now + database_trouble.SHOWN_SECONDS)
    assert told not in admin_client.get("/integrations/alerts").text
    broken.get("/fail/busy")
    assert "4 more since the last line" in caplog.text


def test_a_program_that_meets_it_is_told_and_counted_too(broken: Browser, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(5):
        answer = broken.get("/api/v1/fail/busy")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert caplog.text.count("The database cannot answer") == 1
