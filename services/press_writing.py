"""Writing what a press decided: each thing by one statement that is built once, on the press's own transaction.

Budget: a press may cost as much as one durable commit again, about a millisecond. The usual one (taken on, snoozed)
reads two statements (services/press_scenes.py) and writes six: the incident, its responder or a row of the outbox,
its timers' end, the timeline, the card and the receipt; 5 to 20 µs each (services/statements.py). The card is drawn and
the platform's answer written down while the disk is waited for (under_way.py): the transaction keeps what they are
made of (services/card_contents.py).
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, null, or_, update
from sqlalchemy.orm.exc import StaleDataError

from models import (
    Card,
    CardState,
    CheckState,
    Incident,
    Integration,
    IntegrationCheck,
    Job,
    JobState,
    Receipt,
    Responder,
)
from services import deliveries, outbox, timeline
from services.incident_changes import alerts_closed
from services.incident_decisions import Decision
from services.incident_values import Assignee, IncidentValues
from services.press_scenes import PressedCard, Presser
from services.statements import Statement, inserting

KEY_LENGTH = 200
"""Of a receipt's key."""

_RECEIPT = inserting(Receipt, "tenant_id", "scope", "key", "answer", "at")
_RESPONDER = inserting(
    Responder, "tenant_id", "incident_id", "user_id", "is_current", "source", "assigned_at", "acknowledged_at"
)
_CHECK = inserting(IntegrationCheck, "tenant_id", "integration_id", "name", "state", "since", "at", "detail")
_JOINED = Statement(
    update(Responder)
    .where(Responder.id == bindparam("of_responder"))
    .values({name: bindparam(name) for name in ("is_current", "source", "assigned_at", "acknowledged_at")})
)
_TAKEN_ON = Statement(
    update(Responder)
    .where(Responder.id == bindparam("of_responder"))
    .values(acknowledged_at=bindparam("acknowledged_at"))
)
_CARD = Statement(
    update(Card)
    .where(Card.id == bindparam("of_card"))
    .values(
        shown_fingerprint=bindparam("fingerprint"),
        state=bindparam("new_state"),
        update_count=Card.update_count + 1,
        updated_at=bindparam("at"),
        last_error=null(),
    )
)
_PASSED = Statement(
    update(IntegrationCheck)
    .where(
        IntegrationCheck.tenant_id == bindparam("of_tenant"),
        IntegrationCheck.integration_id == bindparam("of_integration"),
        IntegrationCheck.name == bindparam("of_name"),
    )
    .values(state=CheckState.PASSED, at=bindparam("now"), detail={})
)
_CALLED = Statement(
    update(Integration).where(Integration.id == bindparam("of_integration")).values(last_callback_at=bindparam("at"))
)


def prepare(on: Connection) -> None:
    """Render the statements of the usual presses, so that the first of them need not."""
    timeline.prepare(on)
    for statement in (_RECEIPT, _RESPONDER, _JOINED, _TAKEN_ON, _CARD, _CALLED):
        statement.prepare(on)


def apply(
    on: Connection, incident: IncidentValues, decision: Decision, *, by: Presser, via: str, now: datetime
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
        _timers_end(decision.ends).later(on, {"of_tenant": incident.tenant_id, "of_subject": incident.id})
    if decision.ends_alerts:
        on.execute(alerts_closed(incident.id, incident.tenant_id, now))
    if decision.ends_messages:
        deliveries.cancel_pending(incident.id, tenant_id=incident.tenant_id, on=on)
    about = {"tenant_id": incident.tenant_id, "incident_id": incident.id, "at": now, "via": via}
    actor = {"actor_id": by.user.id, "actor_name": by.user.name}
    what = {"type": decision.entry, "detail": timeline.stored_detail(decision.detail)}
    timeline.write(on, [about | actor | what])


def _update_incident(on: Connection, incident: IncidentValues, decision: Decision, now: datetime) -> None:
    values: dict[str, Any] = {"changed_at": now, "version": incident.version + 1}
    for name, value in decision.values.items():
        setattr(incident, name, value)
        if name in {"snoozed_by", "closed_by"}:
            name, value = f"{name}_id", value.id if value else None  # noqa: PLW2901
        values[name] = value
    row = {"of_incident": incident.id, "of_version": incident.version}
    if _incident_update(frozenset(values)).run(on, values | row) != 1:
        raise StaleDataError(f"incident {incident.id} was changed meanwhile")
    incident.version += 1


@cache
def _incident_update(names: frozenset[str]) -> Statement:
    return Statement(
        update(Incident)
        .where(Incident.id == bindparam("of_incident"), Incident.version == bindparam("of_version"))
        .values({name: bindparam(name) for name in sorted(names)})
    )


@cache
def _timers_end(kinds: tuple[str, ...]) -> Statement:
    """The same as services.outbox.cancel()."""
    return Statement(
        update(Job)
        .where(Job.tenant_id == bindparam("of_tenant"), Job.subject_id == bindparam("of_subject"))
        .where(or_(*(Job.kind == kind for kind in kinds)), outbox.IS_PENDING)
        .values(state=JobState.CANCELLED)
    )


def _take_on(on: Connection, incident: IncidentValues, by: Presser, now: datetime) -> None:
    """Note that the presser has taken it on; an outsider thereby becomes a responder."""
    mine = next((one for one in incident.responders if one.user_id == by.user_id), None)
    joining = {"is_current": True, "source": "self", "assigned_at": now}
    if mine is None:
        about = {"tenant_id": incident.tenant_id, "incident_id": incident.id, "user_id": by.user_id}
        _RESPONDER.later(on, about | joining | {"acknowledged_at": now})
        incident.responders.append(Assignee(0, by.user_id, True, now, by.user))
        return
    if mine.is_current:
        _TAKEN_ON.later(on, {"of_responder": mine.id, "acknowledged_at": now})
    else:
        _JOINED.later(on, joining | {"of_responder": mine.id, "acknowledged_at": now})
    mine.is_current, mine.acknowledged_at = True, now


def shown(on: Connection, card: PressedCard, fingerprint: str, now: datetime) -> None:
    """Note what the presser's card shows by the answer."""
    state = CardState.LIVE if card.state is CardState.STALE else card.state
    _CARD.later(on, {"of_card": card.id, "fingerprint": fingerprint, "new_state": state, "at": now})


def take_receipt(
    on: Connection, scope: str, key: str, *, tenant_id: int, answer: dict[str, Any], now: datetime
) -> None:
    """If the same event was taken at this moment, this raises IntegrityError, or the commit does."""
    _RECEIPT.later(on, {"tenant_id": tenant_id, "scope": scope, "key": key, "answer": answer, "at": now})


def prove(on: Connection, integration: Integration, now: datetime) -> None:
    """Note the first press that came back. If another one did just now, this or the commit raises IntegrityError."""
    about = {"of_tenant": integration.tenant_id, "of_integration": integration.id, "of_name": "press", "now": now}
    if _PASSED.run(on, about):
        return
    values = {"tenant_id": integration.tenant_id, "integration_id": integration.id, "name": "press"}
    _CHECK.later(on, values | {"state": CheckState.PASSED, "since": now, "at": now, "detail": {}})


def note_callback(on: Connection, integration: Integration, now: datetime) -> None:
    """Past the version column: presses must not wait for one another, nor be read again for it."""
    _CALLED.later(on, {"of_integration": integration.id, "at": now})
