"""A worker that is told to end: what it has in hand ends or is given back, and nothing more is called."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from extensions import db
from jobs.engine import Drains
from jobs.handlers import HANDLERS
from jobs.handling import Go, Handler
from jobs.outbox import Claim, Done, Outcome
from jobs.runner import Runner
from models import Delivery, DeliveryState, Job, JobState
from platforms.errors import AnswerLost
from services import notifications, outbox
from services.clock import utcnow
from tests.factories import NOW, default_tenant, make_channel, make_incident, make_integration, make_link, make_member
from tests.fakes import FakePlatform
from tests.servers import wait_until

LEASE = timedelta(seconds=20)
PATIENCE = 30.0


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePlatform]:
    """One that knows no message again: what may have reached it is not sent a second time."""
    forgetful = FakePlatform()
    forgetful.capabilities = replace(FakePlatform.capabilities, dedupe_hours=0)
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: forgetful)
    with time_machine.travel(NOW, tick=False):
        yield forgetful


def tell(count: int) -> None:
    """Have so many people told about an incident."""
    people, integration = [make_member(f"person{number}") for number in range(count)], make_integration()
    for person in people:
        make_link(integration, person)
    incident = make_incident(make_channel(), responders=tuple(people))
    notifications.notify(incident, cause="assign", user_ids=[person.user_id for person in people], now=utcnow())
    db.session.commit()


def states() -> Counter[DeliveryState]:
    db.session.rollback()
    found = Counter(db.session.scalars(select(Delivery.state)))
    db.session.rollback()
    return found


def test_a_worker_that_ends_calls_nobody_more_and_frees_what_it_had_begun(app: Flask):
    """Each call may last longer than it has left."""
    default_tenant()
    for number in range(4):
        outbox.enqueue("call", tenant_id=0, subject_id=number, due_at=utcnow(), now=utcnow(), queue=4)
    db.session.commit()
    called, go_on = threading.Semaphore(0), threading.Event()
    calls: list[int] = []

    def call(mine: Claim) -> Outcome:
        calls.append(mine.subject_id)
        called.release()
        go_on.wait(PATIENCE)
        return Done()

    runner = Runner(app, {"call": Handler(lambda mine: Go(lambda: call(mine)), joins_claim=True)}, LEASE)
    drains = Drains(runner, 1)
    drains.wake()
    assert called.acquire(timeout=PATIENCE)
    ending = threading.Thread(target=drains.stop, args=(PATIENCE,))
    ending.start()
    wait_until(runner.stopping.is_set, "the end to begin")
    go_on.set()
    ending.join(PATIENCE)

    assert calls == [0]
    rows = db.session.execute(select(Job.state, Job.lease_until > utcnow()).order_by(Job.subject_id)).all()
    assert [tuple(row) for row in rows] == [(JobState.DONE, False)] + 3 * [(JobState.PENDING, False)]


def test_a_worker_ends_in_peace_while_the_database_is_away(app: Flask, monkeypatch: pytest.MonkeyPatch, caplog):
    default_tenant()
    outbox.enqueue("call", tenant_id=0, subject_id=1, due_at=utcnow(), now=utcnow(), queue=4)
    db.session.commit()
    called, go_on = threading.Event(), threading.Event()

    def call() -> Outcome:
        called.set()
        go_on.wait(PATIENCE)
        return Done()

    def refuse(*_about: object) -> None:
        raise OperationalError("UPDATE jobs", {}, Exception("the database is away"))

    drains = Drains(Runner(app, {"call": Handler(lambda mine: Go(call), joins_claim=True)}, LEASE), 1)
    drains.wake()
    assert called.wait(PATIENCE)
    monkeypatch.setattr("jobs.runner.outbox.give_back", refuse)
    drains.stop(0)
    assert "cannot be given back" in caplog.text
    go_on.set()
    wait_until(lambda: not drains._threads, "the call to end")


def test_messages_that_were_begun_and_given_back_are_sent_by_the_next_worker(app: Flask, platform: FakePlatform):
    """Nothing left, so that none of them may have arrived."""
    tell(3)
    ending = Runner(app, HANDLERS, LEASE)
    while not platform.calls:
        assert ending.run_next()
    assert states() == {DeliveryState.SENT: 1, DeliveryState.SENDING: 2}

    ending.return_begun()
    assert states() == {DeliveryState.SENT: 1, DeliveryState.QUEUED: 2}

    Runner(app, HANDLERS, LEASE).run_due()
    assert states() == {DeliveryState.SENT: 3}
    assert platform.calls == 3


def test_what_had_no_answer_before_is_as_uncertain_when_it_is_given_back(app: Flask, platform: FakePlatform):
    platform.capabilities = FakePlatform.capabilities
    tell(2)
    platform.lost = True
    platform.errors.extend([AnswerLost("no answer")] * 2)
    Runner(app, HANDLERS, LEASE).run_due()
    assert states() == {DeliveryState.RETRYING: 2}
    platform.lost = False

    with time_machine.travel(NOW + timedelta(seconds=10), tick=False):
        ending = Runner(app, HANDLERS, LEASE)
        while platform.calls < 3:
            assert ending.run_next()
        ending.return_begun()
        assert states() == {DeliveryState.SENT: 1, DeliveryState.RETRYING: 1}

        Runner(app, HANDLERS, LEASE).run_due()
        assert states() == {DeliveryState.SENT: 2}
        assert len(platform.messages) == 2
