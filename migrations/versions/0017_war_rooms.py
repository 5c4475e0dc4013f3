"""War rooms: groups that are made for one incident, and who is to be in them"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

OPEN = sa.text("state IN ('creating', 'active', 'dismissing')")


def _key(table: str, column: str, to: str, ondelete: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{to}")
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=name, ondelete=ondelete)


def upgrade() -> None:
    op.create_table(
        "war_rooms",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("incident_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("integration_id", sa.Integer(), nullable=True),
        sa.Column("integration_name", sa.String(length=40), nullable=False),
        sa.Column("platform", sa.String(length=16), nullable=False),
        sa.Column("group_chat_id", sa.Integer(), nullable=True),
        sa.Column("reference", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("share_link", sa.String(length=300), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("has_observers", sa.Boolean(), nullable=False),
        sa.Column("created_by_id", sa.Integer(), nullable=True),
        sa.Column("created_via", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dismissed_by_id", sa.Integer(), nullable=True),
        sa.Column("dismissed_via", sa.String(length=16), nullable=False),
        sa.Column("dismissed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_dissolved", sa.Boolean(), nullable=False),
        sa.Column("first_tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_unanswered", sa.Boolean(), nullable=False),
        sa.Column("shown", sa.JSON(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("failure", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        _key("war_rooms", "tenant_id", "tenants", "CASCADE"),
        _key("war_rooms", "incident_id", "incidents", "CASCADE"),
        _key("war_rooms", "integration_id", "integrations", "SET NULL"),
        _key("war_rooms", "group_chat_id", "group_chats", "SET NULL"),
        _key("war_rooms", "created_by_id", "users", "SET NULL"),
        _key("war_rooms", "dismissed_by_id", "users", "SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_war_rooms")),
        sa.UniqueConstraint("reference", name=op.f("uq_war_rooms_reference")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_war_rooms_open", "war_rooms", ["incident_id"], unique=True, sqlite_where=OPEN, postgresql_where=OPEN
    )
    op.create_index("ix_war_rooms_incident", "war_rooms", ["incident_id", "id"])
    for column in ("tenant_id", "integration_id", "group_chat_id"):
        op.create_index(op.f(f"ix_war_rooms_{column}"), "war_rooms", [column])
    op.create_table(
        "war_room_members",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("room_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("failure", sa.JSON(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=True),
        _key("war_room_members", "tenant_id", "tenants", "CASCADE"),
        _key("war_room_members", "room_id", "war_rooms", "CASCADE"),
        _key("war_room_members", "user_id", "users", "CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_war_room_members")),
        sa.UniqueConstraint("room_id", "user_id", name=op.f("uq_war_room_members_room_id_user_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_war_room_members_tenant_id"), "war_room_members", ["tenant_id"])
    op.create_index(op.f("ix_war_room_members_user_id"), "war_room_members", ["user_id"])


def downgrade() -> None:
    op.drop_table("war_room_members")
    op.drop_table("war_rooms")
