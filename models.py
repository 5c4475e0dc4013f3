"""Tables, constraints and read-only properties, in reading order. No I/O, no commit.

Every row belongs to one organisation (`tenant_id`), but for what stands above them: organisations themselves,
people (who may belong to several) and their sign-in attempts. Times are aware UTC. JSON columns hold what is
read and written whole. Composite foreign keys are not used; services put the tenant in every query.
"""

from __future__ import annotations

import enum
import secrets
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

from extensions import Base
from texts import N_

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time on both databases (SQLite keeps no zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("times are aware UTC")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class EnumText(TypeDecorator[enum.StrEnum]):
    """A StrEnum stored as its value."""

    impl = String(32)
    cache_ok = True

    def __init__(self, kind: type[enum.StrEnum]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: enum.StrEnum | None, dialect: Any) -> str | None:
        return None if value is None else self.kind(value).value

    def process_result_value(self, value: str | None, dialect: Any) -> enum.StrEnum | None:
        return None if value is None else self.kind(value)


BigId = BigInteger().with_variant(Integer, "sqlite")


def _only(rows: str) -> dict[str, Any]:
    """An index of some rows alone: those of which this is true, said in words that both databases know."""
    return {"sqlite_where": text(rows), "postgresql_where": text(rows)}


def _tenant() -> Mapped[int]:
    """For tables that stay small. In large ones SQLite would follow this index, and so read a whole organisation."""
    return mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), index=True)


# --- organisations and people -------------------------------------------------------------------------------------


class TenantStatus(enum.StrEnum):
    ACTIVE = "active"
    FROZEN = "frozen"
    DELETED = "deleted"


class Tenant(Base):
    """An organisation, the isolation boundary. Id 0 is the default one. A deleted one keeps its id and house number."""

    __tablename__ = "tenants"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    house_number: Mapped[str] = mapped_column(String(32), unique=True)
    status: Mapped[TenantStatus] = mapped_column(EnumText(TenantStatus), default=TenantStatus.ACTIVE)
    locale: Mapped[str] = mapped_column(String(8), default="zh_CN")
    timezone: Mapped[str] = mapped_column(String(64), default="Asia/Shanghai")
    snooze_presets: Mapped[list[int]] = mapped_column(JSON, default=lambda: [120, 240, 720])
    last_incident_num: Mapped[int] = mapped_column(default=0)
    seats: Mapped[int | None] = mapped_column(Integer)
    """How many people may view and handle incidents at once; None: everybody (services/seats.py)."""
    seats_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the number was first set: temporary seats end each month on that day."""
    requires_sso: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    """Whether its members come in by single sign-on alone (services/single_sign_on.py)."""
    deletion_due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """From when on the worker deletes what it holds; null: nobody asked for that (services/tenant_deletion.py)."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RetiredHouseNumber(Base):
    """A house number that an organisation gave up. It is never given away again: accounts may begin with it."""

    __tablename__ = "retired_house_numbers"

    house_number: Mapped[str] = mapped_column(String(32), primary_key=True)
    retired_at: Mapped[datetime] = mapped_column(UtcDateTime)


class User(Base):
    """A person who signs in. Flask-Login's protocol is spelt out, so that nothing else is mixed in."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(128))
    username_folded: Mapped[str] = mapped_column(String(128), unique=True)
    real_name: Mapped[str] = mapped_column(String(64), default="")
    email: Mapped[str | None] = mapped_column(String(254), unique=True)
    email_verified_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the person proved that it is theirs; null: an administrator entered it."""
    password_hash: Mapped[str | None] = mapped_column(String(256))
    must_change_password: Mapped[bool] = mapped_column(Boolean, default=False)
    is_superadmin: Mapped[bool] = mapped_column(Boolean, default=False)
    is_disabled: Mapped[bool] = mapped_column(Boolean, default=False)
    locale: Mapped[str | None] = mapped_column(String(8))
    theme: Mapped[str | None] = mapped_column(String(8))
    timezone: Mapped[str | None] = mapped_column(String(64))
    session_epoch: Mapped[int] = mapped_column(default=0)
    """Raised to end every session of this person at once."""
    last_sign_in_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    @property
    def name(self) -> str:
        return self.real_name or self.username

    @property
    def is_active(self) -> bool:
        return not self.is_disabled

    is_authenticated = True
    is_anonymous = False

    def get_id(self) -> str:
        return f"{self.id}.{self.session_epoch}"


class EmailChange(Base):
    """An address that a person says is theirs, until they type the code that was sent there, or it expires.

    code_hash  SHA-256 of person, address and code; tries: wrong codes so far
    """

    __tablename__ = "email_changes"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    email: Mapped[str] = mapped_column(String(254))
    code_hash: Mapped[str] = mapped_column(String(64))
    tries: Mapped[int] = mapped_column(default=0)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class MembershipState(enum.StrEnum):
    INVITED = "invited"
    UNDER_REVIEW = "under_review"
    ACTIVE = "active"
    REFUSED = "refused"
    LEFT = "left"

    @property
    def label(self) -> str:
        return {
            "invited": N_("待接受"),
            "under_review": N_("审核中"),
            "active": N_("正常"),
            "refused": N_("已拒绝"),
            "left": N_("已离职"),
        }[self.value]


class Role(enum.StrEnum):
    ADMIN = "admin"
    RESPONDER = "responder"
    VIEWER = "viewer"

    @property
    def label(self) -> str:
        return {"admin": N_("管理员"), "responder": N_("处理人员"), "viewer": N_("只读")}[self.value]


