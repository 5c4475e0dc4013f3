"""Seats: how many people may view and handle incidents at once, and who holds one. Receiving messages needs none.

An organisation without a number needs none of this. A fixed seat is given by an administrator and stays; a temporary
one is taken by the first look at an incident while one is free, and ends with its month. Written by statements on a
connection, because a press on a card is, too.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from errors import AppError, InvalidInput
from extensions import db, insert_unless_there
from models import Membership, Seat, SeatKind, SeatRefusal, Tenant
from services import audit, rights
from texts import N_, Text

MOST = 100_000
NOTED_EVERY = timedelta(hours=1)
REFUSALS_SHOWN = timedelta(days=30)
NO_SEAT = N_("没有可用的 License，请联系管理员在 费用中心 分配")


class NoSeat(AppError):
    """The person has no seat and none is free."""

    code = "seat.none_free"
    api_code = "NoLicense"
    message = NO_SEAT
    hint = N_("接收通知不需要 License；查看和处理故障需要。")
    status = 403


class FixedSeatsInUse(AppError):
    """Temporary seats end by themselves; whose fixed one ends is for an administrator to say."""

    code = "seat.fixed_in_use"
    api_code = "ReferenceExist"
    message = N_("有 %(count)s 个固定 License 在使用，不能少于此数")
    hint = N_("请先收回一部分固定 License。")
    status = 409


@dataclass(frozen=True)
class Plan:
    """bought: None without limit. refused: attempts of the last 30 days."""

    bought: int | None
    fixed: int
    temporary: int
    refused: int
    holders: list[Seat]

    @property
    def used(self) -> int:
        return self.fixed + self.temporary

    @property
    def free(self) -> int | None:
        return None if self.bought is None else max(0, self.bought - self.used)


# --- needing one --------------------------------------------------------------------------------------------------


def has(member: Membership, *, now: datetime) -> bool:
    """Whether nothing needs to be written for this person to go on: they hold a seat, or nobody needs one."""
    if member.tenant.seats is None:
        return True
    mine = (Seat.tenant_id == member.tenant_id, Seat.user_id == member.user_id, Seat.used_at > now - NOTED_EVERY)
    since = month_of(member.tenant.seats_since, now)
    return db.session.scalar(select(Seat.id).where(*mine, _held(since))) is not None


def take(
    on: Connection, *, tenant_id: int, user_id: int, number: int | None, since: datetime | None, now: datetime
) -> bool:
    """Stage that a person uses their seat, or takes a free one for this month; False, and counted, if there is none.

    number, since  of the organisation: Tenant.seats and seats_since
    """
    if number is None:
        return True
    month = month_of(since, now)
    on.execute(select(Tenant.id).where(Tenant.id == tenant_id).with_for_update())
    ours = Seat.tenant_id == tenant_id
    ended = (ours, Seat.released_at.is_(None), Seat.kind == SeatKind.TEMPORARY, Seat.assigned_at < month)
    on.execute(update(Seat).where(*ended).values(released_at=now))
    mine = (ours, Seat.user_id == user_id, Seat.released_at.is_(None))
    if on.execute(update(Seat).where(*mine).values(used_at=now).returning(Seat.id)).all():
        return True
    used = on.execute(select(func.count(Seat.id)).where(ours, Seat.released_at.is_(None))).scalar_one()
    if used < number:
        values = {"tenant_id": tenant_id, "user_id": user_id, "kind": SeatKind.TEMPORARY}
        on.execute(Seat.__table__.insert().values(**values, assigned_at=now, used_at=now))  # type: ignore[attr-defined]
        return True
    _count_refusal(on, tenant_id, user_id, f"{now:%Y-%m-%d}")
    return False


def none_free(on: Connection, *, tenant_id: int, number: int | None) -> Text:
    """What whoever was refused is told on a card: where a seat is given, and how many of them are in use."""
    ours = (Seat.tenant_id == tenant_id, Seat.released_at.is_(None))
    used = on.execute(select(func.count(Seat.id)).where(*ours)).scalar_one()
    return Text(N_("%(no_seat)s（已用 %(used)s/%(total)s）"), no_seat=Text(NO_SEAT), used=used, total=number or 0)


def _count_refusal(on: Connection, tenant_id: int, user_id: int, day: str) -> None:
    today = {"tenant_id": tenant_id, "user_id": user_id, "day": day}
    on.execute(insert_unless_there(on, SeatRefusal, ("tenant_id", "day", "user_id")).values(**today, count=0))
    matches = [getattr(SeatRefusal, name) == value for name, value in today.items()]
    on.execute(update(SeatRefusal).where(*matches).values(count=SeatRefusal.count + 1))


def month_of(since: datetime | None, now: datetime) -> datetime:
    """When the present month of an organisation began: on the day of `since`, or the month's last if it is shorter."""
    day = since.day if since else 1
    begins = _on_day(now.year, now.month, day)
    if begins <= now:
        return begins
    before = begins.replace(day=1) - timedelta(days=1)
    return _on_day(before.year, before.month, day)


