"""The address that monitoring systems push to. An answer of 2xx means: on disk."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from flask import Blueprint, Request
from sqlalchemy.exc import SQLAlchemyError

from blueprints.access import public
from blueprints.envelope import RefusedRequest, answer_refusals, quick_answer
from blueprints.intake import crowd, journal, rates
from blueprints.intake.patience import be_patient
from blueprints.intake.sender import Sender, authenticate, remembered
from blueprints.intake.storing import store
from blueprints.json_bodies import read_body
from blueprints.programs import Answer, asked
from crashpoints import crash_here
from extensions import db
from services import alert_sources, stored_pushes
from services.alerts import Result, ResultKind
from services.clock import utcnow
from sources import SOURCES, Push, Refused, read_json
from web_extensions import csrf, limiter

bp = Blueprint("intake", __name__)
csrf.exempt(bp)
limiter.exempt(bp)  # counts for itself, for each source
answer_refusals(bp)
log = logging.getLogger(__name__)


@bp.post("/event/push/alert/<type>")
@public
def push_alert(type: str) -> Answer:
    """Take a push: who sends it, may it be now, what does it say, store, answer."""
    be_patient()
    if type not in SOURCES:
        raise RefusedRequest(404, "RouteNotFound", f"unknown source type; known are {', '.join(SOURCES)}")
    with crowd.joined() as is_crowded:
        return _take(asked(), type, is_crowded or SOURCES[type].takes_many, utcnow())


def _take(request: Request, type: str, is_journaled: bool, now: datetime) -> Answer:
    sender = (is_journaled and remembered(request, type)) or authenticate(request, type, now=now)
    if wait := rates.seconds_to_wait(sender.source_id):
        message = "too many requests from this source: 100 a second and 1000 a minute are allowed"
        raise RefusedRequest(429, "RequestTooFrequently", message, {"Retry-After": str(wait)})
    try:
        push = _read(request, sender)
    except RefusedRequest as error:
        _note_refusal(sender, error)
        raise
    crash_here("intake.parsed")
    if is_journaled:
        _journal(request, sender, push, now)
        return quick_answer(_accepted(sender, push), warnings=push.warnings)
    results = store(sender, push, now=now)
    crash_here("intake.before_answer")
    return quick_answer(_result(results[0]), warnings=push.warnings)


def _read(request: Request, sender: Sender) -> Push:
    body = read_body(request)
    crash_here("intake.read")
    try:
        return SOURCES[sender.type].parse(read_json(body), sender.options)
    except Refused as error:
        raise RefusedRequest(400, "InvalidParameter", str(error)) from error


def _note_refusal(sender: Sender, error: RefusedRequest) -> None:
    """Keep why a push was refused where its administrator looks; if that cannot be stored, the refusal stands."""
    try:
        alert_sources.count_refusal(
            sender.source_id, sender.tenant_id, code=error.code, message=error.message, now=utcnow()
        )
        db.session.commit()
    except SQLAlchemyError:
        db.session.rollback()
        log.warning("a refused push of source %s could not be counted", sender.source_id)


def _journal(request: Request, sender: Sender, push: Push, now: datetime) -> None:
    """Return once the push is in the journal; the worker makes alerts of it."""
    rows = stored_pushes.rows_of(push, source_id=sender.source_id, tenant_id=sender.tenant_id, now=now)
    rejections = [f"alerts[{rejection.index}]: {rejection.reason}" for rejection in push.rejections]
    try:
        if rows or rejections:
            journal.store(journal.Entry(sender, rows, rejections))
    except journal.KeyClosed:
        authenticate(request, sender.type, now=utcnow())  # says why
        message = "the key changed at this moment; nothing of this push is stored: send it again"
        raise RefusedRequest(503, "InternalError", message, {"Retry-After": "1"}) from None
    crash_here("journal.before_answer")


def _accepted(sender: Sender, push: Push) -> dict[str, Any]:
    """What is answered of a push whose alerts are made later."""
    if not SOURCES[sender.type].takes_many:
        return _result(Result(push.events[0].alert_key, ResultKind.ACCEPTED))
    rejected = [{"index": rejection.index, "reason": rejection.reason} for rejection in push.rejections]
    return {"accepted": len(push.events), "rejected": rejected}


def _result(result: Result) -> dict[str, Any]:
    said = {"alert_key": result.alert_key, "result": result.kind.value}
    return said | ({"reason": result.reason} if result.reason else {})
