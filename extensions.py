"""The database and its engine's manners, and languages: made once, wired in ground.py. Web's own: web_extensions.py."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from flask import current_app, g, has_app_context
from flask_babel import Babel
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ColumnElement, Connection, Engine, Insert, MetaData, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import DeclarativeBase

from under_way import under_way
from write_queue import WriteQueue, queue_of

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
SQLITE_BUSY_SECONDS = 30
SQLITE_CACHE_KB = 400
"""Of each connection: the system keeps the file in memory for all of them."""
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
class _Patience:
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
    g.patience = _Patience(time.monotonic() + seconds, is_hurried)


def seconds_left() -> float | None:
    """For how long this request still waits; None if it has not said so."""
    patience = _patience()
    return None if patience is None else patience.seconds_left


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

        SQLAlchemy begins a transaction of its own at the first statement that it is given; then this ends both.
        """

    def is_there(self, connection: Connection) -> bool:
        """Whether a connection that was kept can be used without asking anybody."""


def _transactions(connection: Connection) -> Transactions:
    found: Transactions = connection.info["transactions"]
    return found


class SQLiteTransactions:
    """How an engine on SQLite begins and ends: it reads beside everybody, or is the one writer.

    The driver's own transactions are off. Writes begin with BEGIN IMMEDIATE, so two writers queue instead of
    failing, and queue in write_queue.py first. All of this talks to the driver itself: it is on every request's way.
    """

    def __init__(self, queue: WriteQueue, *, is_file: bool) -> None:
        """is_file: not a database in memory, which belongs to one thread."""
        self._queue = queue
        self._is_file = is_file

    def begin(self, connection: Connection) -> None:
        """What SQLAlchemy begins with, unless writing() has begun."""
        if "writes" in connection.info:
            return
        if has_app_context() and g.get("reads_only", False):
            _execute(connection, "BEGIN")
        else:
            self._begin_write(connection)

    def commit(self, connection: Connection) -> None:
        self._end(connection, "COMMIT")

    def rollback(self, connection: Connection) -> None:
        self._end(connection, "ROLLBACK")

    def is_there(self, connection: Connection) -> bool:
        return True

    @contextmanager
    def writing(self, connection: Connection, meanwhile: Callable[[], None] | None) -> Iterator[None]:
        self._begin_write(connection)
        try:
            yield
            if meanwhile is None:
                self._commit(connection)
            elif self._is_file and not self._queue.has_line:
                with under_way(partial(self._commit, connection)):
                    meanwhile()
            else:  # a thread that waits here has work for the processor
                self._commit(connection)
                meanwhile()
        except BaseException:
            if connection.in_transaction():
                connection.rollback()
            else:
                self.rollback(connection)
            raise

    def _commit(self, connection: Connection) -> None:
        if connection.in_transaction():
            connection.commit()
        else:
            self.commit(connection)

    def _begin_write(self, connection: Connection) -> None:
        patience = _patience() or _Patience(time.monotonic() + SQLITE_BUSY_SECONDS, is_hurried=False)
        try:
            self._queue.enter(patience.seconds_left, is_hurried=patience.is_hurried)
        except TimeoutError as error:
            raise OperationalError("BEGIN IMMEDIATE", {}, error) from error
        try:
            _wait_for_others(connection, patience.seconds_left)
            _execute(connection, "BEGIN IMMEDIATE")
        except BaseException:
            self._queue.leave()
            raise
        connection.info["writes"] = True

    def _end(self, connection: Connection, statement: str) -> None:
        """Issue it ourselves (the driver's own is a no-op without its transactions), then let go."""
        try:
            driver: Any = connection.connection.dbapi_connection
            if driver is not None and driver.in_transaction:  # a failed COMMIT may have ended it already
                _execute(connection, statement)
        finally:
            if connection.info.pop("writes", False):
                self._queue.leave()


def sqlite_file(engine: Engine) -> str | None:
    """The whole path of an SQLite database, by which its writers queue; None if it is in memory, or of another kind."""
    database = engine.url.database
    if engine.dialect.name != "sqlite" or not database or database == ":memory:":
        return None
    return str(Path(database).resolve())


def tune_sqlite(engine: Engine) -> None:
    """Give SQLite the manners of a server: WAL, full durability, foreign keys, one writer at a time."""
    file = sqlite_file(engine)
    transactions = SQLiteTransactions(queue_of(file), is_file=file is not None)

    keep_connections(engine, transactions)

    @event.listens_for(engine, "connect")
    def connect(dbapi_connection: Any, _record: Any) -> None:
        dbapi_connection.isolation_level = None
        busy = f"busy_timeout={SQLITE_BUSY_SECONDS * 1000}"
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            f"cache_size=-{SQLITE_CACHE_KB}",
            "foreign_keys=ON",
            busy,
        ):
            dbapi_connection.execute(f"PRAGMA {pragma}")

    event.listen(engine, "begin", transactions.begin)
    event.listen(engine, "commit", transactions.commit)
    event.listen(engine, "rollback", transactions.rollback)


def _patience() -> _Patience | None:
    """What this request has said, if it has. PostgreSQL asks at each statement, so not through the slow stand-in."""
    if not has_app_context():
        return None
    found: _Patience | None = g._get_current_object().get("patience")
    return found


def _wait_for_others(connection: Connection, seconds: float) -> None:
    """How long SQLite itself waits, for programs that do not know the queue. Said again only if it differs much."""
    tenths = max(1, round(seconds * 10))
    if connection.info.get("busy_tenths", SQLITE_BUSY_SECONDS * 10) != tenths:
        _execute(connection, f"PRAGMA busy_timeout={tenths * 100}")
        connection.info["busy_tenths"] = tenths


def _execute(connection: Connection, statement: str) -> None:
    driver: Any = connection.connection.dbapi_connection
    try:
        driver.execute(statement)
    except sqlite3.Error as error:
        raise as_sqlalchemy_says(connection, statement, error) from error


def as_sqlalchemy_says(connection: Connection, statement: str, error: Exception) -> Exception:
    """What SQLAlchemy would raise for an error of the driver, without the values."""
    dialect, driver = connection.dialect, connection.connection.dbapi_connection
    is_gone = dialect.is_disconnect(error, driver, None)  # type: ignore[arg-type]
    if is_gone:
        connection.invalidate(error)
    base: Any = dialect.dbapi.Error  # type: ignore[union-attr]
    return DBAPIError.instance(statement, None, error, base, connection_invalidated=is_gone, dialect=dialect)
