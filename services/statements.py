"""Statements for the shortest paths: rendered once, then run on SQLite's own cursor.

SQLAlchemy spends 40 to 60 µs on each execution of a statement that SQLite answers in 5. A press on a card has ten of
them and a budget of a millisecond, so there they are rendered once, with the conversions of their values. On other
databases, whose answer has to travel, SQLAlchemy executes them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from json import JSONDecoder
from typing import Any

from sqlalchemy import JSON, Connection, Executable, bindparam, insert
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from models import EnumText, UtcDateTime

Convert = Callable[[Any], Any]


class Statement:
    """A select, insert or update whose changing values are named parameters."""

    def __init__(self, statement: Any) -> None:
        self.statement: Executable = statement
        self._rendered: _Rendered | None = None

    def rows(self, on: Connection, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """What a select finds."""
        if on.dialect.name != "sqlite":
            return on.execute(self.statement, values).all()
        rendered = self._render(on.dialect)
        cursor = rendered.execute(on, values)
        return [rendered.converted(row) for row in cursor.fetchall()]

    def run(self, on: Connection, values: Mapping[str, Any]) -> int:
        """Execute it and return how many rows it met."""
        if on.dialect.name != "sqlite":
            return on.execute(self.statement, values).rowcount
        return self._render(on.dialect).execute(on, values).rowcount

    def rows_each(self, on: Connection, rows: Sequence[Mapping[str, Any]]) -> Sequence[Sequence[Any]]:
        """What executing it once for each of the rows returns, in any order: for an insert with RETURNING."""
        if on.dialect.name != "sqlite":
            return on.execute(self.statement, rows).all()
        return [found for values in rows for found in self.rows(on, values)]

    def run_each(self, on: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute it once for each of the rows."""
        if on.dialect.name != "sqlite":
            on.execute(self.statement, rows)
            return
        rendered = self._render(on.dialect)
        for values in rows:
            rendered.execute(on, values)

    def prepare(self, on: Connection) -> None:
        """Render it now, not at its first execution."""
        if on.dialect.name == "sqlite":
            self._render(on.dialect)

    def _render(self, dialect: Dialect) -> _Rendered:
        if self._rendered is None:
            self._rendered = _Rendered(self.statement, dialect)
        return self._rendered


def inserting(table: Any, *names: str, returning: Sequence[str] = ()) -> Statement:
    """The insertion of one row with these columns; the others have their defaults."""
    statement = insert(table.__table__).values({name: bindparam(name) for name in names})
    return Statement(statement.returning(*(table.__table__.c[name] for name in returning)) if returning else statement)


class _Rendered:
    """The text of a statement with what turns values into SQLite's and back.

    fixed     the values of all parameters, as far as they are part of the statement
    changing  those that are not: position, name and conversion
    results   the columns that are converted, by their position
    """

    def __init__(self, statement: Executable, dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
        self.text = str(compiled)
        self.fixed: list[Any] = []
        self.changing: list[tuple[int, str, Convert | None]] = []
        defaults = {column.key: column.default for column in compiled.insert_prefetch or ()}
        for position, name in enumerate(compiled.positiontup):
            bound = compiled.binds[name]
            convert = _to_sqlite(bound.type, dialect)
            if name in defaults:
                default = defaults[name].arg if defaults[name].is_scalar else defaults[name].arg({})
                self.fixed.append(convert(default) if convert else default)
            elif bound.required:
                self.changing.append((position, name, convert))
                self.fixed.append(None)
            else:
                self.fixed.append(convert(bound.effective_value) if convert else bound.effective_value)
        columns: Any = getattr(statement, "exported_columns", ())  # of a select, or of what is returned
        found = enumerate(_from_sqlite(column.type, dialect) for column in columns)
        self.results = [(position, convert) for position, convert in found if convert is not None]

    def execute(self, on: Connection, values: Mapping[str, Any]) -> Any:
        given = self.fixed.copy()
        for position, name, convert in self.changing:
            given[position] = convert(values[name]) if convert else values[name]
        driver: Any = on.connection.dbapi_connection
        try:
            return driver.execute(self.text, given)
        except sqlite3.Error as error:
            raise DBAPIError.instance(self.text, None, error, sqlite3.Error) from error

    def converted(self, row: Sequence[Any]) -> list[Any]:
        values = list(row)
        for position, convert in self.results:
            values[position] = convert(values[position])
        return values


# --- the same conversions as the types' own, which take several times as long -------------------------------------


def _to_sqlite(kind: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    if isinstance(kind, UtcDateTime):
        return _time_text
    if isinstance(kind, EnumText):
        texts: dict[Any, Any] = {None: None} | {member: member.value for member in kind.kind}
        return texts.__getitem__
    convert: Convert | None = kind.dialect_impl(dialect).bind_processor(dialect)
    return convert


def _from_sqlite(kind: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    if isinstance(kind, UtcDateTime):
        return _time_of
    if isinstance(kind, EnumText):
        members: dict[Any, Any] = {None: None} | {member.value: member for member in kind.kind}
        return members.__getitem__
    if isinstance(kind, JSON):
        return _json_of
    convert: Convert | None = kind.dialect_impl(dialect).result_processor(dialect, None)
    return convert


@lru_cache(maxsize=64)
def _time_text(value: datetime | None) -> str | None:
    """One moment stands in many rows."""
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError("times are aware UTC")
    return value.astimezone(UTC).isoformat(" ", "microseconds").removesuffix("+00:00")


_DECODER = JSONDecoder()


def _json_of(text: str | None) -> Any:
    return None if text is None else _DECODER.raw_decode(text)[0]


def _time_of(text: str | None) -> datetime | None:
    """The zone is read with the rest: replace() afterwards takes several times as long."""
    return None if text is None else datetime.fromisoformat(f"{text}+00:00")
