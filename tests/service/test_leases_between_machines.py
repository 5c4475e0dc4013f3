"""Workers on several machines, whose clocks differ: a row is one worker's until its lease ends, whoever looks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from flask import Flask

from extensions import db
from jobs import outbox as claims
from jobs.handlers import HANDLERS
from jobs.outbox import Claim
from jobs.runner import Runner
from models import EPOCH
from platforms.errors import PlatformBusy
from services import cards, notifications, outbox, tokens
from services.clock import utcnow
from services.tokens import DatabaseTokenStore
from tests.factories import NOW, default_tenant, make_channel, make_incident, make_integration, make_link, make_member
from tests.fakes import FakePlatform

LEASE = timedelta(seconds=20)
PATIENCE = 30.0
APART = pytest.mark.parametrize("ahead", [25, 600, -600])
pytestmark = pytest.mark.parametrize("settings", ["postgresql"], indirect=True)
"""Machines share a database server; SQLite is one machine's."""


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as travelling:
        yield travelling


def take(holder: str = "") -> list[Claim]:
    found = claims.claim(db.session.connection(), outbox.ONE_AT_A_TIME, utcnow(), LEASE, holder=holder)
    db.session.commit()
    return found


@APART
def test_a_message_is_not_sent_twice_because_the_second_machines_clock_differs(
    app: Flask, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch, ahead: int
):
    platform, second = FakePlatform(), Runner(app, HANDLERS, LEASE, holder="second")
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: platform)

    def let_the_second_look() -> None:
        clock.shift(ahead)
        looking = threading.Thread(target=second.run_due)
        looking.start()
        looking.join(PATIENCE)
        clock.shift(-ahead)

    platform.while_sending = let_the_second_look
    lin, integration = make_member("lin"), make_integration()
    make_link(integration, lin)
    incident = make_incident(make_channel(), responders=(lin,))
    notifications.notify(incident, cause="assign", user_ids=[lin.user_id], now=utcnow())
    db.session.commit()

    Runner(app, HANDLERS, LEASE, holder="first").run_due()

    assert platform.calls == 1


@APART
def test_a_row_whose_worker_died_is_free_as_soon_as_by_any_other_clock(
    app: Flask, clock: time_machine.Traveller, ahead: int
):
    default_tenant()
    job = outbox.enqueue("work", tenant_id=0, subject_id=1, due_at=EPOCH, now=utcnow())
    db.session.commit()
    clock.shift(ahead)
    assert take("of another clock")
    clock.shift(-ahead)
    assert not take()
    db.session.refresh(job)
    job.lease_until -= LEASE
    db.session.commit()
    assert take()


@APART
def test_a_token_is_not_fetched_twice_because_the_second_machines_clock_differs(
    app: Flask, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch, ahead: int
):
    monkeypatch.setattr(tokens, "WAIT_SECONDS", 0.01)
    integration = make_integration()
    db.session.commit()
    store = DatabaseTokenStore(integration.id, integration.tenant_id)

    def fetch_while_the_second_asks() -> tuple[str, int]:
        clock.shift(ahead)
        with pytest.raises(PlatformBusy):
            store.get("app", lambda: ("of the second", 7200))
        clock.shift(-ahead)
        return "of the first", 7200

    assert store.get("app", fetch_while_the_second_asks) == "of the first"
    assert store.get("app", lambda: ("of the second", 7200)) == "of the first"


@APART
def test_what_runs_elsewhere_is_seen_to_run(app: Flask, clock: time_machine.Traveller, ahead: int):
    """Two updates of one card at once would spend two rights to update it."""
    default_tenant()
    earlier, later = (
        outbox.enqueue(cards.UPDATE, tenant_id=0, subject_id=1, due_at=EPOCH, now=utcnow(), queue=queue)
        for queue in (outbox.ONE_AT_A_TIME, outbox.QUICK)
    )
    db.session.commit()
    assert [mine.id for mine in take()] == [earlier.id]

    clock.shift(ahead)
    assert not cards.is_turn_of(later.id, 1, utcnow())
    assert outbox.waiting(cards.UPDATE, 1, now=utcnow()) == [later]
