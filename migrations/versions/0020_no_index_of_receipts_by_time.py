"""Drop the index of receipts by their time, which each press had to write: their ids follow it, and lead to the old."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_receipts_at", table_name="receipts")


def downgrade() -> None:
    op.create_index("ix_receipts_at", "receipts", ["at"])
