"""What sending a message is about, read by two statements: the message, its incident, its way, its limits.

Plain values with the names that the rows of the session have, as in incident_values.py.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, or_, select

from extensions import unindexed
from models import (
    AccountLink,
    Delivery,
    DeliveryState,
    GroupChat,
    GroupState,
    Incident,
    Integration,
    IntegrationStatus,
    LinkState,
    Notification,
    Tenant,
    TenantStatus,
)
from services import incident_values
from services.card_contents import Message
from services.clock import CLOCKS_DIFFER
from services.incident_values import IncidentValues
from services.statements import Statement, among

COUNTED_MOST = 1000
"""How many messages to one recipient are counted; no platform allows more in an hour."""


@dataclass(slots=True)
class Home:
    """The organisation that speaks."""

    status: TenantStatus
    locale: str
    timezone: str


@dataclass(slots=True)
class Way:
    """The state of the connection that the message goes through."""

    id: int
    version: int
    status: IntegrationStatus
    paused_until: datetime | None
    outage_count: int
    probe_at: datetime | None


@dataclass(slots=True)
class Group:
    """The group that the message goes to; state None: its connection was deleted."""

    id: int
    state: GroupState | None
    details: dict[str, str]


@dataclass(slots=True)
class Sent:
    """How many messages to this recipient left within a minute and an hour, and how many are on their way."""

    in_minute: int
    in_hour: int
    on_their_way: int


@dataclass(slots=True)
class Scene:
    """All that sending needs to know.

    failure, rendered    as on the delivery: what the last try ended with, and what the first one showed
    link_state           None: the person is not linked; group: None for a person
    to                   whom the platform is asked to tell
    waits_for            the time of the next try of an earlier message about the same incident, if one has not ended
    """

    id: int
    state: DeliveryState
    source: str
    user_id: int | None
    recipient_name: str
    failure: dict[str, Any]
    rendered: dict[str, Any]
    summary_id: int | None
    message: Message
    home: Home
    way: Way | None
    link_state: LinkState | None
    group: Group | None
    to: str
    sent: Sent
    waits_for: datetime | None
    incident: IncidentValues | None


def same_recipient(other: Any) -> ColumnElement[bool]:
    """Of a second delivery or card: whether it is the same person's or the same group's as the delivery's."""
    return or_(other.c.user_id == Delivery.user_id, other.c.group_chat_id == Delivery.group_chat_id)


_OTHER = Delivery.__table__.alias("other")
_TO = func.coalesce(AccountLink.external_user_id, Delivery.external_user_id)
_SAME_PERSON = (
    unindexed(_OTHER.c.tenant_id) == Delivery.tenant_id,
    _OTHER.c.integration_id == Delivery.integration_id,
    _OTHER.c.external_user_id == _TO,
)


def _sent_since(parameter: str) -> Any:
    """How many messages of their own; those that a summary stood for were none."""
    found = select(_OTHER.c.id).where(*_SAME_PERSON, _OTHER.c.sent_at > bindparam(parameter))
    found = found.where(_OTHER.c.sent_at < bindparam("soon"), _OTHER.c.summary_id.is_(None)).limit(COUNTED_MOST)
    some = found.correlate(Delivery, AccountLink).subquery()
    return select(func.count()).select_from(some).scalar_subquery()


