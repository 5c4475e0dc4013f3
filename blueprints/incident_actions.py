"""What the console and the in-app pages do with incidents: read a search, act once, know what the reader may do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from blueprints.access import current_member
from blueprints.days import day_span
from blueprints.row_numbers import row_id
from extensions import db
from models import Incident, Progress, Severity
from services import incidents
from services.clock import utcnow
from services.incident_queries import Search
from services.incidents import Outcome
from services.rights import can, require

PLAIN_VERBS: dict[str, Callable[..., Outcome]] = {
    "acknowledge": incidents.acknowledge,
    "unacknowledge": incidents.unacknowledge,
    "wake": incidents.wake,
    "refresh": incidents.refresh,
}
"""Verbs that need nothing but a press."""


def take(num: int, verb: Callable[..., Outcome], *, via: str, **arguments: Any) -> tuple[Incident, Outcome]:
    """Do one thing to one incident and commit."""
    member = current_member()
    require(member, "incident.handle")
    found = incidents.get(num, viewer=member)
    outcome = verb(found, by=member, via=via, now=utcnow(), **arguments)
    db.session.commit()
    return found, outcome


def standing(incident: Incident) -> dict[str, Any]:
    """What the reader may do with it now."""
    member = current_member()
    mine = [responder for responder in incident.responders if responder.user_id == member.user_id]
    return {
        "can_handle": can(member, "incident.handle"),
        "mine_acknowledged": any(responder.acknowledged_at for responder in mine),
        "now": utcnow(),
    }


def search_of(wanted: Mapping[str, str], scope: str) -> Search:
    """A search as an address carries it; what cannot be read is left out.

    wanted  severity, progress, channel, responder, q, since, until (days of the reader's zone, both included)
    """
    since, until = day_span(wanted.get("since", ""), wanted.get("until", ""))
    return Search(
        scope=scope,
        severity=_one_of(Severity, wanted.get("severity", "")),
        progress=_one_of(Progress, wanted.get("progress", "")),
        channel_id=row_id(wanted.get("channel", "")),
        responder_id=row_id(wanted.get("responder", "")),
        text=wanted.get("q", ""),
        since=since,
        until=until,
    )


def _one_of(kind: Any, text: str) -> Any:
    return next((value for value in kind if value.value == text), None)
