"""The present, asked for at the edges (views, jobs) and handed to rules as an argument."""

from __future__ import annotations

from datetime import UTC, datetime


def utcnow() -> datetime:
    return datetime.now(UTC)
