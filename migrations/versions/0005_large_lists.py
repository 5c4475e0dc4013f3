"""Indexes that keep lists, counts and searches as fast with a million incidents, and whose responders are open."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

OPEN = "progress != 'Closed'"
SQLITE_TRIGGERS = (
    """
    CREATE TRIGGER incidents_open_or_closed AFTER UPDATE OF progress ON incidents
    WHEN (OLD.progress = 'Closed') != (NEW.progress = 'Closed')
    BEGIN
        UPDATE responders SET is_open = (NEW.progress != 'Closed') WHERE incident_id = NEW.id;
    END
    """,
    """
    CREATE TRIGGER responders_of_closed AFTER INSERT ON responders
    WHEN (SELECT progress FROM incidents WHERE id = NEW.incident_id) = 'Closed'
    BEGIN
        UPDATE responders SET is_open = 0 WHERE id = NEW.id;
    END
    """,
)
POSTGRESQL_TRIGGERS = (
    """
    CREATE FUNCTION incidents_open_or_closed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE responders SET is_open = (NEW.progress != 'Closed') WHERE incident_id = NEW.id;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER incidents_open_or_closed AFTER UPDATE OF progress ON incidents
    FOR EACH ROW WHEN ((OLD.progress = 'Closed') != (NEW.progress = 'Closed'))
    EXECUTE FUNCTION incidents_open_or_closed()
    """,
    """
    CREATE FUNCTION responders_of_closed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.is_open := NOT EXISTS (SELECT FROM incidents WHERE id = NEW.incident_id AND progress = 'Closed');
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER responders_of_closed BEFORE INSERT ON responders
    FOR EACH ROW EXECUTE FUNCTION responders_of_closed()
    """,
)
CLOSED_RESPONDERS = sa.text(
    "UPDATE responders SET is_open = :no WHERE incident_id IN (SELECT id FROM incidents WHERE progress = 'Closed')"
).bindparams(sa.bindparam("no", False, sa.Boolean))


def upgrade() -> None:
    """The triggers come before the old rows are marked: what an older process closes meanwhile is marked, too."""
    op.add_column("responders", sa.Column("is_open", sa.Boolean(), nullable=False, server_default=sa.true()))
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for trigger in SQLITE_TRIGGERS if is_sqlite else POSTGRESQL_TRIGGERS:
        op.execute(trigger)
    op.execute(CLOSED_RESPONDERS)
    op.create_index(
        "ix_responders_open",
        "responders",
        ["user_id", "tenant_id", "incident_id"],
        sqlite_where=sa.text("is_current IS 1 AND is_open IS 1"),
        postgresql_where=sa.text("is_current IS true AND is_open IS true"),
    )
    listed = ["tenant_id", "changed_at", "id", "progress", "severity", "channel_id", "is_private"]
    op.create_index("ix_incidents_listed", "incidents", [*listed, "title"])
    op.create_index(
        "ix_incidents_open", "incidents", listed, sqlite_where=sa.text(OPEN), postgresql_where=sa.text(OPEN)
    )
    op.create_index("ix_incidents_channel_changed", "incidents", ["channel_id", "changed_at", "id"])
    op.create_index("ix_incidents_started", "incidents", ["tenant_id", "started_at", "id", "channel_id", "is_private"])
    for name in ("tenant_changed", "tenant_progress_id", "channel_progress_id"):  # the new ones answer what these did
        op.drop_index(f"ix_incidents_{name}", table_name="incidents")
    op.create_index(
        "ix_jobs_dead",
        "jobs",
        ["tenant_id"],
        sqlite_where=sa.text("state = 'dead'"),
        postgresql_where=sa.text("state = 'dead'"),
    )


def downgrade() -> None:
    op.drop_index("ix_jobs_dead", table_name="jobs")
    op.create_index("ix_incidents_tenant_changed", "incidents", ["tenant_id", "changed_at", "id"])
    op.create_index("ix_incidents_tenant_progress_id", "incidents", ["tenant_id", "progress", "id"])
    op.create_index("ix_incidents_channel_progress_id", "incidents", ["channel_id", "progress", "id"])
    for name in ("started", "channel_changed", "open", "listed"):
        op.drop_index(f"ix_incidents_{name}", table_name="incidents")
    op.drop_index("ix_responders_open", table_name="responders")
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER responders_of_closed")
        op.execute("DROP TRIGGER incidents_open_or_closed")
    else:
        op.execute("DROP TRIGGER responders_of_closed ON responders")
        op.execute("DROP FUNCTION responders_of_closed")
        op.execute("DROP TRIGGER incidents_open_or_closed ON incidents")
        op.execute("DROP FUNCTION incidents_open_or_closed")
    op.drop_column("responders", "is_open")
