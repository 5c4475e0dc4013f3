"""Deciding to tell people and groups about an incident: one delivery per person and channel kind, one per group."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import lazyload, selectinload

from extensions import db
from models import (
    AccountLink,
    Delivery,
    DeliveryState,
    GroupChat,
    Incident,
    Integration,
    IntegrationStatus,
    LinkState,
    Membership,
    MembershipState,
    Notification,
    Severity,
)
from platforms import PLATFORMS
from services import groups, outbox, responders, timeline
from services.policy_levels import UNIFIED, Personal

DELIVER = "deliver"
CAUSES = ("assign", "reassign", "escalate", "reopen", "snooze_expired", "add_responder", "repeat")

_IN_USE = (
    select(Integration)
    .where(Integration.tenant_id == bindparam("tenant_id"), Integration.status != IntegrationStatus.DRAFT)
    .order_by(Integration.id)
)
_LINKS = (
    select(AccountLink)
    .options(lazyload(AccountLink.user))
    .where(
        AccountLink.tenant_id == bindparam("tenant_id"), AccountLink.user_id.in_(bindparam("user_ids", expanding=True))
    )
)


@dataclass(frozen=True)
class Route:
    """How a person is reached through one channel kind, or why not (a code of services.failures)."""

    channel_kind: str
    integration: Integration | None = None
    link: AccountLink | None = None
    failure: str | None = None
    skip: str | None = None


def notify(
    incident: Incident,
    *,
    cause: str,
    level: int | None = None,
    times: int = 1,
    user_ids: Sequence[int],
    members: Sequence[Membership] | None = None,
    group_ids: Sequence[int] = (),
    personal: Personal | None = None,
    policy_name: str = "",
    now: datetime,
) -> Notification:
    """Stage telling people and groups about an incident and write it to the timeline.

    cause     one of CAUSES; level: 0-based, None when people were chosen directly; times: 2 for the first repeat
    members   of these people, if they have been read already
    group_ids of group chats; of those that are gone, the delivery says so
    personal  the level's choice of channels; None: each person's own preferences
    Whoever cannot be reached gets a delivery that says why at once, without a call to any platform.
    """
    values = about(cause=cause, level=level, times=times, policy_name=policy_name, now=now)
    notification = Notification(tenant_id=incident.tenant_id, incident_id=incident.id, **values)
    book = AddressBook(incident.tenant_id, user_ids, members)
    rows = deliveries_of(book, user_ids, incident.severity, personal or Personal(), now=now)
    for row in rows + group_deliveries(incident.tenant_id, group_ids, now=now):
        about_it = {"tenant_id": incident.tenant_id, "incident_id": incident.id, "reference": new_reference()}
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
    route: Route, member: Membership | None, user_id: int | None, tenant_id: int, *, now: datetime
) -> Delivery:
    """A delivery in its first state: queued, or failed or skipped for a reason that is known already."""
    return Delivery(tenant_id=tenant_id, reference=new_reference(), **_delivery(route, member, user_id, now))


def _delivery(route: Route, member: Membership | None, user_id: int | None, now: datetime) -> dict[str, Any]:
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


class AddressBook:
    """How the given people of an organisation can be reached, read in three queries whatever their number.

    members  of these people, if they have been read already
    """

    def __init__(self, tenant_id: int, user_ids: Iterable[int], members: Iterable[Membership] | None = None) -> None:
        wanted = list(dict.fromkeys(user_ids))
        if members is None:
            members = responders.known(tenant_id, wanted)
        self.members = {member.user_id: member for member in members}
        self.integrations = db.session.scalars(_IN_USE, {"tenant_id": tenant_id}).all()
        links = db.session.scalars(_LINKS, {"tenant_id": tenant_id, "user_ids": wanted})
        self.links = {(link.integration_id, link.user_id): link for link in links}

    def routes(self, user_id: int, severity: str, personal: Personal) -> list[Route]:
        """At least one: somebody who is not told is shown with the reason."""
        kinds = self._kinds(user_id, severity, personal)
        if kinds is None:
            return [Route("", skip="severity_filtered")]
        return [self.route(user_id, kind) for kind in kinds] or [Route("", failure=self._failure_of(user_id))]

    def route(self, user_id: int, kind: str) -> Route:
        """One person through one channel kind."""
        failure = self._member_failure(user_id)
        found = [one for one in self.integrations if kind_of(one) == kind]
        active = [one for one in found if one.status is IntegrationStatus.ACTIVE]
        if failure or not active:
            failure = failure or ("integration_disabled" if found else "no_channel")
            return Route(kind, next(iter(active or found), None), failure=failure)
        integration = next((one for one in active if (one.id, user_id) in self.links), active[0])
        link = self.links.get((integration.id, user_id))
        return Route(kind, integration, link, failure=link_failure(link))

    def _kinds(self, user_id: int, severity: str, personal: Personal) -> list[str] | None:
        """Channel kinds to use; None if the level tells nobody at this severity."""
        if personal.mode == UNIFIED:
            return list(personal.unified.get(severity, ())) or None
        member = self.members.get(user_id)
        chosen = member.preferences.get(severity) if member else None
        if chosen is not None:
            return list(dict.fromkeys(chosen))
        in_use = [one for one in self.integrations if one.status is IntegrationStatus.ACTIVE] or self.integrations
        return list(dict.fromkeys(kind_of(one) for one in in_use))

    def _failure_of(self, user_id: int) -> str:
        return self._member_failure(user_id) or "no_channel"

    def _member_failure(self, user_id: int) -> str | None:
        member = self.members.get(user_id)
        if member is not None and member.state is MembershipState.UNDER_REVIEW:
            return "link_pending"
        if member is None or member.state is not MembershipState.ACTIVE or member.user.is_disabled:
            return "member_inactive"
        return None


def kind_of(integration: Integration) -> str:
    """The personal channel that an integration is."""
    return PLATFORMS[integration.platform].capabilities.channel_kind


def link_failure(link: AccountLink | None) -> str | None:
    """Why nothing can be sent over a link. A broken one is tried: the platform may see the person again."""
    if link is None:
        return "app_not_linked"
    return "link_pending" if link.state is LinkState.PENDING else None
