"""Incidents for new alerts, many at once: each is decided as alone, all are written by one statement a table.

Budget: 0.3 ms of CPU an alert. What the alerts of one push share (policies, people, how they are reached) is read
once for all of them; what a policy does first is worked out once for each policy and severity.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, update

from extensions import db
from models import (
    Alert,
    AlertSource,
    Channel,
    Delivery,
    DeliveryState,
    Incident,
    Notification,
    Responder,
    Severity,
    Tenant,
)
from services import dispatch, filters, notifications, outbox, policies, responders, timeline, timers
from services.address_book import AddressBook
from services.policies import Rule
from services.statements import Statement, inserting
from services.timers import AUTO_CLOSE, Timer

if TYPE_CHECKING:  # it needs channels, which need this
    from services.alert_sources import ChannelState, SourceValues

Values = dict[str, Any]
AnySource: TypeAlias = "AlertSource | SourceValues"
TAKEN = ("title", "description", "severity", "status", "labels", "images", "started_at", "last_event_at", "event_count")
"""What an incident has from the alert that it is made of."""

_NUMBERS = Statement(
    update(Tenant.__table__)  # type: ignore[arg-type]
    .where(Tenant.id == bindparam("of_tenant"))
    .values(last_incident_num=Tenant.last_incident_num + bindparam("taken"))
    .returning(Tenant.last_incident_num)
)
_INCIDENTS = inserting(
    Incident,
    *("tenant_id", "channel_id", "num", "changed_at", "alert_count", "active_alert_count", "assignment", *TAKEN),
    returning=("id", "num"),
)
_ALERTS = inserting(
    Alert,
    *("tenant_id", "source_id", "channel_id", "incident_id", "alert_key", "title", "description", "severity"),
    *("status", "state", "labels", "images", "started_at", "last_event_at", "event_count"),
    returning=("id", "alert_key"),
)
_ATTACH = Statement(
    update(Alert.__table__)  # type: ignore[arg-type]
    .where(Alert.id == bindparam("of_alert"), Alert.tenant_id == bindparam("of_tenant"))
    .values(incident_id=bindparam("of_incident"))
)
_RESPONDERS = inserting(Responder, "tenant_id", "incident_id", "user_id", "source", "is_current", "assigned_at")
_NOTIFICATIONS = inserting(
    Notification,
    *("tenant_id", "incident_id", "cause", "level", "times", "policy_name", "created_at"),
    returning=("id", "incident_id"),
)
_DELIVERIES = inserting(
    Delivery,
    *("tenant_id", "notification_id", "incident_id", "source", "channel_kind", "integration_id", "integration_name"),
    *("user_id", "group_chat_id", "recipient_name", "external_user_id", "state", "reference", "failure_code"),
    "created_at",
    returning=("id", "reference"),
)


@dataclass(frozen=True)
class Beginning:
    """What a policy does with an incident first; all that differs between incidents is added to these values."""

    assignment: Values
    entry: Values
    timers: list[Timer] = field(default_factory=list)
    responders: list[Values] = field(default_factory=list)
    notification: Values | None = None
    deliveries: list[Values] = field(default_factory=list)


@dataclass
class Opening:
    """One alert on its way to be an incident. alert: its columns, with `id` if it is stored already."""

    alert: Values
    beginning: Beginning
    num: int
    alert_id: int = 0
    incident_id: int = 0
    notification_id: int | None = None


def open_all(alerts: Sequence[Values], source: AnySource, *, now: datetime) -> list[Opening]:
    """Store these alerts of a source, each with an incident of its own, and begin to dispatch these.

    alerts  columns of alerts with different keys; those that are stored already (`id`) are given an incident
    Raises IntegrityError if another push made one of these alerts at this moment.
    """
    beginnings = Beginnings(source, now)
    begun = [beginnings.of(alert) for alert in alerts]
    first = next_nums(source.tenant_id, len(alerts))  # last: other transactions wait for it
    openings = [Opening(*one, num) for num, one in enumerate(zip(alerts, begun, strict=True), first)]
    _write_incidents(openings, source, now)
    _write_alerts(openings)
    _write_notifications(openings, now)
    _write_entries(openings, source, now)
    _write_timers(openings, source, now)
    return openings


def next_nums(tenant_id: int, count: int) -> int:
    """Reserve so many running numbers and return the first; two transactions never get the same ones."""
    ((last,),) = _NUMBERS.rows(db.session.connection(), {"of_tenant": tenant_id, "taken": count})
    return int(last) - count + 1


def auto_close(channel: Channel | ChannelState | None, *, now: datetime) -> list[Timer]:
    """The channel's time limit, if it has one, counted from now."""
    minutes = channel.close_timeout_minutes if channel else 0
    return [Timer(AUTO_CLOSE, now + timedelta(minutes=minutes))] if minutes else []


