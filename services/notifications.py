"""Deciding to tell people and groups about an incident: one delivery per person and channel kind, one per group."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from extensions import db
from models import (
    Delivery,
    DeliveryState,
    GroupChat,
    Incident,
    IntegrationStatus,
    Membership,
    Notification,
    Severity,
)
from services import groups, outbox, timeline
from services.address_book import AddressBook, MemberValues, Route, kind_of
from services.policy_levels import Personal

DELIVER = "deliver"


def notify(
    incident: Incident,
    *,
    cause: str,
    level: int | None = None,
    times: int = 1,
    user_ids: Sequence[int],
    group_ids: Sequence[int] = (),
    personal: Personal | None = None,
    policy_name: str = "",
    now: datetime,
    skip: str = "",
) -> Notification:
    """Stage telling people and groups about an incident and write it to the timeline.

    cause     a key of timeline.CAUSES; times: 2 for the first repeat
    level     0-based, None when people were chosen directly
    group_ids of group chats; of those that are gone, the delivery says so
    personal  the level's choice of channels; None: each person's own preferences
    skip      why nobody is told after all, a key of failures.SKIPS: the record says what would have been sent
    Whoever cannot be reached gets a delivery that says why at once, without a call to any platform.
    """
    values = about(cause=cause, level=level, times=times, policy_name=policy_name, now=now)
    notification = Notification(tenant_id=incident.tenant_id, incident_id=incident.id, **values)
    book = AddressBook(incident.tenant_id, user_ids)
    rows = deliveries_of(book, user_ids, incident.severity, personal or Personal(), now=now)
    for row in rows + group_deliveries(incident.tenant_id, group_ids, now=now):
        about_it = {"tenant_id": incident.tenant_id, "incident_id": incident.id, "reference": new_reference()}
        if skip and row["state"] is DeliveryState.QUEUED:
            row |= {"state": DeliveryState.SKIPPED, "failure_code": skip}
        notification.deliveries.append(Delivery(**row, **about_it))
    db.session.add(notification)
    db.session.flush()
    _stage_sending(notification.deliveries, incident.severity, now)
    timeline.record(incident, "notify", via="system", at=now, **entry_of(values, notification.id))
    return notification


def about(*, cause: str, level: int | None, times: int, policy_name: str, now: datetime) -> dict[str, Any]:
    """The columns of a notification, but for its incident."""
    return {"cause": cause, "level": level, "times": times, "policy_name": policy_name, "created_at": now}


def entry_of(values: Mapping[str, Any], notification_id: int | None) -> dict[str, Any]:
    """What the timeline says of a notification with these columns."""
    said = {name: values[name] for name in ("cause", "level", "times")}
    return said | {"policy": values["policy_name"], "notification_id": notification_id}


def deliveries_of(
    book: AddressBook, user_ids: Iterable[int], severity: Severity, personal: Personal, *, now: datetime
) -> list[dict[str, Any]]:
    """The columns of one delivery per person and channel kind, but for its incident and its own reference."""
    return [
        _delivery(route, book.members.get(user_id), user_id, now)
        for user_id in dict.fromkeys(user_ids)
        for route in book.routes(user_id, severity.value, personal)
    ]


def group_deliveries(tenant_id: int, group_ids: Sequence[int], *, now: datetime) -> list[dict[str, Any]]:
    """The same of one delivery per group; of one whose connection was deleted, too."""
    chats = {chat.id: chat for chat in groups.known(tenant_id, group_ids)}
    return [_group_delivery(chats.get(group_id), group_id, now) for group_id in dict.fromkeys(group_ids)]


def _group_delivery(chat: GroupChat | None, group_id: int, now: datetime) -> dict[str, Any]:
    if chat is None:
        return _delivery(Route("", failure="chat_gone"), None, None, now) | {"recipient_name": f"#{group_id}"}
    route = Route(kind_of(chat.integration), chat.integration, failure=group_failure(chat))
    about_it = {"group_chat_id": chat.id, "external_user_id": chat.external_id}
    return _delivery(route, None, None, now) | about_it | {"recipient_name": groups.plain_name(chat)}


def group_failure(chat: GroupChat) -> str | None:
    """Why nothing can be sent to a group."""
    if chat.integration.status is not IntegrationStatus.ACTIVE:
        return "integration_disabled"
    return None if chat.is_active else "chat_gone"


def of_incident(incident: Incident) -> list[Notification]:
    """All notifications of an incident with their deliveries and attempts, oldest first."""
    return list(
        db.session.scalars(
            select(Notification)
            .where(Notification.tenant_id == incident.tenant_id, Notification.incident_id == incident.id)
            .options(selectinload(Notification.deliveries).selectinload(Delivery.attempts))
            .order_by(Notification.id)
        )
    )


def make_delivery(
    route: Route, member: Membership | MemberValues | None, user_id: int | None, tenant_id: int, *, now: datetime
) -> Delivery:
    """A delivery in its first state: queued, or failed or skipped for a reason that is known already."""
    return Delivery(tenant_id=tenant_id, reference=new_reference(), **_delivery(route, member, user_id, now))


def _delivery(
    route: Route, member: Membership | MemberValues | None, user_id: int | None, now: datetime
) -> dict[str, Any]:
    state = DeliveryState.QUEUED
    if route.failure:
        state = DeliveryState.FAILED
    elif route.skip:
        state = DeliveryState.SKIPPED
    return {
        "source": "incident",
        "channel_kind": route.channel_kind,
        "integration_id": route.integration.id if route.integration else None,
        "integration_name": route.integration.name if route.integration else "",
        "user_id": user_id,
        "group_chat_id": None,
        "recipient_name": member.user.name if member else "",
        "external_user_id": route.link.external_user_id if route.link else None,
        "state": state,
        "failure_code": route.failure or route.skip,
        "created_at": now,
    }


def hand_over(delivery: Delivery, *, now: datetime, severity: Severity = Severity.CRITICAL) -> None:
    """Stage a delivery, and its sending if there is anything to send. severity: how urgent it is."""
    hand_over_all([delivery], now=now, severity=severity)


def hand_over_all(deliveries: Sequence[Delivery], *, now: datetime, severity: Severity = Severity.CRITICAL) -> None:
    """The same of several."""
    db.session.add_all(deliveries)
    db.session.flush()
    _stage_sending(deliveries, severity, now)


def _stage_sending(deliveries: Iterable[Delivery], severity: Severity, now: datetime) -> None:
    outbox.stage(
        sending(delivery.id, delivery.tenant_id, delivery.integration_id, severity, now=now)
        for delivery in deliveries
        if delivery.state is DeliveryState.QUEUED
    )


def sending(
    delivery_id: int, tenant_id: int, integration_id: int | None, severity: Severity, *, now: datetime
) -> dict[str, Any]:
    """The outbox's row for sending a message."""
    queue = outbox.queue_of(integration_id or 0, severity.rank)
    return outbox.row(DELIVER, tenant_id=tenant_id, subject_id=delivery_id, due_at=now, now=now, queue=queue)


def new_reference() -> str:
    """Our own key of a message on the platform: random, of letters and digits, 128 bits."""
    return secrets.token_hex(16)
