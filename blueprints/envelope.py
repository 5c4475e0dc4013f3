"""How programs are answered: {"request_id", "data"} or {"request_id", "error": {"code", "message"}}, always JSON."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, g, jsonify
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import HTTPException

from errors import AppError, Busy, Conflict
from extensions import db
from services.wording import say_error

RETRY_SECONDS = 5
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

log = logging.getLogger(__name__)


class RefusedRequest(Exception):
    """Ends a request of a program with one error of the table of codes; `message` is plain English for its author."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}


def request_id() -> str:
    """What this request is called in its answer and in the log."""
    if "request_id" not in g:
        g.request_id = secrets.token_hex(8)
    return str(g.request_id)


def answer(data: Any, status: int = 200, **more: Any) -> Response:
    response = jsonify(request_id=request_id(), data=data, **more)
    response.status_code = status
    return response


def refusal(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    response = jsonify(request_id=request_id(), error={"code": code, "message": message})
    response.status_code = status
    response.headers.update(headers or {})
    return response


def answer_errors(bp: Blueprint) -> None:
    """Let every error of a blueprint's views end in the envelope. A database that cannot work now means 503."""
    bp.register_error_handler(RefusedRequest, _refused_request)
    bp.register_error_handler(AppError, _app_error)
    bp.register_error_handler(HTTPException, _http_error)
    bp.register_error_handler(StaleDataError, lambda _error: _app_error(Conflict()))
    bp.register_error_handler(SQLAlchemyError, _database_error)


def _refused_request(error: RefusedRequest) -> Response:
    return refusal(error.status, error.code, error.message, error.headers)


def _app_error(error: AppError) -> Response:
    db.session.rollback()
    message, hint = say_error(error)
    headers = {"Retry-After": str(RETRY_SECONDS)} if error.status == Busy.status else {}
    return refusal(error.status, error.api_code, f"{message} {hint}".strip(), headers)


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    headers = {"Allow": ", ".join(sorted(allowed))} if (allowed := getattr(error, "valid_methods", None)) else {}
    return refusal(status, HTTP_CODES.get(status, "InternalError"), error.description or error.name, headers)


def _database_error(error: SQLAlchemyError) -> Response:
    """Only what passes by itself is a 503: no connection, a lock, a full disk. The rest is a mistake of ours."""
    db.session.rollback()
    if not isinstance(error, (DBAPIError, PoolTimeout)):
        raise error
    log.error("database error in request %s: %s", request_id(), type(error.__cause__ or error).__name__, exc_info=error)
    return refusal(
        503,
        "InternalError",
        "the service is busy and has stored nothing of this request; send it again",
        {"Retry-After": str(RETRY_SECONDS)},
    )
