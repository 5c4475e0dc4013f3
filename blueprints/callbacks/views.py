"""A platform's callback: raw body, verify, one transaction, answer in time.

The signature is checked before anything is written, so a flood of forgeries never waits for the database's lock.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Blueprint, Response, request
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import RequestEntityTooLarge

from blueprints.callbacks import notices
from crashpoints import crash_here
from extensions import begin_write, csrf, db, limiter, read_only, wait_at_most
from models import Integration
from platforms import PLATFORMS
from platforms.base import Callback, CallbackReply, CallbackRequest, CardPress, OtherEvent, Platform, UrlCheck
from platforms.errors import CallbackMalformed, CallbackRefused
from services import card_presses, checks, integrations
from services.clock import utcnow

BODY_BYTES = 1024 * 1024
FRESH = timedelta(minutes=5)
LOCK_SECONDS = 0.8
"""How long a callback waits for the database: it must be answered within a second."""
TRIES = 3

bp = Blueprint("callbacks", __name__, url_prefix="/callback")
csrf.exempt(bp)
limiter.exempt(bp)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Caller:
    """Whose address was called."""

    platform: str
    public_key: str
    adapter: Platform


@bp.route("/<platform>/<public_key>", methods=["GET", "POST"])
def receive(platform: str, public_key: str) -> Response:
    """Take a callback of an application in whatever state: a draft is verified before it is finished."""
    now = utcnow()
    try:
        wanted = _read_request(now)
    except RequestEntityTooLarge:
        return _empty(413)
    wait_at_most(LOCK_SECONDS)
    try:
        caller = _caller(platform, public_key)
        if caller is None:
            return _empty(404)
        callback = _verified(caller, wanted, now)
        return _answer(caller, callback, now) if callback else _empty(403)
    except CallbackMalformed as error:
        log.warning("A genuine callback could not be read (%s).", error.reason)
        return _empty(200)
    except DBAPIError as error:
        db.session.rollback()
        log.warning("A callback could not be stored, the platform will repeat it: %s", type(error).__name__)
        return _empty(503)


def _read_request(now: datetime) -> CallbackRequest:
    request.max_content_length = BODY_BYTES
    body = request.get_data(cache=False)
    return CallbackRequest(request.method, request.args.to_dict(), dict(request.headers), body, now)


def _caller(platform: str, public_key: str) -> Caller | None:
    if platform not in PLATFORMS:
        return None
    with read_only():
        integration = integrations.find_by_public_key(platform, public_key)
        return Caller(platform, public_key, integrations.platform_for(integration)) if integration else None


def _verified(caller: Caller, wanted: CallbackRequest, now: datetime) -> Callback | None:
    """The callback if it is genuine and fresh. The answer never says what was wrong; the log and the wizard do."""
    try:
        callback = caller.adapter.read_callback(wanted)
    except CallbackMalformed:
        raise
    except CallbackRefused as error:
        notices.refused(error.reason)
        _note_failure(caller, notices.FORGED, now)
        return None
    difference = (callback.sent_at - now).total_seconds()
    if abs(difference) > FRESH.total_seconds():
        notices.clock_differs(difference)
        _note_failure(caller, notices.clock_detail(difference), now)
        return None
    return callback


def _note_failure(caller: Caller, detail: dict[str, object], now: datetime) -> None:
    """Let the wizard say why nothing arrives, while it waits for the first genuine callback."""
    with read_only():
        integration = integrations.find_by_public_key(caller.platform, caller.public_key)
        is_awaited = integration is not None and notices.is_awaited(integration, now)
    if is_awaited:
        begin_write()
        integration = _integration(caller)
        checks.failed(integration, "callback", now=now, **detail)
        db.session.commit()


def _answer(caller: Caller, callback: Callback, now: datetime) -> Response:
    if isinstance(callback, UrlCheck):
        _note_arrival(caller, now)
        return _reply(caller.adapter.answer(callback, None))
    if isinstance(callback, CardPress):
        return _press(caller, callback, now)
    if isinstance(callback, OtherEvent):
        log.info("An event that we do not act on: %s", callback.kind)
    _note_arrival(caller, now)
    return _reply(caller.adapter.answer(callback, None))


def _note_arrival(caller: Caller, now: datetime) -> None:
    """Mark that the address works; the platform gets its answer in time even if that cannot be stored now."""
    try:
        with read_only():
            if notices.is_known(_integration(caller), now):
                return
        begin_write()
        integration = _integration(caller)
        checks.passed(integration, "callback", now=now)
        card_presses.note_callback(integration, now)
        db.session.commit()
    except DBAPIError as error:
        db.session.rollback()
        log.warning("A callback check could not be stored: %s", type(error).__name__)


def _press(caller: Caller, press: CardPress, now: datetime) -> Response:
    """Apply a press in one transaction; two at once on the same thing are applied one after the other."""
    until = time.monotonic() + LOCK_SECONDS
    for _ in range(TRIES):
        begin_write()
        try:
            result = card_presses.handle(_integration(caller), press, now=now)
            crash_here("callback.before_commit")
            db.session.commit()
        except (StaleDataError, IntegrityError, OperationalError) as error:
            db.session.rollback()
            log.info("A press met another one and is tried again: %s", type(error).__name__)
            if time.monotonic() > until:
                break
            continue
        crash_here("callback.after_commit")
        reply = caller.adapter.answer(press, result.card)
        crash_here("callback.before_answer")
        return _reply(reply)
    return _empty(503)


def _integration(caller: Caller) -> Integration:
    found = integrations.find_by_public_key(caller.platform, caller.public_key)
    if found is None:  # deleted since the request began
        raise IntegrityError("integration", {}, LookupError(caller.public_key))
    return found


def _reply(reply: CallbackReply) -> Response:
    return Response(reply.body, reply.status, content_type=reply.content_type)


def _empty(status: int) -> Response:
    return Response(b"", status, content_type="text/plain; charset=utf-8")
