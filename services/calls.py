"""How much was used of what a platform grants only so much of (Capabilities.quota): a month's calls, a day's messages.

The counter of a connection is one row that everybody who sends through it writes. So it is written last, right before
the commit, and in the order of the connections: who holds it waits for nothing more, and nobody for each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, event, func, or_, select, update
from sqlalchemy.orm import Session

from errors import InvalidInput
from extensions import db, insert_unless_there
from models import CallCount, Integration, Membership
from platforms import PLATFORMS
from platforms.quotas import Counted, Period, Quota
from services import audit, rights
from services.statements import Statement
from texts import N_

MOST = 100_000_000
"""The largest number that is taken from an administrator."""
NEARLY = 0.8
APPLICATION_LENGTH = 128
NOTED = "calls_noted"
"""Where a session keeps what is to be counted when it commits: how much, by _Counter."""
KEPT = timedelta(days=2)
"""For so long a period's count outlives the period: clocks differ."""

_ADD = Statement(
    update(CallCount)
    .where(
        CallCount.tenant_id == bindparam("of_tenant"),
        CallCount.integration_id == bindparam("of_integration"),
        CallCount.period == bindparam("of_period"),
        CallCount.application == bindparam("of_application"),
    )
    .values(calls=CallCount.calls + bindparam("more"))
)
_Counter = tuple[int, int, str, str]
"""(integration, tenant, period, application)."""


@dataclass(frozen=True)
class Use:
    """What was used in this period of what is granted; limit 0: as much as one likes, or nobody knows.

    connections  of the same company, who used it together
    """

    used: int
    limit: int
    connections: int = 1

    @property
    def share(self) -> float:
        return self.used / self.limit if self.limit else 0.0

    @property
    def is_used_up(self) -> bool:
        return bool(self.limit) and self.used >= self.limit

    @property
    def tone(self) -> str:
        if self.is_used_up:
            return "bad"
        return "warn" if self.share >= NEARLY else "ok"


def quota_of(integration: Integration) -> Quota | None:
    return PLATFORMS[integration.platform].capabilities.quota


def note(integration: Integration, now: datetime, *, made: int = 1, people: int = 0) -> None:
    """Have the session's commit count what the platform took; nothing where that uses nothing up.

    made    messages, updates and questions
    people  how many people they reached as messages of their own: an update and a message to a group reach nobody
    """
    quota = quota_of(integration)
    used = 0 if quota is None else people if quota.counted is Counted.PEOPLE else made
    if quota is None or not used:
        return
    db.session.connection()  # a transaction, so that its end is heard of
    noted: dict[_Counter, int] = db.session.info.setdefault(NOTED, {})
    counter = integration.id, integration.tenant_id, quota.period.at(now), _application(integration, quota)
    noted[counter] = noted.get(counter, 0) + used


def _application(integration: Integration, quota: Quota) -> str:
    """The application whose quota it is; "" where a company has one over all of them."""
    if not quota.told_apart_by:
        return ""
    known_by = (str(integration.settings.get(name) or "") for name in quota.told_apart_by)
    return ":".join((integration.mode, *known_by)).casefold()[:APPLICATION_LENGTH]


@event.listens_for(db.session, "before_commit")
def _count(session: Session) -> None:
    if session.in_nested_transaction() or not session.info.get(NOTED):
        return
    session.flush()  # whatever else is to be written, and waited for, comes before
    on = session.connection()
    for counter, used in sorted(session.info.pop(NOTED).items()):
        integration_id, tenant_id, period, application = counter
        about = {"of_tenant": tenant_id, "of_integration": integration_id, "of_period": period}
        about |= {"of_application": application, "more": used}
        if not _ADD.run(on, about):
            _open(on, counter)
            _ADD.run(on, about)


@event.listens_for(db.session, "after_rollback")
def _forget(session: Session) -> None:
    session.info.pop(NOTED, None)


def _open(on: Connection, counter: _Counter) -> None:
    key = ("integration_id", "period", "application")
    first = dict(zip(("integration_id", "tenant_id", "period", "application"), counter, strict=True))
    on.execute(insert_unless_there(on, CallCount, key), first | {"calls": 0})


def use(on: Any, integration: Integration, *, now: datetime) -> Use | None:
    """What the application, or the connection's company, has used by now; None where nothing is counted.

    on  a connection or session
    """
    quota = quota_of(integration)
    if quota is None:
        return None
    connections = _sharing(on, integration, quota)
    ids = [each.id for each in connections]
    wanted = select(func.sum(CallCount.calls)).where(
        CallCount.tenant_id == integration.tenant_id,
        CallCount.integration_id.in_(ids),
        CallCount.period == quota.period.at(now),
        CallCount.application == _application(integration, quota),
    )
    entered = [each.settings[quota.number] for each in connections if quota.number in each.settings]
    granted = int(entered[0] if entered else quota.usual) * quota.times
    return Use(int(on.execute(wanted).scalar() or 0), granted, len(ids))


def _sharing(on: Any, integration: Integration, quota: Quota) -> list[Any]:
    """Rows (id, settings) of the organisation's connections that use the same quota up, this one among them."""
    kind = PLATFORMS[integration.platform]
    mine = "" if quota.told_apart_by else kind.company(integration.settings)
    known = select(Integration.id, Integration.settings).where(
        Integration.tenant_id == integration.tenant_id, Integration.platform == integration.platform
    )
    rows = on.execute(known.order_by(Integration.id)).all()
    return [row for row in rows if row.id == integration.id or (mine and kind.company(row.settings) == mine)]


def set_number(integration: Integration, name: str, number: int, *, by: Membership) -> None:
    """Enter what use is measured by; 0: no limit, or none that is known.

    name  what the number means, as the platform's quota has it. Raises AccessDenied, InvalidInput.
    """
    rights.require(by, "integration.edit")
    quota = quota_of(integration)
    if quota is None or quota.number != name:
        raise InvalidInput(name, N_("该平台的额度不按此项计算"))
    if not 0 <= number <= MOST:
        raise InvalidInput(name, N_("应为 0–100000000 的整数"))
    before = integration.settings.get(name)
    if number != before:
        target = f"{integration.name} #{integration.id}"
        audit.record(f"integration.{name}_changed", by=by, target=target, before=before, after=number)
    ids = [row.id for row in _sharing(db.session, integration, quota)]
    for each in db.session.scalars(select(Integration).where(Integration.id.in_(ids)).order_by(Integration.id)):
        each.settings = {**each.settings, name: number}


def forget_past(*, now: datetime) -> None:
    """Stage that the counts of months and days that are over go, of all organisations: nothing shows them."""
    days = func.length(CallCount.period) == len(Period.DAY.at(now))
    past_day = and_(days, CallCount.period < Period.DAY.at(now - KEPT))
    past_month = and_(~days, CallCount.period < Period.MONTH.at(now - KEPT))
    gone = delete(CallCount).where(or_(past_day, past_month))
    db.session.execute(gone.execution_options(synchronize_session=False))
