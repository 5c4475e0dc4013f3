"""What the console and the in-app pages do with incidents: read a search, act once, know what the reader may do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import redirect, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from blueprints.access import current_member
from blueprints.days import day_span
from blueprints.live import is_fragment
from blueprints.row_numbers import row_id
from errors import NotFound
from extensions import db
from models import Incident, Progress, Severity
from services import held_cards, incident_queries, incidents
from services.clock import utcnow
from services.incident_queries import Search
from services.incidents import Outcome
from services.rights import can, require
from services.wording import say

PLAIN_VERBS: dict[str, Callable[..., Outcome]] = {
    "acknowledge": incidents.acknowledge,
    "unacknowledge": incidents.unacknowledge,
    "wake": incidents.wake,
    "refresh": incidents.refresh,
}
"""Verbs that need nothing but a press."""
OPEN_SCOPES = ("mine", "open")


def take(num: int, verb: Callable[..., Outcome], *, via: str, **arguments: Any) -> tuple[Incident, Outcome]:
    """Do one thing to one incident and commit."""
    member = current_member()
    require(member, "incident.handle")
    found = incidents.get(num, viewer=member)
    outcome = verb(found, by=member, via=via, now=utcnow(), **arguments)
    db.session.commit()
    return found, outcome


def said(incident: Incident, outcome: Outcome) -> str:
    """What came of an action and, where it shows on cards, how many see it."""
    text = say(outcome.text)
    people, groups = held_cards.watching(incident) if outcome.changed else (0, 0)
    if people and groups:
        seen = _("%(people)s 人和 %(groups)s 个群的卡片正在更新", people=people, groups=groups)
    elif people:
        seen = _("%(people)s 人的卡片正在更新", people=people)
    elif groups:
        seen = _("%(groups)s 个群的卡片正在更新", groups=groups)
    else:
        return text
    return f"{text} · {seen}"


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


def address_of(text: str, endpoint: str) -> str | None:
    """Where "#12" leads, if the reader sees such an incident."""
    num = row_id(text.strip()[1:]) if text.strip().startswith("#") else None
    if num is None:
        return None
    try:
        incidents.get(num, viewer=current_member())
    except NotFound:
        return None
    return url_for(endpoint, num=num)


def go_to(address: str) -> ResponseReturnValue:
    return ("", 204, {"HX-Redirect": address}) if is_fragment() else redirect(address)


def closed_matches(wanted: Mapping[str, str]) -> str:
    """How many closed incidents the same search for a text finds, as far as one look goes: "3", "20+"; "" for none."""
    if not wanted.get("q", "").strip():
        return ""
    found = incident_queries.page(current_member(), search_of(wanted, "closed"))
    more = "+" if found.next_cursor else ""
    return f"{len(found.items)}{more}" if found.items else ""


def _one_of(kind: Any, text: str) -> Any:
    return next((value for value in kind if value.value == text), None)