class Membership(Base):
    """A person's place in one organisation. `preferences`: {severity: [channel kinds]}, missing means all linked.

    source      manual | invite | house_number | contact_sync | sso: how they came
    decided_*   who let them in, refused them or let them go, the user's id, and why in the decider's words
    """

    __tablename__ = "memberships"
    __table_args__ = (UniqueConstraint("tenant_id", "user_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    state: Mapped[MembershipState] = mapped_column(EnumText(MembershipState), default=MembershipState.ACTIVE)
    role: Mapped[Role] = mapped_column(EnumText(Role), default=Role.RESPONDER)
    source: Mapped[str] = mapped_column(String(32), default="manual")
    preferences: Mapped[dict[str, list[str]]] = mapped_column(JSON, default=dict)
    decided_by_id: Mapped[int | None] = mapped_column(Integer)
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reason: Mapped[str] = mapped_column(String(200), default="", server_default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)
    tenant: Mapped[Tenant] = relationship(lazy="joined", innerjoin=True)


class Invitation(Base):
    """A link that lets one person into an organisation, once. Only the hash of its token is kept.

    username  folded: only this person may use it, who then also finds it after signing in; "" for whoever has the link
    """

    __tablename__ = "invitations"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[Role] = mapped_column(EnumText(Role), default=Role.RESPONDER)
    username: Mapped[str] = mapped_column(String(128), default="", index=True)
    note: Mapped[str] = mapped_column(String(60), default="")
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    used_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    tenant: Mapped[Tenant] = relationship(lazy="joined", innerjoin=True)
    created_by: Mapped[User | None] = relationship(foreign_keys=[created_by_id])
    used_by: Mapped[User | None] = relationship(foreign_keys=[used_by_id])


class DepartmentKind(enum.StrEnum):
    COMPANY = "company"
    DEPARTMENT = "department"


class Department(Base):
    """A node of an organisation's tree: where people belong by rank, perhaps mirrored from a chat platform.

    kind      company: a root; a tree may have several
    position  among its siblings, the smallest first
    source    local | synced: who made it. A sync finds its departments by DepartmentOrigin, never by name
    """

    __tablename__ = "departments"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("departments.id", ondelete="RESTRICT"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    position: Mapped[int] = mapped_column(BigInteger, default=0)
    kind: Mapped[DepartmentKind] = mapped_column(EnumText(DepartmentKind), default=DepartmentKind.DEPARTMENT)
    source: Mapped[str] = mapped_column(String(16), default="local")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}


class DepartmentOrigin(Base):
    """Which department of a platform, seen through an integration, a department here mirrors.

    vanished_at  the platform no longer names it; it stays here until somebody deletes it
    """

    __tablename__ = "department_origins"
    __table_args__ = (
        UniqueConstraint("integration_id", "external_id"),
        UniqueConstraint("integration_id", "department_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    department_id: Mapped[int] = mapped_column(ForeignKey("departments.id", ondelete="CASCADE"), index=True)
    integration_id: Mapped[int] = mapped_column(ForeignKey("integrations.id", ondelete="CASCADE"))
    external_id: Mapped[str] = mapped_column(String(128))
    vanished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class DepartmentMember(Base):
    """A member in a department. source: manual | synced; a sync takes away only what a sync put there."""

    __tablename__ = "department_members"

    department_id: Mapped[int] = mapped_column(ForeignKey("departments.id", ondelete="CASCADE"), primary_key=True)
    membership_id: Mapped[int] = mapped_column(
        ForeignKey("memberships.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    tenant_id: Mapped[int] = _tenant()
    source: Mapped[str] = mapped_column(String(16), default="manual")


class Team(Base):
    """A working group that owns channels; not the same as a department."""

    __tablename__ = "teams"
    __table_args__ = (UniqueConstraint("tenant_id", "name"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    name: Mapped[str] = mapped_column(String(59))
    description: Mapped[str] = mapped_column(String(500), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}


class TeamMember(Base):
    """A member in a team."""

    __tablename__ = "team_members"

    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True)
    membership_id: Mapped[int] = mapped_column(
        ForeignKey("memberships.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    tenant_id: Mapped[int] = _tenant()


class SeatKind(enum.StrEnum):
    FIXED = "fixed"
    TEMPORARY = "temporary"

    @property
    def label(self) -> str:
        return {"fixed": N_("固定"), "temporary": N_("临时")}[self.value]


class Seat(Base):
    """A person's right to view and handle incidents, where an organisation has a number of such rights.

    used_at  when the person last needed it, to the hour; released_at: null while it is held
    """

    __tablename__ = "seats"
    __table_args__ = (
        Index(
            "uq_seats_held",
            "tenant_id",
            "user_id",
            unique=True,
            **_only("released_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    kind: Mapped[SeatKind] = mapped_column(EnumText(SeatKind))
    assigned_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    assigned_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    released_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    user: Mapped[User] = relationship(foreign_keys=[user_id], lazy="joined", innerjoin=True)


class SeatRefusal(Base):
    """How often a person was refused on one day (UTC, 2026-03-02) because no seat was free."""

    __tablename__ = "seat_refusals"
    __table_args__ = (UniqueConstraint("tenant_id", "day", "user_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    day: Mapped[str] = mapped_column(String(10))
    count: Mapped[int] = mapped_column(default=1)


class SignInAttempt(Base):
    """A failed sign-in, counted per folded account name and per address."""

    __tablename__ = "sign_in_attempts"
    __table_args__ = (
        Index("ix_sign_in_attempts_account_at", "account", "at"),
        Index("ix_sign_in_attempts_address_at", "address", "at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    account: Mapped[str] = mapped_column(String(128))
    address: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class ApiToken(Base):
    """A bearer token of the product API. Only its hash is kept; the prefix is shown for recognition."""

    __tablename__ = "api_tokens"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(60))
    prefix: Mapped[str] = mapped_column(String(12))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)


class SsoProvider(Base):
    """The OpenID Connect identity provider of an organisation.

    issuer      without a trailing slash; secrets: {"client_secret": AES-GCM cipher text}
    checked_at  when it was last tried; problem: {message, params} of what was wrong then, None: nothing
    """

    __tablename__ = "sso_providers"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), unique=True)
    issuer: Mapped[str] = mapped_column(String(300))
    client_id: Mapped[str] = mapped_column(String(200))
    secrets: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    is_enabled: Mapped[bool] = mapped_column(Boolean, default=False)
    checked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)

    tenant: Mapped[Tenant] = relationship()
    __mapper_args__ = {"version_id_col": version}


class SsoIdentity(Base):
    """A person at an organisation's identity provider ↔ an account here. Made once by a verified e-mail."""

    __tablename__ = "sso_identities"
    __table_args__ = (
        UniqueConstraint("tenant_id", "issuer", "subject"),
        UniqueConstraint("tenant_id", "issuer", "user_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    issuer: Mapped[str] = mapped_column(String(300))
    subject: Mapped[str] = mapped_column(String(255))
    email: Mapped[str] = mapped_column(String(254))
    linked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)


# --- connections to chat platforms --------------------------------------------------------------------------------


class IntegrationStatus(enum.StrEnum):
    DRAFT = "draft"
    ACTIVE = "active"
    DISABLED = "disabled"

    @property
    def label(self) -> str:
        return {"draft": N_("草稿"), "active": N_("已启用"), "disabled": N_("已停用")}[self.value]


def _next_version(version: int | None) -> int:
    """Begins anywhere: SQLite gives the id of a deleted row again, and what was kept of that is not this one's."""
    return (secrets.randbelow(1 << 30) if version is None else version) + 1


class Integration(Base):
    """One connection to one application on a chat platform.

    settings      what may be shown: ids, addresses, the ownership file
    secrets       what may not: AES-GCM cipher texts by field name (services/vault.py)
    platform_key  "wecom:ww…": one application belongs to one organisation, over all organisations
    public_key    random part of the generated addresses
    """

    __tablename__ = "integrations"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    platform: Mapped[str] = mapped_column(String(16))
    mode: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(40))
    status: Mapped[IntegrationStatus] = mapped_column(EnumText(IntegrationStatus), default=IntegrationStatus.DRAFT)
    settings: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    secrets: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    platform_key: Mapped[str | None] = mapped_column(String(128), unique=True)
    public_key: Mapped[str] = mapped_column(String(43), unique=True)
    enhanced: Mapped[dict[str, bool]] = mapped_column(JSON, default=dict)
    current_step: Mapped[str | None] = mapped_column(String(32))
    edited_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    edited_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_callback_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_send_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    paused_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The platform asked us to wait: no message of this application leaves before."""
    outage_count: Mapped[int] = mapped_column(default=0, server_default="0")
    """Calls in a row that met a platform which is down (services/circuits.py)."""
    outage_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    probe_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """While the platform is down, one message may leave then, to see whether it is still so."""
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)

    edited_by: Mapped[User | None] = relationship(foreign_keys=[edited_by_id])
    __mapper_args__ = {"version_id_col": version, "version_id_generator": _next_version}


class CheckState(enum.StrEnum):
    WAITING = "waiting"
    PASSED = "passed"
    FAILED = "failed"


class IntegrationCheck(Base):
    """What was last seen of one setup check. `since` is when it began to wait; detail: {code, params, raw…}."""

    __tablename__ = "integration_checks"
    __table_args__ = (UniqueConstraint("integration_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    integration_id: Mapped[int] = mapped_column(ForeignKey("integrations.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(32))
    state: Mapped[CheckState] = mapped_column(EnumText(CheckState), default=CheckState.WAITING)
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    detail: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class PlatformToken(Base):
    """A platform's access token, encrypted, with one refresher at a time (lease). Of a connection or of a provider."""

    __tablename__ = "platform_tokens"
    __table_args__ = (UniqueConstraint("integration_id", "kind"), UniqueConstraint("provider_id", "kind"))

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    integration_id: Mapped[int | None] = mapped_column(ForeignKey("integrations.id", ondelete="CASCADE"))
    provider_id: Mapped[int | None] = mapped_column(ForeignKey("providers.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(32))
    value: Mapped[str | None] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, default=EPOCH)
    refreshing_until: Mapped[datetime] = mapped_column(UtcDateTime, default=EPOCH)
    retry_at: Mapped[datetime] = mapped_column(UtcDateTime, default=EPOCH)
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON)


class Provider(Base):
    """What this installation is to a platform as a provider (服务商) whose application companies install.

    Above organisations, so filed under organisation 0; one for each platform that knows providers.
    settings, secrets   like a connection's: what may be shown, and cipher texts by field name
    ticket   the platform's latest proof that it reaches us (WeCom suite_ticket), a cipher text, and when it was made
    seen     when something was last seen to work, ISO times by name: "command", "data"
    """

    __tablename__ = "providers"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    platform: Mapped[str] = mapped_column(String(16), unique=True)
    settings: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    secrets: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    ticket: Mapped[str | None] = mapped_column(Text)
    ticket_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    seen: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class CorpAuth(Base):
    """A company's authorisation of a provider's application, whether or not a connection here uses it yet.

    corp_id         as the provider sees it (encrypted by the platform); integration_id: the connection that uses it
    permanent_code  a cipher text; null once the company cancelled
    agent_id        the application's number in that company, "" until it was read
    visible         {"departments", "people", "tags", "whole_company"}: whom it reaches there
    """

    __tablename__ = "corp_auths"
    __table_args__ = (UniqueConstraint("provider_id", "corp_id"), UniqueConstraint("integration_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    provider_id: Mapped[int] = mapped_column(ForeignKey("providers.id", ondelete="CASCADE"))
    integration_id: Mapped[int | None] = mapped_column(ForeignKey("integrations.id", ondelete="SET NULL"))
    corp_id: Mapped[str] = mapped_column(String(64))
    corp_name: Mapped[str] = mapped_column(String(128), default="")
    permanent_code: Mapped[str | None] = mapped_column(Text)
    agent_id: Mapped[str] = mapped_column(String(16), default="")
    visible: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    authorised_at: Mapped[datetime] = mapped_column(UtcDateTime)
    cancelled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    read_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @property
    def is_in_force(self) -> bool:
        return self.permanent_code is not None and self.cancelled_at is None


class LinkState(enum.StrEnum):
    ACTIVE = "active"
    PENDING = "pending"
    BROKEN = "broken"


class AccountLink(Base):
    """A person here ↔ a person on the platform, inside one integration. Ids are folded where case does not matter.

    external_union_id  as of platforms.base.PlatformIdentity; "": not told yet, or never
    """

    __tablename__ = "account_links"
    __table_args__ = (
        UniqueConstraint("integration_id", "external_user_id"),
        UniqueConstraint("integration_id", "user_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    integration_id: Mapped[int] = mapped_column(ForeignKey("integrations.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    external_user_id: Mapped[str] = mapped_column(String(128))
    external_union_id: Mapped[str] = mapped_column(String(128), default="", server_default="")
    external_name: Mapped[str] = mapped_column(String(128), default="")
    state: Mapped[LinkState] = mapped_column(EnumText(LinkState), default=LinkState.ACTIVE)
    source: Mapped[str] = mapped_column(String(32))
    linked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    missing_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The platform's contacts no longer name this person. The link stays."""

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)


class LicenceState(enum.StrEnum):
    """How a member stands with a platform that asks for licences. not_needed: it asks for none of this company."""

    NOT_NEEDED = "not_needed"
    TRIAL = "trial"
    ACTIVE = "active"
    EXPIRED = "expired"
    MISSING = "missing"

    @property
    def label(self) -> str:
        return {
            "not_needed": N_("无需许可"),
            "trial": N_("试用中"),
            "active": N_("已激活"),
            "expired": N_("已过期"),
            "missing": N_("未开通"),
        }[self.value]

    @property
    def is_in_force(self) -> bool:
        return self in (LicenceState.NOT_NEEDED, LicenceState.TRIAL, LicenceState.ACTIVE)


class InterfaceLicence(Base):
    """What the platform last said of a company's licences for a connection (WeCom 企微许可), where it asks for such.

    trial_*        everybody is free between these; null: there is no trial, or nobody has asked yet
    read_at        when all of it was last read; problem: why it could not be since, as platforms.errors.remember()
    reminded_days  the shortest of the terms before the trial's end that administrators were reminded of, 0: of the end
    noticed_on     the day ("2026-03-02", the organisation's) on which administrators were last told anything
    """

    __tablename__ = "interface_licences"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    integration_id: Mapped[int] = mapped_column(ForeignKey("integrations.id", ondelete="CASCADE"), unique=True)
    is_required: Mapped[bool] = mapped_column(Boolean, default=True)
    trial_starts_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    trial_ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    read_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    reminded_days: Mapped[int | None]
    noticed_on: Mapped[str] = mapped_column(String(10), default="")

    def state_of(self, licence: MemberLicence | None, now: datetime) -> LicenceState:
        """How somebody with this licence stands. An own licence is named before the trial, which ends."""
        if not self.is_required:
            return LicenceState.NOT_NEEDED
        if licence is not None and licence.expires_at is not None and licence.expires_at > now:
            return LicenceState.ACTIVE
        if self.trial_ends_at is not None and self.trial_ends_at > now:
            return LicenceState.TRIAL
        is_over = licence is not None and licence.expires_at is not None
        return LicenceState.EXPIRED if is_over else LicenceState.MISSING


class MemberLicence(Base):
    """One account's licence as last read, and whether a message to it was refused for want of one.

    refused_as  what was known then: a message is tried again once something else is
    """

    __tablename__ = "member_licences"
    __table_args__ = (UniqueConstraint("integration_id", "external_user_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    integration_id: Mapped[int] = mapped_column(ForeignKey("integrations.id", ondelete="CASCADE"))
    external_user_id: Mapped[str] = mapped_column(String(128))
    activated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    read_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    refused_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    refused_as: Mapped[str] = mapped_column(String(120), default="")


class ContactSyncState(enum.StrEnum):
    READING = "reading"
    COMPARING = "comparing"
    APPLYING = "applying"
    DONE = "done"
    FAILED = "failed"
    DISCARDED = "discarded"

    @property
    def label(self) -> str:
        return {
            "reading": N_("正在读取通讯录"),
            "comparing": N_("等待确认"),
            "applying": N_("正在同步"),
            "done": N_("已完成"),
            "failed": N_("失败"),
            "discarded": N_("已放弃"),
        }[self.value]


class ContactSync(Base):
    """Taking over a company's departments and people from a platform: read, compared by an administrator, applied.

    departments  what was read: [{id, name, parent_id, order}], a parent before its children; [] once taken over
    step, steps  how far the present state has come, of how many
    initial_passwords  "random" or "account": what new accounts are given
    counts       of a finished one: {created, updated, review, skipped, failed}
    error        why it failed (platforms.errors.remember)
    version      of the comparison as a whole: whoever confirms has seen this one
    """

    __tablename__ = "contact_syncs"
    __table_args__ = (
        Index(
            "uq_contact_syncs_open",
            "integration_id",
            unique=True,
            **_only("finished_at IS NULL"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    integration_id: Mapped[int] = mapped_column(ForeignKey("integrations.id", ondelete="CASCADE"))
    state: Mapped[ContactSyncState] = mapped_column(EnumText(ContactSyncState), default=ContactSyncState.READING)
    step: Mapped[int] = mapped_column(default=0)
    steps: Mapped[int] = mapped_column(default=0)
    departments: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list, deferred=True)
    initial_passwords: Mapped[str] = mapped_column(String(16), default="random")
    counts: Mapped[dict[str, int]] = mapped_column(JSON, default=dict)
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    started_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    confirmed_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)

    started_by: Mapped[User | None] = relationship(foreign_keys=[started_by_id])
    confirmed_by: Mapped[User | None] = relationship(foreign_keys=[confirmed_by_id])

    @property
    def is_open(self) -> bool:
        return self.finished_at is None


class Pairing(enum.StrEnum):
    BOUND = "bound"
    BY_NAME = "by_name"
    BY_HAND = "by_hand"
    OUTSIDE = "outside"
    NAMESAKE = "namesake"
    NONE = "none"

    @property
    def label(self) -> str:
        return {
            "bound": N_("已绑定"),
            "by_name": N_("按姓名匹配"),
            "by_hand": N_("手动"),
            "outside": N_("将进入审核"),
            "namesake": N_("重名，请手动选择"),
            "none": N_("未匹配"),
        }[self.value]


class SyncPerson(Base):
    """A person of the platform in one synchronisation, paired with an account here or not.

    external_user_id, shown_id  as links hold it, and as the platform writes it
    user_id   the paired account. No foreign key: whether it still exists is asked when it is needed
    outcome   code of services/contact_decisions.py once this person is done with; report: the words of its line
    password  a random initial password, encrypted, until it has been handed out
    """

    __tablename__ = "sync_people"
    __table_args__ = (
        UniqueConstraint("sync_id", "external_user_id"),
        UniqueConstraint("sync_id", "user_id"),
        Index("ix_sync_people_sync_id_outcome_id", "sync_id", "outcome", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    sync_id: Mapped[int] = mapped_column(ForeignKey("contact_syncs.id", ondelete="CASCADE"))
    external_user_id: Mapped[str] = mapped_column(String(128))
    shown_id: Mapped[str] = mapped_column(String(128))
    name: Mapped[str] = mapped_column(String(128), default="")
    department_ids: Mapped[list[str]] = mapped_column(JSON, default=list)
    pairing: Mapped[Pairing] = mapped_column(EnumText(Pairing), default=Pairing.NONE)
    user_id: Mapped[int | None] = mapped_column(Integer)
    is_included: Mapped[bool] = mapped_column(Boolean, default=True)
    outcome: Mapped[str | None] = mapped_column(String(32))
    report: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    password: Mapped[str | None] = mapped_column(Text)
    version: Mapped[int] = mapped_column(default=1)


class GeneratedAccount(Base):
    """An account that a synchronisation made, for whom, and what became of its initial password.

    platform_key, external_user_id  the application and the person there: "wecom:ww…", "lilei"
    password_kind   "random" or "account"; password_until: it opens nothing after that; password_used_at: nor after that
    """

    __tablename__ = "generated_accounts"
    __table_args__ = (UniqueConstraint("tenant_id", "platform_key", "external_user_id"),)

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    platform_key: Mapped[str] = mapped_column(String(128))
    external_user_id: Mapped[str] = mapped_column(String(128))
    password_kind: Mapped[str] = mapped_column(String(16))
    password_until: Mapped[datetime] = mapped_column(UtcDateTime)
    password_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class GroupState(enum.StrEnum):
    ACTIVE = "active"
    REMOVED = "removed"
    DISBANDED = "disbanded"

    @property
    def label(self) -> str:
        return {"active": N_("可发送"), "removed": N_("已移除应用"), "disbanded": N_("群聊已解散")}[self.value]


class GroupChat(Base):
    """A group on the platform that the application can post to, or could. Its id there is kept as it is given.

    name, alias         as the platform says ("": it has not yet), and as an administrator calls it here
    origin              how it became known: cool_app | bot_added | listed …
    details             what the platform wants to be told again with every message there
    state_at, named_at  when the platform says that state and name were so: events overtake one another
    """

    __tablename__ = "group_chats"
    __table_args__ = (UniqueConstraint("integration_id", "external_id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    integration_id: Mapped[int] = mapped_column(ForeignKey("integrations.id", ondelete="CASCADE"))
    external_id: Mapped[str] = mapped_column(String(128))
    name: Mapped[str] = mapped_column(String(128), default="")
    alias: Mapped[str] = mapped_column(String(40), default="")
    origin: Mapped[str] = mapped_column(String(16))
    state: Mapped[GroupState] = mapped_column(EnumText(GroupState), default=GroupState.ACTIVE)
    details: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    member_count: Mapped[int | None]
    state_at: Mapped[datetime] = mapped_column(UtcDateTime, default=EPOCH)
    named_at: Mapped[datetime] = mapped_column(UtcDateTime, default=EPOCH)
    first_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_event_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    integration: Mapped[Integration] = relationship()

    @property
    def is_active(self) -> bool:
        return self.state is GroupState.ACTIVE


class CallCount(Base):
    """How much a connection used of what its platform grants (services/calls.py).

    period       a calendar month or day in China: "2026-03", "2026-03-05"
    application  that through which it was used, where each has a quota of its own; "" where a company has one
    calls        calls or people, as the platform counts
    """

    __tablename__ = "call_counts"
    __table_args__ = (UniqueConstraint("integration_id", "period", "application"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    integration_id: Mapped[int] = mapped_column(ForeignKey("integrations.id", ondelete="CASCADE"))
    period: Mapped[str] = mapped_column(String(10))
    application: Mapped[str] = mapped_column(String(128), default="", server_default="")
    calls: Mapped[int] = mapped_column(BigInteger, default=0)


class Receipt(Base):
    """A callback or one-time value that was taken, kept to answer repeats alike and refuse replays.

    scope  "wecom:<integration id>", "oauth" …; key: the platform's event identity or the nonce
    answer what a repeat of the same event is answered with; at: when, which the ids follow
    """

    __tablename__ = "receipts"
    __table_args__ = (UniqueConstraint("scope", "key"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    scope: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(String(200))
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


# --- channels, policies, alert sources ----------------------------------------------------------------------------


class Flapping(enum.StrEnum):
    """What a channel does about alerts that fire and recover over and over; MUTE: reminders rest, too."""

    MARK = "mark"
    MUTE = "mute"
    OFF = "off"


class Channel(Base):
    """协作空间: the smallest unit in which incidents are managed. team_id: the team that owns it, if one does."""

    __tablename__ = "channels"
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    name: Mapped[str] = mapped_column(String(59))
    description: Mapped[str] = mapped_column(String(500), default="")
    is_private: Mapped[bool] = mapped_column(Boolean, default=False)
    is_enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    closes_on_recovery: Mapped[bool] = mapped_column(Boolean, default=True)
    close_timeout_minutes: Mapped[int] = mapped_column(default=0)
    """0: never; counted from the trigger or, with `timeout_from_last_merge`, from the last event."""
    timeout_from_last_merge: Mapped[bool] = mapped_column(Boolean, default=False)
    flapping: Mapped[Flapping] = mapped_column(EnumText(Flapping), default=Flapping.MARK, server_default="mark")
    team_id: Mapped[int | None] = mapped_column(Integer)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}


class Template(Base):
    """Texts of an organisation for the custom area of its cards, by channel kind; no text means the built-in one.

    team_id     the team that owns it, whose responders may change it; null: the organisation's
    is_default  of cards that no policy has chosen a template for; at most one, and of no team
    revision    a random name of the present texts, under which processes keep what they compiled
    """

    __tablename__ = "templates"
    __table_args__ = (
        UniqueConstraint("tenant_id", "name"),
        Index(
            "uq_templates_default",
            "tenant_id",
            unique=True,
            sqlite_where=text("is_default IS 1"),
            postgresql_where=text("is_default IS true"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    name: Mapped[str] = mapped_column(String(39))
    description: Mapped[str] = mapped_column(String(500), default="")
    team_id: Mapped[int | None] = mapped_column(Integer)
    is_default: Mapped[bool] = mapped_column(Boolean, default=False)
    texts: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    revision: Mapped[str] = mapped_column(String(32))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}


class DispatchPolicy(Base):
    """Who, through what, in what levels and with what delays. `levels` holds services.policies.Level as JSON.

    template_id  of the texts of its cards; null: the organisation's default
    """

    __tablename__ = "dispatch_policies"
    __table_args__ = (UniqueConstraint("channel_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    channel_id: Mapped[int] = mapped_column(ForeignKey("channels.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(39))
    description: Mapped[str] = mapped_column(String(500), default="")
    priority: Mapped[int] = mapped_column(default=100)
    is_enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    time_windows: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    filters: Mapped[list[list[dict[str, Any]]]] = mapped_column(JSON, default=list)
    delay_seconds: Mapped[int] = mapped_column(default=0)
    levels: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    template_id: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)

    channel: Mapped[Channel] = relationship()
    __mapper_args__ = {"version_id_col": version}


class AlertSource(Base):
    """A monitoring system that pushes here, into one channel. `options`: what its parser may be told."""

    __tablename__ = "alert_sources"
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    channel_id: Mapped[int] = mapped_column(ForeignKey("channels.id", ondelete="CASCADE"), index=True)
    type: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(40))
    is_enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    options: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    event_count: Mapped[int] = mapped_column(BigInteger, default=0)
    rejected_count: Mapped[int] = mapped_column(BigInteger, default=0)
    last_event_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    tenant: Mapped[Tenant] = relationship()
    channel: Mapped[Channel] = relationship()
    keys: Mapped[list[IntegrationKey]] = relationship(
        back_populates="source", order_by="IntegrationKey.id.desc()", cascade="all, delete-orphan"
    )


class IntegrationKey(Base):
    """A key that lets a monitoring system push. Looked up by hash; administrators are shown the deciphered one."""

    __tablename__ = "integration_keys"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    source_id: Mapped[int] = mapped_column(ForeignKey("alert_sources.id", ondelete="CASCADE"), index=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    key_cipher: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Set when a newer key replaced this one; both work until then."""

    source: Mapped[AlertSource] = relationship(back_populates="keys")


class StoredPush(Base):
    """The intake journal: alerts that were answered with 2xx and wait to become incidents, in the order of their ids.

    events  what the parser made of them (services/stored_pushes.py); event_count: how many
    error   why these were set aside and are tried again alone; null while they wait in their order
    """

    __tablename__ = "stored_pushes"
    __table_args__ = (
        Index(
            "ix_stored_pushes_waiting",
            "source_id",
            "id",
            **_only("error IS NULL"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    source_id: Mapped[int] = mapped_column(ForeignKey("alert_sources.id", ondelete="CASCADE"))
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    events: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    event_count: Mapped[int]
    truncated: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(String(500))


# --- alerts and incidents -----------------------------------------------------------------------------------------


class Severity(enum.StrEnum):
    """How bad, and as an event status also `Ok`: recovered. Capitalised on the wire."""

    CRITICAL = "Critical"
    WARNING = "Warning"
    INFO = "Info"
    OK = "Ok"

    @property
    def rank(self) -> int:
        """0 is the worst."""
        return ["Critical", "Warning", "Info", "Ok"].index(self.value)

    @cached_property
    def label(self) -> str:
        return {"Critical": N_("严重"), "Warning": N_("一般"), "Info": N_("轻微"), "Ok": N_("恢复")}[self.value]


class Progress(enum.StrEnum):
    TRIGGERED = "Triggered"
    PROCESSING = "Processing"
    CLOSED = "Closed"

    @cached_property
    def label(self) -> str:
        return {"Triggered": N_("待处理"), "Processing": N_("处理中"), "Closed": N_("已关闭")}[self.value]


class AlertState(enum.StrEnum):
    FIRING = "firing"
    RECOVERED = "recovered"
    CLOSED = "closed"

    @property
    def label(self) -> str:
        return {"firing": N_("告警中"), "recovered": N_("已恢复"), "closed": N_("已关闭")}[self.value]


_LISTED = ("tenant_id", "changed_at", "id", "progress", "severity", "channel_id", "is_private", "title")


class Incident(Base):
    """What people handle: one or more alerts, or an entry made by hand.

    assignment  {"kind": assign|reassign|reopen, "policy": {snapshot}, "level": 0-based, "run": n} or {}
    overrides   fields edited by hand, no longer overwritten by alerts
    """

    __tablename__ = "incidents"
    __table_args__ = (
        UniqueConstraint("tenant_id", "num"),
        # lists, their filters and the search read these alone; the rows are looked up for what is shown. An incident
        # is in one of them: whatever happens to it moves it to the front there, and most are closed and rest
        Index("ix_incidents_open", *_LISTED, **_only("progress != 'Closed'")),
        Index("ix_incidents_closed", *_LISTED, **_only("progress = 'Closed'")),
        Index("ix_incidents_started", "tenant_id", "started_at", "id", "channel_id", "is_private"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    num: Mapped[int]
    channel_id: Mapped[int | None] = mapped_column(ForeignKey("channels.id", ondelete="SET NULL"), index=True)
    title: Mapped[str] = mapped_column(String(512))
    description: Mapped[str] = mapped_column(Text, default="")
    severity: Mapped[Severity] = mapped_column(EnumText(Severity))
    status: Mapped[Severity] = mapped_column(EnumText(Severity))
    progress: Mapped[Progress] = mapped_column(EnumText(Progress), default=Progress.TRIGGERED)
    labels: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    images: Mapped[list[dict[str, str]]] = mapped_column(JSON, default=list)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_event_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """Last change that a reader would see: sorts lists, feeds ETags."""
    acknowledged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    recovered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    snoozed_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    snoozed_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    closed_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    closed_via: Mapped[str | None] = mapped_column(String(16))
    is_private: Mapped[bool] = mapped_column(Boolean, default=False)
    """What is left of a private channel that was deleted: for administrators and its responders only."""
    assignment: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    alert_count: Mapped[int] = mapped_column(default=0)
    active_alert_count: Mapped[int] = mapped_column(default=0)
    event_count: Mapped[int] = mapped_column(default=0)
    impact: Mapped[str] = mapped_column(String(1024), default="")
    root_cause: Mapped[str] = mapped_column(String(1024), default="")
    resolution: Mapped[str] = mapped_column(String(1024), default="")
    overrides: Mapped[list[str]] = mapped_column(JSON, default=list)
    flapping_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    flapped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The latest state change since it was marked."""
    reminders_muted_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)

    channel: Mapped[Channel | None] = relationship()
    snoozed_by: Mapped[User | None] = relationship(foreign_keys=[snoozed_by_id])
    closed_by: Mapped[User | None] = relationship(foreign_keys=[closed_by_id])
    responders: Mapped[list[Responder]] = relationship(
        back_populates="incident", order_by="Responder.id", cascade="all, delete-orphan"
    )
    __mapper_args__ = {"version_id_col": version}

    @property
    def is_open(self) -> bool:
        return self.progress is not Progress.CLOSED

    @property
    def is_triggered(self) -> bool:
        return self.progress is Progress.TRIGGERED

    @property
    def is_flapping(self) -> bool:
        return self.is_open and self.flapping_since is not None

    def is_snoozed(self, now: datetime) -> bool:
        return self.is_open and self.snoozed_until is not None and self.snoozed_until > now


class Responder(Base):
    """A person assigned to an incident. source: policy | reassign | added | self; `is_current` ends with a reassign.

    is_open  whether the incident is. Triggers of the database keep it (migration 0005), so that "mine" is found and
             counted without looking at incidents; nothing else writes it
    """

    __tablename__ = "responders"
    __table_args__ = (
        UniqueConstraint("incident_id", "user_id"),
        Index(
            "ix_responders_open",
            *("user_id", "tenant_id", "incident_id"),
            sqlite_where=text("is_current IS 1 AND is_open IS 1"),
            postgresql_where=text("is_current IS true AND is_open IS true"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    incident_id: Mapped[int] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    source: Mapped[str] = mapped_column(String(16))
    is_current: Mapped[bool] = mapped_column(Boolean, default=True)
    is_open: Mapped[bool] = mapped_column(Boolean, server_default=true())
    assigned_at: Mapped[datetime] = mapped_column(UtcDateTime)
    acknowledged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)
    incident: Mapped[Incident] = relationship(back_populates="responders")


class Alert(Base):
    """All events with one alert key between trigger and recovery."""

    __tablename__ = "alerts"
    __table_args__ = (
        Index(
            "ix_alerts_closed",
            "source_id",
            "alert_key",
            "ended_at",
            **_only("state = 'closed'"),
        ),
        # the latest alerts of a key; those that fire are not in it, so that new ones do not pay for it
        Index(
            "ix_alerts_ended",
            *("source_id", "alert_key", "ended_at"),
            **_only("ended_at IS NOT NULL"),
        ),
        Index(
            "uq_alerts_firing",
            "source_id",
            "alert_key",
            unique=True,
            **_only("state = 'firing'"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    source_id: Mapped[int | None] = mapped_column(ForeignKey("alert_sources.id", ondelete="SET NULL"))
    channel_id: Mapped[int | None] = mapped_column(ForeignKey("channels.id", ondelete="SET NULL"))
    incident_id: Mapped[int | None] = mapped_column(ForeignKey("incidents.id", ondelete="SET NULL"), index=True)
    alert_key: Mapped[str] = mapped_column(String(255))
    title: Mapped[str] = mapped_column(String(512))
    description: Mapped[str] = mapped_column(Text, default="")
    severity: Mapped[Severity] = mapped_column(EnumText(Severity))
    status: Mapped[Severity] = mapped_column(EnumText(Severity))
    state: Mapped[AlertState] = mapped_column(EnumText(AlertState), default=AlertState.FIRING)
    labels: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    images: Mapped[list[dict[str, str]]] = mapped_column(JSON, default=list)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_event_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    event_count: Mapped[int] = mapped_column(default=0)

    source: Mapped[AlertSource | None] = relationship()


class AlertEvent(Base):
    """One raw report from a monitoring system; `raw` is what was pushed. Kept for RETENTION_EVENT_DAYS."""

    __tablename__ = "alert_events"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    alert_id: Mapped[int] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"), index=True)
    event_status: Mapped[Severity] = mapped_column(EnumText(Severity))
    title: Mapped[str] = mapped_column(String(512))
    description: Mapped[str] = mapped_column(Text, default="")
    labels: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    event_at: Mapped[datetime] = mapped_column(UtcDateTime)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    raw: Mapped[Any] = mapped_column(JSON, nullable=True)


class TimelineEntry(Base):
    """One thing that happened to an incident. Append-only, read by (at, id). Types: services/timeline.py."""

    __tablename__ = "timeline_entries"
    __table_args__ = (Index("ix_timeline_incident_at", "incident_id", "at", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    incident_id: Mapped[int] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"))
    type: Mapped[str] = mapped_column(String(24))
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    actor_name: Mapped[str] = mapped_column(String(128), default="")
    via: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    detail: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


# --- war rooms ----------------------------------------------------------------------------------------------------


class RoomState(enum.StrEnum):
    CREATING = "creating"
    ACTIVE = "active"
    DISMISSING = "dismissing"
    DISMISSED = "dismissed"
    FAILED = "failed"

    @property
    def label(self) -> str:
        return {
            "creating": N_("正在创建"),
            "active": N_("进行中"),
            "dismissing": N_("正在结束"),
            "dismissed": N_("已结束"),
            "failed": N_("创建失败"),
        }[self.value]


class WarRoom(Base):
    """作战室: a group on a platform that is made for one incident. At most one of an incident is not over.

    reference       our own key of the group on the platform, fixed before the first try
    has_observers   whether people who responded earlier are called in as well
    group_chat_id   the group once there is one; share_link: opens it in the client, "" where there is no such link
    first_tried_at  when the platform was first asked to make it; is_unanswered: a try may have made it
    shown           what of the incident was last told where cards cannot be changed: its version, progress …
    entry_id        the last timeline entry whose comment was told
    failure         why it could not be made, or the last thing that went wrong (platforms.errors.remember); {}: nothing
    """

    __tablename__ = "war_rooms"
    __table_args__ = (
        Index(
            "uq_war_rooms_open",
            "incident_id",
            unique=True,
            **_only("state IN ('creating', 'active', 'dismissing')"),
        ),
        Index("ix_war_rooms_incident", "incident_id", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    incident_id: Mapped[int] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"))
    integration_id: Mapped[int | None] = mapped_column(ForeignKey("integrations.id", ondelete="SET NULL"), index=True)
    integration_name: Mapped[str] = mapped_column(String(40), default="")
    platform: Mapped[str] = mapped_column(String(16))
    group_chat_id: Mapped[int | None] = mapped_column(ForeignKey("group_chats.id", ondelete="SET NULL"), index=True)
    reference: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(64), default="")
    share_link: Mapped[str] = mapped_column(String(300), default="")
    state: Mapped[RoomState] = mapped_column(EnumText(RoomState), default=RoomState.CREATING)
    has_observers: Mapped[bool] = mapped_column(Boolean, default=False)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_via: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    dismissed_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    dismissed_via: Mapped[str] = mapped_column(String(16), default="")
    dismissed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    is_dissolved: Mapped[bool] = mapped_column(Boolean, default=False)
    first_tried_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    is_unanswered: Mapped[bool] = mapped_column(Boolean, default=False)
    shown: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    entry_id: Mapped[int] = mapped_column(BigInteger, default=0)
    failure: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    version: Mapped[int] = mapped_column(default=1)

    incident: Mapped[Incident] = relationship()
    integration: Mapped[Integration | None] = relationship()
    group_chat: Mapped[GroupChat | None] = relationship()
    created_by: Mapped[User | None] = relationship(foreign_keys=[created_by_id])
    dismissed_by: Mapped[User | None] = relationship(foreign_keys=[dismissed_by_id])
    members: Mapped[list[WarRoomMember]] = relationship(
        back_populates="room", order_by="WarRoomMember.id", cascade="all, delete-orphan"
    )
    __mapper_args__ = {"version_id_col": version}

    @property
    def is_over(self) -> bool:
        return self.state in {RoomState.DISMISSED, RoomState.FAILED}


class WarRoomMember(Base):
    """Somebody who is to be in a war room. state: pending | joined | failed, then with a reason of failures.FAILURES.

    source   responder | chosen | observer
    failure  the platform's own words for the reason (platforms.errors.remember); {}: it was not asked
    """

    __tablename__ = "war_room_members"
    __table_args__ = (UniqueConstraint("room_id", "user_id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    room_id: Mapped[int] = mapped_column(ForeignKey("war_rooms.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    source: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16), default="pending")
    reason: Mapped[str | None] = mapped_column(String(32))
    failure: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    joined_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    room: Mapped[WarRoom] = relationship(back_populates="members")
    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)


# --- notifications, deliveries, cards -----------------------------------------------------------------------------


class Notification(Base):
    """One decision to tell people about an incident; its deliveries hold what became of it for each of them."""

    __tablename__ = "notifications"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    incident_id: Mapped[int] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"), index=True)
    level: Mapped[int | None]
    cause: Mapped[str] = mapped_column(String(20))
    """assign | reassign | escalate | reopen | snooze_expired | add_responder | repeat"""
    times: Mapped[int] = mapped_column(default=1)
    """1 for the first message of a level, 2 for its first repeat …"""
    policy_name: Mapped[str] = mapped_column(String(39), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    deliveries: Mapped[list[Delivery]] = relationship(back_populates="notification", order_by="Delivery.id")


class DeliveryState(enum.StrEnum):
    QUEUED = "queued"
    SENDING = "sending"
    RETRYING = "retrying"
    SENT = "sent"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def label(self) -> str:
        return {
            "queued": N_("排队中"),
            "sending": N_("发送中"),
            "retrying": N_("等待重试"),
            "sent": N_("已发送"),
            "failed": N_("发送失败"),
            "skipped": N_("未发送"),
            "cancelled": N_("已取消"),
        }[self.value]

    @property
    def is_final(self) -> bool:
        return self.value in {"sent", "failed", "skipped", "cancelled"}


class Delivery(Base):
    """One message to one recipient, a person or a group, through one channel kind.

    external_user_id  whom the platform is asked to tell, a group's id for a group; recipient_name: as it was then
    group_chat_id     null for a person; the group may be gone with its connection
    reference      our own key of the message on the platform (WeCom task_id), fixed before the first try
    failure_code   services/failures.py; failure: {params, raw answer, request id} to say it in any language
    summary_id     the delivery that says it for this one too, when there were more than the platform shows
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("ix_deliveries_tenant_id_id", "tenant_id", "id"),
        Index("ix_deliveries_tenant_state_id", "tenant_id", "state", "id"),
        Index("ix_deliveries_recipient_sent", "integration_id", "external_user_id", "sent_at"),
        Index(
            "ix_deliveries_summary",
            "summary_id",
            **_only("summary_id IS NOT NULL"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    notification_id: Mapped[int | None] = mapped_column(ForeignKey("notifications.id", ondelete="CASCADE"), index=True)
    incident_id: Mapped[int | None] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"), index=True)
    source: Mapped[str] = mapped_column(String(16), default="incident")
    """incident | test | api | resend | notice: of this system to administrators | storm: a summary of many"""
    channel_kind: Mapped[str] = mapped_column(String(16))
    integration_id: Mapped[int | None] = mapped_column(ForeignKey("integrations.id", ondelete="SET NULL"))
    integration_name: Mapped[str] = mapped_column(String(40), default="")
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    group_chat_id: Mapped[int | None]
    recipient_name: Mapped[str] = mapped_column(String(128), default="")
    external_user_id: Mapped[str | None] = mapped_column(String(128))
    state: Mapped[DeliveryState] = mapped_column(EnumText(DeliveryState), default=DeliveryState.QUEUED)
    reference: Mapped[str] = mapped_column(String(128), unique=True)
    platform_message_id: Mapped[str | None] = mapped_column(String(128))
    failure_code: Mapped[str | None] = mapped_column(String(32))
    failure: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    rendered: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    next_attempt_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    summary_id: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    notification: Mapped[Notification | None] = relationship(back_populates="deliveries")
    incident: Mapped[Incident | None] = relationship()
    user: Mapped[User | None] = relationship()
    group_chat: Mapped[GroupChat | None] = relationship(
        primaryjoin="foreign(Delivery.group_chat_id) == GroupChat.id", viewonly=True
    )
    attempts: Mapped[list[DeliveryAttempt]] = relationship(order_by="DeliveryAttempt.id", cascade="all, delete-orphan")


class DeliveryAttempt(Base):
    """One call to the platform for a delivery: when, what it answered, how long it took (milliseconds)."""

    __tablename__ = "delivery_attempts"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    delivery_id: Mapped[int] = mapped_column(ForeignKey("deliveries.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    outcome: Mapped[str] = mapped_column(String(32))
    http_status: Mapped[int | None]
    platform_code: Mapped[str | None] = mapped_column(String(64))
    message: Mapped[str] = mapped_column(String(500), default="")
    latency_ms: Mapped[int | None]


class CardState(enum.StrEnum):
    LIVE = "live"
    STALE = "stale"
    SUPERSEDED = "superseded"
    FROZEN = "frozen"


class Card(Base):
    """An interactive card that reached somebody and is kept true. One delivery, one person or group, one card.

    shown_fingerprint  of the content that the platform was last given
    """

    __tablename__ = "cards"
    __table_args__ = (Index("ix_cards_incident_user", "incident_id", "user_id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    incident_id: Mapped[int] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"))
    delivery_id: Mapped[int] = mapped_column(ForeignKey("deliveries.id", ondelete="CASCADE"), unique=True)
    integration_id: Mapped[int] = mapped_column(ForeignKey("integrations.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    group_chat_id: Mapped[int | None]
    external_user_id: Mapped[str] = mapped_column(String(128))
    reference: Mapped[str] = mapped_column(String(128))
    message_id: Mapped[str] = mapped_column(String(128), default="")
    state: Mapped[CardState] = mapped_column(EnumText(CardState), default=CardState.LIVE)
    shown_fingerprint: Mapped[str] = mapped_column(String(64), default="")
    update_count: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    codes: Mapped[list[CardCode]] = relationship(order_by="CardCode.id", cascade="all, delete-orphan")


class CardCode(Base):
    """A right to update one card once (WeCom's response_code). origin: send | press."""

    __tablename__ = "card_codes"
    __table_args__ = (UniqueConstraint("card_id", "code"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    card_id: Mapped[int] = mapped_column(ForeignKey("cards.id", ondelete="CASCADE"))
    code: Mapped[str] = mapped_column(String(512))
    origin: Mapped[str] = mapped_column(String(8))
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class CardNotice(Base):
    """Somebody who reads a sentence of their own on a group's card (Capabilities.notices_per_update)."""

    __tablename__ = "card_notices"
    __table_args__ = (UniqueConstraint("card_id", "external_user_id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    card_id: Mapped[int] = mapped_column(ForeignKey("cards.id", ondelete="CASCADE"))
    external_user_id: Mapped[str] = mapped_column(String(128))
    told_at: Mapped[datetime] = mapped_column(UtcDateTime)


# --- the audit record ---------------------------------------------------------------------------------------------


class AuditEntry(Base):
    """One thing that matters for security: who did what to what, from where. Append-only: services/audit.py.

    tenant_id  null: of the whole instance (a sign-in with an unknown name)
    event      "sign_in.failed", "member.role_changed" …; detail: before, after; never a secret
    """

    __tablename__ = "audit_entries"
    __table_args__ = (Index("ix_audit_entries_tenant_id_id", "tenant_id", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int | None] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    event: Mapped[str] = mapped_column(String(48))
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    actor_name: Mapped[str] = mapped_column(String(200), default="")
    address: Mapped[str] = mapped_column(String(64), default="")
    request_id: Mapped[str] = mapped_column(String(64), default="")
    target: Mapped[str] = mapped_column(String(200), default="")
    detail: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


# --- the outbox ---------------------------------------------------------------------------------------------------


class JobState(enum.StrEnum):
    PENDING = "pending"
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"


class Job(Base):
    """A row of the outbox: work to do at a time, claimed under a lease. The row is the truth, Huey only wakes.

    kind        names the handler in jobs/; subject_id the row that it is about
    queue       who must wait for whom (services/outbox.queue_of); attempts: raised by every claim, fences its outcome
    holder      the worker process that claimed it last
    unique_key  one pending row per key (periodic slots); null otherwise
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index(
            "ix_jobs_pending_due",
            "due_at",
            "id",
            **_only("state = 'pending'"),
        ),
        Index(
            "ix_jobs_pending_queue",
            "queue",
            "due_at",
            "id",
            **_only("state = 'pending'"),
        ),
        Index("ix_jobs_subject", "kind", "subject_id"),
        Index(
            "ix_jobs_dead",
            "tenant_id",
            **_only("state = 'dead'"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(32))
    subject_id: Mapped[int] = mapped_column(BigInteger)
    payload: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    unique_key: Mapped[str | None] = mapped_column(String(128), unique=True)
    state: Mapped[JobState] = mapped_column(EnumText(JobState), default=JobState.PENDING)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    lease_until: Mapped[datetime] = mapped_column(UtcDateTime, default=EPOCH)
    attempts: Mapped[int] = mapped_column(default=0)
    queue: Mapped[int] = mapped_column(default=0, server_default="0")
    holder: Mapped[str | None] = mapped_column(String(128))
    error: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)


class Heartbeat(Base):
    """When a worker was last seen alive; `/readyz` reads it. Belongs to the instance, filed under organisation 0."""

    __tablename__ = "heartbeats"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class Canary(Base):
    """A known text encrypted with each key id, so that a wrong key is noticed at start and not at the first card."""

    __tablename__ = "canaries"
    __table_args__ = (CheckConstraint("length(cipher) > 0", name="cipher_filled"),)

    key_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    tenant_id: Mapped[int] = _tenant()
    cipher: Mapped[str] = mapped_column(Text)
