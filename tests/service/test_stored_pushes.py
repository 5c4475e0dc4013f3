"""The intake journal: what was accepted becomes alerts once, in order, whatever happens meanwhile."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import OperationalError

from blueprints.envelope import RefusedRequest
from blueprints.intake import journal, storing
from blueprints.intake.sender import Sender
from errors import AccessDenied
from extensions import db, wait_at_most
from group_commit import GroupCommit
from jobs.handlers import HANDLERS
from jobs.runner import Runner
from models import Alert, AlertSource, AlertState, Incident, IntegrationKey, Job, JobState, Role, Severity, StoredPush
from services import alerts, stored_pushes
from services.clock import utcnow
from sources import IncomingEvent, Push
from tests.factories import NOW, make_channel, make_member, make_policy, make_source
from tests.servers import wait_until
from write_queue import queue_of


@pytest.fixture
def source(app):
    source = make_source(make_channel(), type="prometheus")
    db.session.add(
        IntegrationKey(tenant_id=source.tenant_id, source_id=source.id, key_hash="hash", key_cipher="-", created_at=NOW)
    )
    db.session.commit()
    return source


@pytest.fixture
def sender(source):
    return Sender(source.id, source.tenant_id, "prometheus", {}, "hash")


@pytest.fixture
def worker(app):
    return Runner(app, {"ingest": HANDLERS["ingest"]}, timedelta(seconds=60))


def event(status=Severity.CRITICAL, key="k1", **fields):
    values = {"title": "CPU", "description": "", "labels": {"host": "db-03"}, "images": [], "event_at": None, "raw": {}}
    return IncomingEvent(status=status, alert_key=key, **(values | fields))


def accept(sender, *events, truncated=0, rejections=(), now=None):
    push = Push(list(events), truncated=truncated)
    rows = stored_pushes.rows_of(push, source_id=sender.source_id, tenant_id=sender.tenant_id, now=now or utcnow())
    journal.store(journal.Entry(sender, rows, list(rejections)))


def count(model, *where):
    found = db.session.scalar(select(func.count()).select_from(model).where(*where))
    db.session.rollback()
    return found


def only(model):
    db.session.rollback()
    found = db.session.scalars(select(model).execution_options(populate_existing=True)).one()
    db.session.commit()  # others may write while it is looked at
    return found


def test_what_was_accepted_becomes_alerts_in_its_order(sender, worker):
    accept(sender, event(), event(key="k2", event_at=NOW, images=[{"alt": "a", "src": "b", "href": ""}]))
    accept(sender, event(Severity.OK))
    assert (count(StoredPush), count(Alert)) == (2, 0)

    worker.run_due()

    assert (count(StoredPush), count(Alert), count(Incident)) == (0, 2, 2)
    assert count(Alert, Alert.state == AlertState.RECOVERED) == 1
    assert only(AlertSource).event_count == 3


def test_all_pushes_of_a_source_are_one_row_of_the_outbox(sender, worker):
    for number in range(3):
        accept(sender, event(key=f"k{number}"))
    assert only(Job).state is JobState.PENDING
    worker.run_due()
    assert only(Job).state is JobState.DONE
    accept(sender, event(key="k9"))
    assert only(Job).state is JobState.PENDING
    worker.run_due()
    assert count(Alert) == 4


def test_a_push_stored_while_the_worker_ends_its_row_is_not_forgotten(app, sender, worker, monkeypatch):
    """The push comes between the worker's last look at the journal and the end of its row."""
    accept(sender, event())
    looked = threading.Event()
    is_waiting = stored_pushes.is_waiting

    def look(source_id):
        found = is_waiting(source_id)
        looked.set()
        return found

    def push():
        assert looked.wait(10)
        with app.app_context():
            accept(sender, event(key="k2"))

    monkeypatch.setattr(stored_pushes, "is_waiting", look)
    thread = threading.Thread(target=push)
    thread.start()
    worker.run_due()
    thread.join()
    worker.run_due()
    assert (count(Alert), count(StoredPush)) == (2, 0)


def test_an_end_of_the_row_waits_for_a_push_that_is_being_stored(app, sender, worker):
    """The push has its rows in, and has not committed; the worker must not end the row over it."""
    with db.engine.begin() as connection:
        rows = stored_pushes.rows_of(
            Push([event()]), source_id=sender.source_id, tenant_id=sender.tenant_id, now=utcnow()
        )
        assert stored_pushes.insert_rows(connection, rows, now=utcnow())
    worker.run_due()
    assert only(Job).state is JobState.DONE
    assert count(Alert) == 1


