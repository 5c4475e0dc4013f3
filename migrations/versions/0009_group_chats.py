"""Group chats, the messages and cards that go there, and how many calls a month has seen"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

POINTING = ("deliveries", "cards")


def upgrade() -> None:
    _create_group_chats()
    _create_call_counts()
    for table in POINTING:
        op.add_column(table, sa.Column("group_chat_id", sa.Integer(), nullable=True))


def downgrade() -> None:
    for table in POINTING:
        op.drop_column(table, "group_chat_id")
    op.drop_table("call_counts")
    op.drop_table("group_chats")


def _create_group_chats() -> None:
    op.create_table(
        "group_chats",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("integration_id", sa.Integer(), nullable=False),
        sa.Column("external_id", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("alias", sa.String(length=40), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("member_count", sa.Integer(), nullable=True),
        sa.Column("state_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("named_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_event_at", sa.DateTime(timezone=True), nullable=True),
        *_owners("group_chats"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_group_chats")),
        sa.UniqueConstraint("integration_id", "external_id", name=op.f("uq_group_chats_integration_id_external_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_group_chats_tenant_id"), "group_chats", ["tenant_id"])


def _create_call_counts() -> None:
    op.create_table(
        "call_counts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("integration_id", sa.Integer(), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        *_owners("call_counts"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_counts")),
        sa.UniqueConstraint("integration_id", "month", name=op.f("uq_call_counts_integration_id_month")),
    )
    op.create_index(op.f("ix_call_counts_tenant_id"), "call_counts", ["tenant_id"])


def _owners(table: str) -> tuple[sa.ForeignKeyConstraint, ...]:
    """To the organisation and to the connection, with which the rows go."""
    return tuple(
        sa.ForeignKeyConstraint([column], [target], name=op.f(f"fk_{table}_{column}_{other}"), ondelete="CASCADE")
        for column, target, other in (
            ("tenant_id", "tenants.id", "tenants"),
            ("integration_id", "integrations.id", "integrations"),
        )
    )
