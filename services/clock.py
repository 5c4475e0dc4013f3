"""The present, asked for at the edges (views, jobs) and handed to rules as an argument."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

CLOCKS_DIFFER = timedelta(minutes=1)
"""By how much the clocks of machines that work together differ at most. What is later was noted by a wrong one."""


def utcnow() -> datetime:
    return datetime.now(UTC)