def test_many_at_once_are_all_stored_and_taken_once(app, sender, worker):
    barrier = threading.Barrier(16)

    def push(number):
        with app.app_context():
            barrier.wait()
            for turn in range(5):
                accept(sender, event(key=f"k{number}-{turn}"))
            db.session.remove()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(push, range(16)))
    threads = [threading.Thread(target=worker.run_due) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (count(StoredPush), count(Alert), count(Incident)) == (0, 80, 80)
    assert count(Alert, Alert.event_count == 1) == 80


def test_requests_that_come_together_share_commits(app, sender, monkeypatch):
    barrier, batches = threading.Barrier(8), []
    write = journal._write

    def note(connection, batch):
        batches.append(len(batch))
        return write(connection, batch)

    def push(number):
        with app.app_context():
            barrier.wait()
            accept(sender, event(key=f"k{number}"))

    monkeypatch.setattr(journal, "_write", note)
    with ThreadPoolExecutor(8) as pool:
        with db.engine.begin():  # SQLite: nobody can write until all have come
            pushed = [pool.submit(push, number) for number in range(8)]
            if db.engine.dialect.name == "sqlite":
                wait_until(lambda: len(journal.group_commit()._waiting) == 8, "all eight wait")
        for each in pushed:
            each.result()
    assert sum(batches) == 8
    assert count(StoredPush) == 8
    if db.engine.dialect.name == "sqlite":
        assert batches == [8]


def test_who_writes_for_others_has_time_for_it_whatever_was_left_of_their_own(app, sender, monkeypatch):
    if db.engine.dialect.name != "sqlite":
        pytest.skip("there nobody waits for a turn to write")
    add = GroupCommit.add

    def add_late(group, entry):
        wait_at_most(0)  # it waited for whoever wrote before
        add(group, entry)

    def push():
        with app.app_context():
            accept(sender, event())

    monkeypatch.setattr(GroupCommit, "add", add_late)
    line = queue_of(str(Path(db.engine.url.database or "").resolve()))._patient
    with ThreadPoolExecutor(1) as pool:
        with db.engine.begin():
            pushed = pool.submit(push)
            wait_until(lambda: line or pushed.done(), "it waits for its turn to write")
        pushed.result()
    assert count(StoredPush) == 1


def of_both(*sources):
    """What waits of several sources is taken by one transaction."""
    for source in sources:
        about = {"source_id": source.id, "tenant_id": source.tenant_id, "now": NOW}
        rows = stored_pushes.rows_of(Push([event(key=f"k{source.id}")]), **about)
        stored_pushes.insert_rows(db.session.connection(), rows, now=NOW)
    db.session.commit()


def is_somebody_waiting() -> bool:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with db.engine.connect() as look:
        return bool(look.scalar(text(waiting)))


@pytest.mark.parametrize("who", ["worker", "push"])
def test_who_waits_for_a_source_has_not_locked_the_organisations_counter(app, source, sender, worker, who):
    """Whoever holds the source may need the counter next: PostgreSQL would end such a circle after a second."""
    if db.engine.dialect.name == "sqlite":
        pytest.skip("there a transaction that writes holds everything")
    second = make_source(make_channel("第二个"), type="prometheus")
    if who == "worker":
        of_both(source, second)
    busy = second.id if who == "worker" else source.id
    db.session.commit()

    def work():
        with app.app_context():
            if who == "worker":
                worker.run_due()
            else:
                storing.store(sender, Push([event()]), now=NOW)

    with ThreadPoolExecutor(1) as pool:
        with db.engine.connect() as other:
            other.execute(select(AlertSource.id).where(AlertSource.id == busy).with_for_update(key_share=True))
            working = pool.submit(work)
            wait_until(is_somebody_waiting, "it waits for the source")
            other.execute(text("SET LOCAL lock_timeout = '500ms'"))
            other.execute(text("UPDATE tenants SET last_incident_num = last_incident_num"))
        working.result()
    assert count(Incident) == (2 if who == "worker" else 1)


def test_a_key_that_ended_since_it_was_looked_up_stores_nothing(sender):
    db.session.execute(update(IntegrationKey).values(expires_at=NOW))
    db.session.commit()
    with pytest.raises(journal.KeyClosed):
        accept(sender, event())
    assert count(StoredPush) == 0


def test_a_source_that_is_disabled_keeps_what_was_accepted(sender, source, worker):
    accept(sender, event())
    source.is_enabled = False
    db.session.commit()
    with pytest.raises(journal.KeyClosed):
        accept(sender, event(key="k2"))
    worker.run_due()
    assert count(Incident) == 1


def test_a_commit_that_fails_is_told_to_everybody_in_it(app, sender, monkeypatch):
    def full(*_args, **_options):
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    with monkeypatch.context() as broken:
        broken.setattr(stored_pushes, "insert_rows", full)
        with pytest.raises(RefusedRequest) as refused:
            accept(sender, event())
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "5")
    assert count(StoredPush) == 0
    accept(sender, event())
    assert count(StoredPush) == 1


