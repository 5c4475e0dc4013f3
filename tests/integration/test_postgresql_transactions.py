"""What waits to be executed on PostgreSQL is executed in its order, as part of its transaction, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import Connection, bindparam, func, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from extensions import db, reading, wait_at_most, writing
from models import Tenant
from postgresql_transactions import SURE_SECONDS
from services.statements import Statement, inserting
from tests.conftest import make_settings, running_app
from tests.noted import noted
from worker import create_worker_app

NOW = datetime(2026, 3, 2, 9, 31, tzinfo=UTC)
ADD = inserting(Tenant, "name", "house_number", "created_at")
NAMES = Statement(select(Tenant.name).where(Tenant.id != 0).order_by(Tenant.name))
RENAME = Statement(update(Tenant).where(Tenant.name == bindparam("old")).values(name=bindparam("new")))
END = text("SELECT pg_backend_pid()")
MINE = Statement(select(func.pg_backend_pid()))


@pytest.fixture
def app(tmp_path: Path, postgresql_database: str) -> Iterator[Flask]:
    with running_app(make_settings(tmp_path, database_url=postgresql_database), create_worker_app) as app:
        yield app


def add(on: Connection, name: str, house_number: str) -> None:
    ADD.later(on, {"name": name, "house_number": house_number, "created_at": NOW})


def names() -> list[str]:
    """Of the organisations that another transaction sees."""
    with db.engine.connect() as other:
        return [row[0] for row in NAMES.rows(other, {})]


def plain_url() -> str:
    return db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


def end(backend: Any) -> None:
    """Have PostgreSQL end a connection, as it does all of them when it stops."""
    with psycopg.connect(plain_url()) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (backend,))


def test_who_asks_sees_what_was_to_be_done_before(app: Flask):
    with writing() as on:
        add(on, "星河科技", "XH0001")
        RENAME.later(on, {"old": "星河科技", "new": "星河集团"})
        add(on, "北辰物流", "BC0001")
        assert NAMES.rows(on, {}) == [["北辰物流"], ["星河集团"]]
        assert RENAME.run(on, {"old": "星河集团", "new": "星河"}) == 1
        assert names() == []

    assert names() == ["北辰物流", "星河"]


def test_sqlalchemy_sees_it_too(app: Flask):
    with writing() as on:
        add(on, "星河科技", "XH0001")
        assert on.scalar(text("SELECT count(*) FROM tenants WHERE id <> 0")) == 1
        add(on, "北辰物流", "BC0001")
    add(db.session.connection(), "云海", "YH0001")
    assert db.session.scalar(select(Tenant.name).where(Tenant.house_number == "YH0001")) == "云海"
    db.session.commit()

    assert names() == ["云海", "北辰物流", "星河科技"]


def test_a_transaction_that_only_writes_makes_one_trip(app: Flask):
    with noted() as seen, writing() as on:
        add(on, "星河科技", "XH0001")
        add(on, "北辰物流", "BC0001")
        assert seen == []

    assert [one.text.split(maxsplit=1)[0] for one in seen] == ["BEGIN", "INSERT", "INSERT", "COMMIT"]


def test_a_transaction_in_which_nothing_is_asked_makes_none(app: Flask):
    db.session.connection()
    with noted() as seen:
        db.session.commit()
        with writing():
            pass
    assert seen == []


@pytest.mark.parametrize("is_followed", [False, True])
def test_what_fails_late_says_what_was_wrong_and_leaves_nothing(app: Flask, is_followed: bool):
    """Whatever PostgreSQL skips because of it."""
    for _ in range(20):
        with pytest.raises(IntegrityError, match="uq_tenants_house_number"), writing() as on:
            add(on, "星河科技", "XH0001")
            add(on, "北辰物流", "XH0001")
            for number in range(10):
                add(on, "云海", f"YH{number:04}")
            if is_followed:
                NAMES.rows(on, {})

    assert names() == []
    with writing() as on:
        add(on, "星河科技", "XH0001")
    assert names() == ["星河科技"]


@pytest.mark.parametrize("is_of_session", [False, True])
def test_what_was_wrong_in_a_savepoint_is_undone_with_it(app: Flask, is_of_session: bool):
    on = db.session.connection()
    add(on, "星河科技", "XH0001")
    with pytest.raises(IntegrityError), (db.session if is_of_session else on).begin_nested():
        add(db.session.connection(), "北辰物流", "XH0001")
    add(on, "云海", "YH0001")
    with noted() as seen:
        db.session.commit()
        assert [one.text.split(maxsplit=1)[0] for one in seen] == ["INSERT", "COMMIT"]

    assert names() == ["云海", "星河科技"]


def test_what_was_done_in_a_savepoint_that_is_left_is_undone(app: Flask):
    on = db.session.connection()
    add(on, "星河科技", "XH0001")
    with pytest.raises(ZeroDivisionError), db.session.begin_nested():
        add(db.session.connection(), "北辰物流", "BC0001")
        raise ZeroDivisionError
    db.session.commit()

    assert names() == ["星河科技"]


def test_what_waits_when_a_transaction_is_left_is_not_done(app: Flask):
    with pytest.raises(ZeroDivisionError), writing() as on:
        add(on, "星河科技", "XH0001")
        raise ZeroDivisionError
    add(db.session.connection(), "北辰物流", "BC0001")
    db.session.rollback()
    db.session.execute(text("SELECT 1"))
    db.session.commit()

    assert names() == []


def test_what_is_prepared_outlives_a_rollback(app: Flask):
    prepared = text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT tenants.name%'")
    with db.engine.connect() as on:
        on.begin()
        NAMES.rows(on, {})
        assert on.scalar(prepared) == 1
        on.rollback()
        assert on.scalar(prepared) == 1


def test_who_waits_for_a_lock_gives_up_in_time(app: Flask):
    with writing() as on:
        add(on, "星河科技", "XH0001")
    with db.engine.connect() as other:
        other.execute(text("SELECT id FROM tenants FOR UPDATE"))
        wait_at_most(0.2)
        with pytest.raises(OperationalError, match=r"(lock|statement) timeout"), writing() as on:
            RENAME.later(on, {"old": "星河科技", "new": "星河集团"})
    wait_at_most(30)
    with writing() as on:
        assert RENAME.run(on, {"old": "星河科技", "new": "星河"}) == 1


def test_a_connection_that_postgresql_has_ended_is_not_used_again(app: Flask):
    with writing() as on:
        kept = MINE.rows(on, {})[0][0]
    pooled = db.session.scalar(MINE.statement)
    db.session.rollback()
    end(kept)
    end(pooled)

    with writing() as on:
        add(on, "星河科技", "XH0001")
    assert db.session.scalar(MINE.statement) not in {kept, pooled}
    assert names() == ["星河科技"]


@pytest.mark.parametrize("is_asked", [False, True])
def test_a_connection_that_ends_meanwhile_is_said_to_be_gone(app: Flask, is_asked: bool):
    with pytest.raises(DBAPIError) as told, writing() as on:
        add(on, "星河科技", "XH0001")
        end(MINE.rows(on, {})[0][0])
        add(on, "北辰物流", "BC0001")
        if is_asked:
            NAMES.rows(on, {})

    assert told.value.connection_invalidated
    assert names() == []
    with writing() as on:
        add(on, "星河科技", "XH0001")
    assert names() == ["星河科技"]


def test_a_look_by_statements_is_no_transaction(app: Flask):
    state: Any = text("SELECT state FROM pg_stat_activity WHERE pid = :backend")
    with reading() as on:
        [[backend]] = MINE.rows(on, {})
        with db.engine.connect() as other:
            assert other.scalar(state, {"backend": backend}) == "idle"


def test_a_connection_that_ends_within_a_savepoint_is_said_to_be_gone(app: Flask):
    with pytest.raises(DBAPIError) as told, db.session.begin_nested():
        end(db.session.scalar(MINE.statement))
        db.session.execute(text("SELECT 1"))
    db.session.rollback()

    assert told.value.connection_invalidated
    assert db.session.scalar(text("SELECT 1")) == 1


def test_what_went_wrong_is_told_even_if_the_connection_has_ended_since(app: Flask):
    with pytest.raises(ZeroDivisionError), writing() as on:
        end(MINE.rows(on, {})[0][0])
        raise ZeroDivisionError

    with reading() as on:
        assert NAMES.rows(on, {}) == []


def test_a_connection_that_was_long_idle_is_asked_whether_it_is_there(app: Flask):
    with reading() as on:
        driver: Any = on.connection.dbapi_connection
    with noted() as seen, reading() as on:
        NAMES.rows(on, {})
    assert len(seen) == 1

    driver._answered_at -= 2 * SURE_SECONDS
    with noted() as seen, reading() as on:
        assert on.connection.dbapi_connection is driver
        NAMES.rows(on, {})
    assert len(seen) == 2


@pytest.mark.parametrize("wrong", ["北辰物流", "北辰\0物流"], ids=["for the database", "for the driver"])
def test_nothing_of_a_commit_that_fails_is_left_to_whoever_uses_the_connection_next(app: Flask, wrong: str):
    with db.engine.connect() as on:
        on.begin()
        add(on, "星河科技", "XH0001")
        add(on, wrong, "XH0001")
        with pytest.raises(DBAPIError):
            on.commit()

    with db.engine.connect() as on:
        on.execute(text("SELECT 1"))
        on.commit()
    assert names() == []


def test_a_transaction_that_lacks_a_statement_is_not_committed(app: Flask):
    """Whoever asked next heard of it, and went on all the same."""
    with pytest.raises(DBAPIError, match="could not be sent"), writing() as on:
        add(on, "星河科技", "XH0001")
        add(on, "北辰\0物流", "BC0001")
        with pytest.raises(DBAPIError, match="NUL"):
            NAMES.rows(on, {})

    assert names() == []


def test_what_was_prepared_before_a_column_changed_is_forgotten(app: Flask):
    """As an upgrade does while others read."""
    with reading() as on:
        assert NAMES.rows(on, {}) == []
    with psycopg.connect(plain_url(), autocommit=True) as other:
        other.execute("ALTER TABLE tenants ALTER COLUMN name TYPE text")

    with pytest.raises(DBAPIError), reading() as on:
        NAMES.rows(on, {})
    with reading() as on:
        assert NAMES.rows(on, {}) == []
