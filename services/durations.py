"""Lengths of time in words."""

from __future__ import annotations

from datetime import timedelta

from texts import N_, Text


def duration_text(length: timedelta) -> Text:
    """A length of time in its two largest units, rounded down; at least one minute."""
    minutes = max(1, int(length.total_seconds()) // 60)
    hours, minutes_left = divmod(minutes, 60)
    days, hours_left = divmod(hours, 24)
    if days:
        return Text(N_("%(days)s 天 %(hours)s 小时"), days=days, hours=hours_left)
    if hours:
        return Text(N_("%(hours)s 小时 %(minutes)s 分钟"), hours=hours, minutes=minutes_left)
    return Text(N_("%(minutes)s 分钟"), minutes=minutes)