def test_one_alert_that_cannot_be_taken_does_not_hold_up_the_others(sender, worker, monkeypatch):
    ingest = alerts.ingest_all

    def poisoned(source, arrivals, **options):
        if any(each.alert_key == "bad" for arrival in arrivals for each in arrival.events):
            raise ValueError("no such thing")
        return ingest(source, arrivals, **options)

    monkeypatch.setattr(alerts, "ingest_all", poisoned)
    accept(sender, event(), event(key="bad"), event(key="k3"))
    accept(sender, event(key="k4"))
    worker.run_due()
    assert count(Incident) == 3
    assert only(StoredPush).error == "ValueError: no such thing"
    assert only(Job).state is JobState.DONE
    said = only(AlertSource)
    assert (said.rejected_count, said.last_error["code"]) == (1, "SetAside")
    assert "'bad'" in said.last_error["message"]
    assert stored_pushes.backlog().set_aside == 1


def test_what_was_set_aside_is_taken_once_somebody_tries_again(sender, worker, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(alerts, "ingest_all", fail)
        accept(sender, event(), event(key="k2"))
        worker.run_due()
    source, admin = only(AlertSource), make_member("root", Role.ADMIN)
    assert (stored_pushes.set_aside_of(source), count(Incident)) == (2, 0)
    worker.run_due()
    assert count(Incident) == 0
    assert stored_pushes.try_again(source, by=admin, now=utcnow()) == 2
    db.session.commit()
    worker.run_due()
    assert (count(Incident), count(StoredPush), stored_pushes.set_aside_of(only(AlertSource))) == (2, 0, 0)
    assert stored_pushes.try_again(only(AlertSource), by=admin, now=utcnow()) == 0


def test_only_who_may_edit_sources_tries_again(source):
    with pytest.raises(AccessDenied):
        stored_pushes.try_again(source, by=make_member("wu", Role.RESPONDER), now=utcnow())


def fail(*_args, **_options):
    raise ValueError("no such thing")


def test_a_database_that_fails_costs_nothing(sender, worker, monkeypatch):
    def locked(*_args, **_kwargs):
        raise OperationalError("INSERT", {}, Exception("database is locked"))

    accept(sender, event())
    with monkeypatch.context() as broken:
        broken.setattr(alerts, "ingest_all", locked)
        with pytest.raises(OperationalError):
            worker.run_due()
    assert (count(StoredPush), count(Alert)) == (1, 0)
    worker.run_due()
    assert (count(StoredPush), count(Alert)) == (0, 1)


def test_a_long_push_is_taken_in_short_transactions(sender, worker, monkeypatch):
    make_policy(db.session.get(AlertSource, sender.source_id).channel, make_member("lin"))
    turns = []
    ingest = alerts.ingest_all

    def note(source, arrivals, **options):
        turns.append(sum(len(arrival.events) for arrival in arrivals))
        return ingest(source, arrivals, **options)

    monkeypatch.setattr(alerts, "ingest_all", note)
    accept(sender, *(event(key=f"k{number}") for number in range(120)), truncated=3)
    worker.run_due()
    assert max(turns) <= stored_pushes.EVENTS_A_TURN
    assert (sum(turns), count(Incident)) == (120, 120)


def test_deleting_a_source_first_takes_what_was_accepted(sender, source, worker):
    accept(sender, event())
    admin = make_member("admin", Role.ADMIN)
    stored_pushes.delete_source(source, confirmation=source.name, by=admin, now=NOW)
    db.session.commit()
    worker.run_due()
    assert (count(StoredPush), count(Incident), count(AlertSource)) == (0, 1, 0)


def test_the_backlog_says_what_waits_and_since_when(sender):
    assert stored_pushes.backlog() == stored_pushes.Backlog(0, None, 0)
    db.session.rollback()
    accept(sender, event(), event(key="k2"))
    found = stored_pushes.backlog(sender.tenant_id)
    assert (found.alerts, found.set_aside) == (2, 0)
    assert found.oldest_at is not None
    assert stored_pushes.backlog(sender.tenant_id + 1).alerts == 0


def test_a_push_from_before_its_alert_was_closed_is_a_repeat_of_it(sender, worker):
    """The answer to a push was lost and it was sent again; a person was faster than the worker."""
    pushed_at = utcnow() - timedelta(seconds=30)
    accept(sender, event(), now=pushed_at)
    worker.run_due()
    db.session.execute(update(Alert).values(state=AlertState.CLOSED, ended_at=pushed_at + timedelta(seconds=20)))
    db.session.commit()

    accept(sender, event(), event(key="k2"), now=pushed_at + timedelta(seconds=10))
    worker.run_due()
    assert (count(StoredPush), count(Alert, Alert.alert_key == "k1"), count(Alert)) == (0, 1, 2)

    accept(sender, event(), now=pushed_at + timedelta(seconds=25))
    worker.run_due()
    assert count(Alert, Alert.alert_key == "k1") == 2
