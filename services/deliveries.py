"""Messages to people, one by one: reading their fate, sending again, and recording what became of a try."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, exists, func, select, update
from sqlalchemy.orm import joinedload

from errors import AppError, NotFound
from extensions import db, unindexed
from models import Delivery, DeliveryState, Incident, Integration, Membership, Progress, Severity, User
from services import audit, notifications, outbox, rights
from services.address_book import AddressBook, kind_of
from services.id_order import first_since
from services.notifications import DELIVER
from services.visibility import visible_incidents
from texts import N_

PENDING = (DeliveryState.QUEUED, DeliveryState.RETRYING)
CURED_BY_LINK = ("app_not_linked", "link_pending", "out_of_visible_range")
CURED_BY_LICENCE = ("wecom_license_missing",)
RESENDABLE = 50
AWAITING_A_WORD = ("held", "outcome_unknown")

_CANCEL = (
    update(Delivery)
    .where(
        Delivery.tenant_id == bindparam("of_tenant"),
        Delivery.incident_id.in_(bindparam("of_incidents", expanding=True)),
    )
    .where(Delivery.state.in_(PENDING))
    .values(state=DeliveryState.CANCELLED, failure_code="closed", next_attempt_at=None)
    .returning(Delivery.id)
    .execution_options(synchronize_session="fetch")
)


class NotResendable(AppError):
    """Still on its way, or there is nothing to tell any more."""

    code = "delivery.not_resendable"
    api_code = "InvalidParameter"
    message = N_("该消息不能重新发送：%(reason)s")
    hint = N_("请刷新页面查看消息与故障的最新状态。")
    status = 409


class NotDroppable(AppError):
    """Only what waits for a person's word can be given up."""

    code = "delivery.not_droppable"
    api_code = "InvalidParameter"
    message = N_("该消息不需要放弃")
    hint = N_("请刷新页面查看消息的最新状态。")
    status = 409


def get(delivery_id: int, *, viewer: Membership) -> Delivery:
    """One delivery that the viewer may see. Raises NotFound, AccessDenied."""
    rights.require(viewer, "delivery.view")
    found = db.session.scalar(
        select(Delivery)
        .outerjoin(Incident, Incident.id == Delivery.incident_id)
        .where(Delivery.tenant_id == viewer.tenant_id, Delivery.id == delivery_id)
        .where(Delivery.incident_id.is_(None) | visible_incidents(viewer))
    )
    if found is None:
        raise NotFound(str(delivery_id))
    return found


def last_day(integration: Integration, *, now: datetime) -> dict[DeliveryState, int]:
    """How many messages of the last 24 hours went through a connection, by what became of them."""
    since, mine = now - timedelta(days=1), Delivery.tenant_id == integration.tenant_id
    rows = db.session.execute(
        select(Delivery.state, func.count())
        .where(mine, Delivery.id >= first_since(Delivery.id, Delivery.created_at, since, mine))
        .where(unindexed(Delivery.integration_id) == integration.id, Delivery.created_at > since)
        .group_by(Delivery.state)
    )
    return {row[0]: row[1] for row in rows}


def cancel_pending(incident_id: int, *, tenant_id: int, on: Connection | None = None) -> None:
    """Stage that what has not left yet will not: the incident is closed. What is being sent ends by itself."""
    cancel_all_pending([incident_id], tenant_id=tenant_id, on=on)


def cancel_all_pending(incident_ids: Sequence[int], *, tenant_id: int, on: Connection | None = None) -> None:
    """cancel_pending() for many incidents, by two statements."""
    if not incident_ids:
        return
    about = {"of_tenant": tenant_id, "of_incidents": incident_ids}
    cancelled = (on or db.session).execute(_CANCEL, about).scalars().all()
    outbox.cancel_all(DELIVER, tenant_id=tenant_id, subject_ids=cancelled, on=on)


def resend(delivery: Delivery, *, by: Membership, now: datetime) -> Delivery:
    """Stage sending a message again to the same person or group, as a delivery of its own in the same notification.

    How they are reached is looked up anew. Raises AccessDenied, NotResendable.
    """
    rights.require(by, "delivery.resend")
    if not delivery.state.is_final:
        raise NotResendable(reason=N_("消息仍在发送中"))
    if delivery.incident is None or (delivery.user_id is None and delivery.group_chat_id is None):
        raise NotResendable(reason=N_("该消息不属于任何故障"))
    if not delivery.incident.is_open:
        raise NotResendable(reason=N_("故障已关闭"))
    db.session.refresh(delivery, with_for_update=True)
    if _is_being_resent(delivery):
        raise NotResendable(reason=N_("消息仍在发送中"))
    _record("delivery.resent", delivery, by=by, now=now)
    return _again(delivery, now)


def drop(delivery: Delivery, *, by: Membership) -> None:
    """Stage that a message which waits for a person's word is not sent. Raises AccessDenied, NotDroppable."""
    rights.require(by, "delivery.resend")
    db.session.refresh(delivery, with_for_update=True)
    if not awaits_a_word(delivery):
        raise NotDroppable
    delivery.state, delivery.failure_code = DeliveryState.CANCELLED, "dropped"
    _record("delivery.dropped", delivery, by=by)


