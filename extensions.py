"""The database, how it is read and written, and languages: made once, wired in ground.py. Web's: web_extensions.py."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, TypeVar

from flask import current_app, g, has_app_context
from flask_babel import Babel
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ColumnElement, Connection, Engine, Insert, MetaData, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
CONNECTIONS_KEPT = 2


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)


Row = TypeVar("Row", bound=Base)

db = SQLAlchemy(model_class=Base, session_options={"autoflush": True, "expire_on_commit": False})
babel = Babel()


def begin_write() -> None:
    """Turn a request that reads (GET) into one that writes, before its first write.

    SQLite cannot upgrade a read transaction safely, so what was read so far is let go. No effect elsewhere.
    """
    db.session.rollback()
    g.reads_only = False


@dataclass(frozen=True, slots=True)
class Patience:
    """until: by the monotonic clock."""

    until: float
    is_hurried: bool

    @property
    def seconds_left(self) -> float:
        return max(0.0, self.until - time.monotonic())


def wait_at_most(seconds: float, *, is_hurried: bool = False) -> None:
    """Let this request wait for the database until so many seconds from now, and no longer: somebody counts them.

    For its turn to write on SQLite; for locks, statements and an answer at all on PostgreSQL (postgresql_waits.py).
    What takes longer raises OperationalError, with nothing stored.
    is_hurried  on SQLite it writes before all that are not
    """
    g.patience = Patience(time.monotonic() + seconds, is_hurried)


def patience() -> Patience | None:
    """What this request has said, if it has. PostgreSQL asks at each statement, so not through the slow stand-in."""
    if not has_app_context():
        return None
    found: Patience | None = g._get_current_object().get("patience")
    return found


def seconds_left() -> float | None:
    """For how long this request still waits; None if it has not said so."""
    found = patience()
    return None if found is None else found.seconds_left


def insert_once(model: type[Row], values: dict[str, Any], *, key: tuple[str, ...]) -> Row | None:
    """Insert a row unless one with the same unique `key` (column names) is there: then None. One statement.

    It waits for another transaction that is inserting the same.
    """
    statement = _unless_there(db.engine.dialect.name, model, key).returning(model)
    return db.session.scalars(statement, values).one_or_none()


def insert_unless_there(on: Connection, model: type[Base], key: tuple[str, ...]) -> Insert:
    """The statement that inserts a row unless one with the same unique `key` (column names) is there."""
    statement: Insert = _unless_there(on.dialect.name, model.__table__, key)
    return statement


def insert_into(dialect: str, table: Any) -> Any:
    """An INSERT that knows ON CONFLICT, a clause that both databases have under their own name."""
    return (postgresql if dialect == "postgresql" else sqlite).insert(table)


@cache
def _unless_there(dialect: str, table: Any, key: tuple[str, ...]) -> Any:
    return insert_into(dialect, table).on_conflict_do_nothing(index_elements=key)


def unindexed(column: Any) -> ColumnElement[int]:
    """A number by which no row is looked for, only compared.

    Without statistics, which SQLite is never given and PostgreSQL's new tables lack for a minute, a database may take
    of two indexes the one whose values half of the table shares.
    """
    value: ColumnElement[int] = column + 0
    return value


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
    """A short look at the database beside the session.

    Each Statement (services/statements.py) sees what is there when it runs; what SQLAlchemy executes is one
    transaction.
    """
    before = g.get("reads_only", False)
    g.reads_only = True
    try:
        with _kept_open() as connection:
            yield connection
            if connection.in_transaction():
                connection.rollback()
    finally:
        g.reads_only = before


@contextmanager
def writing(meanwhile: Callable[[], None] | None = None) -> Iterator[Connection]:
    """A transaction of statements, committed at the end: for paths that have no time for the session's unit of work.

    What the session holds is let go first.
    meanwhile  asks no database; called once all is given to the database, on SQLite while its disk is waited for, so
               it may prepare what is not to leave before the commit
    """
    if db.session.registry.has():
        db.session.rollback()
    g.reads_only = False
    with _kept_open() as connection, _transactions(connection).writing(connection, meanwhile):
        yield connection


@contextmanager
def _kept_open() -> Iterator[Connection]:
    """A connection, closed after an exception.

    Else it stays open for the next one: to take it from the pool and give it back takes longer than half of the
    statements.
    """
    kept: list[Connection] = current_app.extensions["connections_kept"]
    try:
        connection = kept.pop()
    except IndexError:
        connection = db.engine.connect()
    if not _transactions(connection).is_there(connection):
        connection.close()  # the pool finds out more
        connection = db.engine.connect()
    try:
        yield connection
    except BaseException:
        connection.close()
        raise
    if len(kept) < CONNECTIONS_KEPT:
        kept.append(connection)
    else:
        connection.close()


def keep_connections(engine: Engine, transactions: Transactions) -> None:
    """Have this engine's connections begin and end like that, and a few of them kept open for the next one.

    In the application's context: they are kept until the engine is disposed of.
    """
    kept: list[Connection] = current_app.extensions.setdefault("connections_kept", [])

    @event.listens_for(engine, "connect")
    def connect(_driver: Any, record: Any) -> None:
        record.info["transactions"] = transactions

    @event.listens_for(engine, "engine_disposed")
    def close_kept(_engine: Engine) -> None:
        while kept:
            connection = kept.pop()
            connection.detach()  # from a pool that is gone
            connection.close()


class Transactions(Protocol):
    """How the transactions of an engine's connections begin and end."""

    def writing(self, connection: Connection, meanwhile: Callable[[], None] | None) -> AbstractContextManager[None]:
        """connection.begin() without its hundred calls, for who gives SQLAlchemy few statements or none.

        SQLAlchemy begins a transaction of its own at the first statement that it is given; then this ends both. After
        an exception the connection is closed, which undoes what is left.
        """

    def is_there(self, connection: Connection) -> bool:
        """Whether a connection that was kept can be used without asking anybody."""


def _transactions(connection: Connection) -> Transactions:
    found: Transactions = connection.info["transactions"]
    return found


def as_sqlalchemy_says(connection: Connection, statement: str, error: Exception) -> Exception:
    """What SQLAlchemy would raise for an error of the driver, without the values."""
    dialect, driver = connection.dialect, connection.connection.dbapi_connection
    is_gone = dialect.is_disconnect(error, driver, None)  # type: ignore[arg-type]
    if is_gone:
        connection.invalidate(error)
    base: Any = dialect.dbapi.Error  # type: ignore[union-attr]
    return DBAPIError.instance(statement, None, error, base, connection_invalidated=is_gone, dialect=dialect)
