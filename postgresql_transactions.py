"""Transactions on PostgreSQL in few trips: what is asked for no answer travels with what is.

Each trip there and back costs a tenth of a millisecond on a quiet machine, and on a busy one a turn on the processor
for each side. So BEGIN goes with the first statement, COMMIT with the last ones, and statements that nobody wants to
know anything of go with the next that somebody does. They are executed in the order in which they were given.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, cast

import psycopg
from flask import g
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import InvalidatePoolError

from extensions import as_sqlalchemy_says, keep_connections, seconds_left
from postgresql_waits import DEFAULTS, BriefConnection

BEGIN, COMMIT, ROLLBACK = "BEGIN", "COMMIT", "ROLLBACK"
LIMITS = "SELECT set_config('lock_timeout', $1, true), set_config('statement_timeout', $1, true)"
SURE_SECONDS = 5.0
"""For so long after its last answer a connection on which nothing has come since is taken to be there."""

Asked = tuple[str, Sequence[Any] | None]


class PatientCursor(psycopg.Cursor[Any]):
    """For SQLAlchemy: executes what waits before."""

    def execute(self, *arguments: Any, **named: Any) -> Any:
        self.connection.catch_up()  # type: ignore[attr-defined]
        return super().execute(*arguments, **named)

    def executemany(self, *arguments: Any, **named: Any) -> None:
        self.connection.catch_up()  # type: ignore[attr-defined]
        super().executemany(*arguments, **named)


class FewTrips(BriefConnection):
    """A connection whose transactions begin with begin(): without, each statement is one of its own.

    Statements are as PostgreSQL has them, with $1 for the first value.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.savepoints = 0
        self._beginning: list[Asked] = []
        self._waiting: list[Asked] = []
        self._is_begun = self._lacks_some = False
        self._answered_at = time.monotonic()

    def begin(self, seconds: float | None) -> None:
        """Nothing where a transaction has begun.

        seconds  for how long it may wait for a lock, and a statement may take; None: for ever
        """
        if self._is_begun:
            return
        self._is_begun, self.savepoints = True, 0
        self._beginning = [(BEGIN, None)]
        if seconds is not None:
            self._beginning.append((LIMITS, (f"{max(1, int(seconds * 1000))}ms",)))

    def later(self, statement: str, values: Sequence[Any]) -> None:
        """Execute it before what is asked next, or before the commit. What is wrong with it is raised there.

        Within a savepoint at once: whoever made it is to hear of it before it ends.
        """
        self._waiting.append((statement, values))
        if self.savepoints:
            self.catch_up()

    def ask(self, statement: str, values: Sequence[Any]) -> psycopg.Cursor[Any]:
        """Execute it after all that waits. Raises psycopg.Error, of whichever failed first."""
        return self._send((statement, values))

    def catch_up(self) -> None:
        """Have all that waits executed."""
        if self._beginning or self._waiting:
            self._send()

    def commit(self) -> None:
        """What fails is rolled back: SQLAlchemy takes a transaction whose commit failed for one that has ended."""
        try:
            if self._lacks_some:
                raise psycopg.errors.InFailedSqlTransaction("a statement of this transaction could not be sent")
            if self._waiting:
                self._send((COMMIT, None))
            elif self.pgconn.transaction_status != TransactionStatus.IDLE:
                super().commit()
        except BaseException:
            with suppress(psycopg.Error):
                self.rollback()
            raise
        self._end()

    def rollback(self) -> None:
        """psycopg's own forgets which statements PostgreSQL has prepared, which a rollback leaves as they are."""
        self._end()
        if self.pgconn.transaction_status == TransactionStatus.INTRANS:
            with self.lock:
                self.wait(self._exec_command(ROLLBACK))
        elif self.pgconn.transaction_status != TransactionStatus.IDLE:
            super().rollback()

    def _end(self) -> None:
        self._is_begun = self._lacks_some = False
        self._beginning, self._waiting = [], []

    def is_surely_there(self) -> bool:
        """Whether it answered a moment ago and the other side has not said since that it ends."""
        if self.closed or time.monotonic() - self._answered_at > SURE_SECONDS:
            return False
        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN)
        return not poll.poll(0)

    def wait(self, *arguments: Any, **named: Any) -> Any:
        result = super().wait(*arguments, **named)
        self._answered_at = time.monotonic()
        return result

    def _send(self, last: Asked | None = None) -> psycopg.Cursor[Any]:
        """Everything that waits, and the last; returns the last one's cursor."""
        sent = [*self._beginning, *self._waiting, *([last] if last else ())]
        self._beginning, self._waiting = [], []
        try:
            return self._execute(*sent[0]) if len(sent) == 1 else self._execute_all(sent)
        except BaseException:
            if not self._is_begun:  # no rollback follows; what was prepared may be what is wrong
                self._prepared.clear()
            elif self.pgconn.transaction_status == TransactionStatus.INTRANS:  # PostgreSQL knows of nothing wrong
                self._lacks_some = not self.savepoints
            raise

    def _execute_all(self, sent: Sequence[Asked]) -> psycopg.Cursor[Any]:
        """In one trip; returns the last one's cursor."""
        failure: psycopg.Error | None = None
        try:
            with self.pipeline():
                try:
                    for one in sent:
                        cursor = self._execute(*one)
                except psycopg.Error as error:
                    failure = error
        except psycopg.Error as error:
            raise failure or _first(error) from None
        if failure is not None:
            raise failure
        return cursor

    def _execute(self, statement: str, values: Sequence[Any] | None) -> psycopg.Cursor[Any]:
        return psycopg.RawCursor(self).execute(statement.encode(), values, prepare=values is not None)


