"""What a call tells about its platform as a whole: that it is down, or that it answers, for which others may wait."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from extensions import db
from jobs import outbox
from platforms.errors import PlatformError
from services import circuits
from services.circuits import Bounds
from services.outbox import OUTAGE, wake_after_commit


class Called(Protocol):
    """The connection that was called: its row, or what was read of it."""

    @property
    def id(self) -> int: ...
    @property
    def outage_count(self) -> int: ...


def answered(called: Called, now: datetime) -> None:
    """Let go what waited for the end of an outage, and commit, if the connection was down."""
    if called.outage_count and circuits.succeeded(called.id):
        outbox.release(called.id, OUTAGE, now)
        wake_after_commit()
        db.session.commit()


def failed(called: Called, error: PlatformError, now: datetime) -> Bounds:
    """Note what a failed call says about the connection, and commit. Hold no incident.

    "No" is an answer: of a message that cannot be sent nobody else's has to wait for the next probe.
    """
    bounds = circuits.note_failure(called.id, error, now)
    if circuits.is_answer(error):
        answered(called, now)
    return bounds
