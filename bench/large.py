"""`python -m bench.large`: the same work with 1,000 and with 1,000,000 incidents in the database, side by side.

Pages go through Flask's test client, the rest through the services, one client on one connection. Each operation is
run in turn on the small and on the large database, so that a busy machine slows both; figures are medians.
"""

from __future__ import annotations

import argparse
import logging
import re
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import create_engine, select, text

import schema
from app import create_app
from bench import large_data
from bench.large_people import SOURCE_KEY
from bench.product import keys_of
from bench.results import Row, median, table
from bench.stage import start_postgresql
from blueprints.access import SESSION_KEY, SINCE_KEY, TENANT_KEY
from config import Settings
from extensions import db, read_only
from jobs import outbox
from models import EPOCH, Card, Delivery, Incident, Integration, Job, JobState, Membership, User
from platforms.base import CardPress
from services import card_keys, card_presses, cards, incident_queries, send_scenes
from services.clock import utcnow
from tests import private_servers

SMALL, LARGE = 1_000, 1_000_000
RUNS = 40
MORE_MS = 1.0
RATIO = 1.3
SEARCH_MS = 300.0
PERSON = 3
"""The reader: no administrator, so private spaces have to be left out."""
ETAG = re.compile(r'If-None-Match": "\\"([0-9a-f]+)')
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Comparison:
    """One operation.

    incidents  of the large database; the small one has SMALL
    limit_ms   what the large database may take whatever the small one does; None: see RATIO
    """

    name: str
    small_ms: float
    large_ms: float
    incidents: int
    limit_ms: float | None = None

    @property
    def ratio(self) -> float:
        return self.large_ms / self.small_ms

    @property
    def passed(self) -> bool:
        return self.as_row().has_passed is not False

    def as_row(self) -> Row:
        """A ratio of at most 1.3 or as much as one millisecond makes; or milliseconds where they count."""
        note = f"{self.small_ms:.2f} ms at {SMALL}, {self.large_ms:.2f} ms at {self.incidents}"
        if self.limit_ms is not None:
            return Row("large", self.name, self.large_ms, "ms", bar=self.limit_ms, note=note)
        return Row("large", self.name, self.ratio, "×", bar=max(RATIO, 1 + MORE_MS / self.small_ms), note=note)


