"""Count what was used of a quota by the day as well, and for an application alone where each has its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

BY_MONTH = "uq_call_counts_integration_id_month"
BY_PERIOD = "uq_call_counts_integration_id_period_application"
MONTH, PERIOD = sa.String(length=7), sa.String(length=10)


def upgrade() -> None:
    with op.batch_alter_table("call_counts") as table:
        table.drop_constraint(op.f(BY_MONTH), type_="unique")
        table.alter_column(
            "month", new_column_name="period", existing_type=MONTH, type_=PERIOD, existing_nullable=False
        )
        table.add_column(sa.Column("application", sa.String(length=128), server_default="", nullable=False))
    with op.batch_alter_table("call_counts") as table:  # one that renames columns drops what is said of the new names
        table.create_unique_constraint(op.f(BY_PERIOD), ["integration_id", "period", "application"])


def downgrade() -> None:
    op.execute("DELETE FROM call_counts WHERE length(period) > 7 OR application <> ''")
    with op.batch_alter_table("call_counts") as table:
        table.drop_constraint(op.f(BY_PERIOD), type_="unique")
        table.drop_column("application")
        table.alter_column(
            "period", new_column_name="month", existing_type=PERIOD, type_=MONTH, existing_nullable=False
        )
    with op.batch_alter_table("call_counts") as table:
        table.create_unique_constraint(op.f(BY_MONTH), ["integration_id", "month"])
