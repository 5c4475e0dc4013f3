"""Connections to chat platforms: their state and checks, the people and groups behind them, test messages."""

from __future__ import annotations

from typing import Any

from blueprints.api.delivery_shapes import DELIVERY, delivery_row
from blueprints.api.moments import iso
from blueprints.api.operations import Call, operation
from blueprints.api.schemas import (
    component,
    flag,
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
from blueprints.api.switches import CONFIRMED, DELETED
from blueprints.integrations.showing import ShownCheck
from blueprints.integrations.views import every_check
from errors import InvalidInput, NotFound
from models import AccountLink, CheckState, GroupChat, GroupState, Integration, IntegrationStatus, LinkState, Membership
from platforms import PLATFORMS
from services import calls, group_lists, groups, linking, setup, trial_cards
from services.wording import say
from texts import N_

INTEGRATION = component(
    "Integration",
    record(
        {
            "id": whole(),
            "platform": one_of(PLATFORMS),
            "mode": words(),
            "name": words(),
            "status": one_of(IntegrationStatus),
            "missing": listed(words(), about="Fields that are not filled in yet"),
            "last_callback_at": maybe(moment()),
            "last_send_at": maybe(moment()),
            "created_at": moment(),
        }
    ),
)
READING = component(
    "GroupReading",
    record(
        {
            "is_under_way": flag(),
            "done": whole(about="Groups asked about so far, where each takes a call"),
            "of": whole(),
            "failure": words(about="Why the groups could not be read the last time"),
        }
    ),
)
CHECK = component(
    "Check",
    record(
        {
            "name": words(),
            "label": words(),
            "state": one_of(CheckState),
            "detail": words(),
            "hint": words(),
            "since": maybe(moment()),
        }
    ),
)
PERSON = component(
    "LinkedPerson",
    record(
        {
            "user_id": whole(),
            "username": words(),
            "name": words(),
            "external_user_id": maybe(words()),
            "external_name": maybe(words()),
            "state": maybe(one_of(LinkState)),
            "linked_at": maybe(moment()),
        }
    ),
)
GROUP = component(
    "Group",
    record(
        {
            "id": whole(),
            "name": words(),
            "alias": words(),
            "state": one_of(GroupState),
            "origin": words(),
            "last_event_at": maybe(moment()),
        }
    ),
)
CHOSEN = listed(row_id(), least=1, most=20)
ONE = "/integrations/<int:integration_id>"


@operation("GET", "/integrations", "The connections", right="integration.view", answers=list_of(INTEGRATION))
def list_integrations(call: Call) -> dict[str, Any]:
    return {"items": [integration_row(one) for one in setup.all_for(call.member)]}


@operation("GET", ONE, "One connection, without its secrets", right="integration.view", answers=INTEGRATION)
def get_integration(call: Call, integration_id: int) -> dict[str, Any]:
    return integration_row(setup.get(integration_id, viewer=call.member))


@operation(
    "PATCH",
    ONE,
    "Rename, enable or disable a connection, or say what its platform grants",
    right="integration.edit",
    body=record(
        {},
        {
            "name": words(40, shortest=1),
            "is_enabled": flag(),
            "monthly_limit": whole(0, calls.MOST, about="calls a month, of DingTalk and Feishu; 0: no limit"),
            "account_limit": whole(0, calls.MOST, about="accounts of the company, of WeCom; 0: not known"),
        },
    ),
    answers=INTEGRATION,
)
def edit_integration(call: Call, integration_id: int) -> dict[str, Any]:
    integration = setup.get(integration_id, viewer=call.member)
    if "name" in call.body:
        setup.rename(integration, call.body["name"], by=call.member)
    for number in call.body.keys() & {"monthly_limit", "account_limit"}:
        calls.set_number(integration, number, call.body[number], by=call.member)
    if "is_enabled" in call.body:
        setup.set_enabled(integration, call.body["is_enabled"], by=call.member)
    return integration_row(integration)


@operation(
    "DELETE",
    ONE,
    "Delete a connection; deliveries keep its name",
    right="integration.edit",
    query=CONFIRMED,
    answers=DELETED,
)
def delete_integration(call: Call, integration_id: int) -> dict[str, Any]:
    integration = setup.get(integration_id, viewer=call.member)
    setup.remove(integration, typed_name=call.query["confirm_name"], by=call.member)
    return {"deleted": True}


@operation("GET", f"{ONE}/checks", "What was last seen of each check", right="integration.view", answers=list_of(CHECK))
def get_checks(call: Call, integration_id: int) -> dict[str, Any]:
    shown = every_check(setup.get(integration_id, viewer=call.member))
    return {"items": [check_row(each) for each in shown]}


def check_row(shown: ShownCheck) -> dict[str, Any]:
    kept = {name: getattr(shown, name) for name in ("name", "label", "state", "detail", "hint")}
    return kept | {"since": iso(shown.since)}


@operation(
    "POST",
    f"{ONE}/checks",
    "Try every check again that can be tried; look at the outcome afterwards",
    right="integration.edit",
    answers=record({"started": flag()}),
    status=202,
)
def run_checks(call: Call, integration_id: int) -> dict[str, Any]:
    setup.try_all(setup.get(integration_id, viewer=call.member), **call.by)
    return {"started": True}


@operation(
    "GET",
    f"{ONE}/people",
    "Active members with their link, if any, by user name",
    right="integration.view",
    query=record(
        {},
        {
            "state": one_of(["all", "linked", "unlinked"], default="all"),
            "text": words(100),
            "cursor": words(128),
            "limit": whole(1, 200, default=200),
        },
    ),
    answers=page_of(PERSON),
)
def list_linked_people(call: Call, integration_id: int) -> dict[str, Any]:
    asked = dict(call.query)
    integration, after = setup.get(integration_id, viewer=call.member), asked.pop("cursor", "")
    found, more = linking.people_page(integration, after=after, **asked)
    return {"items": [person_row(member, link) for member, link in found], "next_cursor": more or None}


@operation("DELETE", f"{ONE}/people/<int:user_id>", "End a person's link", right="integration.edit", answers=DELETED)
def unlink_person(call: Call, integration_id: int, user_id: int) -> dict[str, Any]:
    link = linking.find_for_user(setup.get(integration_id, viewer=call.member), user_id)
    if link is None:
        raise NotFound(str(user_id))
    linking.unlink(link, by=call.member)
    return {"deleted": True}


@operation(
    "POST",
    f"{ONE}/test-message",
    "Send a test card to linked members and to groups",
    right="integration.edit",
    body=record({}, {"user_ids": CHOSEN, "group_ids": CHOSEN}),
    answers=list_of(DELIVERY),
    status=202,
)
def send_test_message(call: Call, integration_id: int) -> dict[str, Any]:
    integration = setup.get(integration_id, viewer=call.member)
    people, chats = call.body.get("user_ids", []), call.body.get("group_ids", [])
    if not people and not chats:
        raise InvalidInput("user_ids", N_("不能为空"))
    if not {link.user_id for link in linking.active_links(integration)}.issuperset(people):
        raise InvalidInput("user_ids", N_("所选成员没有关联此应用"))
    if not {chat.id for chat in groups.of_integration(integration) if chat.is_active}.issuperset(chats):
        raise InvalidInput("group_ids", N_("应用不在所选的群里"))
    sent = trial_cards.send(integration, user_ids=people, group_ids=chats, **call.by)
    return {"items": [delivery_row(delivery) for delivery in sent]}


@operation("GET", f"{ONE}/groups", "The group chats", right="integration.view", answers=list_of(GROUP))
def list_groups(call: Call, integration_id: int) -> dict[str, Any]:
    found = groups.of_integration(setup.get(integration_id, viewer=call.member))
    return {"items": [group_row(chat) for chat in found]}


@operation(
    "POST",
    f"{ONE}/groups",
    "Have the platform asked for its groups",
    right="integration.edit",
    answers=READING,
    status=202,
)
def refresh_groups(call: Call, integration_id: int) -> dict[str, Any]:
    integration = setup.get(integration_id, viewer=call.member)
    group_lists.ask(integration, now=call.now, counts_anew=True)
    return _reading_row(integration)


@operation("GET", f"{ONE}/groups/reading", "How far that is", right="integration.view", answers=READING)
def groups_reading(call: Call, integration_id: int) -> dict[str, Any]:
    return _reading_row(setup.get(integration_id, viewer=call.member))


def _reading_row(integration: Integration) -> dict[str, Any]:
    reading, failed = group_lists.under_way(integration), group_lists.failure(integration)
    return {
        "is_under_way": reading is not None,
        "done": reading.done if reading else 0,
        "of": reading.of if reading else 0,
        "failure": say(failed) if failed and not reading else "",
    }


@operation(
    "PATCH",
    f"{ONE}/groups/<int:chat_id>",
    "Call a group otherwise here",
    right="integration.edit",
    body=record({"alias": words(40, about="Empty: as the platform calls it")}),
    answers=GROUP,
)
def rename_group(call: Call, integration_id: int, chat_id: int) -> dict[str, Any]:
    integration, chat = setup.get(integration_id, viewer=call.member), groups.get(chat_id, viewer=call.member)
    if chat.integration_id != integration.id:
        raise NotFound(str(chat_id))
    groups.rename(chat, call.body["alias"], by=call.member)
    return group_row(chat)


def integration_row(integration: Integration) -> dict[str, Any]:
    kept = {name: getattr(integration, name) for name in ("id", "platform", "mode", "name")}
    return kept | {
        "status": integration.status.value,
        "missing": [field.name for field in setup.missing(integration)],
        "last_callback_at": iso(integration.last_callback_at),
        "last_send_at": iso(integration.last_send_at),
        "created_at": iso(integration.created_at),
    }


def person_row(member: Membership, link: AccountLink | None) -> dict[str, Any]:
    return {
        "user_id": member.user_id,
        "username": member.user.username,
        "name": member.user.name,
        "external_user_id": link.external_user_id if link else None,
        "external_name": link.external_name if link else None,
        "state": link.state.value if link else None,
        "linked_at": iso(link.linked_at) if link else None,
    }


def group_row(chat: GroupChat) -> dict[str, Any]:
    return {
        "id": chat.id,
        "name": groups.shown_name(chat),
        "alias": chat.alias,
        "state": chat.state.value,
        "origin": chat.origin,
        "last_event_at": iso(chat.last_event_at),
    }
