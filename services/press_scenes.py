"""What a press on a card is about, read by two statements: the message, its incident, and whoever pressed.

Plain values with the names that the rows of the session have, as in incident_values.py, so that the rules which
decide about those (services/incident_decisions.py, rights.py, visibility.py, card_contents.py) decide about these.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, exists, or_, select

from extensions import unindexed
from models import (
    AccountLink,
    Card,
    CardState,
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
    Receipt,
    Role,
    Tenant,
    TenantStatus,
    User,
)
from services import cards, incident_values, leases, outbox
from services.card_contents import Message
from services.incident_values import Account, IncidentValues
from services.statements import Statement


@dataclass(slots=True)
class Organisation:
    id: int
    status: TenantStatus
    locale: str
    timezone: str
    seats: int | None = None
    seats_since: datetime | None = None


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
    incident: IncidentValues | None
    card: PressedCard | None
    is_linked: bool
    presser: Presser | None
    is_proven: bool
    has_other_cards: bool
    others_follow: bool


_HOME: Any = Tenant.__table__.c
_OTHER, _SELF = Card.__table__.alias("other"), Card.__table__
_OTHERS = exists().where(
    _OTHER.c.incident_id == Incident.id,
    _OTHER.c.id != _SELF.c.id,
    or_(_OTHER.c.state == CardState.LIVE, _OTHER.c.state == CardState.STALE),
)
_FOLLOW = exists().where(
    Job.kind == cards.REFRESH,
    Job.subject_id == Incident.id,
    outbox.IS_PENDING,
    leases.has_ended(bindparam("now")),
)
_SCENE = Statement(
    incident_values.with_people(
        select(
            Integration.version,
            Integration.status,
            Integration.last_callback_at,
            Tenant.id,
            Tenant.status,
            Tenant.locale,
            Tenant.timezone,
            _HOME.seats,
            _HOME.seats_since,
            Receipt.id,
            Receipt.answer,
            Delivery.id,
            Delivery.created_at,
            Delivery.state,
            Delivery.user_id,
            Delivery.group_chat_id,
            Notification.cause,
            Notification.times,
            *incident_values.COLUMNS,
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
                unindexed(Delivery.tenant_id) == Integration.tenant_id,
                unindexed(Delivery.integration_id) == Integration.id,
            ),
        )
        .outerjoin(Notification, Notification.id == Delivery.notification_id)
        .outerjoin(
            Incident,
            and_(Incident.id == Delivery.incident_id, unindexed(Incident.tenant_id) == Integration.tenant_id),
        )
        .outerjoin(Card, Card.delivery_id == Delivery.id)
        .outerjoin(
            AccountLink,
            and_(
                AccountLink.integration_id == Integration.id,
                unindexed(AccountLink.tenant_id) == Integration.tenant_id,
                AccountLink.external_user_id == bindparam("external_user_id"),
            ),
        )
        .outerjoin(User, User.id == AccountLink.user_id)
        .outerjoin(
            Membership,
            and_(unindexed(Membership.tenant_id) == Integration.tenant_id, Membership.user_id == AccountLink.user_id),
        )
        .outerjoin(
            IntegrationCheck, and_(IntegrationCheck.integration_id == Integration.id, IntegrationCheck.name == "press")
        )
        .where(Integration.id == bindparam("integration_id"), Integration.tenant_id == bindparam("tenant_id"))
    )
)
_HELD = Statement(
    select(Incident.id)
    .join(Delivery, Delivery.incident_id == Incident.id)
    .where(
        Delivery.reference == bindparam("reference"),
        unindexed(Delivery.tenant_id) == bindparam("tenant_id"),
        unindexed(Incident.tenant_id) == bindparam("tenant_id"),
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
        _HELD.later(on, known)
    asked = {"scope": receipt[0], "key": receipt[1], "external_user_id": external_user_id, "now": now}
    found = _SCENE.rows(on, known | asked | {"integration_id": integration.id})
    return _scene(on, found[0], reference) if found else None


def _scene(on: Connection, row: Any, reference: str) -> Scene:
    version, status, last_callback_at, *organisation = row[:9]
    receipt_id, answer, delivery_id, created_at, delivery_state, user_id, group_id, cause, times = row[9:18]
    incident_end = 18 + len(incident_values.COLUMNS)
    card_id, card_state, link_state = row[incident_end : incident_end + 3]
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
        message=Message(reference, user_id, cause or "", times or 1, group_id is not None),
        incident=incident_values.build(on, row[18:incident_end]),
        card=PressedCard(card_id, card_state) if card_id is not None else None,
        is_linked=link_state is not None,
        presser=_presser(tenant, row[incident_end + 2 : incident_end + 9]),
        is_proven=check_state is CheckState.PASSED,
        has_other_cards=bool(has_other_cards),
        others_follow=bool(others_follow),
    )


def _presser(tenant: Organisation, values: Any) -> Presser | None:
    link_state, user_id, real_name, username, is_disabled, state, role = values
    if link_state is None or state is None:
        return None
    user = Account(user_id, real_name or username, is_disabled)
    return Presser(tenant.id, user_id, state, role, user, tenant, link_state)
