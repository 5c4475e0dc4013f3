"""What sending a message is about, read by two statements: the message, its incident, its way, its person's limits.

Plain values with the names that the rows of the session have, as in services/press_scenes.py: the rules and the
drawing of cards take either.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import Connection, and_, bindparam, func, or_, select

from extensions import db
from models import (
    AccountLink,
    Channel,
    Delivery,
    DeliveryState,
    Incident,
    Integration,
    IntegrationStatus,
    LinkState,
    Notification,
    Progress,
    Responder,
    Severity,
    Tenant,
    TenantStatus,
    User,
)
from platforms.base import Platform
from services import integrations
from services.incident_cards import Message
from services.statements import Statement

COUNTED_MOST = 1000
"""How many messages to one person are counted; no platform allows more in an hour."""


@dataclass(slots=True)
class Person:
    id: int
    name: str


@dataclass(slots=True)
class Assignee:
    id: int
    user_id: int
    is_current: bool
    acknowledged_at: datetime | None
    user: Person


@dataclass(slots=True)
class Place:
    """The channel of an incident."""

    name: str


@dataclass
class ToldIncident:
    """An incident as its card shows it."""

    id: int
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
    assignment: dict[str, Any]
    alert_count: int
    version: int
    channel: Place | None = None
    snoozed_by: Person | None = None
    closed_by: Person | None = None
    responders: list[Assignee] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return self.progress is not Progress.CLOSED

    @property
    def is_triggered(self) -> bool:
        return self.progress is Progress.TRIGGERED

    def is_snoozed(self, now: datetime) -> bool:
        return self.is_open and self.snoozed_until is not None and self.snoozed_until > now


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
class Sent:
    """How many messages to this person left within a minute and an hour, and how many are on their way."""

    in_minute: int
    in_hour: int
    on_their_way: int


@dataclass(slots=True)
class Scene:
    """All that sending needs to know.

    failure, rendered    as on the delivery: what the last try ended with, and what the first one showed
    link_state           None: the person is not linked; to: whom the platform is asked to tell
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
    to: str
    sent: Sent
    waits_for: datetime | None
    incident: ToldIncident | None


_SNOOZER, _CLOSER = User.__table__.alias("snoozer"), User.__table__.alias("closer")
_OTHER = Delivery.__table__.alias("other")
_INCIDENT = (
    Incident.id,
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
    Incident.assignment,
    Incident.alert_count,
    Incident.version,
)
_TO = func.coalesce(AccountLink.external_user_id, Delivery.external_user_id)
_SAME_PERSON = (
    _OTHER.c.tenant_id == Delivery.tenant_id,
    _OTHER.c.integration_id == Delivery.integration_id,
    _OTHER.c.external_user_id == _TO,
)


def _sent_since(parameter: str) -> Any:
    """How many messages of their own; those that a summary stood for were none."""
    found = select(_OTHER.c.id).where(*_SAME_PERSON, _OTHER.c.sent_at > bindparam(parameter))
    found = found.where(_OTHER.c.summary_id.is_(None)).limit(COUNTED_MOST)
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
    .where(_OTHER.c.incident_id == Delivery.incident_id, _OTHER.c.user_id == Delivery.user_id)
    .where(_OTHER.c.integration_id == Delivery.integration_id, _OTHER.c.id < Delivery.id)
    .where(or_(*(_OTHER.c.state == state for state in _UNFINISHED)), _OTHER.c.summary_id.is_(None))
    .correlate(Delivery)
    .scalar_subquery()
)
_SCENE = Statement(
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
        *_INCIDENT,
        Channel.name,
        _SNOOZER.c.id,
        _SNOOZER.c.real_name,
        _SNOOZER.c.username,
        _CLOSER.c.id,
        _CLOSER.c.real_name,
        _CLOSER.c.username,
    )
    .select_from(Delivery)
    .join(Tenant, Tenant.id == Delivery.tenant_id)
    .outerjoin(Integration, and_(Integration.id == Delivery.integration_id, Integration.tenant_id == Tenant.id))
    .outerjoin(AccountLink, and_(AccountLink.integration_id == Integration.id, AccountLink.user_id == Delivery.user_id))
    .outerjoin(Notification, Notification.id == Delivery.notification_id)
    .outerjoin(Incident, and_(Incident.id == Delivery.incident_id, Incident.tenant_id == Tenant.id))
    .outerjoin(Channel, Channel.id == Incident.channel_id)
    .outerjoin(_SNOOZER, _SNOOZER.c.id == Incident.snoozed_by_id)
    .outerjoin(_CLOSER, _CLOSER.c.id == Incident.closed_by_id)
    .where(Delivery.id == bindparam("delivery_id"), Delivery.tenant_id == bindparam("tenant_id"))
    .with_for_update(of=Delivery, skip_locked=True)
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
_LINK = (
    select(AccountLink.id)
    .join(
        Delivery,
        and_(Delivery.integration_id == AccountLink.integration_id, Delivery.user_id == AccountLink.user_id),
    )
    .where(Delivery.id == bindparam("delivery_id"), Delivery.tenant_id == bindparam("tenant_id"))
    .with_for_update(of=AccountLink)
)
"""Messages to one person are decided on one after the other, so that of two at once the second counts the first."""