_ON_THEIR_WAY = (
    select(func.count())
    .where(*_SAME_PERSON, _OTHER.c.sent_at.is_(None), _OTHER.c.state == DeliveryState.SENDING)
    .where(_OTHER.c.id != Delivery.id)
    .correlate(Delivery, AccountLink)
    .scalar_subquery()
)
_UNFINISHED = (DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.RETRYING)
_WAITS_FOR = (
    select(func.max(func.coalesce(_OTHER.c.next_attempt_at, _OTHER.c.created_at)))
    .where(_OTHER.c.incident_id == Delivery.incident_id, same_recipient(_OTHER))
    .where(unindexed(_OTHER.c.integration_id) == Delivery.integration_id, _OTHER.c.id < Delivery.id)
    .where(or_(*(_OTHER.c.state == state for state in _UNFINISHED)), _OTHER.c.summary_id.is_(None))
    .correlate(Delivery)
    .scalar_subquery()
)
_SCENE = Statement(
    incident_values.with_people(
        select(
            Delivery.id,
            Delivery.state,
            Delivery.source,
            Delivery.user_id,
            Delivery.recipient_name,
            Delivery.failure,
            Delivery.rendered,
            Delivery.summary_id,
            Delivery.reference,
            Notification.cause,
            Notification.times,
            Tenant.status,
            Tenant.locale,
            Tenant.timezone,
            Integration.id,
            Integration.version,
            Integration.status,
            Integration.paused_until,
            Integration.outage_count,
            Integration.probe_at,
            AccountLink.state,
            _TO,
            _WAITS_FOR,
            _sent_since("a_minute_ago"),
            _sent_since("an_hour_ago"),
            _ON_THEIR_WAY,
            Delivery.group_chat_id,
            GroupChat.state,
            GroupChat.details,
            *incident_values.COLUMNS,
        )
        .select_from(Delivery)
        .join(Tenant, Tenant.id == bindparam("tenant_id"))
        .outerjoin(
            Integration,
            and_(Integration.id == Delivery.integration_id, unindexed(Integration.tenant_id) == Tenant.id),
        )
        .outerjoin(
            AccountLink,
            and_(AccountLink.integration_id == Delivery.integration_id, AccountLink.user_id == Delivery.user_id),
        )
        .outerjoin(GroupChat, and_(GroupChat.id == Delivery.group_chat_id, unindexed(GroupChat.tenant_id) == Tenant.id))
        .outerjoin(Notification, Notification.id == Delivery.notification_id)
        .outerjoin(Incident, and_(Incident.id == Delivery.incident_id, unindexed(Incident.tenant_id) == Tenant.id))
        .where(Delivery.id == bindparam("delivery_id"), unindexed(Delivery.tenant_id) == bindparam("tenant_id"))
        .with_for_update(of=Delivery, skip_locked=True)
    )
)
_THESE = (
    among(Delivery.id, "delivery_ids"),
    unindexed(Delivery.tenant_id) == bindparam("tenant_id"),
)
_LINKS = (
    select(AccountLink.id)
    .join(
        Delivery,
        and_(Delivery.integration_id == AccountLink.integration_id, Delivery.user_id == AccountLink.user_id),
    )
    .where(*_THESE)
    .order_by(AccountLink.id)
    .with_for_update(of=AccountLink)
    .cte("links")
)
_CHATS = (
    select(GroupChat.id)
    .join(Delivery, Delivery.group_chat_id == GroupChat.id)
    .where(*_THESE, GroupChat.tenant_id == Delivery.tenant_id)
    .order_by(GroupChat.id)
    .with_for_update(of=GroupChat)
    .cte("chats")
)
_RECIPIENTS = Statement(
    select(*(select(func.count()).select_from(some).scalar_subquery() for some in (_LINKS, _CHATS)))
)


def hold_recipients(on: Connection, delivery_ids: Collection[int], *, tenant_id: int) -> None:
    """Lock whom messages go to until the transaction ends.

    Messages to one recipient are decided on one after the other, so that of two at once the second counts the first.
    Who decides on several messages locks all recipients before, and everybody does in the same order: people, then
    groups, by their ids. So nobody holds one of them and waits for another that waits for him.
    """
    if on.dialect.name != "sqlite":  # there, a transaction that may write holds everything
        _RECIPIENTS.later(on, {"delivery_ids": list(delivery_ids), "tenant_id": tenant_id})


def read(on: Connection, delivery_id: int, *, tenant_id: int, now: datetime) -> Scene | None:
    """The scene; None if the delivery is gone, or somebody is changing it at this moment."""
    hold_recipients(on, [delivery_id], tenant_id=tenant_id)
    asked: dict[str, Any] = {"delivery_id": delivery_id, "tenant_id": tenant_id}
    asked |= {"a_minute_ago": now - timedelta(minutes=1), "an_hour_ago": now - timedelta(hours=1)}
    found = _SCENE.rows(on, asked | {"soon": now + CLOCKS_DIFFER})
    return _scene(on, found[0]) if found else None


def _scene(on: Connection, row: Any) -> Scene:
    reference, cause, times = row[8:11]
    link_state, to, waits_for, in_minute, in_hour, on_their_way, group_id, group_state, details = row[20:29]
    delivery_id, state, source, user_id, recipient_name, failure, rendered, summary_id = row[:8]
    return Scene(
        id=delivery_id,
        state=state,
        source=source,
        user_id=user_id,
        recipient_name=recipient_name,
        failure=failure,
        rendered=rendered,
        summary_id=summary_id,
        message=Message(reference, user_id, cause or "", times or 1, group_id is not None),
        home=Home(*row[11:14]),
        way=Way(*row[14:20]) if row[14] is not None else None,
        link_state=link_state,
        group=Group(group_id, group_state, details or {}) if group_id is not None else None,
        to=to or "",
        sent=Sent(in_minute, in_hour, on_their_way),
        waits_for=waits_for,
        incident=incident_values.build(on, row[29:]),
    )
