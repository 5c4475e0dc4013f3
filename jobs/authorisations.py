"""What companies did with the provider's application, and what they allow it: taken to pieces after it was answered."""

from __future__ import annotations

import logging

from extensions import db
from jobs.handling import Settle
from jobs.outbox import Claim, Dead, Done, Later, Outcome
from models import CorpAuth
from platforms.errors import PlatformError
from platforms.provider import Installation
from services import authorisations, modes, providers, retries
from services.authorisations import Told
from services.clock import utcnow

MOST_TRIES = 6
"""About six minutes: a code that was brought can be redeemed for ten."""

log = logging.getLogger(__name__)


def take(mine: Claim) -> Outcome | Settle:
    """Handle a "take_authorisation" row. payload: Told; {"tries"}: failed ones.

    A code is redeemed once, so what it gave is offered to a database that cannot take it now again.
    """
    told = Told.of_row(mine.payload)
    try:
        made = authorisations.redeem(told) if told.auth_code else None
    except PlatformError as error:
        return _again(mine, mine.payload.get("tries", 0) + 1, error)
    return Settle(lambda: _taken(told, made))


def _taken(told: Told, made: Installation | None) -> Outcome:
    authorisations.take(told, made, now=utcnow())
    return Done()


def read(mine: Claim) -> Outcome:
    """Handle a "read_authorisation" row. payload: {"tries"}."""
    auth = db.session.get(CorpAuth, mine.subject_id)
    if auth is None:
        return Done()
    try:
        authorisations.read(auth, now=utcnow())
    except PlatformError as error:
        return _again(mine, mine.payload.get("tries", 0) + 1, error)
    return Done()


def convert(mine: Claim) -> Outcome:
    """Handle a "convert_links" row. payload: {"after": link}, {"tries"}. Whom the platform does not know is left."""
    try:
        reached = modes.convert_links(mine.subject_id, after=mine.payload.get("after", 0))
    except PlatformError as error:
        return _again(mine, mine.payload.get("tries", 0) + 1, error)
    return Done() if reached is None else Later(utcnow(), "", {"after": reached})


def check(mine: Claim) -> Outcome:
    """Handle a "check_provider" row: try what can be tried of the provider's settings. payload: {"platform"}."""
    providers.try_all(mine.payload["platform"], now=utcnow())
    return Done()


def _again(mine: Claim, tries: int, error: PlatformError) -> Outcome:
    if not error.retryable or tries >= MOST_TRIES:
        log.warning("An authorisation could not be taken: %s", error.code)
        return Dead(error.code)
    wait = max(retries.delay(tries), error.retry_after or retries.delay(0))
    return Later(utcnow() + retries.with_jitter(wait), error.code, mine.payload | {"tries": tries})
