"""How many calls a connection has made this month, where the platform grants only so many."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, bindparam, select, update

from errors import InvalidInput
from extensions import insert_unless_there
from models import CallCount, Integration, Membership
from platforms import PLATFORMS
from services import rights
from services.statements import Statement
from texts import N_

ZONE = ZoneInfo("Asia/Shanghai")
"""Where the platforms' months begin."""
CHOSEN = "monthly_limit"
"""The setting with an administrator's own limit, 0 for none; without it the free edition's holds."""
MOST = 100_000_000
NEARLY = 0.8

_ADD = Statement(
    update(CallCount)
    .where(
        CallCount.tenant_id == bindparam("of_tenant"),
        CallCount.integration_id == bindparam("of_integration"),
        CallCount.month == bindparam("of_month"),
    )
    .values(calls=CallCount.calls + 1)
)


@dataclass(frozen=True)
class Use:
    """Calls of this month against what is granted; limit 0: as many as one likes."""

    calls: int
    limit: int

    @property
    def share(self) -> float:
        return self.calls / self.limit if self.limit else 0.0

    @property
    def is_used_up(self) -> bool:
        return bool(self.limit) and self.calls >= self.limit

    @property
    def tone(self) -> str:
        if self.is_used_up:
            return "bad"
        return "warn" if self.share >= NEARLY else "ok"


def are_counted(integration: Integration) -> bool:
    return PLATFORMS[integration.platform].capabilities.monthly_calls > 0


def note(on: Connection, integration: Integration, now: datetime) -> None:
    """Stage that the platform took a message or an update; nothing where none are counted."""
    if not are_counted(integration):
        return
    month = month_of(now)
    about = {"of_tenant": integration.tenant_id, "of_integration": integration.id, "of_month": month}
    if _ADD.run(on, about):
        return
    first: dict[str, Any] = {"tenant_id": integration.tenant_id, "integration_id": integration.id, "month": month}
    on.execute(insert_unless_there(on, CallCount, ("integration_id", "month")), first | {"calls": 0})
    _ADD.run(on, about)


def use(on: Any, integration: Integration, *, now: datetime) -> Use | None:
    """This month's calls; None where none are counted. on: a connection or session."""
    if not are_counted(integration):
        return None
    wanted = select(CallCount.calls).where(
        CallCount.tenant_id == integration.tenant_id,
        CallCount.integration_id == integration.id,
        CallCount.month == month_of(now),
    )
    granted = PLATFORMS[integration.platform].capabilities.monthly_calls
    return Use(on.execute(wanted).scalar() or 0, int(integration.settings.get(CHOSEN, granted)))


def set_limit(integration: Integration, limit: int, *, by: Membership) -> None:
    """Choose what the month's calls are measured by; 0: no limit. Raises AccessDenied, InvalidInput."""
    rights.require(by, "integration.edit")
    if not 0 <= limit <= MOST:
        raise InvalidInput(N_("每月额度"), N_("应为 0–100000000，0 表示不限"))
    integration.settings = {**integration.settings, CHOSEN: limit}


def month_of(at: datetime) -> str:
    """ "2026-03"."""
    return f"{at.astimezone(ZONE):%Y-%m}"
