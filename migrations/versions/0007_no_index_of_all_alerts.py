"""Drop the index of an organisation's alerts: SQLite preferred it to that of an incident's alerts; nothing needs it."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_alerts_tenant_id_id", table_name="alerts")


def downgrade() -> None:
    op.create_index("ix_alerts_tenant_id_id", "alerts", ["tenant_id", "id"])
