"""Nobody waits for a PostgreSQL that says nothing longer than they have said."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from extensions import reading, wait_at_most, writing
from tests.conftest import make_settings, running_app
from worker import create_worker_app

LONG = text("SELECT pg_sleep(60)")


@pytest.fixture
def app(tmp_path: Path, postgresql_database: str) -> Iterator[Flask]:
    with running_app(make_settings(tmp_path, database_url=postgresql_database), create_worker_app) as app:
        yield app


def holder(on) -> int:
    return int(on.scalar(text("SELECT pg_backend_pid()")))


def test_a_connection_that_says_nothing_is_given_up(app: Flask):
    """As if it hung: it does not end the statement by itself, either."""
    with reading() as on:
        before = holder(on)
    wait_at_most(0.2)
    with pytest.raises(OperationalError, match="does not answer in time"), writing() as on:
        on.execute(text("SET LOCAL statement_timeout = 0"))
        on.execute(LONG)

    wait_at_most(30)
    with writing() as on:
        assert holder(on) != before


def test_a_look_has_a_deadline_too(app: Flask):
    wait_at_most(0.2)
    with pytest.raises(OperationalError, match="does not answer in time"), reading() as on:
        on.execute(LONG)


def test_what_postgresql_ends_by_itself_costs_no_connection(app: Flask):
    wait_at_most(30)
    with writing() as on:
        before = holder(on)
    wait_at_most(0.2)
    with pytest.raises(OperationalError, match="statement timeout"), writing() as on:
        on.execute(LONG)

    wait_at_most(30)
    with writing() as on:
        assert holder(on) == before


def test_whom_nobody_waits_for_may_take_their_time(app: Flask):
    with writing() as on:
        on.execute(text("SELECT pg_sleep(0.3)"))


def test_a_server_that_takes_connections_and_says_nothing(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql+psycopg://nobody@127.0.0.1:{silent.getsockname()[1]}/none?connect_timeout=2"
        with running_app(make_settings(tmp_path, database_url=url), create_worker_app):
            wait_at_most(0.2)
            with pytest.raises(OperationalError, match="takes no connection in time"), reading():
                pass


def test_every_connection_notices_that_the_way_is_lost(app: Flask, postgresql_database: str, tmp_path: Path):
    """Unless the operator knows better."""
    with reading() as on:
        known = on.connection.dbapi_connection.info.get_parameters()
    assert {name: known[name] for name in ("connect_timeout", "tcp_user_timeout", "keepalives_idle")} == {
        "connect_timeout": "5",
        "tcp_user_timeout": "10000",
        "keepalives_idle": "10",
    }
    own = make_settings(tmp_path, database_url=f"{postgresql_database}?tcp_user_timeout=3000")
    with running_app(own, create_worker_app), reading() as on:
        assert on.connection.dbapi_connection.info.get_parameters()["tcp_user_timeout"] == "3000"
