"""Transactions on SQLite: everybody reads beside everybody, and one writes."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import g, has_app_context
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import OperationalError

from extensions import Patience, as_sqlalchemy_says, keep_connections, patience
from under_way import make_both
from write_queue import WriteQueue, queue_of

BUSY_SECONDS = 30
CACHE_KB = 400
"""Of each connection: the system keeps the file in memory for all of them."""


class SQLiteTransactions:
    """How those of an engine begin and end.

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
            if meanwhile is not None and self._is_file and not self._queue.has_line:
                self._commit_under_way(connection, meanwhile)
            else:  # a thread that waits here has work for the processor
                self._commit(connection)
                if meanwhile is not None:
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

    def _commit_under_way(self, connection: Connection, meanwhile: Callable[[], None]) -> None:
        """Whoever asked goes on once the disk has it, while the queue is left behind them."""
        if connection.in_transaction():
            make_both(connection.commit, meanwhile)
            return

        def commit() -> None:
            _execute(connection, "COMMIT")
            del connection.info["writes"]

        make_both(commit, meanwhile, afterwards=self._queue.leave)

    def _begin_write(self, connection: Connection) -> None:
        mine = patience() or Patience(time.monotonic() + BUSY_SECONDS, is_hurried=False)
        try:
            self._queue.enter(mine.seconds_left, is_hurried=mine.is_hurried)
        except TimeoutError as error:
            raise OperationalError("BEGIN IMMEDIATE", {}, error) from error
        try:
            _wait_for_others(connection, mine.seconds_left)
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
        busy = f"busy_timeout={BUSY_SECONDS * 1000}"
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            f"cache_size=-{CACHE_KB}",
            "foreign_keys=ON",
            busy,
        ):
            dbapi_connection.execute(f"PRAGMA {pragma}")

    event.listen(engine, "begin", transactions.begin)
    event.listen(engine, "commit", transactions.commit)
    event.listen(engine, "rollback", transactions.rollback)


def _wait_for_others(connection: Connection, seconds: float) -> None:
    """How long SQLite itself waits, for programs that do not know the queue. Said again only if it differs much."""
    tenths = max(1, round(seconds * 10))
    if connection.info.get("busy_tenths", BUSY_SECONDS * 10) != tenths:
        _execute(connection, f"PRAGMA busy_timeout={tenths * 100}")
        connection.info["busy_tenths"] = tenths


def _execute(connection: Connection, statement: str) -> None:
    driver: Any = connection.connection.dbapi_connection
    try:
        driver.execute(statement)
    except sqlite3.Error as error:
        raise as_sqlalchemy_says(connection, statement, error) from error
