"""What a person's action does to an incident, decided from its state alone: no database, no clock. Pure.

These are the rules for everybody. Pages and the API apply a decision to the row that they hold
(services/incident_changes.py); a press on a card, which has a millisecond, applies it by a few statements
(services/press_writing.py). An overtaken action decides for nothing and says who did what, and when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from models import Progress
from services import timers
from services.timers import AUTO_CLOSE, FLAPPING_END, SNOOZE_EXPIRY, STEP, Timer
from texts import N_, Text


class Person(Protocol):
    """Somebody with an account here."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...


class Assigned(Protocol):
    """A person assigned to an incident, now or before."""

    @property
    def id(self) -> int: ...
    @property
    def user_id(self) -> int: ...
    @property
    def user(self) -> Person: ...
    @property
    def is_current(self) -> bool: ...
    @property
    def acknowledged_at(self) -> datetime | None: ...


class State(Protocol):
    """An incident as it is: a row of the session, or what a press has read of it."""

    @property
    def is_open(self) -> bool: ...
    @property
    def is_triggered(self) -> bool: ...
    @property
    def acknowledged_at(self) -> datetime | None: ...
    @property
    def snoozed_until(self) -> datetime | None: ...
    @property
    def snoozed_by(self) -> Person | None: ...
    @property
    def closed_at(self) -> datetime | None: ...
    @property
    def closed_by(self) -> Person | None: ...
    @property
    def closed_via(self) -> str | None: ...
    @property
    def assignment(self) -> dict[str, Any]: ...
    @property
    def responders(self) -> Sequence[Assigned]: ...
    def is_snoozed(self, now: datetime) -> bool: ...


@dataclass(frozen=True)
class Decision:
    """What is to be written. Without an `entry` nothing is.

    text         what the actor is answered
    entry        type of the timeline entry, with its detail
    values       attributes of the incident that change; a person stands for its id
    takes_on     the actor's own acknowledgement is added, as a responder if need be
    ends         kinds of timers that are cancelled, before `timers` are set
    ends_alerts  its alerts take no further events; ends_messages: what has not left yet will not
    """

    text: Text
    entry: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    takes_on: bool = False
    ends: tuple[str, ...] = ()
    timers: tuple[Timer, ...] = ()
    ends_alerts: bool = False
    ends_messages: bool = False

    @property
    def is_change(self) -> bool:
        """Whether a reader would see another incident, so that cards and lists have to follow."""
        return bool(self.values) or self.takes_on


def acknowledge(incident: State, by: Person, now: datetime) -> Decision:
    """To come second adds one's own acknowledgement and says who was first.

    Timers that wait for nobody to take it on end. A level that goes on until closing keeps its own; its repeats
    find the incident taken on.
    """
    if not incident.is_open:
        return Decision(closed_text(incident))
    if any(one.user_id == by.id and one.acknowledged_at for one in current(incident)):
        return Decision(Text(N_("您已在处理")))
    values = {"progress": Progress.PROCESSING, "acknowledged_at": incident.acknowledged_at or now}
    earlier = acknowledged_text(incident)
    if earlier is not None or not timers.ends_with_acknowledgement(incident.assignment):
        return Decision(earlier or Text(N_("已开始处理")), "ack", values=values, takes_on=True)
    values["assignment"] = timers.stopped(incident.assignment)
    return Decision(Text(N_("已开始处理")), "ack", values=values, takes_on=True, ends=(STEP,))


def close(incident: State, by: Person, via: str, now: datetime) -> Decision:
    """By hand: the alerts close with it."""
    if not incident.is_open:
        return Decision(closed_text(incident))
    return end(incident, by, via, now, text=Text(N_("已关闭")), ends_alerts=True)


def end(
    incident: State, by: Person | None, via: str, now: datetime, *, text: Text, ends_alerts: bool = False
) -> Decision:
    """Timers stop, waiting messages are cancelled. by: None when it recovered or timed out."""
    return Decision(
        text,
        "close",
        values={
            "progress": Progress.CLOSED,
            "closed_at": now,
            "closed_via": via,
            "closed_by": by,
            "snoozed_until": None,
            "snoozed_by": None,
            "assignment": timers.stopped(incident.assignment),
        }
        | ({"active_alert_count": 0} if ends_alerts else {}),
        ends=(STEP, SNOOZE_EXPIRY, AUTO_CLOSE, FLAPPING_END),
        ends_alerts=ends_alerts,
        ends_messages=True,
    )


def snooze(incident: State, by: Person, minutes: int, now: datetime) -> Decision:
    """Silence an open incident from now on, replacing an earlier snooze; its progress stays."""
    if not incident.is_open:
        return Decision(closed_text(incident))
    until = now + timedelta(minutes=minutes)
    if incident.snoozed_until == until and incident.snoozed_by is not None and incident.snoozed_by.id == by.id:
        return Decision(Text(N_("已屏蔽至 %(until)s"), until=until))
    message = N_("已改为屏蔽至 %(until)s") if incident.is_snoozed(now) else N_("已屏蔽至 %(until)s")
    return Decision(
        Text(message, until=until),
        "snooze",
        {"until": until, "minutes": minutes},
        {"snoozed_until": until, "snoozed_by": by, "assignment": timers.stopped(incident.assignment)},
        ends=(STEP, SNOOZE_EXPIRY),
        timers=(Timer(SNOOZE_EXPIRY, until),),
    )


def wake(incident: State, now: datetime) -> Decision:
    """End a snooze by hand; the timers of the present level run again, counted from now."""
    if not incident.is_open:
        return Decision(closed_text(incident))
    if not incident.is_snoozed(now):
        return Decision(Text(N_("当前未屏蔽")))
    assignment, running = timers.resumed(incident.assignment, is_triggered=incident.is_triggered, now=now)
    return Decision(
        Text(N_("已取消屏蔽")),
        "wake",
        values={"snoozed_until": None, "snoozed_by": None, "assignment": assignment},
        ends=(STEP, SNOOZE_EXPIRY),
        timers=tuple(running),
    )


def refresh() -> Decision:
    """Somebody asked for the present state of a card; it is noted, and nothing changes."""
    return Decision(Text(N_("已显示最新状态")), "card_refresh")


# --- how it stands ------------------------------------------------------------------------------------------------


def current(incident: State) -> list[Assigned]:
    return [responder for responder in incident.responders if responder.is_current]


def acknowledged(incident: State) -> list[Assigned]:
    """Current responders who have taken it on, the first one first."""
    acked = [(one.acknowledged_at, one.id, one) for one in current(incident) if one.acknowledged_at is not None]
    return [one for _at, _id, one in sorted(acked, key=lambda known: known[:2])]


def acknowledged_text(incident: State) -> Text | None:
    """Who took it on first, and when; None if nobody has."""
    first = next(iter(acknowledged(incident)), None)
    if first is None:
        return None
    return Text(N_("%(name)s 已于 %(at)s 开始处理"), name=first.user.name, at=first.acknowledged_at)


def closed_text(incident: State) -> Text:
    """Who or what closed it, and when."""
    if incident.closed_by is not None:
        return Text(N_("%(name)s 已于 %(at)s 关闭"), name=incident.closed_by.name, at=incident.closed_at)
    if incident.closed_via == "event":
        return Text(N_("告警已于 %(at)s 恢复，故障已自动关闭"), at=incident.closed_at)
    return Text(N_("故障已于 %(at)s 自动关闭"), at=incident.closed_at)
