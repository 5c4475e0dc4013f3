"""What web and worker stand on: settings, log, database, languages, keys. Wiring only; app.py adds the pages."""

from __future__ import annotations

import ctypes
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from flask import Flask
from sqlalchemy import inspect
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.pool import QueuePool

import json_text
import logs
from config import ConfigError, Settings
from extensions import babel, db
from jobs import engine
from services import vault
from services.wording import DEFAULT_LOCALE, DEFAULT_TIMEZONE
from sqlite_transactions import tune_sqlite

log = logging.getLogger(__name__)

CANNOT_START = 3
"""The exit status that gunicorn takes as "do not try again"."""
MALLOC_OPTIONS = {-8: 2, -3: 1024 * 1024}
"""M_ARENA_MAX: threads share two heaps instead of having one each. M_MMAP_THRESHOLD: from 1 MB on, memory goes back
when it is freed; left to itself, glibc would keep the 19 MB of each password check."""


@contextmanager
def starting() -> Iterator[None]:
    """A mistake in the settings, and keys that do not open what is stored, end the process with one line for each."""
    try:
        yield
    except ConfigError as error:
        for problem in error.problems:
            print(f"dutybell cannot start: {problem}", file=sys.stderr)
        raise SystemExit(CANNOT_START) from error


def lay(app: Flask, settings: Settings, **selectors: Callable[[], str]) -> None:
    """Give an application its settings, database and languages. selectors: how a request's language is chosen."""
    logs.configure(settings)
    _keep_little()
    is_file = settings.database_url.startswith("sqlite")  # nothing to ask whether it is still there
    app.config.from_mapping(
        SETTINGS=settings,
        SECRET_KEY=settings.secret_key,
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=_engine_options(is_file),
    )
    db.init_app(app)
    babel.init_app(app, default_locale=DEFAULT_LOCALE, default_timezone=DEFAULT_TIMEZONE, **selectors)
    with app.app_context():
        if is_file:
            tune_sqlite(db.engine)
        else:
            from postgresql_transactions import tune_postgresql  # noqa: PLC0415 - others do without its driver

            tune_postgresql(db.engine)
    engine.connect(app)


def check_keys(app: Flask) -> bool:
    """Refuse to run with keys that do not open what is stored; a database that is not there yet has nothing stored.

    One that an earlier version made lacks tables: it is checked after its migration.

    Returns whether there are tables. Raises ConfigError.
    """
    with app.app_context():
        try:
            if inspect(db.engine).has_table("canaries"):
                vault.check_keys()
                return True
        except (OperationalError, ProgrammingError) as error:
            log.warning("the database does not answer yet as this version's does, keys are not checked: %s", error.orig)
    return False


def _engine_options(is_file: bool) -> dict[str, object]:
    """The connection used last is used next: each keeps its own cache and statements.

    PostgreSQL is not to compile queries: for those of a page that takes longer than to run them. Nor to try every order
    of joining a dozen tables, 20 ms each time: they are written in a good one.
    """
    options: dict[str, object] = {"poolclass": QueuePool, "pool_size": 24, "pool_use_lifo": True}
    options["json_serializer"] = json_text.written
    if is_file:
        return options
    return options | {"connect_args": {"options": "-c jit=off -c join_collapse_limit=4"}}


def _keep_little() -> None:
    """Let the C library give back what is not needed any more."""
    with suppress(AttributeError, OSError):  # not glibc
        for option, value in MALLOC_OPTIONS.items():
            ctypes.CDLL(None).mallopt(option, value)
