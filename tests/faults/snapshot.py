"""Reading what a fleet has stored and what arrived, from outside: plain SQL and the simulator's control interface."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from tests.faults.fleet import Fleet
from tests.faults.history import History, Row, Snapshot, violations

SETTLE_SECONDS = 90.0
LOOK_SECONDS = 0.2
SOON = timedelta(seconds=80)
"""Work that is due so soon is waited for: retries and coalesced updates, not escalations and silences."""
TIMES = ("at", "due_at", "snoozed_until")

QUERIES = {
    "alerts": "SELECT id, alert_key, state, incident_id FROM alerts WHERE id > :alerts",
    "incidents": "SELECT id, progress, snoozed_until FROM incidents WHERE id > :incidents",
    "timeline": """SELECT entry.id, incident_id, type, username AS actor, via, at, detail FROM timeline_entries AS entry
                   LEFT JOIN users ON users.id = actor_id WHERE incident_id > :incidents""",
    "notifications": "SELECT id, incident_id, cause, level, times FROM notifications WHERE incident_id > :incidents",
    "deliveries": """SELECT delivery.id, notification_id, incident_id, username AS person, state, reference,
                     platform_message_id, failure_code, summary_id FROM deliveries AS delivery
                     LEFT JOIN users ON users.id = user_id WHERE coalesce(incident_id, :incidents + 1) > :incidents
                     AND delivery.id > :deliveries""",
    "jobs": """SELECT id, kind, subject_id, state, due_at, attempts, error FROM jobs
               WHERE id > :jobs AND kind <> 'purge'""",
}


@dataclass
class Ledger:
    """One look at a fleet's past: what is there already when a history begins is not part of it."""

    fleet: Fleet
    marks: dict[str, int]
    messages: set[str]

    @classmethod
    def begin(cls, fleet: Fleet) -> Ledger:
        with reading(fleet) as engine, engine.connect() as connection:
            tables = ("alerts", "incidents", "deliveries", "jobs")
            marks = {name: connection.scalar(text(f"SELECT coalesce(max(id), 0) FROM {name}")) or 0 for name in tables}
        return cls(fleet, marks, {message["id"] for message in _messages(fleet)})

    def read(self) -> Snapshot:
        with reading(self.fleet) as engine, engine.connect() as connection:
            found = {name: _rows(connection, query, self.marks) for name, query in QUERIES.items()}
            references = set(connection.scalars(text("SELECT reference FROM deliveries")))
        arrivals = [message for message in _messages(self.fleet) if message["id"] not in self.messages]
        return Snapshot(datetime.now(UTC), **found, arrivals=arrivals, references=references)

    def settle(self, history: History, seconds: float = SETTLE_SECONDS) -> float:
        """Wait until everything accepted is stored and nothing is due soon; return how long. Never fails: look then."""
        began = time.monotonic()
        with reading(self.fleet) as engine:
            while time.monotonic() < began + seconds:
                try:
                    if self._is_settled(engine, history):
                        break
                except DBAPIError:  # not back yet
                    pass
                time.sleep(LOOK_SECONDS)
        return time.monotonic() - began

    def _is_settled(self, engine: Engine, history: History) -> bool:
        with engine.connect() as connection:
            soon = datetime.now(UTC) + SOON
            jobs = _rows(connection, QUERIES["jobs"] + " AND state = 'pending'", self.marks)
            if any(job["due_at"] < soon for job in jobs):
                return False
            rows = _rows(connection, QUERIES["alerts"], self.marks)
        stored = {row["alert_key"] for row in rows}
        firing = {row["alert_key"] for row in rows if row["state"] == "firing"}
        over = {recovery.alert_key for recovery in history.recoveries if recovery.is_accepted}
        return history.accepted <= stored and not over & firing

    def check(self, history: History, *, once: bool = True, seconds: float = SETTLE_SECONDS) -> Snapshot:
        """Wait for rest and fail with every broken promise."""
        self.settle(history, seconds)
        seen = self.read()
        broken = violations(history, seen, once=once)
        if broken:
            more = f"\n… and {len(broken) - 30} more" if len(broken) > 30 else ""
            pytest.fail(f"{len(broken)} broken promises:\n" + "\n".join(broken[:30]) + more)
        return seen


@contextmanager
def reading(fleet: Fleet) -> Iterator[Engine]:
    """A connection of our own that takes no lock."""
    engine = create_engine(fleet.settings.database_url)
    try:
        yield engine
    finally:
        engine.dispose()


def _rows(connection: Any, query: str, marks: dict[str, int]) -> list[Row]:
    wanted = {name: mark for name, mark in marks.items() if f":{name}" in query}
    return [_typed(dict(row)) for row in connection.execute(text(query), wanted).mappings()]


def _typed(row: Row) -> Row:
    """SQLite gives times and JSON as texts."""
    for name in TIMES:
        if isinstance(row.get(name), str):
            row[name] = datetime.fromisoformat(row[name])
        if isinstance(row.get(name), datetime):
            row[name] = row[name].replace(tzinfo=row[name].tzinfo or UTC).astimezone(UTC)
    if isinstance(row.get("detail"), str):
        row["detail"] = json.loads(row["detail"])
    return row


def _messages(fleet: Fleet) -> list[Row]:
    return list(fleet.control("GET", "/messages"))
