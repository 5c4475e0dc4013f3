"""Providers: what this installation is to a platform as a provider, and which companies authorised it"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "providers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("platform", sa.String(length=16), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("secrets", sa.JSON(), nullable=False),
        sa.Column("ticket", sa.Text(), nullable=True),
        sa.Column("ticket_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_providers_tenant_id_tenants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_providers")),
        sa.UniqueConstraint("platform", name=op.f("uq_providers_platform")),
    )
    op.create_index(op.f("ix_providers_tenant_id"), "providers", ["tenant_id"])
    op.create_table(
        "corp_auths",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("provider_id", sa.Integer(), nullable=False),
        sa.Column("integration_id", sa.Integer(), nullable=True),
        sa.Column("corp_id", sa.String(length=64), nullable=False),
        sa.Column("corp_name", sa.String(length=128), nullable=False),
        sa.Column("permanent_code", sa.Text(), nullable=True),
        sa.Column("agent_id", sa.String(length=16), nullable=False),
        sa.Column("visible", sa.JSON(), nullable=False),
        sa.Column("authorised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_corp_auths_tenant_id_tenants"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["providers.id"], name=op.f("fk_corp_auths_provider_id_providers"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["integration_id"],
            ["integrations.id"],
            name=op.f("fk_corp_auths_integration_id_integrations"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corp_auths")),
        sa.UniqueConstraint("integration_id", name=op.f("uq_corp_auths_integration_id")),
        sa.UniqueConstraint("provider_id", "corp_id", name=op.f("uq_corp_auths_provider_id_corp_id")),
    )
    op.create_index(op.f("ix_corp_auths_tenant_id"), "corp_auths", ["tenant_id"])
    with op.batch_alter_table("platform_tokens") as batch:
        batch.alter_column("integration_id", existing_type=sa.Integer(), nullable=True)
        batch.add_column(sa.Column("provider_id", sa.Integer(), nullable=True))
        batch.create_foreign_key(
            op.f("fk_platform_tokens_provider_id_providers"), "providers", ["provider_id"], ["id"], ondelete="CASCADE"
        )
        batch.create_unique_constraint(op.f("uq_platform_tokens_provider_id_kind"), ["provider_id", "kind"])


def downgrade() -> None:
    op.execute(sa.text("DELETE FROM platform_tokens WHERE integration_id IS NULL"))
    with op.batch_alter_table("platform_tokens") as batch:
        batch.drop_constraint(op.f("uq_platform_tokens_provider_id_kind"), type_="unique")
        batch.drop_constraint(op.f("fk_platform_tokens_provider_id_providers"), type_="foreignkey")
        batch.drop_column("provider_id")
        batch.alter_column("integration_id", existing_type=sa.Integer(), nullable=False)
    op.drop_table("corp_auths")
    op.drop_table("providers")
