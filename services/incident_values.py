"""An incident as plain values, read beside what else a short path needs (press_scenes.py, send_scenes.py).

They have the names that the rows of the session have, so that the rules and the drawing of cards take either. A
statement takes COLUMNS into its select and passes through with_people(); build() makes the incident of their values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select

from models import Channel, Incident, Progress, Responder, Severity, User
from services import card_bodies
from services.statements import Statement


@dataclass(slots=True)
class Account:
    """A person with an account here."""

    id: int
    name: str
    is_disabled: bool = False


@dataclass(slots=True)
class ChannelValues:
    tenant_id: int
    name: str
    is_private: bool
    created_by_id: int | None
    team_id: int | None = None


@dataclass(slots=True)
class Assignee:
    """A responder; id 0: becomes one by what is being done."""

    id: int
    user_id: int
    is_current: bool
    acknowledged_at: datetime | None
    user: Account


@dataclass
class IncidentValues:
    """An incident as it is at this moment, and as a press makes it."""

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
    images: list[dict[str, Any]] = field(default_factory=list)
    flapping_since: datetime | None = None
    channel: ChannelValues | None = None
    snoozed_by: Account | None = None
    closed_by: Account | None = None
    responders: list[Assignee] = field(default_factory=list)
    active_alert_count: int = 0
    template: tuple[int, str] | None = None
    """Of its cards: services.card_bodies.name_of()."""

    @property
    def is_open(self) -> bool:
        return self.progress is not Progress.CLOSED

    @property
    def is_triggered(self) -> bool:
        return self.progress is Progress.TRIGGERED

    @property
    def is_flapping(self) -> bool:
        return self.is_open and self.flapping_since is not None

    def is_snoozed(self, now: datetime) -> bool:
        return self.is_open and self.snoozed_until is not None and self.snoozed_until > now


_SNOOZER, _CLOSER = User.__table__.alias("snoozer"), User.__table__.alias("closer")
_OWN = (
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
    Incident.images,
    Incident.flapping_since,
)
_CHANNEL = (Channel.tenant_id, Channel.name, Channel.is_private, Channel.created_by_id, Channel.team_id)
_PEOPLE = tuple(column for who in (_SNOOZER, _CLOSER) for column in (who.c.id, who.c.real_name, who.c.username))
COLUMNS = (*_OWN, *_CHANNEL, *_PEOPLE, *card_bodies.NAME)
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


def with_people(statement: Select[Any]) -> Select[Any]:
    """Join the channel, who snoozed or closed it, and its cards' template, to what has joined the incident."""
    return card_bodies.with_template(
        statement.outerjoin(Channel, Channel.id == Incident.channel_id)
        .outerjoin(_SNOOZER, _SNOOZER.c.id == Incident.snoozed_by_id)
        .outerjoin(_CLOSER, _CLOSER.c.id == Incident.closed_by_id)
    )


def build(on: Connection, values: Sequence[Any]) -> IncidentValues | None:
    """The incident of the values of COLUMNS, with its responders, who are read here; None if there is none."""
    if values[0] is None:
        return None
    incident = IncidentValues(*values[: len(_OWN)])
    channel, snoozer, closer = values[-13:-8], values[-8:-5], values[-5:-2]
    template_id, revision = values[-2:]
    incident.template = (template_id, revision) if template_id is not None else None
    incident.channel = ChannelValues(*channel) if channel[0] is not None else None
    incident.snoozed_by, incident.closed_by = _account(*snoozer), _account(*closer)
    found = _RESPONDERS.rows(on, {"incident_id": incident.id, "tenant_id": incident.tenant_id})
    incident.responders = [
        Assignee(id, user_id, is_current, acknowledged_at, Account(user_id, real_name or username))
        for id, user_id, is_current, acknowledged_at, real_name, username in found
    ]
    return incident


def _account(id: int | None, real_name: str, username: str) -> Account | None:
    return Account(id, real_name or username) if id is not None else None
