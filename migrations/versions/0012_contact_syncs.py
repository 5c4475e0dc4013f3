"""Contact synchronisation: its comparison and report, the accounts that it made, and who is no longer seen there"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _syncs()
    _people()
    _accounts()
    op.add_column("account_links", sa.Column("missing_since", sa.DateTime(timezone=True), nullable=True))


def _syncs() -> None:
    op.create_table(
        "contact_syncs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("integration_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("departments", sa.JSON(), nullable=False),
        sa.Column("initial_passwords", sa.String(length=16), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("started_by_id", sa.Integer(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_by_id", sa.Integer(), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        _to("contact_syncs", "tenant_id", "tenants"),
        _to("contact_syncs", "integration_id", "integrations"),
        _to("contact_syncs", "started_by_id", "users", "SET NULL"),
        _to("contact_syncs", "confirmed_by_id", "users", "SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_syncs")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_contact_syncs_tenant_id"), "contact_syncs", ["tenant_id"])
    is_open = sa.text("finished_at IS NULL")
    op.create_index(
        "uq_contact_syncs_open",
        "contact_syncs",
        ["integration_id"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )


def _people() -> None:
    op.create_table(
        "sync_people",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("sync_id", sa.Integer(), nullable=False),
        sa.Column("external_user_id", sa.String(length=128), nullable=False),
        sa.Column("shown_id", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("department_ids", sa.JSON(), nullable=False),
        sa.Column("pairing", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("is_included", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=True),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        _to("sync_people", "tenant_id", "tenants"),
        _to("sync_people", "sync_id", "contact_syncs"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sync_people")),
        sa.UniqueConstraint("sync_id", "external_user_id", name=op.f("uq_sync_people_sync_id_external_user_id")),
        sa.UniqueConstraint("sync_id", "user_id", name=op.f("uq_sync_people_sync_id_user_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_sync_people_sync_id_outcome_id", "sync_people", ["sync_id", "outcome", "id"])


def _accounts() -> None:
    op.create_table(
        "generated_accounts",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("platform_key", sa.String(length=128), nullable=False),
        sa.Column("external_user_id", sa.String(length=128), nullable=False),
        sa.Column("password_kind", sa.String(length=16), nullable=False),
        sa.Column("password_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("password_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        _to("generated_accounts", "user_id", "users"),
        _to("generated_accounts", "tenant_id", "tenants"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_generated_accounts")),
        sa.UniqueConstraint(
            "tenant_id",
            "platform_key",
            "external_user_id",
            name=op.f("uq_generated_accounts_tenant_id_platform_key_external_user_id"),
        ),
    )
    op.create_index(op.f("ix_generated_accounts_tenant_id"), "generated_accounts", ["tenant_id"])


def _to(table: str, column: str, other: str, ondelete: str = "CASCADE") -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{other}")
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name, ondelete=ondelete)


def downgrade() -> None:
    op.drop_column("account_links", "missing_since")
    for table in ("generated_accounts", "sync_people", "contact_syncs"):
        op.drop_table(table)
