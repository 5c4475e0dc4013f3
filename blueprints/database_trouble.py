"""The database cannot take work: one line a minute in the log, and for as long a banner on pages that can be read.

Or it takes a change of somebody else first, which is nobody's fault.
"""

from __future__ import annotations

import logging
import math
import time

from flask import current_app
from sqlalchemy.exc import IntegrityError

from logs import Throttle

LINE_EVERY_SECONDS = 60.0
SHOWN_SECONDS = 60.0

MEETINGS = frozenset(
    {"23503", "23505", "SQLITE_CONSTRAINT_FOREIGNKEY", "SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE"}
)
"""What PostgreSQL and SQLite call a row that is there already, and one that is gone."""

log = logging.getLogger(__name__)


class _Trouble:
    """What this process has seen of it. last_at: by the monotonic clock."""

    def __init__(self) -> None:
        self.line = Throttle(LINE_EVERY_SECONDS)
        self.last_at = -math.inf


def _seen() -> _Trouble:
    seen: _Trouble = current_app.extensions.setdefault("database_trouble", _Trouble())
    return seen


def note(error: Exception) -> None:
    """A request could not be served. The first of a minute is logged with its traceback, the others are counted."""
    seen = _seen()
    seen.last_at = time.monotonic()
    kept_back = seen.line.take()
    if kept_back is not None:
        said = "The database cannot answer: %s; %s more since the last line."
        log.error(said, type(error.__cause__ or error).__name__, kept_back, exc_info=error)


def is_meeting(error: IntegrityError) -> bool:
    """Whether a row was refused for what somebody else made or deleted at this moment, rather than for our mistake."""
    original = error.orig
    return (getattr(original, "sqlstate", None) or getattr(original, "sqlite_errorname", None)) in MEETINGS


def is_recent() -> bool:
    """Whether a request of the last minute was refused by this process for that reason."""
    return time.monotonic() - _seen().last_at < SHOWN_SECONDS
