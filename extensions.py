"""Flask's extensions and the database engine's manners, made once and wired in app.py."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from flask import Flask, g, has_app_context
from flask_babel import Babel
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf.csrf import CSRFProtect
from sqlalchemy import Connection, Engine, Executable, MetaData, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
SQLITE_BUSY_SECONDS = 30
NOTABLE_SECONDS = 0.05


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)


Row = TypeVar("Row", bound=Base)

db = SQLAlchemy(model_class=Base, session_options={"autoflush": True, "expire_on_commit": False})
migrate = Migrate(render_as_batch=True)
csrf = CSRFProtect()
login_manager = LoginManager()
babel = Babel()
limiter = Limiter(get_remote_address)


def begin_write() -> None:
    """Turn a request that reads (GET) into one that writes, before its first write.

    SQLite cannot upgrade a read transaction safely, so what was read so far is let go. No effect elsewhere.
    """
    db.session.rollback()
    g.reads_only = False


def wait_at_most(seconds: float) -> None:
    """Let this request wait for SQLite's write lock no longer than that: somebody counts the seconds.

    What takes longer raises OperationalError, with nothing stored. No effect elsewhere.
    """
    g.busy_seconds = seconds


def insert_once(model: type[Row], values: dict[str, Any], *, key: tuple[str, ...]) -> Row | None:
    """Insert a row unless one with the same unique `key` (column names) is there: then None. One statement.

    It waits for another transaction that is inserting the same. Both databases know the clause under their own name.
    """
    return db.session.scalars(_insert_once(db.engine.dialect.name, model, key), values).one_or_none()


def insert_unless_there(on: Connection, model: type[Base], key: tuple[str, ...]) -> Executable:
    """The statement that inserts a row unless one with the same unique `key` (column names) is there."""
    return _insert_unless_there(on.dialect.name, model, key)


@cache
def _insert_unless_there(dialect: str, model: type[Base], key: tuple[str, ...]) -> Executable:
    insert: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement: Executable = insert(model.__table__).on_conflict_do_nothing(index_elements=key)
    return statement


@cache
def _insert_once(dialect: str, model: type[Row], key: tuple[str, ...]) -> Executable:
    insert: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement: Executable = insert(model).on_conflict_do_nothing(index_elements=key).returning(model)
    return statement


@contextmanager
def read_only() -> Iterator[None]:
    """Read without taking SQLite's write lock; for loops that mostly find nothing to do."""
    before = g.get("reads_only", False)
    g.reads_only = True
    try:
        yield
    finally:
        db.session.rollback()
        g.reads_only = before


@contextmanager
def reading() -> Iterator[Connection]:
    """A short look at the database beside the session."""
    before = g.get("reads_only", False)
    g.reads_only = True
    try:
        with db.engine.connect() as connection:
            yield connection
    finally:
        g.reads_only = before


@contextmanager
def writing() -> Iterator[Connection]:
    """A transaction of statements, committed at the end: for paths that have no time for the session's unit of work.

    What the session holds is let go first.
    """
    if db.session.registry.has():
        db.session.rollback()
    g.reads_only = False
    with db.engine.begin() as connection:
        yield connection


def tune_sqlite(app: Flask, engine: Engine) -> None:
    """Give SQLite the manners of a server: WAL, full durability, foreign keys, one writer at a time.

    The driver's own transactions are off. Writes begin with BEGIN IMMEDIATE, so two writers queue instead of
    failing, and queue in this process on a lock first: SQLite's own waiting sleeps up to 100 ms a turn.
    """
    writer = threading.Lock()

    @event.listens_for(engine, "connect")
    def connect(dbapi_connection: Any, _record: Any) -> None:
        dbapi_connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={SQLITE_BUSY_SECONDS * 1000}",
        ):
            dbapi_connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if has_app_context() and g.get("reads_only", False):
            connection.exec_driver_sql("BEGIN")
            return
        seconds = g.get("busy_seconds", SQLITE_BUSY_SECONDS) if has_app_context() else SQLITE_BUSY_SECONDS
        began = time.monotonic()
        if not writer.acquire(timeout=seconds):
            raise OperationalError("BEGIN IMMEDIATE", {}, TimeoutError("database is locked"))
        waited = time.monotonic() - began
        if waited > NOTABLE_SECONDS:  # both queues together keep the promise of wait_at_most
            seconds = max(0.0, seconds - waited)
        try:
            if connection.info.get("busy_seconds", SQLITE_BUSY_SECONDS) != seconds:
                connection.exec_driver_sql(f"PRAGMA busy_timeout={int(seconds * 1000)}")
                connection.info["busy_seconds"] = seconds
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except BaseException:
            writer.release()
            raise
        connection.info["writes"] = True

    def end(connection: Connection) -> None:
        if connection.info.pop("writes", False):
            writer.release()

    event.listen(engine, "commit", _after("COMMIT", end))
    event.listen(engine, "rollback", _after("ROLLBACK", end))


def _after(statement: str, end: Any) -> Any:
    """Issue COMMIT or ROLLBACK ourselves (the driver's own is a no-op without its transactions), then let go."""

    def listener(connection: Connection) -> None:
        try:
            driver: Any = connection.connection.dbapi_connection
            if driver is not None and driver.in_transaction:  # a failed COMMIT may have ended it already
                connection.exec_driver_sql(statement)
        finally:
            end(connection)

    return listener