def _on_day(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, min(day, monthrange(year, month)[1]), tzinfo=UTC)


def _held(since: datetime) -> ColumnElement[bool]:
    """Condition on Seat rows: held in the month that began then."""
    return and_(Seat.released_at.is_(None), or_(Seat.kind == SeatKind.FIXED, Seat.assigned_at >= since))


# --- giving them --------------------------------------------------------------------------------------------------


def plan(viewer: Membership, *, now: datetime) -> Plan:
    """How many there are and who holds them, fixed ones first. Raises AccessDenied."""
    rights.require(viewer, "organisation.edit")
    tenant = viewer.tenant
    wanted = select(Seat).where(Seat.tenant_id == tenant.id, _held(month_of(tenant.seats_since, now)))
    holders = list(db.session.scalars(wanted.order_by(Seat.kind, Seat.assigned_at, Seat.id)))
    day = f"{now - REFUSALS_SHOWN:%Y-%m-%d}"
    refused = select(func.sum(SeatRefusal.count)).where(SeatRefusal.tenant_id == tenant.id, SeatRefusal.day >= day)
    fixed = sum(seat.kind is SeatKind.FIXED for seat in holders)
    return Plan(tenant.seats, fixed, len(holders) - fixed, db.session.scalar(refused) or 0, holders)


def set_number(number: int | None, *, by: Membership, now: datetime) -> None:
    """Stage how many seats there are, None without limit. Of too many temporary ones the longest unused end first.

    Raises AccessDenied, InvalidInput, FixedSeatsInUse.
    """
    rights.require(by, "organisation.edit")
    if number is not None and not 1 <= number <= MOST:
        raise InvalidInput("seats", N_("请填写 1 到 100000，或留空表示不限"))
    tenant = _locked(by)
    standing = plan(by, now=now)
    if number is not None and standing.fixed > number:
        raise FixedSeatsInUse(count=standing.fixed)
    before = tenant.seats
    tenant.seats, tenant.seats_since = number, tenant.seats_since or now
    if number is not None:
        _end_temporary(standing, standing.used - number, now=now)
    audit.record("seat.number_changed", by=by, before=before, after=number, now=now)


def give(member: Membership, *, by: Membership, now: datetime) -> None:
    """Stage that a fellow member holds a fixed seat; a temporary one makes room. Raises AccessDenied, NoSeat."""
    rights.require(by, "organisation.edit")
    tenant = _locked(by)
    standing = plan(by, now=now)
    mine = next((seat for seat in standing.holders if seat.user_id == member.user_id), None)
    if mine is not None:
        mine.kind = SeatKind.FIXED
    else:
        if tenant.seats is not None and standing.fixed >= tenant.seats:
            raise NoSeat
        if tenant.seats is not None:
            _end_temporary(standing, standing.used + 1 - tenant.seats, now=now)
        _forget_ended(member, now)
        seat = Seat(tenant_id=tenant.id, user=member.user, kind=SeatKind.FIXED, assigned_by_id=by.user_id)
        seat.assigned_at = now
        db.session.add(seat)
    db.session.flush()
    audit.record("seat.given", by=by, target=member.user.username, now=now)


def take_back(member: Membership, *, by: Membership, now: datetime) -> None:
    """Stage that a member holds no seat. Raises AccessDenied. Safe to repeat."""
    rights.require(by, "organisation.edit")
    if release(member, now=now):
        audit.record("seat.taken_back", by=by, target=member.user.username, now=now)


def release(member: Membership, *, now: datetime) -> bool:
    """Stage that the seat of somebody who leaves is free; whether there was one."""
    return _forget_ended(member, now)


def _forget_ended(member: Membership, now: datetime) -> bool:
    mine = (Seat.tenant_id == member.tenant_id, Seat.user_id == member.user_id, Seat.released_at.is_(None))
    found = db.session.scalars(select(Seat).where(*mine)).all()
    for seat in found:
        seat.released_at = now
    db.session.flush()
    return bool(found)


def _end_temporary(standing: Plan, count: int, *, now: datetime) -> None:
    """End so many temporary seats, those that were not used for longest."""
    temporary = [seat for seat in standing.holders if seat.kind is SeatKind.TEMPORARY]
    for seat in sorted(temporary, key=_last_use)[: max(0, count)]:
        seat.released_at = now
    db.session.flush()


def _last_use(seat: Seat) -> Any:
    return seat.used_at or seat.assigned_at, seat.id


def _locked(by: Membership) -> Tenant:
    """The actor's organisation, held: seats are given one after the other."""
    db.session.flush()
    db.session.refresh(by.tenant, with_for_update=True)
    return by.tenant
