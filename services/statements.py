"""Statements for the shortest paths: rendered once, then run on the driver itself.

SQLAlchemy spends 40 to 60 µs on each execution of a statement, which SQLite answers in 5. A press on a card has ten of
them and a budget of a millisecond, so there they are rendered once, with the conversions of their values. On PostgreSQL
those that nobody asks anything of travel with those that somebody does (postgresql_transactions.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from datetime import UTC, datetime
from functools import lru_cache
from json import JSONDecoder
from typing import Any

from sqlalchemy import ARRAY, JSON, ColumnElement, Connection, Executable, Insert, any_, bindparam, insert
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from extensions import as_sqlalchemy_says
from models import EnumText, UtcDateTime

Convert = Callable[[Any], Any]


class Statement:
    """A select, insert or update whose changing values are named parameters."""

    def __init__(self, statement: Any) -> None:
        self.statement: Executable = statement
        self._rendered: dict[str, _Rendered] = {}

    def rows(self, on: Connection, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """What a select finds."""
        rendered = self._render(on.dialect)
        return [rendered.converted(row) for row in rendered.ask(on, values).fetchall()]

    def run(self, on: Connection, values: Mapping[str, Any]) -> int:
        """Execute it and return how many rows it met."""
        met: int = self._render(on.dialect).ask(on, values).rowcount
        return met

    def later(self, on: Connection, values: Mapping[str, Any]) -> None:
        """Execute it before whatever is asked next; on PostgreSQL what is wrong with it is raised only there."""
        self._render(on.dialect).later(on, values)

    def rows_each(self, on: Connection, rows: Sequence[Mapping[str, Any]]) -> Sequence[Sequence[Any]]:
        """What executing it once for each of the rows returns, in any order: for an insert with RETURNING."""
        if on.dialect.name != "sqlite" and len(rows) > 1:
            return on.execute(self.statement, rows).all()
        return [found for values in rows for found in self.rows(on, values)]

    def later_each(self, on: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """The same as later(), once for each of the rows."""
        rendered = self._render(on.dialect)
        for values in rows:
            rendered.later(on, values)

    def prepare(self, on: Connection) -> None:
        """Render it now, not at its first execution."""
        self._render(on.dialect)

    def _render(self, dialect: Dialect) -> _Rendered:
        try:
            return self._rendered[dialect.name]
        except KeyError:
            return self._rendered.setdefault(dialect.name, _Rendered(self.statement, dialect))


def inserting(table: Any, *names: str, returning: Sequence[str] = ()) -> Statement:
    """The insertion of one row with these columns; the others have their defaults."""
    statement = insert(table.__table__).values({name: bindparam(name) for name in names})
    return Statement(statement.returning(*(table.__table__.c[name] for name in returning)) if returning else statement)


def among(column: Any, name: str) -> ColumnElement[bool]:
    """Whether a column's value is one of the list that is given as `name`; on PostgreSQL alone."""
    is_one: ColumnElement[bool] = column == any_(bindparam(name, type_=ARRAY(column.type)))
    return is_one


class _Rendered:
    """The text of a statement with what turns values into the driver's and back.

    fixed     the values of all parameters, as far as they are part of the statement
    changing  those that are not: position, name and conversion
    results   the columns that are converted, by their position
    """

    def __init__(self, statement: Executable, dialect: Dialect) -> None:
        if isinstance(statement, Insert):
            statement = statement.inline()  # else PostgreSQL would be asked for the new row's id
        compiled: Any = statement.compile(dialect=_by_position(dialect))  # type: ignore[attr-defined]
        self.is_sqlite = dialect.name == "sqlite"
        self.text = str(compiled)
        self.fixed: list[Any] = []
        self.changing: list[tuple[int, str, Convert | None]] = []
        defaults = {column.key: column.default for column in compiled.insert_prefetch or ()}
        for position, name in enumerate(compiled.positiontup):
            bound = compiled.binds[name]
            convert = _to_driver(bound.type, dialect)
            if name in defaults:
                default = defaults[name].arg if defaults[name].is_scalar else defaults[name].arg({})
                self.fixed.append(convert(default) if convert else default)
            elif bound.required:
                self.changing.append((position, name, convert))
                self.fixed.append(None)
            else:
                self.fixed.append(convert(bound.effective_value) if convert else bound.effective_value)
        columns: Any = getattr(statement, "exported_columns", ())  # of a select, or of what is returned
        found = enumerate(_from_driver(column.type, dialect) for column in columns)
        self.results = [(position, convert) for position, convert in found if convert is not None]

    def ask(self, on: Connection, values: Mapping[str, Any]) -> Any:
        """The driver's cursor, which has executed it."""
        driver: Any = on.connection.dbapi_connection
        return self._tell(on, driver.execute if self.is_sqlite else driver.ask, values)

    def later(self, on: Connection, values: Mapping[str, Any]) -> None:
        driver: Any = on.connection.dbapi_connection
        self._tell(on, driver.execute if self.is_sqlite else driver.later, values)

    def _tell(self, on: Connection, driver: Callable[[str, list[Any]], Any], values: Mapping[str, Any]) -> Any:
        try:
            return driver(self.text, self._given(values))
        except on.dialect.dbapi.Error as error:  # type: ignore[union-attr]
            raise as_sqlalchemy_says(on, self.text, error) from error

    def _given(self, values: Mapping[str, Any]) -> list[Any]:
        given = self.fixed.copy()
        for position, name, convert in self.changing:
            given[position] = convert(values[name]) if convert else values[name]
        return given

    def converted(self, row: Sequence[Any]) -> list[Any]:
        values = list(row)
        for position, convert in self.results:
            values[position] = convert(values[position])
        return values


def _by_position(dialect: Dialect) -> Dialect:
    """A dialect whose statements say ? or $1 for their values, which the driver need not look for and replace."""
    if dialect.positional:
        return dialect
    other = copy(dialect)
    other.paramstyle, other.positional = "numeric_dollar", True
    other.identifier_preparer = other.preparer(other)
    return other


# --- the same conversions as the types' own, which take several times as long -------------------------------------


def _to_driver(kind: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    if isinstance(kind, EnumText):
        texts: dict[Any, Any] = {None: None} | {member: member.value for member in kind.kind}
        return texts.__getitem__
    if isinstance(kind, UtcDateTime) and dialect.name == "sqlite":
        return _time_text
    convert: Convert | None = kind.dialect_impl(dialect).bind_processor(dialect)
    return convert


def _from_driver(kind: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    if isinstance(kind, EnumText):
        members: dict[Any, Any] = {None: None} | {member.value: member for member in kind.kind}
        return members.__getitem__
    if isinstance(kind, UtcDateTime) and dialect.name == "sqlite":
        return _time_of
    if isinstance(kind, JSON) and dialect.name == "sqlite":
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
