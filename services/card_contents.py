"""What the card of a person or group says about an incident, before it is said: plain values in no language.

Equal contents are cards that nobody can tell apart, so this is what tells whether a card is out of date. A press
settles the content before it commits and keeps it for repeats; the card is drawn from it (services/incident_cards.py)
while the disk is waited for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol

from sqlalchemy import Connection

import json_text
from extensions import db
from models import Delivery, Incident, Integration, Progress, Severity, Tenant
from platforms import PLATFORMS
from services import card_bodies, integrations, pictures
from services.card_bodies import Wording
from services.incident_decisions import State, acknowledged_text, closed_text, current
from services.incident_values import IncidentValues
from services.wording import Home, date_at, speaking
from texts import N_, Text

LABELS = {
    "resource": N_("资源：%(value)s"),
    "check": N_("检查项：%(value)s"),
    "metric": N_("指标：%(value)s"),
    "trigger_value": N_("触发值：%(value)s"),
    "region": N_("地域：%(value)s"),
    "cluster": N_("集群：%(value)s"),
    "service": N_("服务：%(value)s"),
    "env": N_("环境：%(value)s"),
}
"""Those of an alert that the built-in text says, in this order, and how."""
LINES = len(LABELS)
LINE_LENGTH = 160
KEPT = LINE_LENGTH + 1
"""Characters of a line: enough to tell that it is longer than what is shown."""
NAMES_SHOWN = 5
NOT_SEEN = dict.fromkeys(("at", "refreshed_at"))
"""The length of time alone makes no card out of date, and an answer to a refresh says nothing of the incident."""
TIMES = ("started_at", "ended_at", "at", "refreshed_at")


class Named(Protocol):
    @property
    def name(self) -> str: ...


class Shown(State, Protocol):
    """An incident as a card shows it: a row of the session, or what a press has read of it."""

    @property
    def num(self) -> int: ...
    @property
    def title(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def progress(self) -> Progress: ...
    @property
    def labels(self) -> dict[str, str]: ...
    @property
    def started_at(self) -> datetime: ...
    @property
    def alert_count(self) -> int: ...
    @property
    def images(self) -> list[dict[str, Any]]: ...
    @property
    def is_flapping(self) -> bool: ...
    @property
    def channel(self) -> Named | None: ...


@dataclass(frozen=True)
class Message:
    """The delivery that a card is: its reference, whose it is, why it was sent ("" if for no particular reason).

    is_group  everybody in a group sees it and may press: it belongs to nobody
    """

    reference: str
    user_id: int | None
    cause: str = ""
    times: int = 1
    is_group: bool = False


@dataclass
class Content:
    """All that a card is drawn from.

    today          the date on the organisation's clock, as which times are said
    people         current responders, at most one more than are shown
    labels, lines  of the built-in text: names and values, or what stands there without any; lines alone where a
                   template wrote them
    done           the last thing that somebody did and that still holds
    is_markup      a template wrote the lines (is_written) in the platform's own markup
    may_take_on    开始处理 is offered
    can_refresh    状态刷新 is offered
    at             when it was settled; refreshed_at: the person asked for the present state then
    """

    reference: str
    url: str
    locale: str
    timezone: str
    today: str
    num: int
    title: str
    severity: Severity
    progress: Progress
    cause: str
    times: int
    channel: str | None
    people: list[str]
    alert_count: int
    started_at: datetime
    ended_at: datetime | None
    labels: list[tuple[str, str]]
    lines: list[str]
    is_written: bool
    is_markup: bool
    done: Text | None
    pictures: list[dict[str, str]]
    is_flapping: bool
    is_snoozed: bool
    is_superseded: bool
    may_take_on: bool
    can_refresh: bool
    at: datetime
    refreshed_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.progress is not Progress.CLOSED

    @cached_property
    def as_json(self) -> dict[str, Any]:
        """The same as values of JSON, for keeping an answer; not to be changed."""
        kept = vars(self) | {"done": _text_as_json(self.done) if self.done else None}
        for name in TIMES:
            kept[name] = value.isoformat() if (value := kept[name]) else None
        return kept

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything that a reader would call a change."""
        return hashlib.sha256(json_text.in_order(self.as_json | NOT_SEEN)).hexdigest()


def from_json(kept: Mapping[str, Any]) -> Content:
    """The content that as_json was made of."""
    times = {name: datetime.fromisoformat(kept[name]) if kept[name] else None for name in TIMES}
    said = {"severity": Severity(kept["severity"]), "progress": Progress(kept["progress"])}
    done = _text_from_json(kept["done"]) if kept["done"] else None
    labels = [(name, value) for name, value in kept["labels"]]
    return Content(**{**kept, **times, **said, "done": done, "labels": labels})