def _record(event: str, delivery: Delivery, *, by: Membership, now: datetime | None = None) -> None:
    incident = f"#{delivery.incident.num}" if delivery.incident else ""
    about: dict[str, Any] = {"channel_kind": delivery.channel_kind, "incident": incident}
    audit.record(event, by=by, target=f"{delivery.recipient_name} #{delivery.id}", now=now, **about)


def awaits_a_word(delivery: Delivery) -> bool:
    """Whether only a person can say if it is still sent: it is old through our fault, or may have arrived."""
    return delivery.state is DeliveryState.FAILED and delivery.failure_code in AWAITING_A_WORD


def _is_being_resent(delivery: Delivery) -> bool:
    """Whether a second press of the same button is about to make a second message."""
    again = exists().where(
        Delivery.tenant_id == delivery.tenant_id,
        Delivery.notification_id == delivery.notification_id,
        Delivery.user_id.is_not_distinct_from(delivery.user_id),
        Delivery.group_chat_id.is_not_distinct_from(delivery.group_chat_id),
        Delivery.channel_kind == delivery.channel_kind,
        Delivery.id > delivery.id,
        Delivery.state.in_((DeliveryState.SENDING, *PENDING)),
    )
    return bool(db.session.scalar(select(again)))


def resendable_after_link(user: User, integration: Integration) -> list[Delivery]:
    """What a person missed for want of a link: the newest such message of each incident that is still open."""
    return _missed(user, integration, CURED_BY_LINK)


def resend_after_link(by: Membership, integration: Integration, *, now: datetime) -> list[Delivery]:
    """Stage sending what a person missed, by their own wish. Returns the new deliveries."""
    missed = resendable_after_link(by.user, integration)
    for delivery in missed:
        _record("delivery.resent", delivery, by=by, now=now)
    return [_again(delivery, now) for delivery in missed]


def resend_after_licence(user: User, integration: Integration, *, now: datetime) -> list[Delivery]:
    """Stage sending what a person missed for want of a licence, by nobody's wish: what is snoozed stays quiet."""
    missed = _missed(user, integration, CURED_BY_LICENCE)
    return [_again(one, now) for one in missed if one.incident is not None and not one.incident.is_snoozed(now)]


def _missed(user: User, integration: Integration, codes: Sequence[str]) -> list[Delivery]:
    """Of each incident that is still open the newest message that failed for one of the reasons, if none arrived."""
    newest: dict[int, Delivery] = {}
    for delivery in db.session.scalars(
        select(Delivery)
        .join(Incident, Incident.id == Delivery.incident_id)
        .where(Delivery.tenant_id == integration.tenant_id, Delivery.user_id == user.id)
        .where(Delivery.state == DeliveryState.FAILED, Delivery.failure_code.in_(codes))
        .where(Delivery.channel_kind == kind_of(integration), Incident.progress != Progress.CLOSED)
        .options(joinedload(Delivery.incident))
        .order_by(Delivery.id.desc())
        .limit(RESENDABLE)
    ):
        newest.setdefault(delivery.incident_id or 0, delivery)
    reached = _reached(user, integration, list(newest))
    return [delivery for incident_id, delivery in newest.items() if incident_id not in reached]


def _reached(user: User, integration: Integration, incident_ids: Sequence[int]) -> set[int | None]:
    """Incidents of which this person did get, or is about to get, a message."""
    return set(
        db.session.scalars(
            select(Delivery.incident_id).where(
                Delivery.tenant_id == integration.tenant_id,
                Delivery.user_id == user.id,
                Delivery.incident_id.in_(incident_ids),
                Delivery.channel_kind == kind_of(integration),
                Delivery.state.in_((DeliveryState.SENT, DeliveryState.SENDING, *PENDING)),
            )
        )
    )


def _again(delivery: Delivery, now: datetime) -> Delivery:
    severity = delivery.incident.severity if delivery.incident else Severity.CRITICAL
    if delivery.user_id is None:
        (values,) = notifications.group_deliveries(delivery.tenant_id, [delivery.group_chat_id or 0], now=now)
        again = Delivery(tenant_id=delivery.tenant_id, reference=notifications.new_reference(), **values)
    else:
        again = _to_person(delivery, delivery.user_id, severity, now)
    again.source = "resend"
    again.notification_id, again.incident_id = delivery.notification_id, delivery.incident_id
    notifications.hand_over(again, now=now, severity=severity)
    return again


def _to_person(delivery: Delivery, user_id: int, severity: Severity, now: datetime) -> Delivery:
    book = AddressBook(delivery.tenant_id, [user_id])
    kinds = [delivery.channel_kind] if delivery.channel_kind else []
    chosen = [book.route(user_id, kind) for kind in kinds]
    routes = chosen or book.routes(user_id, severity.value, notifications.Personal())
    return notifications.make_delivery(routes[0], book.members.get(user_id), user_id, delivery.tenant_id, now=now)
