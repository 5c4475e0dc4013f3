"""The migrations lead to exactly the tables that models.py declares, and back."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

import models  # noqa: F401  (fills the metadata)
import schema
from extensions import db
from tests.factories import make_integration


def test_models_and_migrations_agree(app):
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, db.metadata) == [], "run: flask --app app db revision --autogenerate"


def test_migrations_can_be_undone(app):
    schema.downgrade("base")

    assert set(inspect(db.engine).get_table_names()) <= {"alembic_version"}


def test_counts_of_months_stay_when_days_are_counted_too(app):
    integration = make_integration()
    integration_id, tenant_id = integration.id, integration.tenant_id
    db.session.commit()
    db.session.remove()
    counts = [("2026-02", "", 3), ("2026-03", "", 5)]
    insert = "INSERT INTO call_counts (tenant_id, integration_id, period, application, calls) VALUES "
    with db.engine.begin() as connection:
        for period, application, calls in (*counts, ("2026-03-05", "self_built:ww1:1000002", 7)):
            connection.execute(text(f"{insert} ({tenant_id}, {integration_id}, '{period}', '{application}', {calls})"))

    schema.downgrade("0020")
    with db.engine.connect() as connection:
        kept = connection.execute(text("SELECT month, calls FROM call_counts ORDER BY month")).all()
    schema.upgrade()

    assert kept == [("2026-02", 3), ("2026-03", 5)]
    with db.engine.connect() as connection:
        again = text("SELECT period, application, calls FROM call_counts ORDER BY period")
        assert connection.execute(again).all() == counts
