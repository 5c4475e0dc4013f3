"""What was last seen of each setup check: passed, failed with its reason, or still waited for."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.exc import IntegrityError

from extensions import db
from models import CheckState, Integration, IntegrationCheck
from platforms.setup import CheckResult

_BY_NAME = select(IntegrationCheck).where(
    IntegrationCheck.tenant_id == bindparam("tenant_id"),
    IntegrationCheck.integration_id == bindparam("integration_id"),
    IntegrationCheck.name == bindparam("name"),
)


def of_callback(purpose: str) -> str:
    """The check that an address which the platform calls has: "callback", "callback_event" …"""
    return f"callback_{purpose}" if purpose else "callback"


def get(integration: Integration, name: str) -> IntegrationCheck | None:
    """The stored check, or None while nobody has waited for it or seen it."""
    mine = {"tenant_id": integration.tenant_id, "integration_id": integration.id, "name": name}
    return db.session.scalar(_BY_NAME, mine)


def by_name(integration: Integration) -> dict[str, IntegrationCheck]:
    """All stored checks of a connection."""
    mine = select(IntegrationCheck).where(
        IntegrationCheck.tenant_id == integration.tenant_id, IntegrationCheck.integration_id == integration.id
    )
    return {check.name: check for check in db.session.execute(mine).scalars()}


def wait(integration: Integration, name: str, *, now: datetime) -> IntegrationCheck:
    """Begin to wait for something to be seen; a check that waits already keeps its time."""
    check = _ensured(integration, name, now)
    if check.state is not CheckState.WAITING:
        check.state, check.since, check.at, check.detail = CheckState.WAITING, now, None, {}
    return check


def passed(integration: Integration, name: str, *, now: datetime, **detail: Any) -> IntegrationCheck:
    """It was seen to work. detail: facts to show."""
    return _record(integration, name, CheckState.PASSED, now, detail)


def failed(integration: Integration, name: str, *, now: datetime, **detail: Any) -> IntegrationCheck:
    """It was tried and failed. detail: {code, message, hint, params, raw} as of platforms.setup.CheckResult."""
    return _record(integration, name, CheckState.FAILED, now, detail)


def record(integration: Integration, name: str, result: CheckResult, *, now: datetime) -> IntegrationCheck:
    """Store what an active check found."""
    state = CheckState.PASSED if result.passed else CheckState.FAILED
    return _record(integration, name, state, now, result.detail)


def _record(
    integration: Integration, name: str, state: CheckState, now: datetime, detail: dict[str, Any]
) -> IntegrationCheck:
    check = _ensured(integration, name, now)
    check.state, check.at, check.detail = state, now, detail
    return check


def _ensured(integration: Integration, name: str, now: datetime) -> IntegrationCheck:
    check = get(integration, name)
    if check is not None:
        return check
    check = IntegrationCheck(
        tenant_id=integration.tenant_id,
        integration_id=integration.id,
        name=name,
        state=CheckState.WAITING,
        since=now,
        detail={},
    )
    try:
        with db.session.begin_nested():
            db.session.add(check)
    except IntegrityError:  # two saw it for the first time at once
        return get(integration, name) or check
    return check
