"""What became of a try to send: recorded on the delivery, its card, the link and the integration."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, Insert, and_, bindparam, exists, func, or_, select, update

from extensions import db, insert_unless_there
from models import (
    AccountLink,
    Card,
    CardState,
    CheckState,
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    Incident,
    Integration,
    Job,
    JobState,
    LinkState,
)
from platforms import PLATFORMS
from platforms.base import SentMessage
from platforms.errors import GroupGone, LicenceLacking, PlatformError, RecipientUnreachable
from services import (
    calls,
    cards,
    checks,
    circuits,
    failures,
    groups,
    licence_reading,
    licences,
    linking,
    outbox,
    retries,
    storms,
    text_messages,
)
from services.notifications import DELIVER
from services.send_scenes import Scene, same_recipient
from services.statements import Statement, inserting

MESSAGE_LENGTH = 500
TEST_TRIES = 4


@dataclass(frozen=True)
class Try:
    """One call: when it began, how long it took, and the error it ended with, if any."""

    at: datetime
    latency_ms: int
    error: PlatformError | None = None
    was_repeat: bool = False


@dataclass(frozen=True)
class Arrived:
    """A message that the platform took.

    shown           fingerprint of the card; is_shown_truly: an earlier try, if that arrived, showed the same
    code_hours      how long a right to update it lives
    wording         Wording.as_rendered(), where a template wrote the card
    """

    scene: Scene
    integration: Integration
    message: SentMessage
    made: Try
    shown: str
    is_shown_truly: bool
    code_hours: int
    wording: Mapping[str, Any] = field(default_factory=dict)


# --- it arrived ---------------------------------------------------------------------------------------------------

_OLDER, _LATER = Card.__table__.alias("older"), Delivery.__table__.alias("later")
_HELD = Statement(select(Incident.id).where(Incident.id == bindparam("incident_id")).with_for_update())
_STATE = Statement(
    select(
        Incident.version,
        AccountLink.state,
        exists().where(
            _OLDER.c.incident_id == Delivery.incident_id,
            same_recipient(_OLDER),
            _OLDER.c.delivery_id != Delivery.id,
            or_(_OLDER.c.state == CardState.LIVE, _OLDER.c.state == CardState.STALE),
        ),
        exists().where(
            _LATER.c.incident_id == Delivery.incident_id,
            same_recipient(_LATER),
            _LATER.c.id > Delivery.id,
            _LATER.c.state == DeliveryState.QUEUED,
        ),
        Delivery.integration_id,
    )
    .select_from(Delivery)
    .outerjoin(Incident, Incident.id == Delivery.incident_id)
    .outerjoin(
        AccountLink,
        and_(AccountLink.integration_id == Delivery.integration_id, AccountLink.user_id == Delivery.user_id),
    )
    .where(Delivery.id == bindparam("delivery_id"))
)
_DELIVERIES: Any = Delivery.__table__
_SENT = Statement(
    update(_DELIVERIES)
    .where(_DELIVERIES.c.id == bindparam("of_id"))
    .values(
        state=DeliveryState.SENT,
        platform_message_id=func.coalesce(bindparam("message_id"), _DELIVERIES.c.platform_message_id),
        rendered=bindparam("as_rendered"),
        failure_code=None,
        failure=bindparam("nothing"),
        next_attempt_at=None,
        sent_at=bindparam("at"),
    )
)
_TRY = inserting(
    DeliveryAttempt,
    "tenant_id",
    "delivery_id",
    "at",
    "outcome",
    "http_status",
    "platform_code",
    "message",
    "latency_ms",
)
_CARDS: Any = Card.__table__


def sent(arrived: Arrived, *, now: datetime) -> None:
    """Stage that the platform took it: the message, the try, the card and the right to update it, in few statements.

    A card belongs to its connection: there is none if that was deleted during the call.
    """
    scene = arrived.scene
    on, incident = db.session.connection(), scene.incident
    if incident is not None and on.dialect.name != "sqlite":  # there, a transaction that may write holds everything
        _HELD.later(on, {"incident_id": incident.id})
    found = _STATE.rows(on, {"delivery_id": scene.id})
    if not found:
        return
    version, link_state, has_older, has_later, connection_id = found[0]
    _SENT.later(on, _sent_values(arrived, now))
    _TRY.later(on, _try_values(scene.id, arrived.integration.tenant_id, arrived.made))
    if connection_id is not None:
        calls.note(arrived.integration, now, people=_people_reached(arrived))
    if link_state is LinkState.BROKEN and scene.user_id is not None:
        _mend_link(arrived.integration.id, scene.user_id)
    if incident is not None and connection_id is not None:
        card_id = _open_card(arrived, has_older, now)
        if version != incident.version or not arrived.is_shown_truly:
            tenant_id, integration_id = arrived.integration.tenant_id, arrived.integration.id
            outbox.enqueue(**cards.updating(card_id, tenant_id=tenant_id, integration_id=integration_id, now=now))
    if has_later:
        let_the_next_go(db.session.get_one(Delivery, scene.id), now)
    if scene.source == storms.SOURCE:
        storms.ended(db.session.get_one(Delivery, scene.id, populate_existing=True))


def _people_reached(arrived: Arrived) -> int:
    """How many people got it as a message of their own; of everybody, only the linked ones are known by number."""
    if arrived.scene.group is not None:
        return 0
    if text_messages.is_to_everybody(arrived.scene, PLATFORMS[arrived.integration.platform].capabilities):
        return max(1, linking.count_active(arrived.integration))
    return 1


def _sent_values(arrived: Arrived, now: datetime) -> dict[str, Any]:
    message = arrived.message
    rendered: dict[str, Any] = {"truncated_lines": message.truncated_lines, "lacks_buttons": message.lacks_buttons}
    rendered |= {**arrived.wording, **text_messages.words_kept(arrived.scene.rendered)}
    if arrived.scene.incident is None and message.update_code:
        rendered["update_code"] = message.update_code
    known = {"of_id": arrived.scene.id, "message_id": message.message_id or None, "as_rendered": rendered}
    return known | {"nothing": {}, "at": now}


def _open_card(arrived: Arrived, has_older: bool, now: datetime) -> int:
    """The card of a message that arrived; a press may have come in before, and made it."""
    scene, message = arrived.scene, arrived.message
    values = {
        "tenant_id": arrived.integration.tenant_id,
        "incident_id": scene.incident.id if scene.incident else None,
        "delivery_id": scene.id,
        "integration_id": arrived.integration.id,
        "user_id": scene.user_id,
        "group_chat_id": scene.group.id if scene.group else None,
        "external_user_id": scene.to,
        "reference": scene.message.reference,
        "message_id": message.message_id,
        "shown_fingerprint": arrived.shown if arrived.is_shown_truly else "",
        "created_at": now,
        "updated_at": now,
    }
    on = db.session.connection()
    opened = _opening(insert_unless_there(on, Card, ("delivery_id",)), tuple(values)).rows(on, values)
    card_id = opened[0][0] if opened else None
    if card_id is None:
        card = db.session.scalars(select(Card).where(Card.delivery_id == scene.id)).one()
        card.message_id, card_id = message.message_id or card.message_id, card.id
    elif has_older:
        cards.supersede_older(db.session.get_one(Card, card_id), now=now)
    if message.update_code:
        tenant_id, hours = arrived.integration.tenant_id, arrived.code_hours
        cards.add_code(on, int(card_id), message.update_code, tenant_id=tenant_id, origin="send", hours=hours, now=now)
    return int(card_id)


@cache
def _opening(insertion: Insert, names: tuple[str, ...]) -> Statement:
    return Statement(insertion.values({name: bindparam(name) for name in names}).returning(_CARDS.c.id))


def _mend_link(integration_id: int, user_id: int) -> None:
    """A message that arrived proves that the account is there."""
    broken = (AccountLink.integration_id == integration_id, AccountLink.user_id == user_id)
    db.session.execute(
        update(AccountLink)
        .where(*broken, AccountLink.state == LinkState.BROKEN)
        .values(state=LinkState.ACTIVE)
        .execution_options(synchronize_session=False)
    )


def note_working(integration: Integration, now: datetime) -> None:
    """Note, now and then, when something was last sent; a first message proves that sending works. Commits."""
    noted: dict[int, float] = current_app.extensions.setdefault("sends_noted", {})
    if time.monotonic() - noted.get(integration.id, -circuits.NOTED_EVERY.total_seconds()) < (
        circuits.NOTED_EVERY.total_seconds()
    ):
        return
    noted[integration.id] = time.monotonic()
    circuits.note_sent_at(integration.id, now)
    seen = checks.get(integration, "message")
    if seen is None or seen.state is not CheckState.PASSED:
        checks.passed(integration, "message", now=now)
    db.session.commit()


# --- it did not ---------------------------------------------------------------------------------------------------


def note_try(delivery: Delivery, made: Try) -> int:
    """Stage the record of a call; return how many there have been for this delivery."""
    on = db.session.connection()
    _TRY.run(on, _try_values(delivery.id, delivery.tenant_id, made))
    counted = select(func.count()).select_from(DeliveryAttempt).where(DeliveryAttempt.delivery_id == delivery.id)
    return db.session.scalar(counted) or 0


def _try_values(delivery_id: int, tenant_id: int, made: Try) -> dict[str, Any]:
    error = made.error
    message = (error.platform_message or error.detail) if error else ""
    return {
        "tenant_id": tenant_id,
        "delivery_id": delivery_id,
        "at": made.at,
        "outcome": error.failure if error else ("repeat" if made.was_repeat else "sent"),
        "http_status": error.http_status if error else None,
        "platform_code": error.platform_code if error else None,
        "message": message[:MESSAGE_LENGTH],
        "latency_ms": made.latency_ms,
    }


def failed(delivery: Delivery, code: str, error: PlatformError | None = None) -> None:
    """It will not be tried again; the page says why and what to do."""
    delivery.state = DeliveryState.FAILED
    delivery.failure_code = code
    delivery.failure = failures.memo(error) if error else {}
    delivery.next_attempt_at = None


def ended(delivery: Delivery, state: DeliveryState, reason: str) -> None:
    """It was decided not to send (again): failed, skipped or cancelled. reason: of failures.FAILURES or SKIPS."""
    delivery.state, delivery.failure_code, delivery.next_attempt_at = state, reason, None


def refused(delivery: Delivery, integration: Integration, error: PlatformError, *, tried_at: datetime) -> None:
    """The platform answered that it never will. An account that is gone breaks its link, a group is gone."""
    failed(delivery, error.failure, error)
    if isinstance(error, LicenceLacking) and delivery.external_user_id and licences.rules_of(integration):
        licence_reading.note_refused(integration, delivery.external_user_id, now=tried_at)
    if isinstance(error, GroupGone) and delivery.group_chat is not None:
        groups.note_gone(delivery.group_chat, tried_at=tried_at)
    if isinstance(error, RecipientUnreachable) and delivery.user_id is not None:
        link = linking.find_for_user(integration, delivery.user_id)
        if link is not None and link.state is LinkState.ACTIVE:
            link.state = LinkState.BROKEN


def retry_at(
    delivery: Delivery,
    error: PlatformError,
    *,
    tries: int,
    now: datetime,
    earlier_try_unanswered: bool = False,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
) -> datetime | None:
    """Stage waiting for another try; None if it was given up and failed instead.

    earlier_try_unanswered  is remembered whatever this try ended with: the message may have arrived then
    not_before, not_after   what is known of the platform: it asked for a pause; it is down and will be tried then
    """
    age, wait = now - delivery.created_at, retries.delay(tries)
    if retries.is_over(age, wait) or (delivery.source == "test" and tries >= TEST_TRIES):
        failed(delivery, error.failure, error)
        return None
    due_at = now + retries.with_jitter(wait)
    due_at = min(due_at, not_after or due_at)
    due_at = max(due_at, not_before or due_at)
    delivery.state, delivery.next_attempt_at = DeliveryState.RETRYING, due_at
    delivery.failure_code = error.failure
    memo = failures.memo(error)
    unanswered = (memo["unanswered"] and not error.unsent) or earlier_try_unanswered
    delivery.failure = memo | {"unanswered": unanswered}
    return due_at


def _same_recipient(delivery: Delivery) -> tuple[ColumnElement[bool], ...]:
    if delivery.user_id is None and delivery.group_chat_id is not None:
        return (Delivery.group_chat_id == delivery.group_chat_id,)
    return (Delivery.user_id == delivery.user_id,)


def let_the_next_go(delivery: Delivery, now: datetime) -> None:
    """Stage that later messages to the same recipient about the same incident need not wait for this one any longer."""
    if delivery.incident_id is None:
        return
    later = select(Delivery.id).where(
        Delivery.incident_id == delivery.incident_id, *_same_recipient(delivery), Delivery.id > delivery.id
    )
    db.session.execute(
        update(Job)
        .where(Job.kind == DELIVER, Job.subject_id.in_(later), Job.state == JobState.PENDING, Job.due_at > now)
        .where(Job.error.startswith(outbox.IN_ORDER))
        .values(due_at=now)
        .execution_options(synchronize_session=False)
    )
    outbox.wake_after_commit()
