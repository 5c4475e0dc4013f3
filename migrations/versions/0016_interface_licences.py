"""Interface licences: a company's trial and its members' licences, where a platform asks for such"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create(
        "interface_licences",
        sa.Column("is_required", sa.Boolean(), nullable=False),
        sa.Column("trial_starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trial_ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.JSON(), nullable=True),
        sa.Column("reminded_days", sa.Integer(), nullable=True),
        sa.Column("noticed_on", sa.String(length=10), nullable=False),
        sa.UniqueConstraint("integration_id", name=op.f("uq_interface_licences_integration_id")),
    )
    _create(
        "member_licences",
        sa.Column("external_user_id", sa.String(length=128), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refused_as", sa.String(length=120), nullable=False),
        sa.UniqueConstraint(
            "integration_id", "external_user_id", name=op.f("uq_member_licences_integration_id_external_user_id")
        ),
    )


def downgrade() -> None:
    op.drop_table("member_licences")
    op.drop_table("interface_licences")


def _create(name: str, *columns: sa.schema.SchemaItem) -> None:
    """A table of rows that belong to one connection."""
    op.create_table(
        name,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("integration_id", sa.Integer(), nullable=False),
        *columns,
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f(f"fk_{name}_tenant_id_tenants"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["integration_id"],
            ["integrations.id"],
            name=op.f(f"fk_{name}_integration_id_integrations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")),
    )
    op.create_index(op.f(f"ix_{name}_tenant_id"), name, ["tenant_id"])
