"""The simulated DingTalk as scripts see it: messages, presses, a summary."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from simulator.base import Json, Unknown
from simulator.dingtalk import faces, presses
from simulator.dingtalk.context import PLATFORM, DingTalk
from simulator.dingtalk.state import App, Corp, Group, Limits, Message
from simulator.webview import webview_url


def find_person(world: DingTalk, text: str) -> tuple[Corp, str]:
    """The company and userid of "manager01" or "corp_id/manager01". Raises Unknown, also when two companies have it."""
    corp_id, _, userid = text.rpartition("/")
    corps = [corp for corp in world.state.corps.values() if userid in corp.people and corp_id in ("", corp.corp_id)]
    if len(corps) > 1:
        raise Unknown(f"{userid} exists in several companies; write corp_id/userid")
    if not corps:
        raise Unknown(f"no such person: {text}")
    return corps[0], userid


def find_group(world: DingTalk, cid: str) -> tuple[Corp, Group]:
    """Raises Unknown."""
    for corp in world.state.corps.values():
        if cid in corp.groups:
            return corp, corp.groups[cid]
    raise Unknown(f"no such group: {cid}")


def listed(world: DingTalk, person: str = "", chat: str = "") -> list[Json]:
    """A person's own chat with robots, a group's messages (as this person sees them), or everything. Raises Unknown."""
    viewer = find_person(world, person) if person else None
    if chat:
        corp, group = find_group(world, chat)
        userid = viewer[1] if viewer else ""
        return [_row(world, each, userid) for each in in_group(world, corp, group, userid)]
    if viewer:
        return [_row(world, each, viewer[1]) for each in inbox(world, *viewer)]
    kept = [each for each in world.state.messages.values() if not each.recalled]
    return [_row(world, each, "" if each.is_group else each.to) for each in kept]


def inbox(world: DingTalk, corp: Corp, userid: str) -> Iterator[Message]:
    """What robots wrote to this person alone, oldest first."""
    for message in world.state.messages.values():
        if not message.is_group and not message.recalled and (message.corp_id, message.to) == (corp.corp_id, userid):
            yield message


def in_group(world: DingTalk, corp: Corp, group: Group, userid: str = "") -> Iterator[Message]:
    for message in world.state.messages.values():
        is_here = message.is_group and not message.recalled and message.to == group.cid
        if is_here and (not userid or presses.is_shown_to(world, message, userid)):
            yield message


def press(world: DingTalk, body: Json) -> Json:
    """Press a button for a person. Raises Unknown or CannotPress."""
    message_id = str(body.get("message_id", ""))
    with world.store.lock:
        person = str(body.get("person", ""))
        message = world.state.messages.get(message_id)
        if message and "/" not in person:  # the message says which company is meant
            person = f"{message.corp_id}/{person}"
        _, userid = find_person(world, person)
    stamp = body.get("timestamp")
    odd = presses.Odd(str(body.get("tamper") or ""), int(stamp) if stamp else None, str(body.get("corp_id") or ""))
    result = presses.press(world, message_id, userid, str(body.get("key", "")), odd)
    return asdict(result) | {"attempts": 1}


def reset(world: DingTalk, *, everything: bool) -> None:
    world.state.forget_traffic()
    world.counters.clear()
    for traffic in (world.waiting, world.failed, world.notices, world.pressing):
        traffic.clear()
    if everything:
        for known in (world.state.corps, world.state.templates, world.state.routes, world.state.tokens):
            known.clear()
        world.state.webviews.clear()
        world.state.limits = Limits()
    world.store.touch()


def summary(world: DingTalk) -> Json:
    return {
        "corps": [corp_summary(world, corp) for corp in world.state.corps.values()],
        "messages": len(world.state.messages),
        "cards": len(world.state.cards),
        "waiting": [{"eventId": each.payload.get("eventId"), "tries": each.tries} for each in world.waiting],
        "failed": len(world.failed),
        "routes": {key: route.url for key, route in world.state.routes.items()},
        "limits": asdict(world.state.limits),
    }


def corp_summary(world: DingTalk, corp: Corp) -> Json:
    people = [
        {
            "userid": person.userid,
            "name": person.name,
            "unionid": person.unionid,
            "departments": person.departments,
            "webview": webview_url(world.state.label_of(corp.corp_id, person.userid)),
        }
        for person in corp.people.values()
    ]
    return {
        "corp_id": corp.corp_id,
        "name": corp.name,
        "people": people,
        "departments": [asdict(department) for department in corp.departments.values()],
        "groups": [group_summary(group) for group in corp.groups.values()],
        "apps": [app_summary(world, app) for app in corp.apps.values()],
    }


def group_summary(group: Group) -> Json:
    return {"openConversationId": group.cid} | asdict(group)


def app_summary(world: DingTalk, app: App) -> Json:
    subscription = app.subscription
    return {
        "client_id": app.client_id,
        "agent_id": app.agent_id,
        "name": app.name,
        "robot_code": app.client_id,
        "cool_app_code": app.cool_app_code,
        "home_url": app.home_url,
        "pc_home_url": app.pc_home_url,
        "ip_whitelist": app.ip_whitelist,
        "redirect_urls": app.redirect_urls,
        "permissions": app.permissions,
        "event_url": subscription.url if subscription else "",
        "tags": subscription.tags if subscription else [],
        "live": asdict(app.live) if app.live else None,
        "templates": [each.id for each in world.state.templates.values() if each.client_id == app.client_id],
    }


def _row(world: DingTalk, message: Message, userid: str) -> Json:
    card = world.state.cards.get(message.card)
    row: Json = {
        "id": message.id,
        "platform": PLATFORM,
        "to": message.to,
        "kind": message.kind,
        "card": message.body,
        "buttons": [],
        "updates": 0,
        "at": message.at,
        "corp_id": message.corp_id,
        "client_id": message.client_id,
        "reference": message.card,
        "at_users": message.at_users,
    }
    if card is None:
        return row
    seen = faces.face(world, card, userid)
    updates = card.updates + card.answers.get(userid, 0)
    buttons = [{"key": each.key, "text": each.text} for each in seen.buttons]
    return row | {"card": seen.texts, "buttons": buttons, "updates": updates}