@dataclass
class Desk:
    """One application on one database, with somebody signed in, and places in it to go to."""

    app: Flask
    client: FlaskClient
    incidents: int
    later: str
    etag: str = ""
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def get(self, path: str) -> None:
        answer = self.client.get(path)
        if answer.status_code != 200:
            raise SystemExit(f"GET {path}: {answer.status_code}")

    def poll(self) -> None:
        """What an open page asks every few seconds while nothing happens."""
        headers = {"HX-Request": "true"} | ({"If-None-Match": self.etag} if self.etag else {})
        answer = self.client.get("/incidents?scope=all", headers=headers)
        if not self.etag:
            self.etag = '"' + ETAG.findall(answer.text)[0] + '"'
        elif answer.status_code != 304:
            raise SystemExit(f"a poll without news was answered {answer.status_code}")

    def counts(self) -> None:
        with self.app.app_context(), read_only():
            incident_queries.counts(self.member())

    def scope_counts(self) -> None:
        with self.app.app_context(), read_only():
            incident_queries.scope_counts(self.member())

    def stats(self) -> None:
        with self.app.app_context(), read_only():
            incident_queries.stats(self.member(), utcnow())

    def member(self) -> Membership:
        wanted = select(Membership).where(Membership.tenant_id == 0, Membership.user_id == PERSON)
        return db.session.scalars(wanted).one()

    def push(self) -> None:
        """An alert that is open already, said again."""
        body = {"title_rule": "again", "event_status": "Critical", "alert_key": f"key-{self.incidents}"}
        path = f"/event/push/alert/standard?integration_key={SOURCE_KEY}"
        answer = self.client.post(path, json=body)
        if answer.status_code != 200:
            raise SystemExit(f"POST {path}: {answer.status_code} {answer.text}")

    def press(self) -> None:
        """屏蔽 for one length and another in turn on the card of the newest incident."""
        number = next(self.numbers)
        reference = f"reference-{self.incidents}"
        settings: Settings = self.app.config["SETTINGS"]
        key = card_keys.make(settings.secret_key, f"snooze:{(120, 240)[number % 2]}", reference)
        now, nonce = utcnow(), secrets.token_hex(8)
        with self.app.app_context():
            integration = db.session.get_one(Integration, 1)
            db.session.expunge(integration)
            person = f"person-{PERSON - 1}"
            press = CardPress("signature", nonce, now, nonce, person, reference, key, f"code-{nonce}")
            result = card_presses.apply(integration, press, now=now, reply=lambda result: result)
            if result.card is None:
                raise SystemExit(f"the press was refused: {result.text}")

    def decide(self) -> None:
        """Read what the newest message is sent by, and which older cards it supersedes; nothing is changed."""
        with self.app.app_context(), read_only():
            newest = db.session.scalars(select(Delivery).order_by(Delivery.id.desc()).limit(1)).one()
            on = db.session.connection()
            if send_scenes.read(on, newest.id, tenant_id=newest.tenant_id, now=utcnow()) is None:
                raise SystemExit("the newest delivery is gone")
            card = db.session.scalars(select(Card).order_by(Card.id.desc()).limit(1)).one()
            cards.supersede_older(card, now=utcnow())
            db.session.rollback()

    def claim(self) -> None:
        """Take a due row of the outbox and say that it is done."""
        now = utcnow()
        with self.app.app_context():
            claimed = outbox.claim(db.session.connection(), 0, now, timedelta(seconds=60))
            if not claimed:
                raise SystemExit("nothing was due")
            outbox.finish(claimed[0], outbox.Done(), now)
            db.session.commit()


OPERATIONS: dict[str, tuple[Callable[[Desk], None], float | None]] = {
    "newest page": (lambda desk: desk.get("/incidents?scope=all"), None),
    "newest page of open ones": (lambda desk: desk.get("/incidents?scope=open"), None),
    "later page": (lambda desk: desk.get(f"/incidents?scope=all&before={desk.later}"), None),
    "later page of closed ones": (lambda desk: desk.get(f"/incidents?scope=closed&before={desk.later}"), None),
    "one severity, later page": (
        lambda desk: desk.get(f"/incidents?scope=all&severity=Info&before={desk.later}"),
        None,
    ),
    "incident": (lambda desk: desk.get(f"/incidents/{desk.incidents - 50}"), None),
    "poll without news": (Desk.poll, None),
    "card press": (Desk.press, None),
    "alert push of an open alert": (Desk.push, None),
    "deciding on a message": (Desk.decide, None),
    "badge counts": (Desk.scope_counts, None),
    "all counts of the overview": (Desk.counts, SEARCH_MS),
    "outbox claim and finish": (Desk.claim, None),
    "deliveries": (lambda desk: desk.get("/deliveries"), None),
    "deliveries, later page": (lambda desk: desk.get(f"/deliveries?before={desk.incidents // 2}"), None),
    "failed deliveries": (lambda desk: desk.get("/deliveries?state=failed"), None),
    "overview": (lambda desk: desk.get("/"), SEARCH_MS),
    "channels": (lambda desk: desk.get("/channels"), SEARCH_MS),
    "metrics": (lambda desk: desk.get("/metrics"), SEARCH_MS),
    "statistics": (Desk.stats, SEARCH_MS),
    "search: common words": (lambda desk: desk.get("/incidents?scope=all&q=磁盘"), SEARCH_MS),
    "search: rare word": (lambda desk: desk.get(f"/incidents?scope=all&q={large_data.RARE_WORD}"), SEARCH_MS),
    "search: nothing has it": (lambda desk: desk.get("/incidents?scope=all&q=没有的"), SEARCH_MS),
    "search: open ones, nothing has it": (lambda desk: desk.get("/incidents?scope=open&q=没有的"), SEARCH_MS),
    "search: part of a number": (lambda desk: desk.get("/incidents?scope=all&q=77 7"), SEARCH_MS),
    "deliveries of a person, by words": (lambda desk: desk.get("/deliveries?q=没有的"), SEARCH_MS),
}


