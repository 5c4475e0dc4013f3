"""Writing what a press decided: each thing by one statement that is built once, on the press's own transaction.

Budget: a press has about a millisecond besides its commit, and a statement costs 40 to 60 µs of it. The usual
press (taken on, snoozed) writes seven: the incident, its timers' end, rows of the outbox, the timeline, the right
that the press brought, the card and the receipt.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, Update, bindparam, insert, update
from sqlalchemy.orm.exc import StaleDataError

from extensions import insert_unless_there
from models import (
    Card,
    CardCode,
    CardState,
    CheckState,
    Incident,
    Integration,
    IntegrationCheck,
    Receipt,
    Responder,
    TimelineEntry,
)
from services import deliveries, outbox, timeline
from services.incident_changes import alerts_closed
from services.incident_decisions import Decision
from services.press_scenes import Assignee, PressedCard, PressedIncident, Presser

KEY_LENGTH = 200
"""Of a receipt's key."""

_TIMELINE = insert(TimelineEntry.__table__)  # type: ignore[arg-type]
_RECEIPT = insert(Receipt.__table__)  # type: ignore[arg-type]
_RESPONDER = insert(Responder.__table__)  # type: ignore[arg-type]
_CHECK = insert(IntegrationCheck.__table__)  # type: ignore[arg-type]
_ACKNOWLEDGED = (
    update(Responder.__table__)  # type: ignore[arg-type]
    .where(Responder.id == bindparam("of_responder"))
    .values({name: bindparam(name) for name in ("is_current", "source", "assigned_at", "acknowledged_at")})
)
_TAKEN_ON = (
    update(Responder.__table__)  # type: ignore[arg-type]
    .where(Responder.id == bindparam("of_responder"))
    .values(acknowledged_at=bindparam("acknowledged_at"))
)
_CARD = (
    update(Card.__table__)  # type: ignore[arg-type]
    .where(Card.id == bindparam("of_card"))
    .values(
        shown_fingerprint=bindparam("fingerprint"),
        state=bindparam("new_state"),
        update_count=Card.update_count + 1,
        updated_at=bindparam("at"),
        last_error=None,
    )
)
_PASSED = (
    update(IntegrationCheck.__table__)  # type: ignore[arg-type]
    .where(
        IntegrationCheck.tenant_id == bindparam("of_tenant"),
        IntegrationCheck.integration_id == bindparam("of_integration"),
        IntegrationCheck.name == bindparam("of_name"),
    )
    .values(state=CheckState.PASSED, at=bindparam("now"), detail={})
)
_CALLED = (
    update(Integration.__table__)  # type: ignore[arg-type]
    .where(Integration.id == bindparam("of_integration"))
    .values(last_callback_at=bindparam("at"))
)


def apply(
    on: Connection, incident: PressedIncident, decision: Decision, *, by: Presser, via: str, now: datetime
) -> None:
    """Write a decision, but for its timers, and make `incident` what it is then.

    Raises StaleDataError if somebody changed the incident since it was read.
    """
    if not decision.entry:
        return
    if decision.is_change:
        _update_incident(on, incident, decision, now)
    if decision.takes_on:
        _take_on(on, incident, by, now)
    if decision.ends:
        outbox.cancel(decision.ends, tenant_id=incident.tenant_id, subject_id=incident.id, on=on)
    if decision.ends_alerts:
        on.execute(alerts_closed(incident.id, incident.tenant_id, now))
    if decision.ends_messages:
        deliveries.cancel_pending(incident.id, tenant_id=incident.tenant_id, on=on)
    about = {"tenant_id": incident.tenant_id, "incident_id": incident.id, "at": now, "via": via}
    actor = {"actor_id": by.user.id, "actor_name": by.user.name}
    on.execute(_TIMELINE, about | actor | {"type": decision.entry, "detail": timeline.stored_detail(decision.detail)})


