"""Several workers that send to the same people at the same time: none waits for another that waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import Connection, event, func, select, text, update
from sqlalchemy.exc import OperationalError

from extensions import db, wait_at_most
from jobs.engine import Drains
from jobs.handlers import HANDLERS
from jobs.handling import Go, Handler
from jobs.outbox import Claim, Done, Outcome
from jobs.runner import Runner
from models import AccountLink, Delivery, DeliveryState, Integration, Job, JobState, Membership
from services import notifications, outbox, storms
from services.clock import utcnow
from tests.factories import default_tenant, make_channel, make_incident, make_integration, make_link, make_member
from tests.fakes import FakePlatform
from tests.servers import wait_until

LEASE = timedelta(seconds=20)
PATIENCE = 60.0
on_a_server = pytest.mark.parametrize("settings", ["postgresql"], indirect=True)
"""On SQLite there is one writer at a time."""


@dataclass
class Level:
    """People whom a policy tells together."""

    app: Flask
    integration: Integration
    people: list[Membership]
    drains: list[Drains] = field(default_factory=list)

    def tell(self, incidents: int) -> None:
        """Tell all of them about so many incidents, those whose links are younger at first."""
        channel = make_channel()
        for _ in range(incidents):
            incident = make_incident(channel, responders=tuple(self.people))
            ids = [person.user_id for person in reversed(self.people)]
            notifications.notify(incident, cause="assign", user_ids=ids, now=utcnow())
        db.session.commit()

    def work(self, workers: int) -> None:
        """Have so many worker processes look for work, as their sweepers do."""
        for number in range(len(self.drains), workers):
            self.drains.append(Drains(Runner(self.app, HANDLERS, LEASE, threads=16, holder=f"w{number}"), 16))
        for drains in self.drains:
            drains.wake()

    def are_all_told(self) -> bool:
        self.work(0)
        left = db.session.scalar(select(func.count(Delivery.id)).where(Delivery.state != DeliveryState.SENT))
        db.session.rollback()
        return left == 0


@pytest.fixture
def level(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Level]:
    platform = FakePlatform()
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: platform)
    people, integration = [make_member(f"person{number}") for number in range(5)], make_integration()
    for person in people:
        make_link(integration, person)
    company = Level(app, integration, people)
    try:
        yield company
    finally:
        for drains in company.drains:
            drains.stop(10)


def test_workers_that_send_to_the_same_people_never_end_each_others_transactions(
    level: Level, caplog: pytest.LogCaptureFixture
):
    refused: list[str] = []

    @event.listens_for(db.engine, "handle_error")
    def note(context: Any) -> None:
        refused.append(str(context.original_exception))

    level.tell(12)
    level.work(2)
    wait_until(level.are_all_told, "all of them told", seconds=PATIENCE)

    assert not [one for one in refused if "deadlock" in one]
    assert "cannot be used" not in caplog.text


@on_a_server
def test_a_worker_that_waits_for_one_recipient_holds_none_that_others_may_hold_already(level: Level):
    level.tell(1)
    first, *others = db.session.scalars(select(AccountLink.id).order_by(AccountLink.id)).all()
    db.session.rollback()
    with db.engine.connect() as other, db.engine.connect() as third:
        lock(other, first)
        level.work(1)
        wait_until(lambda: somebody_waits(third), "the worker waits for whom the other holds")
        assert lock(third, *others) == others
    wait_until(level.are_all_told, "all of them told", seconds=PATIENCE)


def lock(on: Connection, *links: int) -> list[int]:
    """Lock links of accounts; which of them nobody else holds."""
    wanted = select(AccountLink.id).where(AccountLink.id.in_(links)).order_by(AccountLink.id)
    return list(on.scalars(wanted.with_for_update(skip_locked=True)).all())


def somebody_waits(on: Connection) -> bool:
    return bool(on.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))


@on_a_server
def test_a_summary_waits_for_nobody_who_is_just_claiming_what_it_tells(level: Level):
    """He waits for its recipient, and finds that it is told."""
    level.tell(2)
    person = level.people[0]
    told, waiting = db.session.scalars(select(Delivery).where(Delivery.user_id == person.user_id).order_by(Delivery.id))
    for one in (told, waiting):
        one.external_user_id = "person0"
    summary = Delivery(
        tenant_id=told.tenant_id,
        source=storms.SOURCE,
        channel_kind=told.channel_kind,
        integration_id=told.integration_id,
        user_id=told.user_id,
        recipient_name=told.recipient_name,
        external_user_id="person0",
        reference=notifications.new_reference(),
        created_at=utcnow(),
    )
    db.session.add(summary)
    db.session.commit()

    def rows_of(delivery: Delivery) -> Any:
        return select(Job.state).where(Job.kind == "deliver", Job.subject_id == delivery.id)

    with db.engine.connect() as claiming:
        claiming.execute(rows_of(waiting).with_for_update())
        wait_at_most(5)
        storms.gather(summary, now=utcnow())
        db.session.commit()
    assert db.session.scalars(select(Delivery.id).where(Delivery.summary_id == summary.id)).all() == [
        told.id,
        waiting.id,
    ]
    assert (db.session.scalar(rows_of(told)), db.session.scalar(rows_of(waiting))) == (JobState.DONE, JobState.PENDING)


def test_rows_whose_claim_met_a_deadlock_are_done_one_by_one(app: Flask):
    """Whoever the database chose to end has done nothing wrong, and neither has the database."""
    default_tenant()
    for number in range(3):
        outbox.enqueue("call", tenant_id=0, subject_id=number, due_at=utcnow(), now=utcnow(), queue=4)
    db.session.commit()
    begun: list[int] = []
    done: list[int] = []

    def call(mine: Claim) -> Outcome:
        done.append(mine.subject_id)
        return Done()

    def run(mine: Claim) -> Go:
        begun.append(mine.subject_id)
        if len(begun) in (2, 3):  # together with others, and then alone
            raise deadlock()
        return Go(lambda: call(mine))

    runner = Runner(app, {"call": Handler(run, joins_claim=True)}, LEASE)
    while runner.run_next():
        pass
    db.session.execute(update(Job).values(due_at=utcnow()))
    db.session.commit()
    while runner.run_next():
        pass

    assert sorted(done) == [0, 1, 2]
    assert set(db.session.scalars(select(Job.state))) == {JobState.DONE}
    assert set(db.session.scalars(select(Job.payload["crashes"].as_string()))) == {None}


def deadlock() -> OperationalError:
    return OperationalError("SELECT", {}, psycopg.errors.DeadlockDetected("deadlock detected"))
