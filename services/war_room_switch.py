"""增强功能 → 开启作战室: which connection makes an organisation's war rooms, switched on once it has proven it can."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select

from errors import AppError, Conflict, InvalidInput
from extensions import db
from models import CheckState, Integration, IntegrationCheck, IntegrationStatus, Membership
from platforms import PLATFORMS
from platforms.checks import explained
from platforms.errors import PlatformError
from platforms.rooms import RoomLimits
from services import audit, checks, outbox, rights, setup
from texts import N_

SWITCH, WANTED, REPLACES = "war_room", "war_room_wanted", "war_room_replaces"
CHECK = "war_room"
"""Name of the check that is tried before rooms are switched on."""
TRY = "check_rooms"
"""Kind of the row that tries it."""


class NotOffered(AppError):
    """Applications of this mode, or platform, can make no groups. reason: in the platform's words."""

    code = "war_room.not_offered"
    api_code = "InvalidParameter"
    message = N_("%(reason)s")
    status = 409


class OtherSwitchedOn(Conflict):
    code = "war_room.other_switched_on"
    message = N_("作战室已在集成「%(name)s」中开启，同一时间只能有一个")
    hint = N_("勾选「改用本集成」后再保存，会同时关闭那一个；已建立的作战室不受影响。")


def limits_of(integration: Integration) -> RoomLimits | None:
    return PLATFORMS[integration.platform].capabilities.rooms


def not_offered(integration: Integration) -> str:
    """Why rooms cannot be switched on here at all, as a catalogue id; "": they can."""
    if limits_of(integration) is None:
        return N_("该平台不支持作战室")
    return setup.mode_of(integration).withheld.get(SWITCH, "")


def is_on(integration: Integration) -> bool:
    return bool(integration.enhanced.get(SWITCH))


def is_being_checked(integration: Integration) -> bool:
    return bool(integration.enhanced.get(WANTED))


def in_use(tenant_id: int) -> Integration | None:
    """The connection in which rooms are made now."""
    found = _switched_on(tenant_id)
    usable = [one for one in found if one.status is IntegrationStatus.ACTIVE and not not_offered(one)]
    return usable[0] if usable else None


def other(integration: Integration) -> Integration | None:
    """Another connection of the organisation in which they are switched on."""
    return next((one for one in _switched_on(integration.tenant_id) if one.id != integration.id), None)


def switch_on(
    integration: Integration, values: Mapping[str, str], *, by: Membership, now: datetime, replaces_other: bool = False
) -> None:
    """Have the requirements looked at, live; they are switched on when all is well (`checked`).

    values  of RoomLimits.fields. Raises AccessDenied, NotOffered, InvalidInput, OtherSwitchedOn.
    """
    rights.require(by, "integration.edit")
    limits = limits_of(integration)
    if (reason := not_offered(integration)) or limits is None:
        raise NotOffered(reason, reason=reason)
    if (taken := other(integration)) is not None and not replaces_other:
        raise OtherSwitchedOn(name=taken.name)
    _keep(integration, limits, values)
    integration.enhanced = {**integration.enhanced, WANTED: True, REPLACES: replaces_other}
    check = checks.wait(integration, CHECK, now=now)
    check.at = None
    db.session.flush()
    on, tenant_id, payload = db.session.connection(), integration.tenant_id, {"by": by.user_id}
    if outbox.ensure_pending(on, TRY, tenant_id=tenant_id, subject_id=integration.id, now=now, payload=payload):
        outbox.wake_after_commit()


def switch_off(integration: Integration, *, by: Membership) -> None:
    """No further rooms; those that exist go on."""
    rights.require(by, "integration.edit")
    was_on = is_on(integration)
    _forget_wish(integration, **{SWITCH: False})
    if was_on:
        audit.record("integration.war_room_off", by=by, target=f"{integration.name} #{integration.id}")


def checked(integration: Integration, error: PlatformError | None, *, by: Membership | None, now: datetime) -> None:
    """Stage what the look at the requirements came to: switched on, or why not."""
    if error is not None:
        checks.failed(integration, CHECK, now=now, **explained(error))
        _forget_wish(integration)
        return
    checks.passed(integration, CHECK, now=now)
    taken = other(integration)
    if not is_being_checked(integration) or (taken is not None and not integration.enhanced.get(REPLACES)):
        _forget_wish(integration)
        return
    if taken is not None:
        taken.enhanced = {**taken.enhanced, SWITCH: False}
        audit.record("integration.war_room_off", by=by, target=f"{taken.name} #{taken.id}", now=now)
    _forget_wish(integration, **{SWITCH: True})
    audit.record("integration.war_room_on", by=by, target=f"{integration.name} #{integration.id}", now=now)


def failure(integration: Integration) -> IntegrationCheck | None:
    """The last look, if it failed."""
    found = checks.get(integration, CHECK)
    return found if found is not None and found.state is CheckState.FAILED else None


def _forget_wish(integration: Integration, **values: bool) -> None:
    kept = {name: value for name, value in integration.enhanced.items() if not name.startswith(f"{SWITCH}_")}
    integration.enhanced = {**kept, **values}


def _keep(integration: Integration, limits: RoomLimits, values: Mapping[str, str]) -> None:
    for field in limits.fields:
        value = values.get(field.name, "").strip()
        if not value:
            raise InvalidInput(field.name, N_("请填写"))
        if problems := field.problems(value):
            raise InvalidInput(field.name, problems[0])
        integration.settings = {**integration.settings, field.name: value}


def _switched_on(tenant_id: int) -> list[Integration]:
    mine = select(Integration).where(Integration.tenant_id == tenant_id).order_by(Integration.id)
    return [one for one in db.session.scalars(mine) if is_on(one)]
