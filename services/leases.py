"""When a claimed row is free again, by a clock that reads the same for all who ask.

On PostgreSQL that is the database's own: the machines that share it each have a clock, and these differ. On SQLite
there is one machine, so its clock is asked by the process and told to the statement.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Interval, bindparam, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from models import Job, UtcDateTime

Moment = datetime | BindParameter[Any]
Length = timedelta | BindParameter[Any]


def has_ended(now: Moment, lease: InstrumentedAttribute[datetime] = Job.lease_until) -> ColumnElement[bool]:
    """Whether nobody works on a row."""
    return lease <= _Clock(_typed(now, UtcDateTime()))


def is_running(now: Moment) -> ColumnElement[bool]:
    """Whether somebody works on a row."""
    return Job.lease_until > _Clock(_typed(now, UtcDateTime()))


def until(at: Moment, length: Length) -> ColumnElement[datetime]:
    """When a lease of that length ends that begins now; at: the same by the clock of this process."""
    return _End(_typed(at, UtcDateTime()), _typed(length, Interval()))


def _typed(value: Any, kind: Any) -> ColumnElement[Any]:
    return bindparam(value.key, type_=kind) if isinstance(value, BindParameter) else literal(value, kind)


class _Clock(FunctionElement[datetime]):
    """What time it is; its argument says so where the database is not asked."""

    name = "lease_clock"
    type = UtcDateTime()
    inherit_cache = True


class _End(FunctionElement[datetime]):
    name = "lease_end"
    type = UtcDateTime()
    inherit_cache = True


@compiles(_Clock)
@compiles(_End)
def _told(element: FunctionElement[datetime], compiler: SQLCompiler, **about: Any) -> str:
    by_our_clock, *_ = element.clauses
    return compiler.process(by_our_clock, **about)


@compiles(_Clock, "postgresql")
def _asked(element: _Clock, compiler: SQLCompiler, **about: Any) -> str:
    return "statement_timestamp()"


@compiles(_End, "postgresql")
def _added(element: _End, compiler: SQLCompiler, **about: Any) -> str:
    _, length = element.clauses
    return f"statement_timestamp() + {compiler.process(length, **about)}"
