"""How programs are answered: {"request_id", "data"} or {"request_id", "error": {"code", "message"}}, always JSON."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, g, jsonify

import json_text
from blueprints.programs import Answer
from errors import AppError
from extensions import db

HTTP_CODES = {
    400: "InvalidParameter",
    401: "Unauthorized",
    403: "AccessDenied",
    404: "RouteNotFound",
    405: "RouteNotFound",
    408: "RequestTimeout",
    413: "EntityTooLarge",
    415: "InvalidContentType",
    429: "RequestTooFrequently",
}


PROBLEM_MEDIA_TYPE = "application/problem+json"
PROBLEM_TYPE = "urn:dutybell:problem:"


class RefusedRequest(Exception):
    """Ends a request of a program with one error of the table of codes; `message` is plain English for its author."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}


def retry_header(error: AppError) -> dict[str, str]:
    """When to come back, in whole seconds, if the error knows."""
    wait = error.retry_after
    return {} if wait is None else {"Retry-After": str(max(1, round(wait.total_seconds())))}


def request_id() -> str:
    """What this request is called in its answer and in the log."""
    known = g._get_current_object()  # each look through the stand-in takes longer than the look
    if "request_id" not in known:
        known.request_id = secrets.token_hex(8)
    return str(known.request_id)


def answer(data: Any, status: int = 200) -> Response:
    response = jsonify(request_id=request_id(), data=data)
    response.status_code = status
    return response


def quick_answer(data: Any, **more: Any) -> Answer:
    """The same of plain values, by the short way: for pushes."""
    text = json_text.written({"request_id": request_id(), "data": data, **more})
    return Answer(200, text.encode(), "application/json")


def refusal(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    response = jsonify(request_id=request_id(), error={"code": code, "message": message})
    response.status_code = status
    response.headers.update(headers or {})
    return response


def problem(
    status: int, code: str, message: str, hint: str = "", headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """An error as problem details (RFC 9457), with the members of the other envelope and `more` beside them."""
    said: dict[str, Any] = {"type": PROBLEM_TYPE + code, "title": message, "status": status, "detail": hint or message}
    made = jsonify(said | {"request_id": request_id(), "error": {"code": code, "message": message}} | more)
    made.status_code, made.content_type = status, PROBLEM_MEDIA_TYPE
    made.headers.update(headers or {})
    return made


def answer_refusals(bp: Blueprint) -> None:
    """Let a RefusedRequest end in the envelope; every other error is answered by blueprints/problems.py."""
    bp.register_error_handler(RefusedRequest, _refused)


def _refused(error: RefusedRequest) -> Response:
    db.session.rollback()
    return refusal(error.status, error.code, error.message, error.headers)
