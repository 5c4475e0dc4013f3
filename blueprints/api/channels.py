"""Channels, and the policies that say who is told about their incidents."""

from __future__ import annotations

from typing import Any

from blueprints.api.moments import iso
from blueprints.api.operations import VIA, Call, operation
from blueprints.api.schemas import (
    anything,
    component,
    flag,
    list_of,
    listed,
    maybe,
    moment,
    number,
    one_of,
    record,
    row_id,
    whole,
    words,
)
from blueprints.api.switches import CONFIRMED, DELETED, VERSION
from models import Channel, DispatchPolicy, Flapping
from services import channels, filters, policies

SETTINGS = {
    "description": words(500),
    "team_id": maybe(row_id("The team that owns it; a responder's channel belongs to one of theirs")),
    "is_private": flag("For its creator, administrators, and the responders of its incidents"),
    "closes_on_recovery": flag(),
    "close_timeout_minutes": whole(0, 43200, about="0: never"),
    "timeout_from_last_merge": flag("Counted from the last event, not from the first"),
    "flapping": one_of(
        Flapping, "Alerts that come and go: mark their incident, let reminders rest as well, or neither"
    ),
}
CHANNEL = component(
    "Channel",
    record(
        {"id": whole(), "name": words(), "is_enabled": flag()} | SETTINGS | {"created_at": moment(), "version": whole()}
    ),
)


@operation("GET", "/channels", "The channels that one sees, by name", right="channel.view", answers=list_of(CHANNEL))
def list_channels(call: Call) -> dict[str, Any]:
    return {"items": [channel_row(channel) for channel in channels.all_for(call.member)]}


@operation(
    "POST",
    "/channels",
    "Make a channel",
    right="channel.edit_own",
    body=record({"name": words(59, shortest=1)}, SETTINGS),
    answers=CHANNEL,
    status=201,
)
def create_channel(call: Call) -> dict[str, Any]:
    return channel_row(channels.create(**call.body, **call.by))


@operation("GET", "/channels/<int:channel_id>", "One channel", right="channel.view", answers=CHANNEL)
def get_channel(call: Call, channel_id: int) -> dict[str, Any]:
    return channel_row(channels.get(channel_id, viewer=call.member))


@operation(
    "PATCH",
    "/channels/<int:channel_id>",
    "Change a channel; what is not sent stays",
    right="channel.edit_own",
    body=record({}, {"name": words(59, shortest=1), "is_enabled": flag(), **SETTINGS, **VERSION}),
    answers=CHANNEL,
)
def edit_channel(call: Call, channel_id: int) -> dict[str, Any]:
    channel = channels.get(channel_id, viewer=call.member)
    kept = {name: getattr(channel, name) for name in ("name", "is_enabled", *SETTINGS)}
    channels.update(channel, **(kept | call.body), **call.by)
    return channel_row(channel)


@operation(
    "DELETE",
    "/channels/<int:channel_id>",
    "Delete a channel; closes its open incidents",
    right="channel.edit_own",
    query=CONFIRMED,
    answers=record({"closed": whole(about="How many incidents it closed")}),
)
def delete_channel(call: Call, channel_id: int) -> dict[str, Any]:
    channel = channels.get(channel_id, viewer=call.member)
    return {"closed": channels.delete(channel, confirmation=call.query["confirm_name"], via=VIA, **call.by)}


def channel_row(channel: Channel) -> dict[str, Any]:
    kept = {name: getattr(channel, name) for name in ("id", "name", "is_enabled", *SETTINGS, "version")}
    return kept | {"created_at": iso(channel.created_at)}


# --- policies -----------------------------------------------------------------------------------------------------

CONDITION = record({"key": words(150), "op": one_of(["IN", "NOTIN"]), "vals": listed(words(512), least=1, most=50)})
GROUPS = listed(
    listed(component("Condition", CONDITION), least=1, most=20), most=20, about="Any group, of which every condition"
)
KINDS = listed(words(16), most=20, about="Channel kinds, such as wecom_app")
LEVEL = component(
    "PolicyLevel",
    record(
        {},
        {
            "user_ids": listed(row_id(), most=200),
            "group_ids": listed(row_id(), most=200),
            "personal": record(
                {},
                {
                    "mode": one_of(["follow_preference", "unified"]),
                    "unified": record({}, {"Critical": KINDS, "Warning": KINDS, "Info": KINDS}),
                },
            ),
            "repeat": record({}, {"max": whole(0, 6), "every_minutes": number(0.5, 120)}),
            "escalate_after_minutes": whole(0, 720, about="0: never"),
            "condition": one_of(["not_closed", "not_closed_and_not_acked"]),
        },
    ),
)
WINDOW = record({"weekdays": listed(whole(1, 7), least=1, most=7), "start": words(5), "end": words(5)})
WRITTEN = {
    "description": words(500),
    "priority": whole(0, 200, about="Lower ones are tried first"),
    "is_enabled": flag(),
    "delay_seconds": whole(0, 3600),
    "time_windows": listed(component("TimeWindow", WINDOW), most=50),
    "filters": GROUPS,
    "template_id": maybe(row_id("null: the organisation's default")),
}
LEVELS = listed(LEVEL, least=1, most=10)
POLICY = component(
    "Policy",
    record(
        {"id": whole(), "channel_id": whole(), "name": words()}
        | WRITTEN
        | {"levels": listed(anything("A PolicyLevel")), "created_at": moment(), "version": whole()}
    ),
)
NEW_POLICY = record({"name": words(39, shortest=1), "levels": LEVELS}, WRITTEN)


