"""What a press on a card is about, read by two statements: the message, its incident, and whoever pressed.

Plain values with the names that the rows of the session have, so that the rules which decide about those
(services/incident_decisions.py, rights.py, visibility.py, incident_cards.py) decide about these.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, exists, or_, select

from models import (
    AccountLink,
    Card,
    CardState,
    Channel,
    CheckState,
    Delivery,
    DeliveryState,
    Incident,
    Integration,
    IntegrationCheck,
    IntegrationStatus,
    Job,
    LinkState,
    Membership,
    MembershipState,
    Notification,
    Progress,
    Receipt,
    Responder,
    Role,
    Severity,
    Tenant,
    TenantStatus,
    User,
)
from services import cards, outbox
from services.incident_cards import Message
from services.statements import Statement


@dataclass(slots=True)
class Account:
    """A person with an account here."""

    id: int
    name: str
    is_disabled: bool = False


@dataclass(slots=True)
class Organisation:
    id: int
    status: TenantStatus
    locale: str
    timezone: str


@dataclass(slots=True)
class Presser:
    """The membership behind the platform's account, with the state of the link to it."""

    tenant_id: int
    user_id: int
    state: MembershipState
    role: Role
    user: Account
    tenant: Organisation
    link_state: LinkState


@dataclass(slots=True)
class PressedChannel:
    tenant_id: int
    name: str
    is_private: bool
    created_by_id: int | None


@dataclass(slots=True)
class Assignee:
    """A responder; id 0: becomes one by this press."""

    id: int
    user_id: int
    is_current: bool
    acknowledged_at: datetime | None
    user: Account


@dataclass
class PressedIncident:
    """An incident as it is at this moment, and as the press makes it."""

    id: int
    tenant_id: int
    num: int
    title: str
    description: str
    severity: Severity
    progress: Progress
    labels: dict[str, str]
    started_at: datetime
    acknowledged_at: datetime | None
    closed_at: datetime | None
    closed_via: str | None
    snoozed_until: datetime | None
    is_private: bool
    assignment: dict[str, Any]
    alert_count: int
    version: int
    channel: PressedChannel | None = None
    snoozed_by: Account | None = None
    closed_by: Account | None = None
    responders: list[Assignee] = field(default_factory=list)
    active_alert_count: int = 0

    is_open = Incident.is_open
    is_triggered = Incident.is_triggered
    is_snoozed = Incident.is_snoozed


@dataclass(slots=True)
class PressedCard:
    id: int
    state: CardState


@dataclass(slots=True)
class Scene:
    """All that a press needs to know.

    version     of the integration: whoever verified the press with other keys must do so again
    is_repeat   the same event was taken before, and answered with `answer`
    delivery    None: no message of ours; is_recorded: the worker has noted that it arrived
    is_linked   the platform's account is linked to somebody here, who may be no member (`presser` None)
    is_proven   a press has been seen to come back before
    others_wait, others_follow   other cards of the incident; an update of them is due to begin anyway
    """

    version: int
    status: IntegrationStatus
    last_callback_at: datetime | None
    tenant: Organisation
    is_repeat: bool
    answer: dict[str, Any] | None
    delivery_id: int | None
    created_at: datetime | None
    is_recorded: bool
    message: Message
    incident: PressedIncident | None
    card: PressedCard | None
    is_linked: bool
    presser: Presser | None
    is_proven: bool
    has_other_cards: bool
    others_follow: bool


