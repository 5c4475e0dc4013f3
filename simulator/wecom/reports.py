"""The simulated WeCom as scripts see it: messages, presses, a summary. The generic control asks these of a platform."""

from __future__ import annotations

from dataclasses import asdict

from simulator.base import Json, Unknown
from simulator.webview import webview_url
from simulator.wecom import presses
from simulator.wecom.cards import as_seen, pressable
from simulator.wecom.context import PLATFORM, Unseen, WeCom
from simulator.wecom.errors import PAIRINGS
from simulator.wecom.state import CONTACT_SYNC, App, Corp, Limits, Message


def find_person(wecom: WeCom, text: str) -> tuple[str, str]:
    """(corp_id, userid) of "zhangsan" or "corp_id/userid". Raises Unknown, also when two corps have that userid."""
    corp_id, _, userid = text.rpartition("/")
    corps = [wecom.state.corps[corp_id]] if corp_id in wecom.state.corps else []
    if not corp_id:
        corps = [corp for corp in wecom.state.corps.values() if corp.person(userid)]
    if len(corps) > 1:
        raise Unknown(f"{userid} exists in several corps; write corp_id/userid")
    person = corps[0].person(userid) if corps else None
    if person is None:
        raise Unknown(f"no such person: {text}")
    return corps[0].corp_id, person.userid


def listed(wecom: WeCom, person: str = "", chat: str = "") -> list[Json]:
    """Messages as the person sees them now, or everybody's, a row for each receiver, oldest first.

    chat  what was posted to a group chat instead, once each
    """
    if chat:
        return [_row(message, "") for message in wecom.state.posted(chat) if not message.recalled]
    if person:
        corp_id, userid = find_person(wecom, person)
        return [_row(message, userid) for message in wecom.state.inbox(corp_id, userid) if not message.recalled]
    messages = [message for message in wecom.state.messages.values() if not message.recalled]
    return [_row(message, userid) for message in messages for userid in message.to]


def press(wecom: WeCom, body: Json) -> Json:
    """Press a button for a person. Raises Unknown or presses.CannotPress."""
    person = str(body.get("person", ""))
    with wecom.store.lock:
        message = wecom.state.messages.get(str(body.get("message_id", "")))
        if message and "/" not in person:  # the message says which corp is meant
            person = f"{message.corp_id}/{person}"
        _, userid = find_person(wecom, person)
    selected = {key: list(ids) for key, ids in (body.get("selected") or {}).items()}
    result = presses.press(wecom, str(body.get("message_id", "")), userid, str(body.get("key", "")), selected)
    last = result.delivery.last
    return {
        "http_status": last.http_status,
        "answer": last.answer,
        "attempts": len(result.delivery.attempts),
        "response_code": result.response_code,
        "problem": result.problem,
    }


def summary(wecom: WeCom) -> Json:
    return {
        "corps": [corp_summary(wecom, corp) for corp in wecom.state.corps.values()],
        "chats": [asdict(chat) for chat in wecom.state.chats.values()],
        "messages": len(wecom.state.messages),
        "unused_response_codes": len(wecom.state.response_codes),
        "repeats": wecom.unseen.repeats,
        "over_limit": wecom.unseen.over_limit,
        "limits": asdict(wecom.state.limits),
        "pairings": PAIRINGS | wecom.state.pairings,
    }


def reset(wecom: WeCom, *, everything: bool) -> None:
    """Forget messages, codes and counters; with everything also corps, tokens, limits and pairings."""
    wecom.state.forget_traffic()
    wecom.counters.clear()
    wecom.recent_bodies.clear()
    wecom.unseen = Unseen()
    wecom.last_callbacks.clear()
    if everything:
        for known in (wecom.state.corps, wecom.state.tokens, wecom.state.webviews, wecom.state.pairings):
            known.clear()
        wecom.state.limits = Limits()
    wecom.store.touch()


def _row(message: Message, userid: str) -> Json:
    copy = message.copy_of(userid)
    is_card = message.kind == "template_card"
    return {
        "id": message.id,
        "platform": PLATFORM,
        "to": userid,
        "kind": message.kind,
        "task_id": message.task_id,
        "card": as_seen(copy) if is_card else message.body,
        "buttons": pressable(copy) if is_card else [],
        "updates": copy.updates,
        "at": message.at,
        "corp_id": message.corp_id,
        "agent_id": message.agent_id,
    }


def corp_summary(wecom: WeCom, corp: Corp) -> Json:
    people = [
        {
            "userid": person.userid,
            "name": person.name,
            "departments": person.departments,
            "webview": webview_url(wecom.state.label_of(corp.corp_id, person.userid)),
        }
        for person in corp.people.values()
    ]
    return {
        "corp_id": corp.corp_id,
        "name": corp.name,
        "ip_delay_seconds": corp.ip_delay_seconds,
        "contact_sync_secret": corp.apps[CONTACT_SYNC].secret,
        "people": people,
        "departments": [asdict(department) for department in corp.departments.values()],
        "apps": [app_summary(app) for app in corp.own_apps()],
    }


def app_summary(app: App) -> Json:
    return {
        "agent_id": app.agent_id,
        "name": app.name,
        "enabled": app.enabled,
        "visible_users": app.visible_users,
        "visible_departments": app.visible_departments,
        "trusted_domain": app.trusted_domain,
        "is_domain_verified": app.domain_verified_at > 0,
        "trusted_ips": [asdict(ip) for ip in app.trusted_ips],
        "home_url": app.home_url,
        "callback_url": app.callback.url if app.callback else "",
    }
