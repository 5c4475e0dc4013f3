"""Deleting an organisation for good: a super-administrator asks for it, a week passes, then the worker does it.

Nothing of it stays but its id and its house number, which is never given away again. People who belong to no other
organisation lose their account: its row stays, without name, address and password, since others' records may name it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import aliased

from errors import AppError, InvalidInput
from extensions import db
from models import EmailChange, Membership, Tenant, TenantStatus, User
from services import accounts, audit, outbox, tenants
from services.instance import DEFAULT_TENANT_ID
from texts import N_

DELETE = "delete_organisation"
WAIT = timedelta(days=7)
"""Between the wish and the deed: it can be taken back until then."""
_GONE = "deleted:"
"""How the name of an account begins that ended with its organisation; nobody can choose such a name."""


class NotDeletable(AppError):
    """It works, it is the one that the instance itself is filed under, or it is gone already."""

    code = "organisation.not_deletable"
    api_code = "InvalidParameter"
    message = N_("现在不能删除 %(name)s")
    hint = N_("请先冻结组织；默认组织（ID 0）不能删除。")
    status = 409


class DeletionBegan(AppError):
    """The worker is at it, or done."""

    code = "organisation.deletion_began"
    api_code = "Conflict"
    message = N_("%(name)s 的删除已经开始，不能撤回")
    status = 409


def ask(tenant: Tenant, typed_name: str, *, by: User, now: datetime) -> datetime:
    """Stage that a frozen organisation will be deleted; return from when on. Safe to repeat.

    typed_name  its name, as proof that this one is meant. Raises AccessDenied, NotDeletable, InvalidInput.
    """
    tenants.require_superadmin(by)
    if tenant.status is not TenantStatus.FROZEN or tenant.id == DEFAULT_TENANT_ID:
        raise NotDeletable(name=tenant.name)
    if typed_name.strip() != tenant.name:
        raise InvalidInput("confirm_name", N_("输入的名称不一致"))
    if tenant.deletion_due_at is not None:
        return tenant.deletion_due_at
    tenant.deletion_due_at = now + WAIT
    about = {"subject_id": tenant.id, "due_at": tenant.deletion_due_at, "now": now}
    outbox.enqueue(DELETE, tenant_id=DEFAULT_TENANT_ID, **about)  # type: ignore[arg-type]
    due = tenant.deletion_due_at.isoformat()
    audit.record(
        "organisation.deletion_asked", user=by, tenant_id=tenant.id, target=_named(tenant), due_at=due, now=now
    )
    return tenant.deletion_due_at


def take_back(tenant: Tenant, *, by: User, now: datetime) -> None:
    """Stage that it stays, frozen as it is. Safe to repeat. Raises AccessDenied, DeletionBegan."""
    tenants.require_superadmin(by)
    if tenant.deletion_due_at is None:
        return
    if has_begun(tenant, now=now):
        raise DeletionBegan(name=tenant.name)
    tenant.deletion_due_at = None
    outbox.cancel(DELETE, tenant_id=DEFAULT_TENANT_ID, subject_id=tenant.id)
    audit.record("organisation.deletion_taken_back", user=by, tenant_id=tenant.id, target=_named(tenant), now=now)


def has_begun(tenant: Tenant, *, now: datetime) -> bool:
    return tenant.deletion_due_at is not None and tenant.deletion_due_at <= now


def due(tenant_id: int, *, now: datetime) -> Tenant | None:
    """The organisation, if it is to be deleted now."""
    tenant = db.session.get(Tenant, tenant_id)
    if tenant is None or tenant.status is not TenantStatus.FROZEN or tenant.id == DEFAULT_TENANT_ID:
        return None
    return tenant if has_begun(tenant, now=now) else None


def people_of_it_alone(tenant_id: int, *, limit: int) -> list[int]:
    """Ids of people who belong to this organisation and to no other; not of super-administrators."""
    other = aliased(Membership)
    elsewhere = exists().where(other.user_id == Membership.user_id, other.tenant_id != tenant_id)
    mine = select(Membership.user_id).join(User, User.id == Membership.user_id)
    mine = mine.where(Membership.tenant_id == tenant_id, User.is_superadmin.is_(False), ~elsewhere)
    return list(db.session.scalars(mine.where(~User.username.startswith(_GONE)).order_by(User.id).limit(limit)))


def forget_person(user_id: int) -> None:
    """Stage the end of an account: it opens nothing, and says nothing about anybody."""
    user = db.session.get_one(User, user_id)
    accounts.end_sessions(user)
    user.username = user.username_folded = f"{_GONE}{user.id}"
    user.real_name, user.email, user.email_verified_at = "", None, None
    user.password_hash, user.is_disabled = None, True
    db.session.execute(delete(EmailChange).where(EmailChange.user_id == user_id))


def finish(tenant: Tenant, rows: int, *, now: datetime) -> None:
    """Stage what is left of it, and the line in the record of the instance that says so."""
    audit.record("organisation.deleted", target=_named(tenant), rows=rows, now=now)
    tenant.status, tenant.name, tenant.deletion_due_at = TenantStatus.DELETED, "", None


def _named(tenant: Tenant) -> str:
    return f"{tenant.name} ({tenant.house_number}) #{tenant.id}"
