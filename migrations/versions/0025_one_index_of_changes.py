"""The order of changes in one index of an incident instead of three: whatever happened to one was written in each"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

TABLE = "incidents"
COLUMNS = ["tenant_id", "changed_at", "id", "progress", "severity", "channel_id", "is_private"]
OPEN, CLOSED = "progress != 'Closed'", "progress = 'Closed'"


def upgrade() -> None:
    op.drop_index("ix_incidents_open", table_name=TABLE)
    for name, rows in (("ix_incidents_open", OPEN), ("ix_incidents_closed", CLOSED)):
        _create(name, [*COLUMNS, "title"], rows)
    op.drop_index("ix_incidents_listed", table_name=TABLE)
    op.create_index("ix_incidents_channel_id", TABLE, ["channel_id"])
    op.drop_index("ix_incidents_channel_changed", table_name=TABLE)


def downgrade() -> None:
    op.create_index("ix_incidents_channel_changed", TABLE, ["channel_id", "changed_at", "id"])
    op.drop_index("ix_incidents_channel_id", table_name=TABLE)
    op.create_index("ix_incidents_listed", TABLE, [*COLUMNS, "title"])
    for name in ("ix_incidents_closed", "ix_incidents_open"):
        op.drop_index(name, table_name=TABLE)
    _create("ix_incidents_open", COLUMNS, OPEN)


def _create(name: str, columns: list[str], rows: str) -> None:
    op.create_index(name, TABLE, columns, sqlite_where=sa.text(rows), postgresql_where=sa.text(rows))