def _first(error: BaseException) -> BaseException:
    """What made PostgreSQL skip the rest, where the rest was told first."""
    while isinstance(error, psycopg.errors.PipelineAborted) and error.__context__ is not None:
        error = error.__context__
    return error


class PostgreSQLTransactions:
    """How an engine on PostgreSQL begins and ends, with or without SQLAlchemy."""

    def is_there(self, connection: Connection) -> bool:
        return _driver(connection).is_surely_there()

    def begin(self, connection: Connection) -> None:
        """What SQLAlchemy begins with, unless writing() has begun. Who only reads waits for no lock."""
        left = seconds_left()
        _driver(connection).begin(None if left is not None and g.get("reads_only", False) else left)

    @contextmanager
    def writing(self, connection: Connection, meanwhile: Callable[[], None] | None) -> Iterator[None]:
        driver = _driver(connection)
        driver.begin(seconds_left())
        yield
        if connection.in_transaction():
            connection.commit()
        else:
            self._commit(connection, driver)
        if meanwhile is not None:
            meanwhile()

    def _commit(self, connection: Connection, driver: FewTrips) -> None:
        try:
            driver.commit()
        except psycopg.Error as error:
            raise as_sqlalchemy_says(connection, "COMMIT", error) from error

    def savepoint(self, connection: Connection, _name: str | None) -> None:
        _driver(connection).savepoints += 1

    def savepoint_ends(self, connection: Connection, _name: str, _context: None) -> None:
        if not connection.invalidated:  # a lost one has none, and would be made anew for the question
            _driver(connection).savepoints -= 1


def _driver(connection: Connection) -> FewTrips:
    driver: Any = connection.connection.dbapi_connection
    return cast(FewTrips, driver)


def tune_postgresql(engine: Engine) -> None:
    """Give an engine connections that make few trips. In the application's context."""
    transactions = PostgreSQLTransactions()
    keep_connections(engine, transactions)

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, arguments: list[Any], named: dict[str, Any]) -> FewTrips:
        return FewTrips.connect(*arguments, autocommit=True, cursor_factory=PatientCursor, **(DEFAULTS | named))

    @event.listens_for(engine, "checkout")
    def checkout(driver: FewTrips, _record: Any, _proxy: Any) -> None:
        """What SQLAlchemy does with pool_pre_ping, but for connections in steady use."""
        if driver.is_surely_there():
            return
        try:
            engine.dialect.do_ping(driver)  # type: ignore[arg-type]
        except psycopg.Error as error:
            raise InvalidatePoolError from error

    event.listen(engine, "begin", transactions.begin)
    event.listen(engine, "savepoint", transactions.savepoint)
    event.listen(engine, "release_savepoint", transactions.savepoint_ends)
    event.listen(engine, "rollback_savepoint", transactions.savepoint_ends)
