"""The migrations lead to exactly the tables that models.py declares, and back."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

import models  # noqa: F401  (fills the metadata)
import schema
from extensions import db


def test_models_and_migrations_agree(app):
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, db.metadata) == [], "run: flask --app app db revision --autogenerate"


def test_migrations_can_be_undone(app):
    schema.downgrade("base")

    assert set(inspect(db.engine).get_table_names()) <= {"alembic_version"}
