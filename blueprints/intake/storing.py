"""Commits a push as a whole, and again when two pushes of one alert met."""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm.exc import StaleDataError

from blueprints.envelope import RefusedRequest
from blueprints.intake.sender import Sender
from crashpoints import crash_here
from extensions import db, wait_at_most
from services import alert_sources, alerts
from sources import Push

ATTEMPTS = 6
LOCKED_SECONDS = 5
"""How long a push waits for SQLite's write lock before it is answered 503: a sender waits for 10 at most."""
DEADLOCK_STATES = ("40001", "40P01")  # PostgreSQL: serialization failure, deadlock detected

log = logging.getLogger(__name__)


def store(sender: Sender, push: Push, *, now: datetime) -> list[alerts.Result]:
    """Store everything that one request said in one transaction, and return each event's fate.

    Two transactions may both find no open alert of a key: the unique index lets one win, the other starts again and
    finds it. Raises RefusedRequest with 503 if that happens too often; nothing is stored then.
    """
    wait_at_most(LOCKED_SECONDS)
    for _ in range(ATTEMPTS):
        try:
            return _store_once(sender, push, now)
        except (IntegrityError, StaleDataError) as error:
            _start_again(error)
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) not in DEADLOCK_STATES:
                raise
            _start_again(error)
    message = "other pushes of the same alerts were faster; nothing of this one is stored: send it again"
    raise RefusedRequest(503, "InternalError", message, {"Retry-After": "1"})


def _start_again(error: Exception) -> None:
    db.session.rollback()
    log.info("push met another one, starting again: %s", type(error).__name__)


def _store_once(sender: Sender, push: Push, now: datetime) -> list[alerts.Result]:
    source = alert_sources.for_push(sender.source_id)
    if source is None:
        raise RefusedRequest(401, "Unauthorized", "integration_key is missing or unknown")
    results = alerts.ingest(source, push.events, now=now, truncated=push.truncated)
    rejections = [f"alerts[{rejection.index}]: {rejection.reason}" for rejection in push.rejections]
    alert_sources.count_push(source, events=len(results), rejections=rejections, now=now)
    crash_here("intake.before_commit")
    db.session.commit()
    crash_here("intake.after_commit")
    return results
