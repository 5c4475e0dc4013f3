"""Whoever looks at incidents takes a seat, where their organisation has a number of them."""

from __future__ import annotations

from blueprints.access import current_member
from extensions import begin_write, db
from models import Membership
from services import seats
from services.clock import utcnow


def take_seat() -> None:
    """Before a view about incidents. Raises NoSeat."""
    seat(current_member())


def seat(member: Membership) -> None:
    """Note that a person uses their seat, or give them a free one. Commits if anything had to be written.

    Raises seats.NoSeat, which is counted.
    """
    now = utcnow()
    if seats.has(member, now=now):
        return
    tenant_id, user_id = member.tenant_id, member.user_id
    begin_write()
    tenant = member.tenant
    about = {"tenant_id": tenant_id, "user_id": user_id}
    has_one = seats.take(db.session.connection(), **about, number=tenant.seats, since=tenant.seats_since, now=now)
    db.session.commit()
    if not has_one:
        raise seats.NoSeat
