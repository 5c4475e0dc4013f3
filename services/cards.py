"""Keeping cards true: which of them are live, the rights to update them, and what waits to be updated.

A right (WeCom's response_code) updates a card once, within hours. Sending a card brings one, every press another.
Without an unused one a card is stale: nothing is sent, the incident page counts it, the person's 状态刷新 mends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, bindparam, exists, or_, select

from extensions import db, insert_into, unindexed
from models import Card, CardCode, CardState, Delivery, GroupChat, Incident, Integration, Job, User
from platforms import PLATFORMS
from services import groups, leases, outbox, timeline, war_room_news
from services.statements import Statement

UPDATE, REFRESH = "update_card", "refresh_cards"
"""Kinds of rows: one card's update, and finding those of an incident that need one (its presses stage one row)."""


def _is_usable(now: datetime | BindParameter[datetime]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return CardCode.used_at.is_(None), CardCode.expires_at > now


_NOW: BindParameter[datetime] = bindparam("now")
_HAS_CODE = exists().where(CardCode.card_id == Card.id, *_is_usable(_NOW))
_WAITS = exists().where(Job.kind == UPDATE, Job.subject_id == Card.id, outbox.IS_PENDING, leases.has_ended(_NOW))
"""An update is coming which has not begun: it will show the newest state anyway."""
_NEEDS_NONE = Integration.platform.not_in(bindparam("with_codes", expanding=True))
_OUT_OF_DATE = (
    select(Card.id, Integration.platform, Integration.id)
    .join(Integration, Integration.id == Card.integration_id)
    .where(Card.tenant_id == bindparam("tenant_id"), Card.incident_id.in_(bindparam("incident_ids", expanding=True)))
    .where(or_(Card.state == CardState.LIVE, (Card.state == CardState.STALE) & (_NEEDS_NONE | _HAS_CODE)), ~_WAITS)
    .order_by(Card.id)
)
_OF_DELIVERY = select(Card).where(Card.delivery_id == bindparam("delivery_id"))


def refresh_incidents(incident_ids: Sequence[int], *, tenant_id: int, now: datetime) -> None:
    """Stage updates of the cards that can be updated, by two queries; their war rooms look at what is new as well.

    What they will show is read when they are.
    """
    war_room_news.stage(incident_ids, tenant_id=tenant_id, now=now)
    outbox.stage(
        _update(card_id, tenant_id, integration_id, now + _coalescing(platform), now)
        for card_id, platform, integration_id in _out_of_date(incident_ids, tenant_id, now)
    )


def refresh_now(incident: Incident, *, now: datetime) -> None:
    """The same when changes have waited for one another already."""
    war_room_news.stage([incident.id], tenant_id=incident.tenant_id, now=now)
    outbox.stage(
        _update(card_id, incident.tenant_id, integration_id, now, now)
        for card_id, _platform, integration_id in _out_of_date([incident.id], incident.tenant_id, now)
    )


def refreshing(incident_id: int, *, tenant_id: int, platform: str, now: datetime) -> dict[str, Any]:
    """The outbox's arguments for updating an incident's cards once its changes have waited for one another."""
    due_at = now + _coalescing(platform)
    return {"kind": REFRESH, "tenant_id": tenant_id, "subject_id": incident_id, "due_at": due_at, "now": now}


def _out_of_date(incident_ids: Sequence[int], tenant_id: int, now: datetime) -> Sequence[Any]:
    """Rows of card id, platform, integration id."""
    with_codes = [slug for slug, kind in PLATFORMS.items() if kind.capabilities.updates_need_codes]
    about = {"tenant_id": tenant_id, "incident_ids": incident_ids, "now": now, "with_codes": with_codes}
    return db.session.execute(_OUT_OF_DATE, about).all()


def schedule(card: Card, *, now: datetime, refreshed_at: datetime | None = None) -> None:
    """Stage one card's update without waiting for further changes.

    refreshed_at  its owner asked for it then: it is sent even if nothing has changed
    """
    outbox.enqueue(
        **updating(
            card.id, tenant_id=card.tenant_id, integration_id=card.integration_id, now=now, refreshed_at=refreshed_at
        )
    )


def updating(
    card_id: int,
    *,
    tenant_id: int,
    integration_id: int | None,
    now: datetime,
    refreshed_at: datetime | None = None,
    waits_for: str = "",
) -> dict[str, Any]:
    """The outbox's arguments for schedule(). waits_for: the platform whose time for further changes is waited first."""
    about = {"tenant_id": tenant_id, "subject_id": card_id, "queue": outbox.queue_of(integration_id or 0)}
    payload = {"refreshed_at": refreshed_at.isoformat()} if refreshed_at else {}
    due_at = now + _coalescing(waits_for) if waits_for else now
    return {"kind": UPDATE, "due_at": due_at, "now": now, "payload": payload} | about


def _update(
    card_id: int, tenant_id: int, integration_id: int | None, due_at: datetime, now: datetime
) -> dict[str, Any]:
    queue = outbox.queue_of(integration_id or 0)
    return outbox.row(UPDATE, tenant_id=tenant_id, subject_id=card_id, due_at=due_at, now=now, queue=queue)


def _coalescing(platform: str) -> timedelta:
    return timedelta(seconds=PLATFORMS[platform].capabilities.coalesce_seconds)


def is_turn_of(job_id: int, card_id: int, now: datetime) -> bool:
    """Whether no earlier update of the same card is running: two at once would spend two rights on one state."""
    earlier = exists().where(
        Job.kind == UPDATE,
        Job.subject_id == card_id,
        outbox.IS_PENDING,
        Job.id < job_id,
        leases.is_running(now),
    )
    return not db.session.scalar(select(earlier))


# --- rights to update ---------------------------------------------------------------------------------------------


def add_code(
    on: Connection, card_id: int, code: str, *, tenant_id: int, origin: str, hours: int, now: datetime
) -> None:
    """Stage a right to update that a press or a sending (`origin`) brought. The same one again is the one we have."""
    values = {"tenant_id": tenant_id, "card_id": card_id, "code": code, "origin": origin}
    times = {"received_at": now, "expires_at": now + timedelta(hours=hours)}
    _code(on.dialect.name).later(on, values | times)


@cache
def _code(dialect: str) -> Statement:
    names = ("tenant_id", "card_id", "code", "origin", "received_at", "expires_at")
    statement = insert_into(dialect, CardCode.__table__).values({name: bindparam(name) for name in names})
    return Statement(statement.on_conflict_do_nothing(index_elements=["card_id", "code"]))


def next_code(card: Card, now: datetime) -> CardCode | None:
    """The unused right that expires first, None if there is none left."""
    usable = select(CardCode).where(CardCode.card_id == card.id, *_is_usable(now))
    return db.session.scalar(usable.order_by(CardCode.expires_at, CardCode.id).limit(1))


# --- states -------------------------------------------------------------------------------------------------------


def open_card(delivery: Delivery, incident: Incident, *, message_id: str, fingerprint: str, now: datetime) -> Card:
    """The card of a message that arrived; the person's older ones of this incident give way to it.

    Hold the incident's lock: a press may come in before the worker has recorded the sending.
    """
    card = db.session.scalar(_OF_DELIVERY, {"delivery_id": delivery.id})
    if card is None:
        card = Card(
            tenant_id=delivery.tenant_id,
            incident_id=incident.id,
            delivery_id=delivery.id,
            integration_id=delivery.integration_id,
            user_id=delivery.user_id,
            group_chat_id=delivery.group_chat_id,
            external_user_id=delivery.external_user_id or "",
            reference=delivery.reference,
            message_id=message_id,
            shown_fingerprint=fingerprint,
            created_at=now,
            updated_at=now,
        )
        db.session.add(card)
        db.session.flush()
        supersede_older(card, now=now)
    card.message_id = message_id or card.message_id
    return card


def supersede_older(newest: Card, *, now: datetime) -> None:
    """Let only the newest card of a person or group be kept true; older ones say so once, if a right is left."""
    older = db.session.scalars(
        select(Card).where(
            Card.tenant_id == newest.tenant_id,
            Card.incident_id == newest.incident_id,
            Card.external_user_id == newest.external_user_id,
            unindexed(Card.integration_id) == newest.integration_id,
            Card.id != newest.id,
            Card.state.in_((CardState.LIVE, CardState.STALE)),
        )
    ).all()
    needs_codes = _needs_codes(newest.integration_id)
    for card in older:
        card.state = CardState.SUPERSEDED
        if not needs_codes or next_code(card, now) is not None:
            schedule(card, now=now)


def _needs_codes(integration_id: int) -> bool:
    platform = db.session.scalar(select(Integration.platform).where(Integration.id == integration_id))
    return platform is not None and PLATFORMS[platform].capabilities.updates_need_codes


def shown(card: Card, fingerprint: str, *, now: datetime) -> None:
    """Note what the platform was given last."""
    card.shown_fingerprint = fingerprint
    card.update_count += 1
    card.updated_at = now
    card.last_error = None
    if card.state is CardState.STALE:
        card.state = CardState.LIVE


def mark_stale(card: Card, incident: Incident, *, now: datetime) -> None:
    """Note that the card shows an older state and cannot be changed until somebody presses something."""
    if card.state is not CardState.LIVE:
        return
    card.state = CardState.STALE
    timeline.record(incident, "card_stale", via="system", at=now, recipient=_owner_name(card))


def _owner_name(card: Card) -> str:
    if card.group_chat_id is not None:
        chat = db.session.get(GroupChat, card.group_chat_id)
        return groups.plain_name(chat) if chat else card.external_user_id
    owner = db.session.get(User, card.user_id) if card.user_id else None
    return owner.name if owner else card.external_user_id


def freeze(card: Card) -> None:
    """Note that the platform does not let the card be changed any more: it stays as it is."""
    card.state = CardState.FROZEN


def update_notes(incident: Incident) -> list[str]:
    """What the platforms of an incident's cards say about cards that could not be changed: catalogue ids."""
    mine = select(Integration.platform).join(Card, Card.integration_id == Integration.id)
    mine = mine.where(Card.tenant_id == incident.tenant_id, Card.incident_id == incident.id)
    found = set(db.session.scalars(mine.distinct()))
    notes = [kind.capabilities.update_note for slug, kind in PLATFORMS.items() if slug in found]
    return [note for note in notes if note]
