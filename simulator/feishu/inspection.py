"""What an application asks about itself: its bot, its permissions, its settings; the ids of people; the JS ticket.

https://open.feishu.cn/document/ukTMukTMukTM/uAjMxEjLwITMx4CMyETM and application-v6
"""

from __future__ import annotations

from typing import Any

from simulator.feishu import contacts
from simulator.feishu.context import Call
from simulator.feishu.errors import ApiError
from simulator.feishu.messages import find_person
from simulator.feishu.scopes import granted
from simulator.feishu.state import TOKEN_SECONDS, Person
from simulator.ids import random_text

MAX_WANTED = 50
MANY_ADDRESSES = ["203.0.113.21", "203.0.113.22"]

Json = dict[str, Any]


def bot_info(call: Call) -> Json:
    """A flat answer. Without the bot ability there is nothing to tell."""
    if not call.app.has_bot:
        raise ApiError(230006)
    bot = {
        "activate_status": 2,
        "app_name": call.app.name,
        "avatar_url": "",
        "ip_white_list": list(call.app.allowed_ips),
        "open_id": call.app.bot_open_id,
    }
    return {"bot": bot}


def scopes(call: Call) -> Json:
    """Every permission that was asked for, 1 granted or 2 not."""
    works = granted(call.app)
    asked = sorted(works | set(call.app.draft.scopes))
    return {"scopes": [{"scope_name": name, "grant_status": 1 if name in works else 2} for name in asked]}


def application(call: Call) -> Json:
    """The application's own settings: whether a version is online, and the redirect addresses."""
    if call.parts["app_id"] not in ("me", call.app.app_id):
        raise ApiError(210504)
    online = next((v for v in reversed(call.app.versions) if v.status == "approved"), None)
    waiting = call.app.reviewed
    app = {
        "app_id": call.app.app_id,
        "app_name": call.app.name,
        "status": 1 if call.app.enabled else 0,
        "redirect_urls": list(call.app.redirect_urls),
        "online_version_id": online.id if online else "",
        "unaudit_version_id": waiting.id if waiting else "",
    }
    return {"app": app}


def outbound_ips(call: Call) -> Json:
    return {"ip_list": MANY_ADDRESSES, "has_more": False}


def ids_of(call: Call) -> Json:
    """People by e-mail address or number; who is unknown or out of range comes back without an id."""
    id_of = call.id_maker(call.query.get("user_id_type", "open_id"))
    wanted = [("email", e) for e in _texts(call, "emails")] + [("mobile", m) for m in _texts(call, "mobiles")]
    if id_of is None:
        raise ApiError(99992402)
    rows = []
    for kind, value in wanted:
        person = next((p for p in call.tenant.people.values() if value and getattr(p, kind) == value), None)
        is_known = person is not None and _is_visible(call, person)
        rows.append({kind: value} | ({"user_id": id_of(person.user_id)} if person and is_known else {}))
    return {"user_list": rows}


def user(call: Call) -> Json:
    """One person of the contact range; fields whose permission is missing are left out."""
    id_type, given = call.query.get("user_id_type", "open_id"), call.parts["user_id"]
    if call.id_maker(id_type) is None:
        raise ApiError(99992402)
    person = find_person(call.app, call.tenant.people, call.tenant.union_id, id_type, given)
    if person is None:
        raise ApiError(41012)
    if not contacts.can_see(call, person):
        raise ApiError(41050)
    return {"user": contacts.user_row(call, person)}


def js_ticket(call: Call) -> Json:
    """The ticket that signs h5sdk.config: two hours, the same one while half an hour of it is left."""
    app, now = call.app, call.now
    if app.ticket_expires_at - now < TOKEN_SECONDS / 4:
        app.ticket, app.ticket_expires_at = random_text(40), now + TOKEN_SECONDS
        call.feishu.store.touch()
    return {"ticket": app.ticket, "expire_in": round(app.ticket_expires_at - now)}


def _is_visible(call: Call, person: Person) -> bool:
    return call.app.is_for(person) and (not person.is_resigned or bool(call.body.get("include_resigned")))


def _texts(call: Call, name: str) -> list[str]:
    values = call.body.get(name) or []
    if not isinstance(values, list) or len(values) > MAX_WANTED or not all(isinstance(v, str) for v in values):
        raise ApiError(99992402, error={"field_violations": [{"field": name, "value": "", "description": "invalid"}]})
    return values
