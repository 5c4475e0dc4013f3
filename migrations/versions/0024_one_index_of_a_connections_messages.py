"""One index of a connection's messages: that of their recipients begins with the connection, too"""

from __future__ import annotations

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

NAME, TABLE = "ix_deliveries_integration_id", "deliveries"


def upgrade() -> None:
    op.drop_index(NAME, table_name=TABLE)


def downgrade() -> None:
    op.create_index(NAME, TABLE, ["integration_id"])
