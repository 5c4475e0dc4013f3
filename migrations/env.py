"""How Alembic reaches the database: through the application's own engine, so that its manners hold here too."""

from __future__ import annotations

from typing import Any

from alembic import context
from flask import current_app
from sqlalchemy.types import TypeDecorator

import models  # noqa: F401  (fills the metadata)
from crashpoints import crash_here
from extensions import db


def render_item(kind: str, item: Any, autogen_context: Any) -> str | bool:
    """Write our own column types as what they are in the database: a migration must not change with the code."""
    if kind == "type" and isinstance(item, TypeDecorator) and type(item).__module__ == "models":
        return f"sa.{item.impl!r}"
    return False


def skip_empty(_context: Any, _revision: Any, directives: list[Any]) -> None:
    """Write no migration when the models have not changed."""
    if getattr(context.config.cmd_opts, "autogenerate", False) and directives[0].upgrade_ops.is_empty():
        directives[:] = []


def applied(*, step: Any, **_: Any) -> None:
    """Called when a migration and its number are written and not yet committed."""
    crash_here(f"migration.{step.up_revision_id}")


def run() -> None:
    arguments = current_app.extensions["migrate"].configure_args | {"process_revision_directives": skip_empty}
    with db.engine.connect() as connection:
        if (
            connection.dialect.name == "sqlite"
        ):  # a table is changed by copying it; dropping the old one must delete no rows
            connection.connection.cursor().execute("PRAGMA foreign_keys=OFF")
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            render_item=render_item,
            transaction_per_migration=True,
            on_version_apply=applied,
            **arguments,
        )
        with context.begin_transaction():
            context.run_migrations()
        if connection.dialect.name == "sqlite":
            connection.connection.cursor().execute("PRAGMA foreign_keys=ON")


run()