@operation(
    "GET",
    "/channels/<int:channel_id>/policies",
    "The policies of a channel in the order in which they are tried",
    right="channel.view",
    answers=list_of(POLICY),
)
def list_policies(call: Call, channel_id: int) -> dict[str, Any]:
    found = policies.in_channel(channels.get(channel_id, viewer=call.member))
    return {"items": [policy_row(policy) for policy in found]}


@operation(
    "POST",
    "/channels/<int:channel_id>/policies",
    "Make a policy",
    right="channel.edit_own",
    body=NEW_POLICY,
    answers=POLICY,
    status=201,
)
def create_policy(call: Call, channel_id: int) -> dict[str, Any]:
    channel = channels.get(channel_id, viewer=call.member)
    return policy_row(policies.create(channel, _draft(call.body), **call.by))


@operation(
    "POST",
    "/channels/<int:channel_id>/policies/preview",
    "How many of the last 7 days' alerts conditions match",
    right="channel.view",
    body=record({"filters": GROUPS}),
    answers=record({"matching": whole(), "looked_at": whole(), "is_capped": flag()}),
)
def preview_policy(call: Call, channel_id: int) -> dict[str, Any]:
    channel = channels.get(channel_id, viewer=call.member)
    found = policies.preview(filters.parse(call.body["filters"]), channel=channel, now=call.now)
    return {"matching": found.matching, "looked_at": found.looked_at, "is_capped": found.is_capped}


@operation("GET", "/policies/<int:policy_id>", "One policy", right="channel.view", answers=POLICY)
def get_policy(call: Call, policy_id: int) -> dict[str, Any]:
    return policy_row(policies.get(policy_id, viewer=call.member))


@operation(
    "PATCH",
    "/policies/<int:policy_id>",
    "Change a policy; what is not sent stays, and dispatches that run keep theirs",
    right="channel.edit_own",
    body=record({}, {"name": words(39, shortest=1), "levels": LEVELS, **WRITTEN, **VERSION}),
    answers=POLICY,
)
def edit_policy(call: Call, policy_id: int) -> dict[str, Any]:
    policy = policies.get(policy_id, viewer=call.member)
    kept = {name: getattr(policy, name) for name in ("name", "levels", *WRITTEN)}
    changes = {name: value for name, value in call.body.items() if name != "version"}
    policies.update(policy, _draft(kept | changes), version=call.body.get("version"), **call.by)
    return policy_row(policy)


@operation(
    "POST",
    "/policies/<int:policy_id>/<any(up, down):way>",
    "Try a policy earlier or later than its neighbour",
    right="channel.edit_own",
    answers=record({"moved": flag("false: it stands at that end already")}),
)
def move_policy(call: Call, policy_id: int, way: str) -> dict[str, Any]:
    policy = policies.get(policy_id, viewer=call.member)
    return {"moved": policies.move(policy, places=-1 if way == "up" else 1, **call.by)}


@operation(
    "POST",
    "/policies/<int:policy_id>/duplicate",
    "Make a disabled copy right behind a policy",
    right="channel.edit_own",
    body=record({}, {"name": words(39)}),
    answers=POLICY,
    status=201,
)
def duplicate_policy(call: Call, policy_id: int) -> dict[str, Any]:
    policy = policies.get(policy_id, viewer=call.member)
    name = call.body.get("name", "").strip() or policy.name
    return policy_row(policies.duplicate(policy, name=name, **call.by))


@operation("DELETE", "/policies/<int:policy_id>", "Delete a policy", right="channel.edit_own", answers=DELETED)
def delete_policy(call: Call, policy_id: int) -> dict[str, Any]:
    policies.delete(policies.get(policy_id, viewer=call.member), **call.by)
    return {"deleted": True}


def policy_row(policy: DispatchPolicy) -> dict[str, Any]:
    kept = {name: getattr(policy, name) for name in ("id", "channel_id", "name", *WRITTEN, "version")}
    levels = [level.to_json() for level in policies.levels_of(policy)]
    return kept | {"levels": levels, "created_at": iso(policy.created_at)}


def _draft(fields: dict[str, Any]) -> policies.Draft:
    return policies.draft(**{"filter_groups" if name == "filters" else name: fields[name] for name in fields})