_SNOOZER, _CLOSER = User.__table__.alias("snoozer"), User.__table__.alias("closer")
_OTHER, _SELF = Card.__table__.alias("other"), Card.__table__
_INCIDENT = (
    Incident.id,
    Incident.tenant_id,
    Incident.num,
    Incident.title,
    Incident.description,
    Incident.severity,
    Incident.progress,
    Incident.labels,
    Incident.started_at,
    Incident.acknowledged_at,
    Incident.closed_at,
    Incident.closed_via,
    Incident.snoozed_until,
    Incident.is_private,
    Incident.assignment,
    Incident.alert_count,
    Incident.version,
)
_OTHERS = exists().where(
    _OTHER.c.incident_id == Incident.id,
    _OTHER.c.id != _SELF.c.id,
    or_(_OTHER.c.state == CardState.LIVE, _OTHER.c.state == CardState.STALE),
)
_FOLLOW = exists().where(
    Job.kind == cards.REFRESH,
    Job.subject_id == Incident.id,
    outbox.IS_PENDING,
    Job.lease_until <= bindparam("now"),
)
_SCENE = Statement(
    select(
        Integration.version,
        Integration.status,
        Integration.last_callback_at,
        Tenant.id,
        Tenant.status,
        Tenant.locale,
        Tenant.timezone,
        Receipt.id,
        Receipt.answer,
        Delivery.id,
        Delivery.created_at,
        Delivery.state,
        Delivery.user_id,
        Notification.cause,
        Notification.times,
        *_INCIDENT,
        Channel.tenant_id,
        Channel.name,
        Channel.is_private,
        Channel.created_by_id,
        _SNOOZER.c.id,
        _SNOOZER.c.real_name,
        _SNOOZER.c.username,
        _CLOSER.c.id,
        _CLOSER.c.real_name,
        _CLOSER.c.username,
        Card.id,
        Card.state,
        AccountLink.state,
        User.id,
        User.real_name,
        User.username,
        User.is_disabled,
        Membership.state,
        Membership.role,
        IntegrationCheck.state,
        _OTHERS,
        _FOLLOW,
    )
    .select_from(Integration)
    .join(Tenant, Tenant.id == Integration.tenant_id)
    .outerjoin(Receipt, and_(Receipt.scope == bindparam("scope"), Receipt.key == bindparam("key")))
    .outerjoin(
        Delivery,
        and_(
            Delivery.reference == bindparam("reference"),
            Delivery.tenant_id == Integration.tenant_id,
            Delivery.integration_id == Integration.id,
        ),
    )
    .outerjoin(Notification, Notification.id == Delivery.notification_id)
    .outerjoin(Incident, and_(Incident.id == Delivery.incident_id, Incident.tenant_id == Integration.tenant_id))
    .outerjoin(Channel, Channel.id == Incident.channel_id)
    .outerjoin(_SNOOZER, _SNOOZER.c.id == Incident.snoozed_by_id)
    .outerjoin(_CLOSER, _CLOSER.c.id == Incident.closed_by_id)
    .outerjoin(Card, Card.delivery_id == Delivery.id)
    .outerjoin(
        AccountLink,
        and_(
            AccountLink.integration_id == Integration.id,
            AccountLink.tenant_id == Integration.tenant_id,
            AccountLink.external_user_id == bindparam("external_user_id"),
        ),
    )
    .outerjoin(User, User.id == AccountLink.user_id)
    .outerjoin(
        Membership, and_(Membership.tenant_id == Integration.tenant_id, Membership.user_id == AccountLink.user_id)
    )
    .outerjoin(
        IntegrationCheck, and_(IntegrationCheck.integration_id == Integration.id, IntegrationCheck.name == "press")
    )
    .where(Integration.id == bindparam("integration_id"), Integration.tenant_id == bindparam("tenant_id"))
)
_RESPONDERS = Statement(
    select(
        Responder.id,
        Responder.user_id,
        Responder.is_current,
        Responder.acknowledged_at,
        User.real_name,
        User.username,
    )
    .join(User, User.id == Responder.user_id)
    .where(Responder.incident_id == bindparam("incident_id"), Responder.tenant_id == bindparam("tenant_id"))
    .order_by(Responder.id)
)
_HELD = (
    select(Incident.id)
    .join(Delivery, Delivery.incident_id == Incident.id)
    .where(
        Delivery.reference == bindparam("reference"),
        Delivery.tenant_id == bindparam("tenant_id"),
        Incident.tenant_id == bindparam("tenant_id"),
    )
    .with_for_update(of=Incident)
)


def read(
    on: Connection,
    integration: Integration,
    *,
    receipt: tuple[str, str],
    reference: str,
    external_user_id: str,
    now: datetime,
) -> Scene | None:
    """The scene, with its incident held until the transaction ends; None if the integration is gone.

    receipt  scope and key of the event
    """
    known = {"tenant_id": integration.tenant_id, "reference": reference}
    if on.dialect.name != "sqlite":  # there, a transaction that may write holds everything
        on.execute(_HELD, known)
    asked = {"scope": receipt[0], "key": receipt[1], "external_user_id": external_user_id, "now": now}
    found = _SCENE.rows(on, known | asked | {"integration_id": integration.id})
    return _scene(on, found[0], reference) if found else None


def _scene(on: Connection, row: Any, reference: str) -> Scene:
    version, status, last_callback_at, *organisation = row[:7]
    receipt_id, answer, delivery_id, created_at, delivery_state, user_id, cause, times = row[7:15]
    incident_end = 15 + len(_INCIDENT)
    card_id, card_state, link_state = row[incident_end + 10 : incident_end + 13]
    check_state, has_other_cards, others_follow = row[-3:]
    tenant = Organisation(*organisation)
    return Scene(
        version=version,
        status=status,
        last_callback_at=last_callback_at,
        tenant=tenant,
        is_repeat=receipt_id is not None,
        answer=answer,
        delivery_id=delivery_id,
        created_at=created_at,
        is_recorded=delivery_state is DeliveryState.SENT and card_id is not None,
        message=Message(reference, user_id, cause or "", times or 1),
        incident=_incident(on, row[15 : incident_end + 10]) if row[15] is not None else None,
        card=PressedCard(card_id, card_state) if card_id is not None else None,
        is_linked=link_state is not None,
        presser=_presser(tenant, row[incident_end + 12 : incident_end + 19]),
        is_proven=check_state is CheckState.PASSED,
        has_other_cards=bool(has_other_cards),
        others_follow=bool(others_follow),
    )


def _incident(on: Connection, values: Any) -> PressedIncident:
    incident = PressedIncident(*values[: len(_INCIDENT)])
    channel, snoozer, closer = values[-10:-6], values[-6:-3], values[-3:]
    incident.channel = PressedChannel(*channel) if channel[0] is not None else None
    incident.snoozed_by, incident.closed_by = _account(*snoozer), _account(*closer)
    found = _RESPONDERS.rows(on, {"incident_id": incident.id, "tenant_id": incident.tenant_id})
    incident.responders = [
        Assignee(id, user_id, is_current, acknowledged_at, Account(user_id, real_name or username))
        for id, user_id, is_current, acknowledged_at, real_name, username in found
    ]
    return incident


def _account(id: int | None, real_name: str, username: str) -> Account | None:
    return Account(id, real_name or username) if id is not None else None


def _presser(tenant: Organisation, values: Any) -> Presser | None:
    link_state, user_id, real_name, username, is_disabled, state, role = values
    if link_state is None or state is None:
        return None
    user = Account(user_id, real_name or username, is_disabled)
    return Presser(tenant.id, user_id, state, role, user, tenant, link_state)
