"""How many calls were made this month, where the platform grants a company only so many, over all its applications.

The counter of a connection is one row that everybody who sends through it writes. So it is written last, right before
the commit, and in the order of the connections: who holds it waits for nothing more, and nobody for each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, bindparam, event, func, select, update
from sqlalchemy.orm import Session

from errors import InvalidInput
from extensions import db, insert_unless_there
from models import CallCount, Integration, Membership
from platforms import PLATFORMS
from services import audit, rights
from services.statements import Statement
from texts import N_

ZONE = ZoneInfo("Asia/Shanghai")
"""Where the platforms' months begin."""
CHOSEN = "monthly_limit"
"""The setting with an administrator's own limit, 0 for none; without it the free edition's holds."""
MOST = 100_000_000
NEARLY = 0.8
NOTED = "calls_noted"
"""Where a session keeps what is to be counted when it commits: how often, by (integration, tenant, month)."""

_ADD = Statement(
    update(CallCount)
    .where(
        CallCount.tenant_id == bindparam("of_tenant"),
        CallCount.integration_id == bindparam("of_integration"),
        CallCount.month == bindparam("of_month"),
    )
    .values(calls=CallCount.calls + bindparam("more"))
)


@dataclass(frozen=True)
class Use:
    """Calls of this month against what is granted; limit 0: as many as one likes.

    connections  of the same company, whose calls these are together
    """

    calls: int
    limit: int
    connections: int = 1

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


def note(integration: Integration, now: datetime, *, made: int = 1) -> None:
    """Have the session's commit count that the platform took so many messages or questions; nothing where none are."""
    if not are_counted(integration):
        return
    db.session.connection()  # a transaction, so that its end is heard of
    noted: dict[tuple[int, int, str], int] = db.session.info.setdefault(NOTED, {})
    about = integration.id, integration.tenant_id, month_of(now)
    noted[about] = noted.get(about, 0) + made


@event.listens_for(db.session, "before_commit")
def _count(session: Session) -> None:
    if session.in_nested_transaction() or not session.info.get(NOTED):
        return
    session.flush()  # whatever else is to be written, and waited for, comes before
    on = session.connection()
    for (integration_id, tenant_id, month), made in sorted(session.info.pop(NOTED).items()):
        about = {"of_tenant": tenant_id, "of_integration": integration_id, "of_month": month, "more": made}
        if not _ADD.run(on, about):
            _open_month(on, integration_id, tenant_id, month)
            _ADD.run(on, about)


@event.listens_for(db.session, "after_rollback")
def _forget(session: Session) -> None:
    session.info.pop(NOTED, None)


def _open_month(on: Connection, integration_id: int, tenant_id: int, month: str) -> None:
    first: dict[str, Any] = {"tenant_id": tenant_id, "integration_id": integration_id, "month": month, "calls": 0}
    on.execute(insert_unless_there(on, CallCount, ("integration_id", "month")), first)


def use(on: Any, integration: Integration, *, now: datetime) -> Use | None:
    """This month's calls of the connection's company; None where none are counted. on: a connection or session."""
    if not are_counted(integration):
        return None
    connections = _of_company(on, integration)
    ids = [each.id for each in connections]
    wanted = select(func.sum(CallCount.calls)).where(
        CallCount.tenant_id == integration.tenant_id,
        CallCount.integration_id.in_(ids),
        CallCount.month == month_of(now),
    )
    chosen = [each.settings[CHOSEN] for each in connections if CHOSEN in each.settings]
    granted = chosen[0] if chosen else PLATFORMS[integration.platform].capabilities.monthly_calls
    return Use(int(on.execute(wanted).scalar() or 0), int(granted), len(ids))


def _of_company(on: Any, integration: Integration) -> list[Any]:
    """Rows (id, settings) of the organisation's connections to the same company, this one among them."""
    kind = PLATFORMS[integration.platform]
    mine = kind.company(integration.settings)
    known = select(Integration.id, Integration.settings).where(
        Integration.tenant_id == integration.tenant_id, Integration.platform == integration.platform
    )
    rows = on.execute(known.order_by(Integration.id)).all()
    return [row for row in rows if row.id == integration.id or (mine and kind.company(row.settings) == mine)]


def set_limit(integration: Integration, limit: int, *, by: Membership) -> None:
    """Choose what the month's calls of a company are measured by; 0: no limit. Raises AccessDenied, InvalidInput."""
    rights.require(by, "integration.edit")
    if not 0 <= limit <= MOST:
        raise InvalidInput("monthly_limit", N_("应为 0–100000000，0 表示不限"))
    before = integration.settings.get(CHOSEN)
    if limit != before:
        target = f"{integration.name} #{integration.id}"
        audit.record("integration.monthly_limit_changed", by=by, target=target, before=before, after=limit)
    ids = [row.id for row in _of_company(db.session, integration)]
    for each in db.session.scalars(select(Integration).where(Integration.id.in_(ids)).order_by(Integration.id)):
        each.settings = {**each.settings, CHOSEN: limit}


def month_of(at: datetime) -> str:
    """ "2026-03"."""
    return f"{at.astimezone(ZONE):%Y-%m}"
