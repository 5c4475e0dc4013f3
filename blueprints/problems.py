"""How errors are answered: a page, a fragment for htmx, or JSON for programs; always with the request's number."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from flask import Flask, g, make_response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_wtf.csrf import CSRFError
from gunicorn.http.errors import ParseException
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import BadRequest, HTTPException

from blueprints import database_trouble
from blueprints.access import OrganisationRequired, PasswordChangeRequired, SignInRequired
from blueprints.envelope import HTTP_CODES, refusal, retry_header
from blueprints.envelope import problem as problem_details
from blueprints.gate import SELF_AUTHENTICATING, turn_to
from errors import AppError, Busy, Conflict
from extensions import db
from services.wording import say_error
from texts import N_

SERVER_ERROR = 500

SENTENCES: dict[int, tuple[str, str]] = {
    400: (N_("请求无法识别"), N_("请刷新页面后再试。")),
    401: (N_("请先登录"), ""),
    403: (N_("您没有执行此操作的权限"), N_("请联系管理员为您分配相应的角色。")),
    404: (N_("找不到这个页面"), N_("请检查地址是否完整；内容也可能已被删除。")),
    405: (N_("这个地址不支持这种操作"), N_("请从页面上的按钮进入。")),
    409: (N_("内容刚刚被其他人修改"), N_("请刷新页面，确认最新状态后再试。")),
    413: (N_("提交的内容太大"), N_("请缩短内容后再试，上限为 1 MiB。")),
    415: (N_("不支持这种内容格式"), ""),
    429: (N_("操作过于频繁"), N_("请稍等片刻再试。")),
    500: (N_("服务器出现了意料之外的错误"), N_("我们已记录下来。请稍后再试；若仍出现，请把请求编号告诉管理员。")),
}
EXPIRED = (N_("页面停留太久或已在别处重新登录"), N_("内容没有提交。请刷新页面后再试一次。"))

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Problem:
    """An error as it is shown."""

    status: int
    code: str
    api_code: str
    message: str
    hint: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def register(app: Flask) -> None:
    """Answer every error here; a blueprint that speaks to programs may have handlers of its own."""
    app.register_error_handler(SignInRequired, _ask_to_sign_in)
    app.register_error_handler(PasswordChangeRequired, _ask_for_password)
    app.register_error_handler(OrganisationRequired, _ask_for_organisation)
    app.register_error_handler(AppError, answer_app_error)
    app.register_error_handler(StaleDataError, lambda _error: answer_app_error(Conflict()))
    app.register_error_handler(IntegrityError, lambda error: answer_app_error(conflict_of(error)))
    for busy in (OperationalError, InterfaceError, PoolTimeout):
        app.register_error_handler(busy, answer_busy)
    app.register_error_handler(CSRFError, _answer_expired)
    app.register_error_handler(HTTPException, answer_http_error)
    app.register_error_handler(ParseException, _answer_broken_body)


def answer_app_error(error: AppError) -> ResponseReturnValue:
    db.session.rollback()
    if error.status >= SERVER_ERROR:
        log.warning("%s: %s", error.code, error.detail or error)
    message, hint = say_error(error)
    return answer(Problem(error.status, error.code, error.api_code, message, hint, retry_header(error)))


def answer_http_error(error: HTTPException) -> ResponseReturnValue:
    """An error of HTTP itself, and with status 500 whatever nobody expected (logged by Flask before)."""
    status = error.code or SERVER_ERROR
    if error.response is not None or status < 400:
        return error.get_response()
    db.session.rollback()
    g.bare = status >= SERVER_ERROR
    message, hint = SENTENCES.get(status, SENTENCES[500 if status >= SERVER_ERROR else 400])
    api_code = HTTP_CODES.get(status, "InternalError")
    response = make_response(answer(Problem(status, f"http.{status}", api_code, gettext(message), gettext(hint))))
    for name, value in error.get_headers():
        if name not in {"Content-Type", "Content-Length"}:
            response.headers[name] = value
    return response


def conflict_of(error: IntegrityError) -> Conflict:
    """What came of two who wrote the same at once, such as one form sent twice. Raises the error if it is none."""
    if not database_trouble.is_meeting(error):
        raise error
    return Conflict(str(error.orig))


def answer_busy(error: DBAPIError | PoolTimeout) -> ResponseReturnValue:
    """The database cannot take work now. Says so without asking it anything."""
    db.session.rollback()
    database_trouble.note(error)
    g.bare = True
    busy = Busy()
    message, hint = say_error(busy)
    return answer(Problem(busy.status, busy.code, busy.api_code, message, hint, retry_header(busy)))


def answer(problem: Problem) -> ResponseReturnValue:
    """Put a problem into the form that whoever asked can read."""
    if request.path.startswith("/api/"):
        return problem_details(problem.status, problem.api_code, problem.message, problem.hint, problem.headers)
    if wants_json():
        said = f"{problem.message} {problem.hint}".strip()
        return refusal(problem.status, problem.api_code, said, problem.headers)
    template = "errors/_fragment.html" if "HX-Request" in request.headers else page_of_problems()
    values = {"message": problem.message, "hint": problem.hint, "code": problem.code, "status": problem.status}
    return (
        render_template(template, request_id=g.get("request_id", ""), **values),
        problem.status,
        dict(problem.headers),
    )


def page_of_problems() -> str:
    """The template of an error page: one that asks the database for nothing, or the one that the blueprint chose."""
    return "errors/page.html" if g.get("bare") else g.get("problem_page", "errors/page.html")


def wants_json() -> bool:
    """Whether a program asks: by the address or by what it accepts."""
    if request.blueprint in SELF_AUTHENTICATING or request.path.startswith(("/api/", "/event/", "/callback/", "/sys/")):
        return True
    accepted = request.accept_mimetypes
    return accepted["application/json"] > accepted["text/html"]


def _ask_to_sign_in(error: SignInRequired) -> ResponseReturnValue:
    return answer_app_error(error) if wants_json() else turn_to("auth.sign_in")


def _ask_for_password(error: PasswordChangeRequired) -> ResponseReturnValue:
    return answer_app_error(error) if wants_json() else turn_to("auth.change_password")


def _ask_for_organisation(error: OrganisationRequired) -> ResponseReturnValue:
    return answer_app_error(error) if wants_json() else turn_to("auth.choose_organisation")


def _answer_broken_body(error: ParseException) -> ResponseReturnValue:
    """What was sent breaks off being HTTP behind its head, as in a chunked body's last lines: whoever reads it sees."""
    return answer_http_error(BadRequest(str(error)))


def _answer_expired(error: CSRFError) -> ResponseReturnValue:
    db.session.rollback()
    message, hint = EXPIRED
    return answer(Problem(400, "request.expired", "InvalidParameter", gettext(message), gettext(hint)))
