"""Every test of a service gets a database of its own, of each kind the product runs on."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, bindparam, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError

from extensions import db, reading, wait_at_most, writing
from models import Tenant
from services.statements import Statement, inserting
from sqlite_transactions import sqlite_file
from write_queue import WriteQueue, queue_of

NOW = datetime(2026, 3, 2, 9, 31, tzinfo=UTC)
ADD = inserting(Tenant, "name", "house_number", "created_at")
HOUSES = Statement(select(Tenant.house_number).where(Tenant.id != 0).order_by(Tenant.id))
RENAMED = Statement(update(Tenant).where(Tenant.house_number == bindparam("of_house")).values(name="!"))
ORPHAN = "INSERT INTO receipts (tenant_id, scope, key, at) VALUES (4711, 'x', 'x', '2026-03-02 09:31')"
RENAME = text("UPDATE tenants SET name = name || '!' WHERE name = '星河科技'")


def names() -> list[str]:
    """Of the organisations that another transaction sees."""
    with db.engine.connect() as other:
        return sorted(other.scalars(text("SELECT name FROM tenants WHERE id <> 0")))


def add(on: Connection, name: str, house_number: str) -> None:
    ADD.run(on, {"name": name, "house_number": house_number, "created_at": NOW})


@pytest.mark.parametrize("name", ["星河科技", "北辰物流"])
def test_a_test_sees_only_what_it_wrote_itself(app, name):
    db.session.add(Tenant(name=name, house_number="XH0001", created_at=NOW))
    db.session.commit()

    written = db.session.scalars(select(Tenant)).all()

    assert [(tenant.name, tenant.created_at) for tenant in written if tenant.id] == [(name, NOW)]


def test_somebody_with_a_deadline_gives_up_in_time(app):
    db.session.add(Tenant(name="星河科技", house_number="XH0001", created_at=NOW))
    db.session.commit()
    held = "SELECT id FROM tenants FOR UPDATE" if db.engine.dialect.name == "postgresql" else "SELECT 1"
    with db.engine.connect() as other:  # on SQLite its mere beginning keeps other writers out
        other.execute(text(held))
        wait_at_most(0.2)
        began = time.monotonic()
        with pytest.raises(OperationalError):
            db.session.execute(text("UPDATE tenants SET name = 'x'"))
        assert time.monotonic() - began < 5
    db.session.rollback()
    wait_at_most(10)  # nothing is left of the first: a millisecond for the statement
    db.session.execute(text("UPDATE tenants SET name = 'x'"))


@pytest.mark.parametrize("asks_sqlalchemy", [False, True])
def test_a_transaction_of_statements_is_kept_as_a_whole(app, asks_sqlalchemy: bool):
    for name, house_number in (("星河科技", "XH0001"), ("北辰物流", "BC0001")):
        with writing() as on:
            add(on, name, house_number)
            if asks_sqlalchemy:
                on.execute(RENAME)

    assert names() == sorted(["北辰物流", "星河科技" + ("!" if asks_sqlalchemy else "")])


@pytest.mark.parametrize("asks_sqlalchemy", [False, True])
def test_a_transaction_of_statements_that_fails_leaves_nothing_and_holds_nothing(app, asks_sqlalchemy: bool):
    for _ in range(2):
        with pytest.raises(IntegrityError), writing() as on:
            add(on, "星河科技", "XH0001")
            if asks_sqlalchemy:
                on.execute(RENAME)
            add(on, "北辰物流", "XH0001")

    assert names() == []
    wait_at_most(0.2)
    db.session.add(Tenant(name="星河科技", house_number="XH0001", created_at=NOW))
    db.session.commit()
    assert names() == ["星河科技"]


def test_what_is_done_meanwhile_comes_once_all_is_written(app):
    done: list[str] = []
    for asks_sqlalchemy, house_number in ((False, "XH0001"), (True, "BC0001")):
        with writing(meanwhile=lambda: done.append("meanwhile")) as on:
            add(on, "星河科技", house_number)
            if asks_sqlalchemy:
                on.execute(RENAME)
            done.append("written")

    assert done == ["written", "meanwhile"] * 2
    assert names() == ["星河科技!", "星河科技!"]


def test_nothing_is_done_meanwhile_for_a_transaction_that_fails(app):
    done: list[str] = []
    with pytest.raises(IntegrityError), writing(meanwhile=lambda: done.append("meanwhile")) as on:
        add(on, "星河科技", "XH0001")
        add(on, "北辰物流", "XH0001")

    assert [done, names()] == [[], []]


def test_what_fails_meanwhile_undoes_nothing_and_holds_nothing(app):
    def fail() -> None:
        raise ZeroDivisionError

    for house_number in ("XH0001", "BC0001"):
        with pytest.raises(ZeroDivisionError), writing(meanwhile=fail) as on:
            add(on, house_number, house_number)

    assert names() == ["BC0001", "XH0001"]


def test_a_commit_that_fails_raises_whatever_was_done_meanwhile(app):
    if db.engine.dialect.name != "sqlite":
        pytest.skip("its foreign keys are looked at with each statement")
    done: list[str] = []
    with pytest.raises(IntegrityError), writing(meanwhile=lambda: done.append("meanwhile")) as on:
        driver: Any = on.connection.dbapi_connection
        driver.execute("PRAGMA defer_foreign_keys = ON")
        driver.execute(ORPHAN)
        done.append("written")
    assert "written" in done
    wait_at_most(0.2)
    with writing() as on:
        add(on, "星河科技", "XH0001")

    assert names() == ["星河科技"]


@pytest.mark.parametrize("asks_sqlalchemy", [False, True])
@pytest.mark.parametrize("meanwhile_fails", [False, True])
@pytest.mark.parametrize("commit_fails", [False, True])
def test_the_queue_of_writers_is_left_once(
    app, monkeypatch: pytest.MonkeyPatch, commit_fails: bool, meanwhile_fails: bool, asks_sqlalchemy: bool
):
    file = sqlite_file(db.engine)
    if file is None:
        pytest.skip("on PostgreSQL writers do not queue")
    passed: list[str] = []
    enter, leave = WriteQueue.enter, WriteQueue.leave

    def entering(self: WriteQueue, seconds: float, *, is_hurried: bool = False) -> None:
        passed.append("enter")
        enter(self, seconds, is_hurried=is_hurried)

    def leaving(self: WriteQueue) -> None:
        passed.append("leave")
        leave(self)

    monkeypatch.setattr(WriteQueue, "enter", entering)
    monkeypatch.setattr(WriteQueue, "leave", leaving)

    def meanwhile() -> None:
        if meanwhile_fails:
            raise ZeroDivisionError

    error = IntegrityError if commit_fails else ZeroDivisionError
    with (
        pytest.raises(error) if commit_fails or meanwhile_fails else nullcontext(),
        writing(meanwhile=meanwhile) as on,
    ):
        driver: Any = on.connection.dbapi_connection
        driver.execute("PRAGMA defer_foreign_keys = ON")
        add(on, "星河科技", "XH0001")
        if asks_sqlalchemy:
            on.execute(RENAME)
        if commit_fails:
            driver.execute(ORPHAN)
    with writing() as on:
        add(on, "北辰物流", "BC0001")

    assert sorted(passed) == ["enter"] * 2 + ["leave"] * 2
    assert not queue_of(file)._is_taken
    assert names() == sorted(["北辰物流"] + ([] if commit_fails else ["星河科技" + ("!" if asks_sqlalchemy else "")]))


def test_who_waits_to_write_does_not_wait_for_what_is_done_meanwhile(app):
    came, wrote = threading.Event(), []

    def write_too() -> None:
        with app.app_context(), writing() as on:
            add(on, "北辰物流", "BC0001")
        came.set()

    other = threading.Thread(target=write_too)
    with writing(meanwhile=lambda: wrote.append(came.wait(20))) as on:
        add(on, "星河科技", "XH0001")
        other.start()
    other.join()

    assert wrote == [True]


def test_a_look_beside_the_session_sees_what_is_there_when_it_asks(app):
    with reading() as on:
        before = HOUSES.rows(on, {})
        with writing() as other:
            add(other, "星河科技", "XH0001")
        after = HOUSES.rows(on, {})

    assert [list(before), [tuple(row) for row in after]] == [[], [("XH0001",)]]


def test_a_look_through_sqlalchemy_holds_nothing_afterwards(app):
    for house_number in ("XH0001", "BC0001"):
        with reading() as on:
            on.execute(select(Tenant.id)).all()
        with writing() as other:
            add(other, house_number, house_number)
            RENAMED.run(other, {"of_house": house_number})
        with reading() as on:
            assert on.scalar(select(Tenant.name).where(Tenant.house_number == house_number)) == "!"


def test_a_look_that_fails_spoils_none_after_it(app):
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), reading() as on:
            on.execute(select(Tenant.id)).all()
            raise ZeroDivisionError
    with reading() as on:
        assert list(HOUSES.rows(on, {})) == []


def test_no_connection_outlives_its_engine(app):
    with reading() as on:
        driver: Any = on.connection.dbapi_connection
    db.session.remove()

    db.engine.dispose()

    with pytest.raises((sqlite3.ProgrammingError, psycopg.OperationalError), match="closed"):
        driver.execute("SELECT 1")
    with reading() as on:
        assert list(HOUSES.rows(on, {})) == []