def _update_incident(on: Connection, incident: PressedIncident, decision: Decision, now: datetime) -> None:
    values: dict[str, Any] = {"changed_at": now, "version": incident.version + 1}
    for name, value in decision.values.items():
        setattr(incident, name, value)
        if name in {"snoozed_by", "closed_by"}:
            name, value = f"{name}_id", value.id if value else None  # noqa: PLW2901
        values[name] = value
    found = on.execute(
        _incident_update(frozenset(values)), values | {"of_incident": incident.id, "of_version": incident.version}
    )
    if found.rowcount != 1:
        raise StaleDataError(f"incident {incident.id} was changed meanwhile")
    incident.version += 1


@cache
def _incident_update(names: frozenset[str]) -> Update:
    return (
        update(Incident.__table__)  # type: ignore[arg-type]
        .where(Incident.id == bindparam("of_incident"), Incident.version == bindparam("of_version"))
        .values({name: bindparam(name) for name in sorted(names)})
    )


def _take_on(on: Connection, incident: PressedIncident, by: Presser, now: datetime) -> None:
    """Note that the presser has taken it on; an outsider thereby becomes a responder."""
    mine = next((one for one in incident.responders if one.user_id == by.user_id), None)
    joining = {"is_current": True, "source": "self", "assigned_at": now}
    if mine is None:
        about = {"tenant_id": incident.tenant_id, "incident_id": incident.id, "user_id": by.user_id}
        on.execute(_RESPONDER, about | joining | {"acknowledged_at": now})
        incident.responders.append(Assignee(0, by.user_id, True, now, by.user))
        return
    if mine.is_current:
        on.execute(_TAKEN_ON, {"of_responder": mine.id, "acknowledged_at": now})
    else:
        on.execute(_ACKNOWLEDGED, joining | {"of_responder": mine.id, "acknowledged_at": now})
    mine.is_current, mine.acknowledged_at = True, now


def add_code(
    on: Connection, card_id: int, code: str, *, tenant_id: int, hours: int, is_used: bool, now: datetime
) -> None:
    """Keep the right to update that a press brought, used at once where the answer carries the card.

    The same one again is the one that we have.
    """
    values = {"tenant_id": tenant_id, "card_id": card_id, "code": code, "origin": "press"}
    times = {"received_at": now, "expires_at": now + timedelta(hours=hours), "used_at": now if is_used else None}
    on.execute(insert_unless_there(on, CardCode, ("card_id", "code")), values | times)


def shown(on: Connection, card: PressedCard, fingerprint: str, now: datetime) -> None:
    """Note what the presser's card shows by the answer."""
    state = CardState.LIVE if card.state is CardState.STALE else card.state
    on.execute(_CARD, {"of_card": card.id, "fingerprint": fingerprint, "new_state": state, "at": now})


def take_receipt(
    on: Connection, scope: str, key: str, *, tenant_id: int, answer: dict[str, Any], now: datetime
) -> None:
    """Raises IntegrityError if the same event was taken at this moment."""
    on.execute(_RECEIPT, {"tenant_id": tenant_id, "scope": scope, "key": key, "answer": answer, "at": now})


def prove(on: Connection, integration: Integration, now: datetime) -> None:
    """Note the first press that came back. Raises IntegrityError if another one did at this moment."""
    about = {"of_tenant": integration.tenant_id, "of_integration": integration.id, "of_name": "press", "now": now}
    if on.execute(_PASSED, about).rowcount:
        return
    values = {"tenant_id": integration.tenant_id, "integration_id": integration.id, "name": "press"}
    on.execute(_CHECK, values | {"state": CheckState.PASSED, "since": now, "at": now, "detail": {}})


def note_callback(on: Connection, integration: Integration, now: datetime) -> None:
    """Past the version column: presses must not wait for one another, nor be read again for it."""
    on.execute(_CALLED, {"of_integration": integration.id, "at": now})
