"""Incidents: lists, one with all that happened to it, and every action of the console."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from blueprints.api.incident_shapes import (
    ALERT,
    DETAIL,
    OUTCOME,
    SUMMARY,
    TIMELINE_ENTRY,
    alert_row,
    incident_detail,
    incident_summary,
    outcome_row,
    timeline_entry,
)
from blueprints.api.operations import VIA, Call, operation
from blueprints.api.schemas import (
    Schema,
    list_of,
    listed,
    maybe,
    moment,
    one_of,
    page_of,
    record,
    row_id,
    whole,
    words,
)
from errors import AppError, InvalidInput
from models import Incident, Progress, Severity
from services import channels, incident_queries, incidents, notifications, timeline
from services.api_tokens import Scope
from services.incident_queries import MAX_PAGE_SIZE, PAGE_SIZE, Search
from services.incidents import Outcome
from services.wording import say_error_to_program
from texts import N_

SCOPES = ("mine", "open", "closed", "all")
NOTIFIED = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)
MOST_AT_ONCE = 100
TEXT = words(1024)
PEOPLE = listed(row_id("user_id of a member"), least=1, most=200)
CHANGES = {
    "title": words(512),
    "severity": one_of(NOTIFIED),
    "description": TEXT,
    "impact": TEXT,
    "root_cause": TEXT,
    "resolution": TEXT,
}


@operation(
    "GET",
    "/incidents",
    "List incidents, newest change first",
    right="incident.view",
    query=record(
        {},
        {
            "scope": one_of(SCOPES, about="mine: open and assigned to the token's owner", default="open"),
            "severity": one_of(Severity),
            "progress": one_of(Progress),
            "channel_id": row_id(),
            "text": words(200, about="Part of the title, or a number such as #1024"),
            "since": moment("Triggered at or after this time"),
            "until": moment("Triggered before this time"),
            "cursor": words(100, about="next_cursor or prev_cursor of an earlier answer"),
            "limit": whole(1, MAX_PAGE_SIZE, about="Incidents per answer", default=PAGE_SIZE),
        },
    ),
    answers=page_of(SUMMARY, goes_back=True),
)
def list_incidents(call: Call) -> dict[str, Any]:
    asked = dict(call.query)
    cursor, limit = asked.pop("cursor", None), asked.pop("limit", PAGE_SIZE)
    kinds: dict[str, Any] = {"severity": Severity, "progress": Progress}
    search = Search(**{name: kinds[name](value) if name in kinds else value for name, value in asked.items()})
    page = incident_queries.page(call.member, search, cursor=cursor, limit=limit)
    items = [incident_summary(incident) for incident in page.items]
    return {"items": items, "next_cursor": page.next_cursor, "prev_cursor": page.prev_cursor}


@operation(
    "POST",
    "/incidents",
    "Open an incident by hand",
    right="incident.handle",
    scope=Scope.HANDLE,
    body=record(
        {"title": words(512, shortest=1)},
        {
            "description": TEXT,
            "severity": one_of(NOTIFIED, default="Critical"),
            "channel_id": maybe(row_id("Whose policies say who is told; null: user_ids are")),
            "user_ids": listed(row_id(), most=200, about="People to tell directly"),
        },
    ),
    answers=SUMMARY,
    status=201,
)
def create_incident(call: Call) -> dict[str, Any]:
    channel_id = call.body.get("channel_id")
    incident = incidents.open_by_hand(
        channels.get(channel_id, viewer=call.member) if channel_id else None,
        call.body["title"],
        call.body.get("description", ""),
        Severity(call.body.get("severity", "Critical")),
        call.body.get("user_ids", []),
        via=VIA,
        **call.by,
    )
    return incident_summary(incident)


@operation("GET", "/incidents/<int:num>", "One incident with its record", right="incident.view", answers=DETAIL)
def get_incident(call: Call, num: int) -> dict[str, Any]:
    incident = incidents.get(num, viewer=call.member)
    deliveries = [delivery for told in notifications.of_incident(incident) for delivery in told.deliveries]
    return incident_detail(incident, deliveries)


@operation(
    "GET",
    "/incidents/<int:num>/timeline",
    "What happened to an incident, oldest first",
    right="incident.view",
    answers=list_of(TIMELINE_ENTRY),
)
def get_timeline(call: Call, num: int) -> dict[str, Any]:
    return {"items": [timeline_entry(entry) for entry in timeline.entries(incidents.get(num, viewer=call.member))]}


@operation(
    "GET", "/incidents/<int:num>/alerts", "The alerts of an incident", right="incident.view", answers=list_of(ALERT)
)
def get_alerts(call: Call, num: int) -> dict[str, Any]:
    return {"items": [alert_row(alert) for alert in incident_queries.alerts_of(incidents.get(num, viewer=call.member))]}


@operation(
    "PATCH",
    "/incidents/<int:num>",
    "Change the texts or the severity of an incident",
    right="incident.handle",
    scope=Scope.HANDLE,
    body=record({}, CHANGES),
    answers=OUTCOME,
)
def edit_incident(call: Call, num: int) -> dict[str, Any]:
    return _done(call, num, incidents.edit, changes=call.body)


def action(name: str, summary: str, verb: Callable[..., Outcome], body: Schema | None = None) -> None:
    """POST /incidents/{num}/{name}: the body's members are the verb's arguments."""

    def act(call: Call, num: int) -> dict[str, Any]:
        return _done(call, num, verb, **call.body)

    act.__name__ = name.replace("-", "_").replace("/", "_")
    path = f"/incidents/<int:num>/{name}"
    decorate = operation("POST", path, summary, right="incident.handle", scope=Scope.HANDLE, body=body, answers=OUTCOME)
    decorate(act)


def _done(call: Call, num: int, verb: Callable[..., Outcome], **arguments: Any) -> dict[str, Any]:
    """Overtaken by somebody else is a success with `changed` false, and says who it was."""
    incident = incidents.get(num, viewer=call.member)
    return outcome_row(incident, verb(incident, via=VIA, **call.by, **arguments))


MINUTES = record({"minutes": whole(1, 1440)})
REASON = record({"reason": words(1024, shortest=1)})
COMMENT = record({"text": words(1024, shortest=1)})
CAUSES = record({}, {"root_cause": TEXT, "resolution": TEXT})
LEVEL = record({}, {"level": whole(0, 9, about="0-based; without it the next one")})

action("acknowledge", "Take an incident on", incidents.acknowledge)
action("unacknowledge", "Withdraw one's own acknowledgement", incidents.unacknowledge)
action("close", "Close an incident", incidents.close, CAUSES)
action("reopen", "Open a closed incident again", incidents.reopen, REASON)
action("snooze", "Stop reminders and escalation for a while", incidents.snooze, MINUTES)
action("wake", "End a snooze", incidents.wake)
action("comment", "Comment on an incident", incidents.comment, COMMENT)
action("escalate", "Go to the next level, or to a chosen one", incidents.escalate, LEVEL)
action("reassign", "Name others who must respond", incidents.reassign, record({"user_ids": PEOPLE}))
action("add-responders", "Add people who respond", incidents.add_responders, record({"user_ids": PEOPLE}))
action("refresh", "Note that somebody looked; answers with the present state", incidents.refresh)


@dataclass(frozen=True)
class Batched:
    """A verb that may be done to many at once. needed, optional: members of the body that are its arguments."""

    verb: Callable[..., Outcome]
    needed: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()

    def arguments(self, sent: dict[str, Any]) -> dict[str, Any]:
        """Raises InvalidInput if one is missing."""
        for name in self.needed:
            if name not in sent:
                raise InvalidInput(name, N_("缺少这个参数"))
        return {name: sent[name] for name in (*self.needed, *self.optional) if name in sent}


BATCH = {
    "acknowledge": Batched(incidents.acknowledge),
    "unacknowledge": Batched(incidents.unacknowledge),
    "close": Batched(incidents.close, optional=("root_cause", "resolution")),
    "reopen": Batched(incidents.reopen, needed=("reason",)),
    "snooze": Batched(incidents.snooze, needed=("minutes",)),
    "wake": Batched(incidents.wake),
    "comment": Batched(incidents.comment, needed=("text",)),
    "escalate": Batched(incidents.escalate, optional=("level",)),
    "reassign": Batched(incidents.reassign, needed=("user_ids",)),
    "add-responders": Batched(incidents.add_responders, needed=("user_ids",)),
}
ARGUMENTS = {
    **CAUSES["properties"],
    **REASON["properties"],
    **COMMENT["properties"],
    **LEVEL["properties"],
    "minutes": whole(1, 1440, about="For how long to snooze", default=120),
    "user_ids": PEOPLE,
}
RESULT = record({"num": whole(), "changed": {"type": "boolean"}, "message": words(), "incident": maybe(SUMMARY)})


@operation(
    "POST",
    "/incidents/batch",
    "Do the same to up to 100 incidents; each gets its own answer",
    right="incident.handle",
    scope=Scope.HANDLE,
    body=record({"action": one_of(BATCH), "nums": listed(row_id(), least=1, most=MOST_AT_ONCE)}, ARGUMENTS),
    answers=list_of(RESULT),
)
def act_on_incidents(call: Call) -> dict[str, Any]:
    batched = BATCH[call.body["action"]]
    verb = partial(batched.verb, **batched.arguments({"minutes": 120} | call.body))
    return {"items": [_one_of_batch(call, num, verb) for num in sorted(set(call.body["nums"]))]}


def _one_of_batch(call: Call, num: int, verb: Callable[..., Outcome]) -> dict[str, Any]:
    try:
        incident: Incident = incidents.get(num, viewer=call.member)
        return {"num": num} | outcome_row(incident, verb(incident, via=VIA, **call.by))
    except AppError as error:
        return {"num": num, "changed": False, "message": say_error_to_program(error)[0], "incident": None}
