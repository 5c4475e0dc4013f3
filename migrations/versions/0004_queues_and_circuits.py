"""Queues of the outbox, circuits of integrations, summaries of many messages"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("queue", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("holder", sa.String(length=128), nullable=True))
    op.create_index(
        "ix_jobs_pending_queue",
        "jobs",
        ["queue", "due_at", "id"],
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.add_column("integrations", sa.Column("outage_count", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("integrations", sa.Column("outage_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("integrations", sa.Column("probe_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("deliveries", sa.Column("summary_id", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_deliveries_summary",
        "deliveries",
        ["summary_id"],
        sqlite_where=sa.text("summary_id IS NOT NULL"),
        postgresql_where=sa.text("summary_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_deliveries_summary", table_name="deliveries")
    op.drop_column("deliveries", "summary_id")
    for name in ("probe_at", "outage_since", "outage_count"):
        op.drop_column("integrations", name)
    op.drop_index("ix_jobs_pending_queue", table_name="jobs")
    for name in ("holder", "queue"):
        op.drop_column("jobs", name)
