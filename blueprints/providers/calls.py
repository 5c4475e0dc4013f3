"""What the platform calls: /callback/wecom-suite/command and /data.

A command is verified, stored and answered within the second that the platform waits; the worker does the rest. What
comes to the data address is about one company, so it is taken as that connection's own callback.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from blueprints.callbacks import notices
from blueprints.callbacks.views import answer_with, seconds_left, take
from blueprints.programs import Answer, asked, body_of
from blueprints.providers import SLUGS, at_each, callbacks
from extensions import begin_write, db, reading, wait_at_most
from models import CorpAuth, Integration, Provider
from platforms.base import Callback, CallbackReply, CallbackRequest, LicenceEvent, OtherEvent, UrlCheck
from platforms.errors import CallbackMalformed, CallbackRefused
from platforms.provider import AuthorisationEvent, ProviderApplication, TicketArrived
from services import authorisations, licence_reading, providers
from services.clock import utcnow
from web_extensions import csrf, limiter

SUCCESS = CallbackReply(200, b"success")

csrf.exempt(callbacks)
limiter.exempt(callbacks)
log = logging.getLogger(__name__)


@at_each(callbacks, "/{}/command", "GET", "POST")
def command(address: str) -> Answer:
    """A ticket, an authorisation, a check of the address. Stored before it is answered; a repeat changes nothing."""
    platform, wanted = SLUGS[address], _wanted("command")
    return _taken(platform, wanted, lambda application: application.read_command(wanted))


@at_each(callbacks, "/{}/data", "GET", "POST")
def data(address: str) -> Answer:
    """Messages and presses of every company; a check of the address."""
    platform, wanted = SLUGS[address], _wanted("data")
    if wanted.method == "GET":
        return _taken(platform, wanted, lambda application: application.read_data_check(wanted))
    try:
        company = providers.application(platform).addressee(wanted)
    except CallbackRefused:
        return Answer(403)
    found = _public_key(platform, company)
    return take(platform, found, replace(wanted, purpose="")) if found else Answer(404)


def _wanted(purpose: str) -> CallbackRequest:
    wait_at_most(seconds_left(), is_hurried=True)
    request = asked()
    body = body_of(request)
    return CallbackRequest(request.method, request.args, request.headers, body, utcnow(), purpose)


def _public_key(platform: str, company: str) -> str | None:
    """The connection of a company, by the company's id as the provider sees it."""
    wanted = (
        select(Integration.public_key)
        .join(CorpAuth, CorpAuth.integration_id == Integration.id)
        .join(Provider, Provider.id == CorpAuth.provider_id)
        .where(Provider.platform == platform, CorpAuth.corp_id == company)
    )
    with reading() as connection:
        return connection.scalar(wanted)


def _taken(platform: str, wanted: CallbackRequest, read) -> Answer:  # type: ignore[no-untyped-def]
    try:
        application: ProviderApplication = providers.application(platform)
        callback = read(application)
    except CallbackMalformed as error:
        log.warning("A genuine command could not be read (%s).", error.reason)
        return answer_with(SUCCESS)
    except CallbackRefused as error:
        notices.refused(error.reason)
        return Answer(403)
    difference = (callback.sent_at - wanted.received_at).total_seconds()
    if abs(difference) > callback.fresh_seconds:
        notices.clock_differs(difference)
        return Answer(403)
    try:
        _store(platform, wanted, callback)
    except (DBAPIError, PoolTimeout) as error:
        db.session.rollback()
        notices.not_stored(error)
        return Answer(503)
    return answer_with(application.answer(callback))


def _store(platform: str, wanted: CallbackRequest, callback: Callback) -> None:
    """Keep what was told, in one transaction."""
    begin_write()
    if isinstance(callback, TicketArrived):
        providers.take_ticket(platform, callback)
    elif isinstance(callback, AuthorisationEvent):
        authorisations.take_event(platform, callback, now=wanted.received_at)
    elif isinstance(callback, LicenceEvent):
        licence_reading.take_event(platform, callback.corp_id, now=wanted.received_at)
    elif isinstance(callback, OtherEvent):
        log.info("An event that we do not act on: %s", callback.kind)
    if isinstance(callback, UrlCheck | TicketArrived):
        purpose = wanted.purpose if isinstance(callback, UrlCheck) else "command"
        providers.note(platform, purpose, now=wanted.received_at)
    db.session.commit()
