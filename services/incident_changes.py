"""What every action on an incident has in common: its answer, its lock, and telling the cards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from models import Incident
from services import cards, responders
from services.incident_access import hold
from texts import N_, Text

__all__ = ["Outcome", "acknowledged_text", "already_closed", "closed_text", "hold", "show"]


@dataclass(frozen=True)
class Outcome:
    """What became of an action. Overtaken by somebody else: `changed` is False and `text` says who did what, when."""

    changed: bool
    text: Text


def show(incident: Incident, now: datetime) -> None:
    """Mark the incident as changed for readers, and its cards as out of date."""
    incident.changed_at = now
    cards.refresh_incident(incident, now=now)


def already_closed(incident: Incident) -> Outcome:
    return Outcome(False, closed_text(incident))


def closed_text(incident: Incident) -> Text:
    """Who or what closed it, and when."""
    if incident.closed_by is not None:
        return Text(N_("%(name)s 已于 %(at)s 关闭"), name=incident.closed_by.name, at=incident.closed_at)
    if incident.closed_via == "event":
        return Text(N_("告警已于 %(at)s 恢复，故障已自动关闭"), at=incident.closed_at)
    return Text(N_("故障已于 %(at)s 自动关闭"), at=incident.closed_at)


def acknowledged_text(incident: Incident) -> Text | None:
    """Who took it on first, and when; None if nobody has."""
    first = next(iter(responders.acknowledged(incident)), None)
    if first is None:
        return None
    return Text(N_("%(name)s 已于 %(at)s 开始处理"), name=first.user.name, at=first.acknowledged_at)
