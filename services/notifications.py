"""Deciding to tell people about an incident: one delivery per person and channel kind, each with its own fate."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.orm import selectinload

from extensions import db
from models import (
    AccountLink,
    Delivery,
    DeliveryState,
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
from services import outbox, responders, timeline
from services.policy_levels import UNIFIED, Personal

DELIVER = "deliver"
CAUSES = ("assign", "reassign", "escalate", "reopen", "snooze_expired", "add_responder", "repeat")

_IN_USE = (
    select(Integration)
    .where(Integration.tenant_id == bindparam("tenant_id"), Integration.status != IntegrationStatus.DRAFT)
    .order_by(Integration.id)
)
_LINKS = select(AccountLink).where(
    AccountLink.tenant_id == bindparam("tenant_id"), AccountLink.user_id.in_(bindparam("user_ids", expanding=True))
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
    personal: Personal | None = None,
    policy_name: str = "",
    now: datetime,
) -> Notification:
    """Stage telling people about an incident and write it to the timeline.

    cause     one of CAUSES; level: 0-based, None when people were chosen directly; times: 2 for the first repeat
    members   of these people, if they have been read already
    personal  the level's choice of channels; None: each person's own preferences
    Whoever cannot be reached gets a delivery that says why at once, without a call to any platform.
    """
    notification = Notification(
        tenant_id=incident.tenant_id,
        incident_id=incident.id,
        level=level,
        cause=cause,
        times=times,
        policy_name=policy_name,
        created_at=now,
    )
    book = AddressBook(incident.tenant_id, user_ids, members)
    for user_id in dict.fromkeys(user_ids):
        for route in book.routes(user_id, incident.severity.value, personal or Personal()):
            delivery = make_delivery(route, book.members.get(user_id), user_id, incident.tenant_id, now=now)
            delivery.incident_id = incident.id
            notification.deliveries.append(delivery)
    db.session.add(notification)
    db.session.flush()
    for delivery in notification.deliveries:
        _enqueue_sending(delivery, incident.severity, now)
    timeline.record(
        incident,
        "notify",
        via="system",
        at=now,
        cause=cause,
        level=level,
        times=times,
        policy=policy_name,
        notification_id=notification.id,
    )
    return notification


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
    state = DeliveryState.QUEUED
    if route.failure:
        state = DeliveryState.FAILED
    elif route.skip:
        state = DeliveryState.SKIPPED
    return Delivery(
        tenant_id=tenant_id,
        channel_kind=route.channel_kind,
        integration_id=route.integration.id if route.integration else None,
        integration_name=route.integration.name if route.integration else "",
        user_id=user_id,
        recipient_name=member.user.name if member else "",
        external_user_id=route.link.external_user_id if route.link else None,
        state=state,
        failure_code=route.failure or route.skip,
        reference=new_reference(),
        created_at=now,
    )


def hand_over(delivery: Delivery, *, now: datetime, severity: Severity = Severity.CRITICAL) -> None:
    """Stage a delivery, and its sending if there is anything to send. severity: how urgent it is."""
    db.session.add(delivery)
    db.session.flush()
    _enqueue_sending(delivery, severity, now)


def _enqueue_sending(delivery: Delivery, severity: Severity, now: datetime) -> None:
    if delivery.state is DeliveryState.QUEUED:
        queue = sending_queue(delivery, severity)
        outbox.enqueue(DELIVER, tenant_id=delivery.tenant_id, subject_id=delivery.id, due_at=now, now=now, queue=queue)


def sending_queue(delivery: Delivery, severity: Severity) -> int:
    """The outbox's queue of a message: by connection, the worst severities first."""
    return outbox.queue_of(delivery.integration_id or 0, severity.rank)


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
