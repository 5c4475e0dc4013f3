"""Who reads a sentence of their own on a group's card, until the card is updated"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "card_notices",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("card_id", NUMBER, nullable=False),
        sa.Column("external_user_id", sa.String(length=128), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["card_id"], ["cards.id"], name=op.f("fk_card_notices_card_id_cards"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_card_notices_tenant_id_tenants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_card_notices")),
        sa.UniqueConstraint("card_id", "external_user_id", name=op.f("uq_card_notices_card_id_external_user_id")),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("card_notices")