def run(*, postgres: bool = False, incidents: int = LARGE, runs: int = RUNS) -> list[Comparison]:
    """Build both databases in a temporary folder or, with `postgres`, on a server of our own, and compare."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dutybell-large-")))
        server = stack.enter_context(_postgresql()) if postgres else None
        desks = [stack.enter_context(_desk(home / name, size, server)) for name, size in _sizes(incidents)]
        return compare(*desks, runs=runs)


def compare(small: Desk, large: Desk, *, runs: int) -> list[Comparison]:
    return [_compared(name, small, large, runs) for name in OPERATIONS]


def _compared(name: str, small: Desk, large: Desk, runs: int) -> Comparison:
    operation, limit_ms = OPERATIONS[name]
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(-3, runs):
        for desk, taken in zip((small, large), times, strict=True):
            began = time.perf_counter()
            operation(desk)
            if turn >= 0:
                taken.append((time.perf_counter() - began) * 1000)
    return Comparison(name, median(times[0]), median(times[1]), large.incidents, limit_ms)


def _sizes(incidents: int) -> list[tuple[str, int]]:
    return [("small", SMALL), ("large", incidents)]


@contextmanager
def _desk(home: Path, incidents: int, server: str | None) -> Iterator[Desk]:
    """A fresh, filled database and somebody signed in to its application."""
    home.mkdir()
    environment = {"DUTYBELL_HOME": str(home), "LOG_FORMAT": "json"}
    if server:
        environment |= keys_of(home) | {"DATABASE_URL": _make_database(server, home.name)}
    app = create_app(Settings.from_env(environment))
    logging.getLogger().handlers = [logging.NullHandler()]  # or every push writes a line among the figures
    with app.app_context():
        schema.upgrade()
        began = time.monotonic()
        large_data.build(incidents)
        print(f"{incidents} incidents built in {time.monotonic() - began:.0f} s", flush=True)
    yield open_desk(app, incidents)
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def open_desk(app: Flask, incidents: int) -> Desk:
    """Sign somebody in, find a place in the middle of the list, and let some work be due."""
    client = app.test_client()
    with app.app_context():
        middle = db.session.get_one(Incident, incidents // 2)
        later = f"n{(middle.changed_at - EPOCH) // MICROSECOND}-{middle.id}"
        now = utcnow()
        for number in range(10 * RUNS):
            due = {"due_at": now, "created_at": now, "payload": {}, "state": JobState.PENDING}
            db.session.add(Job(tenant_id=0, kind="bench", subject_id=number, **due))
        db.session.commit()
        session = {"_user_id": db.session.get_one(User, PERSON).get_id(), "_fresh": True}
    with client.session_transaction() as stored:
        stored.update(session | {SESSION_KEY: "bench", SINCE_KEY: int(time.time()), TENANT_KEY: 0})
    return Desk(app, client, incidents, later)


@contextmanager
def _postgresql() -> Iterator[str]:
    """The address of a server that ends with us."""
    server = start_postgresql()
    try:
        yield server.url
    finally:
        private_servers.end(server.pid)
        shutil.rmtree(server.folder, ignore_errors=True)


def _make_database(server: str, name: str) -> str:
    engine = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return f"{server}/{name}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL server of our own, not on SQLite")
    parser.add_argument("--incidents", type=int, default=LARGE, help="how many the large database holds")
    parser.add_argument("--runs", type=int, default=RUNS, help="how often each operation is measured")
    wanted = parser.parse_args()
    found = run(postgres=wanted.postgres, incidents=wanted.incidents, runs=wanted.runs)
    print(table([comparison.as_row() for comparison in found]))
    sys.exit(not all(comparison.passed for comparison in found))


if __name__ == "__main__":
    main()
