"""Ids follow the time at which rows are made: so a time leads to an id by halving, where there is no index on time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute

from extensions import db


def shifted(at: datetime, by: timedelta) -> datetime:
    """Some time before or after; the edge of the calendar if that is nearer."""
    try:
        return at + by
    except OverflowError:
        return (datetime.min if by < timedelta(0) else datetime.max).replace(tzinfo=at.tzinfo)


def first_since(
    row_id: InstrumentedAttribute[int],
    at: InstrumentedAttribute[datetime],
    since: datetime,
    *where: ColumnElement[bool],
) -> int:
    """The id of the first row since then, among those of `where`; one behind the last if there is none.

    About twenty small reads. Transactions end in another order than they began: around the result, rows may be some
    seconds older or younger, so ask for the time, too.
    """
    first, last = (select(end(row_id)).where(*where).scalar_subquery() for end in (func.min, func.max))
    low, high = db.session.execute(select(func.coalesce(first, 0), func.coalesce(last, -1) + 1)).one()
    while low < high:
        middle = (low + high) // 2
        found: Any = select(row_id, at).where(row_id >= middle, *where).order_by(row_id).limit(1)
        row = db.session.execute(found).one()
        if row[1] < since:
            low = row[0] + 1
        else:
            high = middle
    return int(low)
