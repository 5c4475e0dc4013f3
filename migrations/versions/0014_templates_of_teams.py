"""Templates that a team owns"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("templates", sa.Column("team_id", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("templates", "team_id")
