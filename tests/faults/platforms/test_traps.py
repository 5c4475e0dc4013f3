"""Traps that others fell into, each where it can be seen without waiting for a crash."""

from __future__ import annotations

import hmac
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import jinja2
import pytest
from flask import Flask
from sqlalchemy import delete, event, select, text

from extensions import Base, db
from jobs.handlers import HANDLERS
from jobs.runner import Runner
from models import Job, JobState
from platforms import crypto
from services import card_keys, outbox
from services.clock import utcnow
from tests.factories import default_tenant
from tests.faults.platforms.kinds import once
from tests.faults.platforms.world import World, many

GOES_AND_COMES = {"jobs", "deliveries", "receipts", "timeline_entries", "alerts", "incidents", "cards", "stored_pushes"}
LONG_AGO = timedelta(days=60)


def make_job(**values: Any) -> Job:
    now = utcnow() - LONG_AGO
    known = {"kind": "nobody's", "tenant_id": 0, "subject_id": 1, "due_at": now, "created_at": now}
    job = Job(**(known | values))
    db.session.add(job)
    db.session.commit()
    return job


@pytest.mark.parametrize("table", sorted(GOES_AND_COMES))
def test_an_id_is_never_given_out_again(table):
    """SQLite begins anew once a table is empty, unless told otherwise: then "everything up to id n" hits the unborn."""
    assert Base.metadata.tables[table].dialect_options["sqlite"]["autoincrement"] is True


def test_a_row_of_the_outbox_made_after_all_others_went_has_an_id_of_its_own(app: Flask):
    default_tenant()
    first = make_job().id
    db.session.execute(delete(Job))
    db.session.commit()
    assert make_job().id > first


def test_purging_takes_the_rows_it_found_and_none_before_them(app: Flask):
    default_tenant()
    waits_for_long = make_job(due_at=utcnow() + LONG_AGO)
    done = make_job(state=JobState.DONE, finished_at=utcnow() - LONG_AGO)
    kept, gone = waits_for_long.id, done.id
    outbox.enqueue("purge", tenant_id=0, subject_id=0, due_at=utcnow(), now=utcnow())
    db.session.commit()

    Runner(app, HANDLERS, timedelta(seconds=60)).run_due()

    left = set(db.session.scalars(select(Job.id)))
    assert kept in left and gone not in left


def statements_of(app: Flask) -> list[str]:
    """Everything that SQLite is told from now on, also what goes past SQLAlchemy."""
    told: list[str] = []
    db.session.rollback()
    db.engine.dispose()
    event.listen(db.engine, "connect", lambda driver, _: driver.set_trace_callback(told.append))
    return told


def test_an_answered_alert_survives_a_power_cut_and_writers_queue_instead_of_failing(app: Flask):
    told = statements_of(app)
    db.session.execute(text("SELECT 1"))
    assert db.session.scalar(text("PRAGMA synchronous")) == 2  # FULL
    assert db.session.scalar(text("PRAGMA journal_mode")) == "wal"
    db.session.commit()
    assert "BEGIN IMMEDIATE" in told and "BEGIN" not in told


@once
def test_what_was_answered_is_in_the_files_at_that_very_moment(world: World, tmp_path: Path):
    """As after a power cut: the files as they are at each answer, opened by somebody else. That they have reached the
    disk by then is what synchronous=FULL is for."""
    here = world.organisation(people=1)
    for number in range(1, many(4, 100) + 1):
        world.push(here)
        kept = tmp_path / f"cut-{number}"
        kept.mkdir()
        for file in world.settings.home.glob("dutybell.sqlite*"):
            if not file.name.endswith(("-shm", "-queue")):
                shutil.copy(file, kept)
        with closing(sqlite3.connect(kept / "dutybell.sqlite")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert connection.execute("SELECT count(*) FROM alerts").fetchone() == (number,)
            assert connection.execute("SELECT count(*) FROM jobs WHERE kind = 'deliver'").fetchone() == (number,)


def test_writers_of_a_process_wait_for_each_other_and_not_in_sqlite(app: Flask):
    """Its own waiting sleeps up to 100 ms a turn; a writer that waits has not even asked it."""
    told = statements_of(app)
    has_first, may_end, second_ended = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with app.app_context(), db.engine.begin():
            has_first.set()
            may_end.wait(20)

    def second() -> None:
        with app.app_context(), db.engine.begin():
            second_ended.set()

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert has_first.wait(20)
    threads[1].start()
    asked_meanwhile = told.count("BEGIN IMMEDIATE")
    may_end.set()
    assert second_ended.wait(20)
    for thread in threads:
        thread.join(20)
    assert asked_meanwhile == 1 and told.count("BEGIN IMMEDIATE") == 2


def noted(function: Callable[..., Any], calls: list[object]) -> Callable[..., Any]:
    """The same function, which leaves its arguments in `calls`."""

    def call(*arguments: Any, **named: Any) -> Any:
        calls.append(arguments)
        return function(*arguments, **named)

    return call


@once
def test_cards_and_pages_are_drawn_from_templates_that_were_compiled_before(world: World, monkeypatch):
    here = world.organisation(people=1)
    world.push(here)
    world.work()
    client = world.flask.test_client()
    client.get("/sign-in")
    compiled: list[object] = []
    monkeypatch.setattr(jinja2.Environment, "compile", noted(jinja2.Environment.compile, compiled))

    world.push(here, 5)
    world.work()
    client.get("/sign-in")

    assert len(world.arrived()) == 6 and compiled == []


def test_every_proof_of_a_callback_is_compared_in_constant_time(world: World, monkeypatch):
    """Each platform's own: signatures, and the token where there is one."""
    here = world.organisation(people=1)
    (push,) = world.push(here)
    world.work()
    compared: list[object] = []
    monkeypatch.setattr(hmac, "compare_digest", noted(hmac.compare_digest, compared))

    world.press(push, "refresh" if world.kind.capabilities().has_refresh_button else "acknowledge")

    assert len(compared) >= world.kind.proofs + 1  # the button's own key is one more


def test_what_proves_who_calls_is_compared_in_constant_time(monkeypatch):
    compared: list[object] = []
    monkeypatch.setattr(hmac, "compare_digest", noted(hmac.compare_digest, compared))
    assert crypto.same("signature", "signature") and not crypto.same("signature", "signaturf")
    assert len(compared) == 2
    assert card_keys.read("secret", card_keys.make("secret", "close", "r1"), "r1") == "close"
    assert len(compared) == 3
