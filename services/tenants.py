"""Organisations: making, naming, freezing and thawing them, and what an organisation says about itself.

Only super-administrators stand above organisations. That gives them no right inside any: an organisation's first
administrator comes by an invitation, which stands in its audit record.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import available_timezones

from sqlalchemy import func, select

from errors import AccessDenied, Conflict, InvalidInput, NotFound
from extensions import db
from models import Job, JobState, Membership, MembershipState, RetiredHouseNumber, Role, Tenant, TenantStatus, User
from services import audit, invitations, rights
from services.timers import AUTO_CLOSE, FLAPPING_END, SNOOZE_EXPIRY, STEP
from services.wording import LOCALES
from texts import N_

NAME_CHARS, HOUSE_NUMBER_CHARS = 60, 32
ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Without the letters and digits that people take for each other."""
GENERATED_CHARS = 6
SHORTEST_SNOOZE, LONGEST_SNOOZE = 5, 24 * 60
PARKED_FROM = datetime(9000, 1, 1, tzinfo=UTC)
"""Timers of a frozen organisation are due then, plus what was left of them."""
TIMERS = (STEP, SNOOZE_EXPIRY, AUTO_CLOSE, FLAPPING_END)


_IS_THERE = Tenant.status != TenantStatus.DELETED


@dataclass(frozen=True)
class Row:
    """An organisation with the number of its active members."""

    tenant: Tenant
    members: int


# --- from above ---------------------------------------------------------------------------------------------------


def everything(by: User) -> list[Row]:
    """All organisations, by id. Raises AccessDenied."""
    require_superadmin(by)
    active = (Membership.tenant_id == Tenant.id, Membership.state == MembershipState.ACTIVE)
    counted = select(func.count(Membership.id)).where(*active).scalar_subquery()
    return [
        Row(row[0], row[1]) for row in db.session.execute(select(Tenant, counted).where(_IS_THERE).order_by(Tenant.id))
    ]


def get(tenant_id: int, *, by: User) -> Tenant:
    """Raises AccessDenied, NotFound."""
    require_superadmin(by)
    tenant = db.session.scalar(select(Tenant).where(Tenant.id == tenant_id, _IS_THERE))
    if tenant is None:
        raise NotFound
    return tenant


def create(name: str, house_number: str = "", *, by: User, now: datetime) -> tuple[Tenant, str]:
    """Stage an organisation; return it with the token of its first administrator's invitation.

    house_number  empty: one is generated. Raises AccessDenied, InvalidInput.
    """
    require_superadmin(by)
    tenant = Tenant(name=_name(name), house_number=_free_number(house_number), created_at=now)
    db.session.add(tenant)
    db.session.flush()
    audit.record("organisation.created", user=by, tenant_id=tenant.id, target=tenant.name, number=tenant.house_number)
    return tenant, invite_administrator(tenant, by=by, now=now)


def invite_administrator(tenant: Tenant, *, by: User, now: datetime) -> str:
    """Stage an invitation for an administrator; return its token. Raises AccessDenied."""
    require_superadmin(by)
    _invitation, token = invitations.make(tenant, Role.ADMIN, by=by, now=now)
    return token


def rename(tenant: Tenant, name: str, house_number: str, *, by: User, now: datetime) -> None:
    """Stage another name and house number; the old number is never given away again, and accounts keep theirs.

    Raises AccessDenied, InvalidInput.
    """
    require_superadmin(by)
    before = {"name": tenant.name, "house_number": tenant.house_number}
    tenant.name = _name(name)
    wanted = house_number.strip().upper()
    if wanted != tenant.house_number:
        number = _free_number(wanted)
        db.session.add(RetiredHouseNumber(house_number=tenant.house_number, retired_at=now))
        tenant.house_number = number
    _record_change(tenant, before, user=by)


def freeze(tenant: Tenant, *, by: User, now: datetime) -> None:
    """Stage that nobody acts in it: sign-ins, pushes and messages are refused, timers stand still. Safe to repeat.

    Raises AccessDenied.
    """
    require_superadmin(by)
    if tenant.status is TenantStatus.FROZEN:
        return
    tenant.status = TenantStatus.FROZEN
    for timer in _timers(tenant):
        timer.due_at = PARKED_FROM + max(timer.due_at - now, timedelta(0))
    audit.record("organisation.frozen", user=by, tenant_id=tenant.id, target=tenant.name, now=now)


