"""Answers a push after one durable row of the intake journal, and lets requests that come together share a commit.

The first request in leads: it opens a transaction, takes along everything that waits by then, and commits. Whoever
comes meanwhile waits, and the first of them leads the next commit. Nobody is answered before the commit that holds
their rows. A commit costs a flush of the disk, so sixteen that share one are sixteen times as cheap.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import current_app
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from blueprints.envelope import RefusedRequest
from blueprints.intake.sender import Sender
from crashpoints import crash_here
from extensions import db, wait_at_most
from services import alert_sources, outbox, stored_pushes
from services.clock import utcnow

EXTENSION = "intake_journal"
LOCKED_SECONDS = 5
"""How long a push waits for SQLite's write lock before it is answered 503."""

log = logging.getLogger(__name__)


class KeyClosed(Exception):
    """The key was ended, or its source disabled, since it was last looked up; nothing is stored."""


@dataclass
class Entry:
    """What one request wants stored, and what became of it: `refused` or `error`, or neither once `done`."""

    sender: Sender
    rows: list[dict[str, Any]]
    rejections: list[str]
    leads: bool = False
    is_refused: bool = False
    error: BaseException | None = None
    called: threading.Event = field(default_factory=threading.Event)


class GroupCommit:
    """Entries of one process on their way to the disk."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Entry] = []
        self._has_leader = False

    def store(self, entry: Entry) -> None:
        """Return once the entry is on disk. Raises KeyClosed; RefusedRequest with 503 if nothing could be stored."""
        with self._lock:
            self._waiting.append(entry)
            entry.leads, self._has_leader = not self._has_leader, True
        if not entry.leads:
            entry.called.wait()
        if entry.leads:
            self._lead()
        if entry.is_refused:
            raise KeyClosed
        if entry.error is not None:
            message = "the database cannot take work now; nothing of this push is stored: send it again"
            raise RefusedRequest(503, "InternalError", message, {"Retry-After": "5"}) from entry.error

    def _lead(self) -> None:
        batch: list[Entry] = []
        try:
            with db.engine.begin() as connection:  # may wait for the lock; all who come meanwhile are taken along
                batch = self._take()
                is_new = _write(connection, batch)
                crash_here("journal.before_commit")
            crash_here("journal.after_commit")
        except SQLAlchemyError as error:
            log.error("pushes cannot be stored: %s", error)
            batch = batch or self._take()
            _fail(batch, error)
        except BaseException as error:
            _fail(batch or self._take(), error)
            raise
        else:
            if is_new:
                outbox.wake_worker()
        finally:
            self._hand_on()
            for entry in batch:
                entry.called.set()

    def _take(self) -> list[Entry]:
        with self._lock:
            taken, self._waiting = self._waiting, []
        return taken

    def _hand_on(self) -> None:
        with self._lock:
            self._has_leader = bool(self._waiting)
            if self._has_leader:
                self._waiting[0].leads = True
                self._waiting[0].called.set()


def store(entry: Entry) -> None:
    """Store a push with whatever else this process stores at this moment; see GroupCommit.store."""
    wait_at_most(LOCKED_SECONDS)
    group_commit().store(entry)


def group_commit() -> GroupCommit:
    """The one of this process."""
    found: GroupCommit = current_app.extensions.setdefault(EXTENSION, GroupCommit())
    return found


def _fail(batch: Sequence[Entry], error: BaseException) -> None:
    for entry in batch:
        entry.error = error


def _write(connection: Connection, batch: Sequence[Entry]) -> bool:
    """Write the entries whose keys still are good; whether the worker has something to do that it did not have.

    The order of locks is that of the worker: sources, journal, outbox.
    """
    now = utcnow()
    good = alert_sources.open_keys(connection, [entry.sender.key_hash for entry in batch], now=now)
    for entry in batch:
        entry.is_refused = entry.sender.key_hash not in good
    stored = [entry for entry in batch if not entry.is_refused]
    for entry in stored:
        if entry.rejections:
            alert_sources.count_rejections(connection, entry.sender.source_id, entry.rejections, now=now)
    rows = [row for entry in stored for row in entry.rows]
    if not rows:
        return False
    stored_pushes.insert_rows(connection, rows)
    sources = {row["source_id"]: row["tenant_id"] for row in rows}
    pending = [
        outbox.ensure_pending(connection, stored_pushes.INGEST, tenant_id=tenant_id, subject_id=source_id, now=now)
        for source_id, tenant_id in sorted(sources.items())
    ]
    return any(pending)
