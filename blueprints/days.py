"""Days as a reader names them, in the zone of the reader."""

from __future__ import annotations

from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta

from services.wording import current_zone


def day_span(since: str, until: str) -> tuple[datetime | None, datetime | None]:
    """From the beginning of one day to the end of another, days of the reader's zone as 2026-03-02.

    What is no day is None: no limit on that side.
    """
    first, last = _day(since), _day(until)
    return _utc(first), _utc(last, days=1)


def _day(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=current_zone())
    except ValueError:
        return None


def _utc(local: datetime | None, days: int = 0) -> datetime | None:
    """So many days later, in UTC. Days at the edge of the calendar are nobody's."""
    if local is None or not MINYEAR < local.year < MAXYEAR:
        return None
    return (local + timedelta(days=days)).astimezone(UTC)
