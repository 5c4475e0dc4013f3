"""No query reads a whole table: what it takes must not grow with what was stored. Both databases explain each one."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, func, select, text

import metrics
from bench import large_data, large_people
from config import Settings
from extensions import db
from jobs import outbox, retention
from jobs.handlers import HANDLERS
from jobs.runner import Runner
from models import (
    AccountLink,
    Delivery,
    DeliveryState,
    Incident,
    Integration,
    Membership,
    Progress,
    Role,
    Severity,
)
from services import (
    deliveries,
    delivery_queries,
    held_cards,
    incident_queries,
    notifications,
    overview,
    press_scenes,
    send_scenes,
    timeline,
)
from services.clock import utcnow
from services.instance import current_settings
from tests.conftest import running_app
from tests.factories import make_channel, make_incident, make_integration
from tests.fakes import FakePlatform
from tests.noted import noted

INCIDENTS = 400
LARGE = (
    *("incidents", "responders", "alerts", "alert_events", "timeline_entries", "notifications", "deliveries"),
    *(
        "delivery_attempts",
        "cards",
        "card_codes",
        "card_notices",
        "jobs",
        "receipts",
        "sign_in_attempts",
        "audit_entries",
    ),
)
OF_ONE = (
    "responders",
    "alerts",
    "alert_events",
    "timeline_entries",
    "notifications",
    "cards",
    "card_codes",
    "card_notices",
)
"""Tables that are read for one incident at a time: an organisation's rows are too many."""


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    """With pages, some of which are asked for here."""
    with running_app(settings) as app:
        yield app


@pytest.fixture
def viewer(app: Flask) -> Membership:
    large_data.build(INCIDENTS)
    db.session.execute(text("ANALYZE"))  # or the plans depend on whether the server found time to
    db.session.commit()
    found = select(Membership).where(Membership.tenant_id == 0, Membership.role == Role.RESPONDER)
    return db.session.scalars(found.order_by(Membership.id).limit(1)).one()


@contextmanager
def explained() -> Iterator[list[str]]:
    """The plans of the statements that are executed inside the block, one line a step, once it ends."""
    steps: list[str] = []
    with _noted_by_sqlite() if db.engine.dialect.name == "sqlite" else noted() as seen:
        yield steps
    db.session.rollback()
    raw = db.engine.raw_connection()
    driver: Any = raw.driver_connection
    if db.engine.dialect.name == "postgresql":  # it reads small tables whole unless told not to
        raw.cursor().execute("SET enable_seqscan = off")
    for one in seen:
        if one.text.split(maxsplit=1)[0] in {"SELECT", "UPDATE", "DELETE", "WITH"}:
            steps += one.explained(driver)
    raw.invalidate()


@dataclass(frozen=True)
class _Noted:
    """A statement with its values filled in."""

    text: str

    def explained(self, driver: sqlite3.Connection) -> list[str]:
        return [str(row[-1]).strip() for row in driver.execute(f"EXPLAIN QUERY PLAN {self.text}").fetchall()]


@contextmanager
def _noted_by_sqlite() -> Iterator[list[_Noted]]:
    """By the driver, which also sees what does not go through SQLAlchemy, values filled in."""
    db.session.rollback()
    db.engine.dispose()  # so that every connection is made inside
    seen: list[_Noted] = []
    noting = True

    def connect(driver: Any, _record: Any) -> None:
        driver.set_trace_callback(lambda statement: seen.append(_Noted(statement)) if noting else None)

    event.listen(db.engine, "connect", connect)
    try:
        yield seen
    finally:
        noting = False
        event.remove(db.engine, "connect", connect)


def assert_reads_little(steps: list[str]) -> None:
    assert steps
    large, of_one = "|".join(LARGE), "|".join(OF_ONE)
    scans = re.compile(rf"SCAN ({large})\b(?!.*ix_jobs_(?:pending|dead))|Seq Scan on ({large})\b")
    organisations = re.compile(rf"SEARCH ({of_one})\b.*\(tenant_id=\?\)$")
    bad = [step for step in steps if scans.search(step) or organisations.search(step)]
    assert bad == []


def reads_little(action: Callable[..., Any], *about: Any, **options: Any) -> None:
    db.session.expire_all()
    with explained() as steps:
        action(*about, **options)
    assert_reads_little(steps)