class Beginnings:
    """How incidents of one source's channel are dispatched at one moment, by what their alerts say."""

    def __init__(self, source: AnySource, now: datetime) -> None:
        self.source, self.now = source, now
        tried = policies.values_in_channel(source.channel_id, tenant_id=source.tenant_id)
        self.rules = policies.rules(tried, now, ZoneInfo(source.tenant.timezone))
        self._known: dict[tuple[int | None, Severity], Beginning] = {}
        self._books: dict[int, AddressBook] = {}

    def of(self, alert: Values) -> Beginning:
        facts = filters.Facts(alert["severity"], alert["title"], alert["description"], self.source.id, alert["labels"])
        rule = policies.first_fitting(self.rules, facts)
        key = (rule.policy.id if rule else None, facts.severity)
        if key not in self._known:
            self._known[key] = self._begin(rule, facts.severity)
        return self._known[key]

    def _begin(self, rule: Rule | None, severity: Severity) -> Beginning:
        """The same as dispatch.begin, as values."""
        snapshot = policies.snapshot(rule.policy) if rule else None
        assignment, entry = dispatch.beginning("assign", snapshot, {})
        if snapshot is None:
            return Beginning(assignment, entry)
        if snapshot["delay_seconds"]:
            return Beginning(assignment, entry, [timers.start(assignment, self.now)])
        assignment = dispatch.placed(assignment, level=0, times=1)
        level, book = timers.level(assignment), self._book(assignment)
        return Beginning(
            assignment,
            entry,
            timers.of_level(assignment, is_triggered=True, now=self.now),
            [responders.assigned(user_id, source="policy", now=self.now) for user_id in book.members],
            notifications.about(cause="assign", level=0, times=1, policy_name=snapshot["name"], now=self.now),
            notifications.deliveries_of(book, list(book.members), severity, level.personal, now=self.now)
            + notifications.group_deliveries(self.source.tenant_id, level.group_ids, now=self.now),
        )

    def _book(self, assignment: Values) -> AddressBook:
        """The people of a policy's first level and how they are reached, read once for all severities."""
        policy_id = assignment["policy"]["id"]
        if policy_id not in self._books:
            self._books[policy_id] = AddressBook(self.source.tenant_id, timers.level(assignment).user_ids)
        return self._books[policy_id]


def _write_incidents(openings: Sequence[Opening], source: AnySource, now: datetime) -> None:
    shared = {
        "tenant_id": source.tenant_id,
        "channel_id": source.channel_id,
        "changed_at": now,
        "alert_count": 1,
        "active_alert_count": 1,
    }
    rows = [
        shared | {name: each.alert[name] for name in TAKEN} | {"num": each.num, "assignment": each.beginning.assignment}
        for each in openings
    ]
    ids = {num: id for id, num in _INCIDENTS.rows_each(db.session.connection(), rows)}
    for each in openings:
        each.incident_id = ids[each.num]


def _write_alerts(openings: Sequence[Opening]) -> None:
    on = db.session.connection()
    new = [each for each in openings if "id" not in each.alert]
    if new:
        found = _ALERTS.rows_each(on, [each.alert | {"incident_id": each.incident_id} for each in new])
        ids = {alert_key: id for id, alert_key in found}
        for each in new:
            each.alert_id = ids[each.alert["alert_key"]]
    for each in openings:
        if "id" in each.alert:
            each.alert_id = each.alert["id"]
            about = {"of_alert": each.alert_id, "of_tenant": each.alert["tenant_id"]}
            _ATTACH.run(on, about | {"of_incident": each.incident_id})


def _write_notifications(openings: Iterable[Opening], now: datetime) -> None:
    """Responders, and one notification each with its deliveries and their sending."""
    told = [each for each in openings if each.beginning.notification is not None]
    if not told:
        return
    on = db.session.connection()
    if people := [_about(each) | person for each in told for person in each.beginning.responders]:
        _RESPONDERS.later_each(on, people)
    found = _NOTIFICATIONS.rows_each(on, [_about(each) | (each.beginning.notification or {}) for each in told])
    ids = {incident_id: id for id, incident_id in found}
    deliveries: dict[str, tuple[Values, Severity]] = {}
    for each in told:
        each.notification_id = ids[each.incident_id]
        for values in each.beginning.deliveries:
            reference = notifications.new_reference()
            own = {"notification_id": each.notification_id, "reference": reference}
            deliveries[reference] = _about(each) | values | own, each.alert["severity"]
    if deliveries:
        rows = [row for row, _ in deliveries.values()]
        stored = [(id, *deliveries[reference]) for id, reference in _DELIVERIES.rows_each(on, rows)]
        outbox.stage(
            notifications.sending(id, row["tenant_id"], row["integration_id"], severity, now=now)
            for id, row, severity in sorted(stored, key=lambda one: one[0])
            if row["state"] is DeliveryState.QUEUED
        )


def _write_entries(openings: Iterable[Opening], source: AnySource, now: datetime) -> None:
    rows = []
    for each in openings:
        system = _about(each) | {"at": now, "actor_id": None, "actor_name": "", "via": "system"}
        new = {"alert_id": each.alert_id, "source": source.name}
        rows.append(system | {"type": "new", "via": "event", "detail": new})
        rows.append(system | {"type": "assign", "detail": each.beginning.entry})
        if each.beginning.notification is not None:
            detail = notifications.entry_of(each.beginning.notification, each.notification_id)
            rows.append(system | {"type": "notify", "detail": detail})
    timeline.write(db.session.connection(), rows)


def _write_timers(openings: Iterable[Opening], source: AnySource, now: datetime) -> None:
    closing = auto_close(source.channel, now=now)
    outbox.stage(
        outbox.row(
            timer.kind,
            tenant_id=source.tenant_id,
            subject_id=each.incident_id,
            due_at=timer.due_at,
            now=now,
            payload=timer.payload,
        )
        for each in openings
        for timer in (*closing, *each.beginning.timers)
    )


def _about(opening: Opening) -> Values:
    return {"tenant_id": opening.alert["tenant_id"], "incident_id": opening.incident_id}
