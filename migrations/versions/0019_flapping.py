"""Flapping: what a channel does about it, incidents that are marked, and an index of a key's latest alerts"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

MARKS = ("flapping_since", "flapped_at", "reminders_muted_until")


def upgrade() -> None:
    op.add_column("channels", sa.Column("flapping", sa.String(length=32), server_default="mark", nullable=False))
    for name in MARKS:
        op.add_column("incidents", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    has_ended = sa.text("ended_at IS NOT NULL")
    columns = ["source_id", "alert_key", "ended_at"]
    op.create_index("ix_alerts_ended", "alerts", columns, sqlite_where=has_ended, postgresql_where=has_ended)


def downgrade() -> None:
    op.drop_index("ix_alerts_ended", table_name="alerts")
    for name in MARKS:
        op.drop_column("incidents", name)
    op.drop_column("channels", "flapping")