def of_delivery(
    incident: Incident,
    delivery: Delivery,
    integration: Integration,
    *,
    now: datetime,
    is_superseded: bool = False,
    is_stale: bool = False,
    refreshed_at: datetime | None = None,
    written: Wording | None = None,
) -> Content:
    """What the card of a message is to say now. Raises TakesLonger.

    written  what TakesLonger.write() gave meanwhile; the rest: of()
    """
    tenant = db.session.get_one(Tenant, incident.tenant_id)
    told = delivery.notification
    message = Message(delivery.reference, delivery.user_id, told.cause if told else "", told.times if told else 1)
    message = replace(message, is_group=delivery.group_chat_id is not None)
    wording = written or wording_of(db.session.connection(), incident, message, integration)
    if wording is not None:
        wording.is_hurried = True
        wording.take_up(delivery.rendered)
    content = of(
        incident,
        message,
        integration,
        tenant,
        now,
        is_superseded=is_superseded,
        is_stale=is_stale,
        refreshed_at=refreshed_at,
        wording=wording,
    )
    if wording is not None and (wording.problem is not None or "error" in delivery.rendered):
        kept = {name: value for name, value in delivery.rendered.items() if name != "error"}
        delivery.rendered = kept | wording.as_rendered()
    return content


def wording_of(
    on: Connection, incident: Incident | IncidentValues, message: Message, integration: Integration
) -> Wording | None:
    """What writes the custom area of a card there; None: the built-in text."""
    name = incident.template if isinstance(incident, IncidentValues) else card_bodies.name_of(on, incident)
    kind = PLATFORMS[integration.platform].capabilities.channel_kind
    return card_bodies.wording(on, incident, name, kind=kind, reference=message.reference)


def of(
    incident: Shown,
    message: Message,
    integration: Integration,
    tenant: Home,
    now: datetime,
    *,
    is_superseded: bool = False,
    is_stale: bool = False,
    refreshed_at: datetime | None = None,
    wording: Wording | None = None,
) -> Content:
    """What the card says now, from what was read already: asks no database. Raises TakesLonger.

    is_superseded  a newer card of the same person or group exists: this one only says so
    is_stale       an earlier update of it has failed
    wording        what writes the custom area; why it could not, if so, is noted there
    """
    capabilities = PLATFORMS[integration.platform].capabilities
    url = integrations.incident_url(integration, incident.num)
    written = None
    if wording is not None:
        with speaking(tenant):
            written = card_bodies.write(wording, incident, message, tenant, url=url, capabilities=capabilities, now=now)
    labels = _labels(incident) if written is None else []
    is_snoozed = incident.is_snoozed(now)
    return Content(
        reference=message.reference,
        url=url,
        locale=tenant.locale,
        timezone=tenant.timezone,
        today=date_at(tenant, now).isoformat(),
        num=incident.num,
        title=incident.title,
        severity=incident.severity,
        progress=incident.progress,
        cause=message.cause,
        times=message.times,
        channel=incident.channel.name if incident.channel else None,
        people=[person.user.name for person in current(incident)[: NAMES_SHOWN + 1]],
        alert_count=incident.alert_count,
        started_at=incident.started_at,
        ended_at=incident.closed_at,
        labels=labels,
        lines=written if written is not None else [] if labels else _described(incident),
        is_written=written is not None,
        is_markup=written is not None and capabilities.escape_body is not None,
        done=_done(incident, is_snoozed=is_snoozed),
        pictures=[picture._asdict() for picture in pictures.shown(incident.images, integration)],
        is_flapping=incident.is_flapping,
        is_snoozed=is_snoozed,
        is_superseded=is_superseded,
        may_take_on=_may_take_on(incident, message),
        can_refresh=capabilities.has_refresh_button or is_stale,
        at=now,
        refreshed_at=refreshed_at,
    )


def _labels(incident: Shown) -> list[tuple[str, str]]:
    """In one line each, whatever they are."""
    found = ((name, incident.labels.get(name)) for name in LABELS)
    return [(name, " ".join(str(value).split())[:KEPT]) for name, value in found if value]


def _described(incident: Shown) -> list[str]:
    """The description, where the alert has none of the labels."""
    return [line.strip()[:KEPT] for line in incident.description.splitlines() if line.strip()][:LINES]


def _done(incident: Shown, *, is_snoozed: bool) -> Text | None:
    """None while nobody has done anything."""
    if incident.progress is Progress.CLOSED:
        return closed_text(incident)
    if is_snoozed:
        by, until = incident.snoozed_by, incident.snoozed_until
        if by is None:
            return Text(N_("屏蔽至 %(until)s"), until=until)
        return Text(N_("屏蔽至 %(until)s (%(name)s)"), until=until, name=by.name)
    return acknowledged_text(incident)


def _may_take_on(incident: Shown, message: Message) -> bool:
    """To a person who has not, to a group while nobody has."""
    if message.is_group:
        return incident.progress is Progress.TRIGGERED
    return not any(person.user_id == message.user_id and person.acknowledged_at for person in current(incident))


def _text_as_json(text: Text) -> list[Any]:
    """Its message, its other values, and its times."""
    times = {name: value.isoformat() for name, value in text.params.items() if isinstance(value, datetime)}
    return [text.message, {name: value for name, value in text.params.items() if name not in times}, times]


def _text_from_json(kept: list[Any]) -> Text:
    message, values, times = kept
    return Text(message, **values, **{name: datetime.fromisoformat(value) for name, value in times.items()})
