"""How the API says what went wrong: problem details in the reader's language, one status for each code."""

from __future__ import annotations

import logging
from typing import Any

from flask import Blueprint, Response, g
from flask_babel import gettext
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import HTTPException

from blueprints import database_trouble
from blueprints.envelope import HTTP_CODES, RefusedRequest, problem, retry_header
from blueprints.problems import SENTENCES, SERVER_ERROR, conflict_of
from errors import AppError, Busy, Conflict
from extensions import db
from services.wording import say_error, say_error_to_program

STATUS = {
    "InvalidParameter": 400,
    "InvalidContentType": 400,
    "NoLicense": 400,
    "ReferenceExist": 400,
    "Unauthorized": 401,
    "AccessDenied": 403,
    "RouteNotFound": 404,
    "ResourceNotFound": 404,
    "Conflict": 409,
    "EntityTooLarge": 413,
    "RequestTooFrequently": 429,
    "InternalError": 500,
}
"""One status for each code, whatever the page of the same error answers with."""

log = logging.getLogger(__name__)


def register(bp: Blueprint) -> None:
    bp.register_error_handler(AppError, _answer_error)
    bp.register_error_handler(StaleDataError, lambda _error: _answer_error(Conflict()))
    bp.register_error_handler(IntegrityError, lambda error: _answer_error(conflict_of(error)))
    for busy in (OperationalError, InterfaceError, PoolTimeout):
        bp.register_error_handler(busy, _answer_busy)
    bp.register_error_handler(RefusedRequest, _answer_refused)
    bp.register_error_handler(HTTPException, _answer_http_error)


def show_present(state: Any) -> None:
    """Say in the answer to a conflict what the thing is like now; None: nothing is said."""
    g.present_state = state


def _answer_error(error: AppError) -> Response:
    db.session.rollback()
    status = error.status if error.status >= SERVER_ERROR else STATUS.get(error.api_code, error.status)
    if status >= SERVER_ERROR:
        log.warning("%s: %s", error.code, error.detail or error)
    message, hint = say_error_to_program(error)
    headers = retry_header(error)
    if status == STATUS["Unauthorized"]:
        headers["WWW-Authenticate"] = "Bearer"
    present = g.pop("present_state", None)
    return problem(status, error.api_code, message, hint, headers, **({"present": present} if present else {}))


def _answer_busy(error: Exception) -> Response:
    """The database cannot take work now; nothing was changed."""
    db.session.rollback()
    database_trouble.note(error)
    busy = Busy()
    message, hint = say_error(busy)
    return problem(busy.status, busy.api_code, message, hint, retry_header(busy))


def _answer_refused(error: RefusedRequest) -> Response:
    db.session.rollback()
    return problem(error.status, error.code, error.message, headers=error.headers)


def _answer_http_error(error: HTTPException) -> Response:
    """An error of HTTP itself, and with status 500 whatever nobody expected (logged by Flask before)."""
    status = error.code or SERVER_ERROR
    if error.response is not None or status < 400:
        return error.get_response()  # type: ignore[return-value]
    db.session.rollback()
    message, hint = SENTENCES.get(status, SENTENCES[500 if status >= SERVER_ERROR else 400])
    return problem(status, HTTP_CODES.get(status, "InternalError"), gettext(message), gettext(hint))