def test_lists_of_incidents(viewer: Membership):
    day = utcnow() - timedelta(days=100)
    filters: list[dict[str, Any]] = [
        {},
        {"severity": Severity.INFO},
        {"channel_id": 3},
        {"responder_id": 5},
        {"text": "磁盘"},
        {"text": "#17"},
        {"text": "Node"},
        {"since": day},
        {"until": day},
        {"since": day, "until": day + timedelta(days=9), "text": "磁盘", "severity": Severity.INFO, "channel_id": 3},
        {"progress": Progress.TRIGGERED},
        {"progress": Progress.CLOSED},
    ]
    middle = db.session.get_one(Incident, INCIDENTS // 2)
    place = f"{(middle.changed_at - incident_queries.EPOCH) // incident_queries.MICROSECOND}-{middle.id}"
    for scope, wanted in product(("mine", "open", "closed", "all"), filters):
        search = incident_queries.Search(scope=scope, **wanted)
        for cursor in (f"n{place}",) if wanted else (None, f"n{place}", f"p{place}"):
            reads_little(incident_queries.page, viewer, search, cursor=cursor)


def test_a_list_of_everything_is_answered_by_its_index(viewer: Membership):
    """Which incidents are shown, and how many there are, is read from indexes alone."""
    open_ones, closed_ones = "ix_incidents_open", "ix_incidents_closed"
    for scope, wanted in (("all", [closed_ones, open_ones]), ("open", [open_ones]), ("closed", [closed_ones])):
        with explained() as steps:
            incident_queries.page(viewer, incident_queries.Search(scope=scope))
        assert sorted({name for name in (open_ones, closed_ones) for step in steps if name in step}) == wanted
    with explained() as steps:
        incident_queries.scope_counts(viewer)
    assert any("ix_incidents_open" in step for step in steps)
    assert any("ix_responders_" in step for step in steps)  # PostgreSQL takes the person's where they have few


def test_counts_and_figures(viewer: Membership):
    reads_little(incident_queries.scope_counts, viewer)
    reads_little(incident_queries.counts, viewer)
    reads_little(incident_queries.open_by_channel, viewer)
    reads_little(incident_queries.open_in_channel, 3, viewer)
    reads_little(incident_queries.stats, viewer, utcnow())
    reads_little(overview.undelivered, viewer, utcnow())
    reads_little(metrics.render)


def test_one_incident(viewer: Membership):
    incident = db.session.get_one(Incident, INCIDENTS)
    for action in (incident_queries.alerts_of, timeline.entries, notifications.of_incident, held_cards.of_incident):
        reads_little(action, incident)


def test_lists_of_deliveries(viewer: Membership):
    day = utcnow() - timedelta(days=100)
    for wanted in (
        {},
        {"state": DeliveryState.FAILED},
        {"failure_code": "app_not_linked"},
        {"user_id": 3},
        {"integration_id": 1},
        {"text": "磁盘"},
        {"text": "#17"},
        {"since": day},
        {"until": day, "state": DeliveryState.FAILED},
    ):
        search = delivery_queries.Search(**wanted)
        for place in ({"before": 200},) if wanted else ({}, {"before": 200}, {"after": 200}):
            reads_little(delivery_queries.page, viewer, search, **place)
        reads_little(delivery_queries.count, viewer, search)


def test_the_outbox_looks_at_what_waits_alone(viewer: Membership):
    now, soon = utcnow(), timedelta(seconds=60)
    reads_little(lambda: outbox.is_due(db.session.connection(), now))
    reads_little(lambda: outbox.next_due(db.session.connection(), now, now + soon))
    reads_little(lambda: outbox.due_queues(db.session.connection(), now))
    reads_little(lambda: outbox.claim(db.session.connection(), 0, now, soon))


def test_what_may_go_is_found_by_indexes(viewer: Membership):
    for rule in retention.rules(current_settings()):
        reads_little(rule.find, utcnow())


def test_a_message_looks_at_what_its_incident_and_its_recipient_got(
    app: Flask, viewer: Membership, monkeypatch: pytest.MonkeyPatch
):
    """Not at all that its connection ever sent. SQLite has no statistics that would tell it so: nor has it here."""
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: FakePlatform())
    if db.engine.dialect.name == "sqlite":
        db.session.execute(text("DROP TABLE sqlite_stat1"))
    incident = make_incident(make_channel())
    integration_id = db.session.scalars(select(func.min(Integration.id))).one()
    linked = select(AccountLink.user_id).where(AccountLink.integration_id == integration_id)
    told = list(db.session.scalars(linked.limit(3)))
    runner = Runner(app, HANDLERS, timedelta(seconds=60))
    with explained() as steps:
        for cause in ("assign", "repeat"):
            notifications.notify(incident, cause=cause, user_ids=told, now=utcnow())
            db.session.commit()
            runner.run_due()
        deliveries.last_day(db.session.get_one(Integration, integration_id), now=utcnow())
    states = select(Delivery.state, func.count()).where(Delivery.incident_id == incident.id).group_by(Delivery.state)
    assert [tuple(row) for row in db.session.execute(states)] == [(DeliveryState.SENT, 2 * len(told))]
    assert [step for step in steps if re.search("ix_(deliveries|cards)_integration_id", step)] == []


def test_what_is_decided_about_one_message_is_found_by_it_in_an_empty_database_too(app: Flask):
    """A plan that was made while tables were empty is kept until they are analysed, through the first storm."""
    integration = make_integration()
    about: dict[str, Any] = {"tenant_id": integration.tenant_id, "now": utcnow()}
    press: dict[str, Any] = {
        "receipt": ("scope", "key"),
        "reference": "none",
        "external_user_id": "lin",
        "now": utcnow(),
    }
    with explained() as steps:
        send_scenes.read(db.session.connection(), 1, **about)
        press_scenes.read(db.session.connection(), integration, **press)
    of_all = re.compile(
        r"\b(ix_(deliveries|incidents)_(tenant|started|listed|open)|uq_incidents_tenant)|_integration_id on"
    )
    assert steps
    assert [step for step in steps if of_all.search(step)] == []


def test_a_push_of_an_open_alert(app: Flask, viewer: Membership):
    address = f"/event/push/alert/standard?integration_key={large_people.SOURCE_KEY}"
    body = {"title_rule": "again", "event_status": "Critical", "alert_key": f"key-{INCIDENTS}"}
    db.session.commit()
    with explained() as steps:
        assert app.test_client().post(address, json=body).status_code == 200
    assert_reads_little(steps)
