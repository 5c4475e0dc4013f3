"""POST /sys/thirdApp/sendMessageTest."""

from __future__ import annotations

from flask import Blueprint, Response
from gunicorn.http.errors import ParseException
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import BadRequest, HTTPException

from blueprints import database_trouble
from blueprints.access import public
from blueprints.send_message import answers, caller, waiting, wish
from blueprints.send_message.answers import Refused
from blueprints.send_message.wish import Wish
from extensions import db
from models import Membership
from services import audit, text_messages
from services.clock import utcnow
from services.text_messages import NotConnected, Receiver
from texts import Text
from web_extensions import csrf, limiter

bp = Blueprint("send_message", __name__, url_prefix="/sys/thirdApp")
csrf.exempt(bp)
limiter.exempt(bp)  # counts for itself, for each token


@bp.post("/sendMessageTest")
@public
def send() -> Response:
    """Have a text sent; answers with what became of it, as far as that is known within seconds."""
    now = utcnow()
    who = caller.admit(now=now)
    fields = wish.read()
    sender = caller.member(who)
    try:
        wanted = _allowed(who, sender, fields)
        receivers = _stage(wanted, sender)
    except Refused as error:
        db.session.rollback()
        _record(sender, fields, outcome=error.message)
        db.session.commit()
        raise
    _record(sender, fields, outcome="accepted", receivers=len(receivers))
    db.session.commit()
    return answers.outcome(receivers, waiting.outcomes(receivers, tenant_id=sender.tenant_id))


@bp.route("/sendMessageTest", methods=["GET", "PUT", "PATCH", "DELETE"])
@public
def wrong_method() -> Response:
    raise Refused("请使用 POST 请求", code=405, http=405)


def _allowed(who: caller.Caller, sender: Membership, fields: dict[str, object]) -> Wish:
    caller.require(who, sender, "message.send")
    wanted = wish.understood(fields)
    if wanted.is_for_all:
        caller.require(who, sender, "message.send_all")
    return wanted


def _stage(wanted: Wish, sender: Membership) -> list[Receiver]:
    now = utcnow()
    try:
        if wanted.is_for_all:
            return text_messages.send_to_everybody(wanted.platform, wanted.content, by=sender, now=now)
        receivers = text_messages.send(wanted.platform, wanted.receivers, wanted.content, by=sender, now=now)
    except NotConnected as error:
        raise Refused(answers.in_chinese(Text(error.message, **error.params))) from error
    if not any(receiver.delivery_id for receiver in receivers):
        raise Refused(f"用户 {'、'.join(receiver.username for receiver in receivers)} 不存在")
    return receivers


def _record(sender: Membership, fields: dict[str, object], *, outcome: str, receivers: int = 0) -> None:
    to = "@all" if wish.is_true(fields.get("sendAll")) else str(fields.get("receiver") or "")
    audit.record(
        "message.sent", by=sender, target=to, app=str(fields.get("app") or ""), outcome=outcome, receivers=receivers
    )


# --- errors -------------------------------------------------------------------------------------------------------


@bp.errorhandler(Refused)
def answer_refused(error: Refused) -> Response:
    db.session.rollback()
    return answers.refusal(error)


@bp.errorhandler(HTTPException)
def answer_http_error(error: HTTPException) -> Response:
    """An error of HTTP itself, and with status 500 whatever nobody expected (logged by Flask before)."""
    db.session.rollback()
    status = error.code or 500
    return answers.envelope("服务器出现了意料之外的错误" if status >= 500 else "请求无法识别", code=status, http=status)


@bp.errorhandler(ParseException)
def answer_broken_body(error: ParseException) -> Response:
    return answer_http_error(BadRequest(str(error)))


@bp.errorhandler(OperationalError)
@bp.errorhandler(InterfaceError)
@bp.errorhandler(PoolTimeout)
def answer_busy(error: Exception) -> Response:
    """The database cannot take work now; nothing was sent."""
    db.session.rollback()
    database_trouble.note(error)
    made = answers.envelope("服务暂时繁忙，本次请求没有保存", code=503, http=503)
    made.headers["Retry-After"] = "5"
    return made
