"""Seats: how many there are, who holds them, and giving them."""

from __future__ import annotations

from typing import Any

from blueprints.api.moments import iso
from blueprints.api.operations import Call, operation
from blueprints.api.schemas import component, listed, maybe, moment, one_of, record, row_id, whole, words
from models import Seat, SeatKind
from services import members, seats

HOLDER = component(
    "SeatHolder",
    record(
        {
            "user_id": whole(),
            "username": words(),
            "name": words(),
            "kind": one_of(SeatKind, "temporary: ends with the organisation's month"),
            "assigned_at": moment(),
            "used_at": maybe(moment()),
        }
    ),
)
PLAN = component(
    "Seats",
    record(
        {
            "number": maybe(whole(about="null: without limit")),
            "fixed": whole(),
            "temporary": whole(),
            "free": maybe(whole()),
            "refused": whole(about="Attempts of the last 30 days that found none free"),
            "holders": listed(HOLDER),
        }
    ),
)


@operation("GET", "/seats", "How many seats there are, and who holds them", right="organisation.edit", answers=PLAN)
def get_seats(call: Call) -> dict[str, Any]:
    return _plan(call)


@operation(
    "PATCH",
    "/seats",
    "Say how many seats there are; of too many temporary ones the longest unused end first",
    right="organisation.edit",
    body=record({"number": maybe(whole(1, seats.MOST, about="null: without limit"))}),
    answers=PLAN,
)
def set_seats(call: Call) -> dict[str, Any]:
    seats.set_number(call.body["number"], **call.by)
    return _plan(call)


@operation(
    "POST",
    "/seats",
    "Give an active member a fixed seat",
    right="organisation.edit",
    body=record({"user_id": row_id()}),
    answers=PLAN,
    status=201,
)
def give_seat(call: Call) -> dict[str, Any]:
    seats.give(members.of_user(call.body["user_id"], viewer=call.member), **call.by)
    return _plan(call)


@operation(
    "DELETE",
    "/seats/<int:user_id>",
    "Take a member's seat back; safe to repeat",
    right="organisation.edit",
    answers=PLAN,
)
def take_seat_back(call: Call, user_id: int) -> dict[str, Any]:
    seats.take_back(members.of_user(user_id, viewer=call.member), **call.by)
    return _plan(call)


def _plan(call: Call) -> dict[str, Any]:
    plan = seats.plan(call.member, now=call.now)
    kept = {name: getattr(plan, name) for name in ("fixed", "temporary", "free", "refused")}
    return kept | {"number": plan.bought, "holders": [_holder(seat) for seat in plan.holders]}


def _holder(seat: Seat) -> dict[str, Any]:
    return {
        "user_id": seat.user_id,
        "username": seat.user.username,
        "name": seat.user.name,
        "kind": seat.kind.value,
        "assigned_at": iso(seat.assigned_at),
        "used_at": iso(seat.used_at),
    }
