"""Answers a push after one durable row of the intake journal; requests that come together share its commit.

Nobody is answered before the commit that holds their rows.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import current_app
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from blueprints.envelope import RefusedRequest
from blueprints.intake.patience import be_patient
from blueprints.intake.sender import Sender
from crashpoints import crash_here
from extensions import writing
from group_commit import GroupCommit, Taken
from services import alert_sources, outbox, stored_pushes
from services.clock import utcnow

EXTENSION = "intake_journal"
MOST = 1000
"""Pushes in one transaction: all that wait; each holds a thread."""

log = logging.getLogger(__name__)


class KeyClosed(Exception):
    """The key was ended, or its source disabled, since it was last looked up; nothing is stored."""


@dataclass
class Entry:
    """What one request wants stored; is_refused: its key was found to be closed, and nothing of it is stored."""

    sender: Sender
    rows: list[dict[str, Any]]
    rejections: list[str]
    is_refused: bool = False


def store(entry: Entry) -> None:
    """Return once the entry is on disk. Raises KeyClosed; RefusedRequest with 503 if nothing could be stored."""
    try:
        group_commit().add(entry)
    except SQLAlchemyError as error:
        message = "the database cannot take work now; nothing of this push is stored: send it again"
        raise RefusedRequest(503, "InternalError", message, {"Retry-After": "5"}) from error
    if entry.is_refused:
        raise KeyClosed


def group_commit() -> GroupCommit[Entry]:
    """The one of this process."""
    found: GroupCommit[Entry] = current_app.extensions.setdefault(EXTENSION, GroupCommit(_store, most=MOST))
    return found


def _store(take: Taken[Entry]) -> None:
    be_patient()
    try:
        with writing() as connection:  # may wait for the lock; all who come meanwhile are taken along
            is_new = _write(connection, take())
            crash_here("journal.before_commit")
    except SQLAlchemyError as error:
        log.error("pushes cannot be stored: %s", error)
        raise
    crash_here("journal.after_commit")
    if is_new:
        outbox.wake_worker()


def _write(connection: Connection, batch: Sequence[Entry]) -> bool:
    """Write the entries whose keys still are good; whether the worker has something to do that it did not have.

    The order of locks is that of the worker: sources, journal, outbox.
    """
    now = utcnow()
    good = alert_sources.open_keys(connection, [entry.sender.key_hash for entry in batch], now=now)
    for entry in batch:
        entry.is_refused = entry.sender.key_hash not in good
    stored = [entry for entry in batch if not entry.is_refused]
    for entry in sorted(stored, key=lambda one: (one.sender.tenant_id, one.sender.source_id)):
        if entry.rejections:
            alert_sources.count_rejections(connection, entry.sender.source_id, entry.rejections, now=now)
    rows = [row for entry in stored for row in entry.rows]
    if not rows:
        return False
    return stored_pushes.insert_rows(connection, rows, now=now)
