"""Seats: taken by looking, given by administrators, ended by the month."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from errors import AccessDenied, InvalidInput
from extensions import db
from models import Role, Seat, SeatKind
from services import members, seats
from services.seats import FixedSeatsInUse, NoSeat
from tests.factories import NOW, make_member, make_tenant

NEXT_MONTH = NOW + timedelta(days=31)


@pytest.fixture
def boss(app):
    return make_member("boss", Role.ADMIN)


def take(member, now=NOW):
    tenant = member.tenant
    about = {"tenant_id": tenant.id, "user_id": member.user_id, "number": tenant.seats, "since": tenant.seats_since}
    done = seats.take(db.session.connection(), **about, now=now)
    db.session.commit()
    db.session.expire_all()
    return done


def held(boss, now=NOW):
    return [(seat.user.username, seat.kind.value) for seat in seats.plan(boss, now=now).holders]


def test_without_a_number_nobody_needs_one(boss):
    lin = make_member("lin")
    assert seats.has(lin, now=NOW)
    assert take(lin)
    plan = seats.plan(boss, now=NOW)
    assert (plan.bought, plan.used, plan.free) == (None, 0, None)


def test_a_free_seat_is_taken_and_kept_for_the_month(boss):
    lin, wu = make_member("lin"), make_member("wu")
    seats.set_number(1, by=boss, now=NOW)
    assert not seats.has(lin, now=NOW)
    assert take(lin)
    assert seats.has(lin, now=NOW)
    assert take(lin, NOW + timedelta(hours=2))
    assert not take(wu, NOW + timedelta(days=1))
    assert not take(wu, NOW + timedelta(days=1))
    plan = seats.plan(boss, now=NOW + timedelta(days=1))
    assert (plan.fixed, plan.temporary, plan.free, plan.refused) == (0, 1, 0, 2)
    assert take(wu, NEXT_MONTH)
    assert held(boss, NEXT_MONTH) == [("wu", "temporary")]


def test_a_fixed_seat_outlives_the_month_and_makes_a_temporary_one_go(boss):
    lin, wu = make_member("lin"), make_member("wu")
    seats.set_number(1, by=boss, now=NOW)
    take(wu)
    seats.give(lin, by=boss, now=NOW)
    assert held(boss) == [("lin", "fixed")]
    assert held(boss, NEXT_MONTH) == [("lin", "fixed")]
    assert not take(wu)
    with pytest.raises(NoSeat):
        seats.give(wu, by=boss, now=NOW)
    seats.take_back(lin, by=boss, now=NOW)
    seats.take_back(lin, by=boss, now=NOW)
    assert take(wu)


def test_a_temporary_seat_becomes_fixed(boss):
    lin = make_member("lin")
    seats.set_number(1, by=boss, now=NOW)
    take(lin)
    seats.give(lin, by=boss, now=NOW)
    assert held(boss) == [("lin", "fixed")]


def test_fewer_seats_end_the_temporary_ones_that_were_not_used_for_longest(boss):
    people = [make_member(name) for name in ("lin", "wu", "zhao")]
    seats.set_number(4, by=boss, now=NOW)
    for number, person in enumerate(people):
        take(person, NOW + timedelta(hours=number))
    take(people[0], NOW + timedelta(hours=9))
    seats.give(boss, by=boss, now=NOW)
    seats.set_number(2, by=boss, now=NOW)
    assert held(boss) == [("boss", "fixed"), ("lin", "temporary")]
    seats.give(people[1], by=boss, now=NOW)
    with pytest.raises(FixedSeatsInUse):
        seats.set_number(1, by=boss, now=NOW)


@pytest.mark.parametrize("number", [0, -1, seats.MOST + 1])
def test_impossible_numbers_are_refused(boss, number):
    with pytest.raises(InvalidInput):
        seats.set_number(number, by=boss, now=NOW)


def test_leaving_frees_the_seat(boss):
    lin = make_member("lin")
    seats.set_number(1, by=boss, now=NOW)
    seats.give(lin, by=boss, now=NOW)
    members.disable(lin, by=boss, now=NOW)
    assert held(boss) == []


def test_only_administrators_give_seats(boss):
    lin = make_member("lin")
    for act in (
        lambda: seats.plan(lin, now=NOW),
        lambda: seats.set_number(1, by=lin, now=NOW),
        lambda: seats.give(lin, by=lin, now=NOW),
        lambda: seats.take_back(lin, by=lin, now=NOW),
    ):
        with pytest.raises(AccessDenied):
            act()


def test_seats_of_others_do_not_count(boss):
    zhou = make_member("zhou", Role.ADMIN, tenant=make_tenant("别处", seats=1, seats_since=NOW))
    seats.set_number(1, by=boss, now=NOW)
    assert take(boss)
    assert take(zhou)
    assert db.session.scalars(db.select(Seat.kind)).all() == [SeatKind.TEMPORARY] * 2


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "now", "begins"),
    [
        ("2026-01-31", "2026-02-28", "2026-02-28"),
        ("2026-01-31", "2026-03-30", "2026-02-28"),
        ("2026-01-15", "2026-01-14", "2025-12-15"),
        ("2026-01-01", "2026-01-01", "2026-01-01"),
    ],
)
def test_months_begin_on_the_same_day(since, now, begins):
    noon = day(now) + timedelta(hours=12)
    assert seats.month_of(day(since), noon) == day(begins)