def read(on: Connection, delivery_id: int, *, tenant_id: int, now: datetime) -> Scene | None:
    """The scene; None if the delivery is gone, or somebody is changing it at this moment."""
    asked: dict[str, Any] = {"delivery_id": delivery_id, "tenant_id": tenant_id}
    if on.dialect.name != "sqlite":  # there, a transaction that may write holds everything
        on.execute(_LINK, asked)
    times = {"a_minute_ago": now - timedelta(minutes=1), "an_hour_ago": now - timedelta(hours=1)}
    found = _SCENE.rows(on, asked | times)
    return _scene(on, found[0], tenant_id) if found else None


def _scene(on: Connection, row: Any, tenant_id: int) -> Scene:
    reference, cause, times = row[8:11]
    link_state, to, waits_for, in_minute, in_hour, on_their_way = row[20:26]
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
        message=Message(reference, user_id, cause or "", times or 1),
        home=Home(*row[11:14]),
        way=Way(*row[14:20]) if row[14] is not None else None,
        link_state=link_state,
        to=to or "",
        sent=Sent(in_minute, in_hour, on_their_way),
        waits_for=waits_for,
        incident=_incident(on, row[26:], tenant_id) if row[26] is not None else None,
    )


def _incident(on: Connection, values: Any, tenant_id: int) -> ToldIncident:
    own = len(_INCIDENT)
    incident = ToldIncident(*values[:own])
    channel, snoozer, closer = values[own], values[own + 1 : own + 4], values[own + 4 : own + 7]
    incident.channel = Place(channel) if channel is not None else None
    incident.snoozed_by, incident.closed_by = _person(*snoozer), _person(*closer)
    found = _RESPONDERS.rows(on, {"incident_id": incident.id, "tenant_id": tenant_id})
    incident.responders = [
        Assignee(id, user_id, is_current, acknowledged_at, Person(user_id, real_name or username))
        for id, user_id, is_current, acknowledged_at, real_name, username in found
    ]
    return incident


def _person(id: int | None, real_name: str, username: str) -> Person | None:
    return Person(id, real_name or username) if id is not None else None


# --- the connection -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Connected:
    """A connection as a platform that can be called, with the row that it was made from, apart from any session."""

    integration: Integration
    platform: Platform


def connected(way: Way) -> Connected:
    """Made once for each version of the row, since opening secrets and reading settings takes longer than a call.

    Raises PlatformError where platform_for() does, and NotFound's like only for a row that is gone.
    """
    kept: dict[int, Connected] = current_app.extensions.setdefault("connected", {})
    found = kept.get(way.id)
    if found is None or found.integration.version != way.version:
        integration = db.session.get_one(Integration, way.id, populate_existing=True)
        found = Connected(integration, integrations.platform_for(integration))
        db.session.expunge(integration)
        kept[way.id] = found
    return found
