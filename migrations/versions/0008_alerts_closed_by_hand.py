"""An index that finds when an alert was closed: an event that was received before is a repeat of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    is_closed = sa.text("state = 'closed'")
    columns = ["source_id", "alert_key", "ended_at"]
    op.create_index("ix_alerts_closed", "alerts", columns, sqlite_where=is_closed, postgresql_where=is_closed)


def downgrade() -> None:
    op.drop_index("ix_alerts_closed", table_name="alerts")
