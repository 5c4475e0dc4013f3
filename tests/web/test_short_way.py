"""What programs ask is answered past Flask's own steps: an answer, its headers and its errors are as everywhere."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from flask import Flask, has_request_context

from blueprints.access import public
from blueprints.programs import Answer, asked
from tests.web.conftest import Browser
from tests.web.test_errors import ERRORS, STATUS

HEADERS = ("Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Cache-Control", "X-Request-Id")


@pytest.fixture
def seen() -> list[Any]:
    return []


@pytest.fixture
def programs(app: Flask, client: Browser, seen: list[Any]) -> Browser:
    """A browser on an application with views of the short way: one that answers, one that fails."""
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @public
    def view(kind: str) -> Answer:
        if kind in ERRORS:
            raise ERRORS[kind]
        seen.append((has_request_context(), asked().args.get("a")))
        return Answer(200, b"taken", "text/plain; charset=utf-8", afterwards=[lambda: seen.append("afterwards")])

    app.add_url_rule("/callback/test/views/<kind>", view_func=view, methods=["GET", "POST"])
    return client


def test_an_answer_has_every_header_once(programs: Browser, seen: list[Any]) -> None:
    answer = programs.post("/callback/test/views/good?a=1", headers={"X-Request-Id": "number-of-request-1"})
    assert (answer.status_code, answer.data, answer.headers["Content-Length"]) == (200, b"taken", "5")
    assert answer.headers["X-Request-Id"] == "number-of-request-1"
    assert all(len(answer.headers.getlist(name)) == 1 for name in HEADERS)
    assert seen == [(False, "1"), "afterwards"]


def test_only_the_headers_are_asked_for(programs: Browser) -> None:
    answer = programs.head("/callback/test/views/good")
    assert (answer.status_code, answer.data, answer.headers["Content-Length"]) == (200, b"", "5")


def test_what_may_be_asked_is_said(programs: Browser, seen: list[Any]) -> None:
    answer = programs.options("/callback/test/views/good")
    assert answer.status_code == 200
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))
    assert not seen


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_is_said_in_json_with_the_requests_number(programs: Browser, kind: str) -> None:
    answer = programs.post(f"/callback/test/views/{kind}", headers={"X-Request-Id": "number-of-request-1"})
    assert answer.status_code == STATUS[kind]
    assert answer.json is not None
    assert answer.json["request_id"] == "number-of-request-1"
    assert "secret" not in answer.text
    assert all(len(answer.headers.getlist(name)) == 1 for name in HEADERS)
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/callback/a/b/c/d", 404),
        ("PUT", "/callback/test/views/good", 405),
        ("GET", "/event/push/alert/standard", 405),
        ("POST", "/callback/a\x00b/c", 400),
        ("POST", "/callback//wecom/x", 404),
        ("POST", "/event/push/alert//standard", 404),
    ],
)
def test_what_has_no_view_is_refused_in_json(programs: Browser, method: str, path: str, status: int) -> None:
    answer = programs.open(path, method=method)
    assert answer.status_code == status
    assert answer.json is not None
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]
    assert "Location" not in answer.headers


def test_a_call_is_one_line_and_a_refused_one_none(programs: Browser, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "access")
    programs.post("/callback/test/views/good")
    programs.post("/callback/wecom/nobody")
    assert [record.__dict__["ready"]["path"] for record in caplog.records if record.name == "access"] == [
        "/callback/test/views/good"
    ]


def test_what_nobody_expected_is_in_the_log(programs: Browser, caplog: pytest.LogCaptureFixture) -> None:
    programs.post("/callback/test/views/crash")
    assert any(record.exc_info and record.exc_info[0] is ZeroDivisionError for record in caplog.records)