def unfreeze(tenant: Tenant, *, by: User, now: datetime) -> None:
    """Stage that it works again; timers go on with what was left of them. Safe to repeat.

    Raises AccessDenied, Conflict while it is to be deleted.
    """
    require_superadmin(by)
    if tenant.status is TenantStatus.ACTIVE:
        return
    if tenant.deletion_due_at is not None or tenant.status is TenantStatus.DELETED:
        raise Conflict("to be deleted")
    tenant.status = TenantStatus.ACTIVE
    for timer in _timers(tenant):
        if timer.due_at >= PARKED_FROM:
            timer.due_at = now + (timer.due_at - PARKED_FROM)
    audit.record("organisation.unfrozen", user=by, tenant_id=tenant.id, target=tenant.name, now=now)


def _timers(tenant: Tenant) -> list[Job]:
    waiting = (Job.tenant_id == tenant.id, Job.state == JobState.PENDING, Job.kind.in_(TIMERS))
    return list(db.session.scalars(select(Job).where(*waiting).with_for_update()))


def require_superadmin(user: User) -> None:
    """Raises AccessDenied."""
    if not user.is_superadmin or user.is_disabled:
        raise AccessDenied("super-administrator")


# --- from inside --------------------------------------------------------------------------------------------------


def configure(
    tenant: Tenant, *, name: str, locale: str, timezone: str, snooze_presets: list[int], by: Membership
) -> None:
    """Stage how an organisation is called, speaks and counts its days. Raises AccessDenied, InvalidInput.

    snooze_presets  three lengths in minutes, 5 to 1440
    """
    rights.require(by, "organisation.edit")
    if tenant.id != by.tenant_id:
        raise NotFound
    before = {"name": tenant.name, "locale": tenant.locale, "timezone": tenant.timezone}
    before["snooze_presets"] = str(tenant.snooze_presets)
    if locale not in LOCALES:
        raise InvalidInput("locale", N_("请选择列出的语言"))
    if timezone not in available_timezones():
        raise InvalidInput("timezone", N_("请选择列出的时区"))
    if len(snooze_presets) != 3 or not all(SHORTEST_SNOOZE <= each <= LONGEST_SNOOZE for each in snooze_presets):
        raise InvalidInput("snooze_presets", N_("请填写三个 5 到 1440 之间的分钟数"))
    tenant.name, tenant.locale, tenant.timezone = _name(name), locale, timezone
    tenant.snooze_presets = sorted(snooze_presets)
    _record_change(tenant, before, by=by)


def _record_change(
    tenant: Tenant, before: dict[str, str], *, by: Membership | None = None, user: User | None = None
) -> None:
    after = {name: str(getattr(tenant, name)) for name in before}
    for name in (name for name in before if before[name] != after[name]):
        who = {"by": by} if by is not None else {"user": user, "tenant_id": tenant.id}
        about = {"target": tenant.name, "field": name, "before": before[name], "after": after[name]}
        audit.record("organisation.changed", **who, **about)  # type: ignore[arg-type]


def _name(name: str) -> str:
    name = " ".join(name.split())
    if not 1 <= len(name) <= NAME_CHARS:
        raise InvalidInput("name", N_("请填写 1 到 60 个字符"))
    return name


def _free_number(wanted: str) -> str:
    """The wanted house number, or one made up. Raises InvalidInput if it is malformed, taken or was given up."""
    wanted = wanted.strip().upper()
    if not wanted:
        while _is_taken(wanted := "".join(secrets.choice(ALPHABET) for _ in range(GENERATED_CHARS))):
            pass
        return wanted
    if not (wanted.isascii() and wanted.isalnum() and 2 <= len(wanted) <= HOUSE_NUMBER_CHARS):
        raise InvalidInput("house_number", N_("请用 2 到 32 个字母或数字"))
    if _is_taken(wanted):
        raise InvalidInput("house_number", N_("这个门牌号已被使用，或曾经使用过"))
    return wanted


def _is_taken(number: str) -> bool:
    now = select(Tenant.id).where(Tenant.house_number == number)
    once = select(RetiredHouseNumber.house_number).where(RetiredHouseNumber.house_number == number)
    return db.session.scalar(now) is not None or db.session.scalar(once) is not None
