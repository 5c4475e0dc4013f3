"""The database's tables and their versions: all that knows Flask-Migrate, imported where it is used (10 MB)."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from flask import Flask, current_app
from sqlalchemy import Connection, inspect, text

from extensions import db

FOLDER = Path(__file__).resolve().parent / "migrations"
STEP = re.compile(r'^(revision|down_revision)\b[^=]*= (?:"(\w+)"|None)', re.MULTILINE)


def register(app: Flask) -> None:
    """Give `flask db …` what it needs."""
    from flask_migrate import Migrate  # noqa: PLC0415

    if "migrate" not in app.extensions:
        Migrate(app, db, render_as_batch=True)


def upgrade() -> None:
    """Bring the database of the current application to this version's tables."""
    import flask_migrate  # noqa: PLC0415

    register(current_app)
    flask_migrate.upgrade(directory=str(FOLDER))


def downgrade(revision: str) -> None:
    """Take the tables back to an earlier revision, or to "base": none."""
    import flask_migrate  # noqa: PLC0415

    register(current_app)
    flask_migrate.downgrade(directory=str(FOLDER), revision=revision)


@cache
def known() -> frozenset[str]:
    """The revisions that this version knows."""
    return frozenset(_steps())


@cache
def newest() -> str:
    """The revision of this version's tables."""
    steps = _steps()
    (head,) = set(steps) - set(steps.values())
    return head


def present(connection: Connection) -> str | None:
    """The revision of a database; None if it has no tables yet."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _steps() -> dict[str, str]:
    """Revision → the one before it, "" for the first, read from the migrations' files."""
    found = (dict(STEP.findall(path.read_text())) for path in (FOLDER / "versions").glob("*.py"))
    return {step["revision"]: step["down_revision"] for step in found}
