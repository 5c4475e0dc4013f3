"""A platform's callback: raw body, verify, one transaction, answer in time.

The signature is checked before anything is written, so a flood of forgeries never waits for the database's lock.
A press has a budget (services/press_writing.py): what it needs of its connection is in this process's memory.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import RequestEntityTooLarge

import arrival
from blueprints.callbacks import notices
from blueprints.callbacks.late import looking_back
from blueprints.programs import Answer, asked, body_of
from crashpoints import crash_here
from extensions import begin_write, db, read_only, wait_at_most
from models import Integration
from platforms import PLATFORMS
from platforms.base import (
    Callback,
    CallbackReply,
    CallbackRequest,
    CardPress,
    GroupEvent,
    LicenceEvent,
    OtherEvent,
    PressAnswer,
)
from platforms.errors import CallbackMalformed, CallbackRefused
from services import card_presses, checks, groups, integrations, licence_reading, outbox, press_writing
from services.clock import utcnow
from services.integrations import Connected
from services.press_answers import PressResult
from services.wording import say, speaking
from web_extensions import csrf, limiter

LOCK_SECONDS = 0.8
"""How long a callback waits for the database: it must be answered within a second."""
LEAST_SECONDS = 0.1
TRIES = 5
CONFIRMED_SECONDS = 0.05
"""In a flood of forgeries, not every one asks the database whether the secret is still the same."""

bp = Blueprint("callbacks", __name__, url_prefix="/callback")
csrf.exempt(bp)
limiter.exempt(bp)
log = logging.getLogger(__name__)


class Again(Exception):
    """The callback met something that changed meanwhile; from the start once more."""


@dataclass
class Called:
    """What was called, with what, and until when by the monotonic clock it must be answered.

    press  a genuine press, once it was found to be one, and the connection that it came by
    """

    platform: str
    public_key: str
    request: CallbackRequest
    until: float
    press: tuple[Connected, CardPress] | None = None


@bp.route("/<platform>/<public_key>", methods=["GET", "POST"])
@bp.route("/<platform>/<public_key>/<purpose>", methods=["GET", "POST"])
def receive(platform: str, public_key: str, purpose: str = "") -> Answer:
    """Take a callback of an application in whatever state: a draft is verified before it is finished."""
    try:
        wanted = _read_request(purpose, utcnow())
    except RequestEntityTooLarge:
        return Answer(413)
    return take(platform, public_key, wanted)


def take(platform: str, public_key: str, wanted: CallbackRequest) -> Answer:
    """The same for a callback that was read already."""
    if platform not in PLATFORMS or wanted.purpose not in PLATFORMS[platform].capabilities.callbacks:
        return Answer(404)
    called = Called(platform, public_key, wanted, time.monotonic() + seconds_left())
    try:
        return _respond(called)
    except CallbackMalformed as error:
        log.warning("A genuine callback could not be read (%s).", error.reason)
        return Answer(200)
    except (DBAPIError, PoolTimeout) as error:
        notices.not_stored(error)
        return _not_stored(called)


def seconds_left() -> float:
    """How long the callback that is being answered may wait for the database."""
    return arrival.left_of(LOCK_SECONDS, at_least=LEAST_SECONDS)


def _read_request(purpose: str, now: datetime) -> CallbackRequest:
    request = asked()
    query = request.args if request.query_string else {}
    return CallbackRequest(request.method, query, request.headers, body_of(request), now, purpose)


def _respond(called: Called) -> Answer:
    """Two that meet on the same thing are applied one after the other."""
    for _ in range(TRIES):
        left = called.until - time.monotonic()
        if left <= 0:
            break
        wait_at_most(left, is_hurried=True)
        caller = integrations.connected(called.platform, called.public_key)
        if caller is None:
            return Answer(404)
        try:
            return _answer(caller, called)
        except Again:
            continue
        except (StaleDataError, IntegrityError) as error:
            log.info("A press met another one and is tried again: %s", type(error).__name__)
    return _not_stored(called)


def _not_stored(called: Called) -> Answer:
    """Whoever pressed is told to do so again where the answer has a place for it; else the platform repeats the call.

    No receipt is written, so that the next press counts; the database may be what is missing, so it is not asked.
    """
    if called.press is None or not PLATFORMS[called.platform].capabilities.tells_in_reply:
        return Answer(503)
    caller, press = called.press
    with speaking(caller.home):
        refusal = PressAnswer(None, say(card_presses.BUSY), is_refusal=True)
    return answer_with(caller.platform.answer(press, refusal))


def _answer(caller: Connected, called: Called) -> Answer:
    wanted = called.request
    callback = _verified(caller, wanted)
    if callback is None:
        return Answer(403)
    if isinstance(callback, CardPress):
        called.press = caller, callback
        return _press(caller, callback, wanted.received_at)
    _make_sure(caller)
    if isinstance(callback, GroupEvent):
        _take_group_event(caller, callback, wanted.received_at)
    if isinstance(callback, LicenceEvent):
        _take_licence_event(caller, wanted.received_at)
    if isinstance(callback, OtherEvent):
        log.info("An event that we do not act on: %s", callback.kind)
    _note_arrival(caller, wanted)
    return answer_with(caller.platform.answer(callback, None))


def _verified(caller: Connected, wanted: CallbackRequest) -> Callback | None:
    """The callback if it is genuine and fresh. The answer never says what was wrong; the log and the wizard do."""
    now = wanted.received_at
    try:
        callback = caller.platform.read_callback(wanted)
    except CallbackMalformed:
        raise
    except CallbackRefused as error:
        if time.monotonic() - caller.confirmed_at > CONFIRMED_SECONDS:  # the secret may have been changed
            _make_sure(caller)
        notices.refused(error.reason)
        _note_failure(caller, wanted.purpose, notices.refusal_detail(error), now)
        return None
    difference = (callback.sent_at - now).total_seconds()
    if abs(difference) > callback.fresh_seconds:
        notices.clock_differs(difference)
        _note_failure(caller, wanted.purpose, notices.clock_detail(difference), now)
        return None
    return callback


def _make_sure(caller: Connected) -> None:
    """Raise Again if the connection is another one by now than this process remembers."""
    if not integrations.is_current(caller):
        integrations.forget(caller)
        raise Again
    caller.confirmed_at = time.monotonic()


def _note_failure(caller: Connected, purpose: str, detail: dict[str, object], now: datetime) -> None:
    """Let the wizard say why nothing arrives, while it waits for the first genuine callback. Looks once a second."""
    if time.monotonic() - caller.failure_noted_at < notices.LOOK_EVERY_SECONDS:
        return
    caller.failure_noted_at = time.monotonic()
    with read_only():
        is_awaited = notices.is_awaited(caller.integration, purpose, now)
    if is_awaited:
        begin_write()
        checks.failed(_integration(caller), checks.of_callback(purpose), now=now, **detail)
        db.session.commit()


def _note_arrival(caller: Connected, wanted: CallbackRequest) -> None:
    """Mark that the address works; the platform gets its answer in time even if that cannot be stored now."""
    now = wanted.received_at
    caller.failure_noted_at = -float("inf")
    try:
        with read_only():
            if notices.is_known(_integration(caller), wanted.purpose, now):
                return
        begin_write()
        integration = _integration(caller)
        checks.passed(integration, checks.of_callback(wanted.purpose), now=now)
        press_writing.note_callback(db.session.connection(), integration, now)
        db.session.commit()
    except DBAPIError as error:
        db.session.rollback()
        log.warning("A callback check could not be stored: %s", type(error).__name__)


def _press(caller: Connected, press: CardPress, now: datetime) -> Answer:
    def reply(result: PressResult) -> Answer:
        answer = answer_with(caller.platform.answer(press, result.answer))
        if result.is_urgent:
            answer.afterwards.append(outbox.waking_worker())
        if result.answered is not None:
            answer.afterwards.append(looking_back(result.answered, decided_at=utcnow()))
        return answer

    try:
        answer = card_presses.apply(caller.integration, press, now=now, reply=reply)
    except card_presses.Outdated:
        integrations.forget(caller)
        raise Again from None
    crash_here("callback.after_commit")
    return answer


def _take_group_event(caller: Connected, event: GroupEvent, now: datetime) -> None:
    """Store what happened to a group, in a transaction of its own; a repeat of the same event changes nothing."""
    begin_write()
    integration = _integration(caller)
    if not groups.take_event(integration, event, now=now):
        log.info("A group event came again: %s", event.change)
    db.session.commit()


def _take_licence_event(caller: Connected, now: datetime) -> None:
    """Have the licences read: a member was stopped for want of one, whatever we knew."""
    begin_write()
    licence_reading.ask(_integration(caller), now=now)
    db.session.commit()


def _integration(caller: Connected) -> Integration:
    known = caller.integration
    found = integrations.find_by_public_key(known.platform, known.public_key)
    if found is None:  # deleted since the request began
        raise Again
    return found


def answer_with(reply: CallbackReply) -> Answer:
    """What an adapter answers, byte for byte."""
    return Answer(reply.status, reply.body, reply.content_type)
