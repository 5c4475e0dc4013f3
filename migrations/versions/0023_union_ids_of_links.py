"""What stays with a linked person whoever has their id in the company later"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    union_id = sa.Column("external_union_id", sa.String(length=128), server_default="", nullable=False)
    op.add_column("account_links", union_id)


def downgrade() -> None:
    op.drop_column("account_links", "external_union_id")
