"""Alert sources: what monitoring systems push to, and their keys."""

from __future__ import annotations

from typing import Any

from blueprints.api.incident_shapes import NAMED
from blueprints.api.moments import iso
from blueprints.api.operations import Call, operation
from blueprints.api.schemas import (
    anything,
    component,
    flag,
    list_of,
    maybe,
    moment,
    one_of,
    record,
    row_id,
    whole,
    words,
)
from blueprints.api.switches import CONFIRMED, DELETED
from models import AlertSource
from services import alert_sources, stored_pushes
from services.api_tokens import Scope
from sources import SOURCES

OPTIONS = record({}, {"title": one_of(["name", "summary"], about="prometheus: what becomes the title")})
SOURCE = component(
    "AlertSource",
    record(
        {
            "id": whole(),
            "name": words(),
            "type": one_of(SOURCES),
            "channel": NAMED,
            "is_enabled": flag(),
            "options": anything(),
            "event_count": whole(),
            "rejected_count": whole(),
            "last_event_at": maybe(moment()),
            "created_at": moment(),
        }
    ),
)
PUSH_URL = record({"push_url": words(about="Holds the key")})


@operation("GET", "/alert-sources", "The alert sources, by name", right="integration.view", answers=list_of(SOURCE))
def list_alert_sources(call: Call) -> dict[str, Any]:
    return {"items": [source_row(source) for source in alert_sources.all_for(call.member)]}


@operation(
    "POST",
    "/alert-sources",
    "Make an alert source with its first key",
    right="integration.edit",
    body=record({"name": words(40, shortest=1), "type": one_of(SOURCES), "channel_id": row_id()}, {"options": OPTIONS}),
    answers=SOURCE,
    status=201,
)
def create_alert_source(call: Call) -> dict[str, Any]:
    wanted = dict(call.body)
    kind, channel_id, name = (wanted.pop(each) for each in ("type", "channel_id", "name"))
    return source_row(alert_sources.create(channel_id, kind, name, **wanted, **call.by))


@operation("GET", "/alert-sources/<int:source_id>", "One alert source", right="integration.view", answers=SOURCE)
def get_alert_source(call: Call, source_id: int) -> dict[str, Any]:
    return source_row(alert_sources.get(source_id, viewer=call.member))


@operation(
    "GET",
    "/alert-sources/<int:source_id>/push-url",
    "The address to push to, with its key",
    right="integration.edit",
    scope=Scope.CONFIG,
    answers=PUSH_URL,
)
def get_push_url(call: Call, source_id: int) -> dict[str, Any]:
    return {"push_url": alert_sources.push_url(alert_sources.get(source_id, viewer=call.member))}


@operation(
    "PATCH",
    "/alert-sources/<int:source_id>",
    "Change an alert source; what is not sent stays",
    right="integration.edit",
    body=record({}, {"name": words(40, shortest=1), "channel_id": row_id(), "options": OPTIONS, "is_enabled": flag()}),
    answers=SOURCE,
)
def edit_alert_source(call: Call, source_id: int) -> dict[str, Any]:
    source = alert_sources.get(source_id, viewer=call.member)
    kept = {"name": source.name, "channel_id": source.channel_id, "options": source.options}
    wanted = {name: call.body.get(name, value) for name, value in kept.items()}
    alert_sources.edit(source, **wanted, by=call.member)
    if call.body.get("is_enabled", source.is_enabled) is not source.is_enabled:
        alert_sources.set_enabled(source, call.body["is_enabled"], by=call.member)
    return source_row(source)


@operation(
    "POST",
    "/alert-sources/<int:source_id>/rotate-key",
    "Give it a new key; the present one works for another day",
    right="integration.edit",
    answers=record({"push_url": words(), "old_ends_at": moment()}),
)
def rotate_key(call: Call, source_id: int) -> dict[str, Any]:
    source = alert_sources.get(source_id, viewer=call.member)
    ends_at = alert_sources.rotate(source, **call.by)
    return {"push_url": alert_sources.push_url(source), "old_ends_at": iso(ends_at)}


@operation(
    "POST",
    "/alert-sources/<int:source_id>/end-old-keys",
    "End the overlap of a rotation now",
    right="integration.edit",
    answers=SOURCE,
)
def end_old_keys(call: Call, source_id: int) -> dict[str, Any]:
    source = alert_sources.get(source_id, viewer=call.member)
    alert_sources.end_old_keys(source, by=call.member)
    return source_row(source)


@operation(
    "POST",
    "/alert-sources/<int:source_id>/try-again",
    "Have alerts that could not be processed tried once more",
    right="integration.edit",
    answers=record({"tried": whole(about="How many")}),
    status=202,
)
def try_alerts_again(call: Call, source_id: int) -> dict[str, Any]:
    return {"tried": stored_pushes.try_again(alert_sources.get(source_id, viewer=call.member), **call.by)}


@operation(
    "DELETE",
    "/alert-sources/<int:source_id>",
    "Delete an alert source and its keys; its incidents stay",
    right="integration.edit",
    query=CONFIRMED,
    answers=DELETED,
)
def delete_alert_source(call: Call, source_id: int) -> dict[str, Any]:
    source = alert_sources.get(source_id, viewer=call.member)
    stored_pushes.delete_source(source, confirmation=call.query["confirm_name"], **call.by)
    return {"deleted": True}


def source_row(source: AlertSource) -> dict[str, Any]:
    kept = ("id", "name", "type", "is_enabled", "options", "event_count", "rejected_count")
    return {name: getattr(source, name) for name in kept} | {
        "channel": {"id": source.channel.id, "name": source.channel.name},
        "last_event_at": iso(source.last_event_at),
        "created_at": iso(source.created_at),
    }
