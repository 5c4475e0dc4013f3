"""The simulated Feishu as scripts see it: messages, presses, a summary. The generic control asks for these."""

from __future__ import annotations

from dataclasses import asdict

from simulator.base import Json, Unknown
from simulator.feishu import cards, presses, setup
from simulator.feishu.context import PLATFORM, Feishu
from simulator.feishu.scopes import granted
from simulator.feishu.state import App, Chat, Limits, Message, Tenant
from simulator.webview import webview_url


def find_person(feishu: Feishu, text: str) -> tuple[Tenant, str]:
    """The tenant and user_id of "lin", "tenant_key/lin" or an open_id. Raises Unknown, also for two of that name."""
    tenants = list(feishu.state.tenants.values())
    if text.startswith("ou_"):
        for app in feishu.state.apps.values():
            tenant = feishu.state.tenant_of(app)
            for user_id in tenant.people:
                if app.open_id(user_id) == text:
                    return tenant, user_id
        raise Unknown(f"no such person: {text}")
    tenant_key, _, user_id = text.rpartition("/")
    found = [t for t in tenants if user_id in t.people and tenant_key in ("", t.tenant_key)]
    if len(found) > 1:
        raise Unknown(f"{user_id} exists in several tenants; write tenant_key/user_id")
    if not found:
        raise Unknown(f"no such person: {text}")
    return found[0], user_id


def listed(feishu: Feishu, person: str = "", chat: str = "") -> list[Json]:
    """Messages of a chat, as one person sees theirs, or all of them, oldest first; lines of the client are left out."""
    if chat and chat not in feishu.state.chats:
        raise Unknown(f"no such chat: {chat}")
    if person:
        tenant, user_id = find_person(feishu, person)
        found = feishu.state.chats_of(tenant.tenant_key, user_id)
        wanted = {each.chat_id for each in found if chat in ("", each.chat_id)}
    else:
        user_id, wanted = "", {chat} if chat else set(feishu.state.chats)
    messages = [m for m in feishu.state.messages.values() if m.chat_id in wanted and m.app_id and not m.recalled]
    return [_row(feishu, message, user_id) for message in messages]


def press(feishu: Feishu, body: Json) -> Json:
    """Press a button for a person. Raises Unknown or CannotPress."""
    person, message_id = str(body.get("person", "")), str(body.get("message_id", ""))
    with feishu.store.lock:
        message = feishu.state.messages.get(message_id)
        chat = feishu.state.chats.get(message.chat_id) if message else None
        if chat and "/" not in person and not person.startswith("ou_"):  # the message says which tenant is meant
            person = f"{chat.tenant_key}/{person}"
        _, user_id = find_person(feishu, person)
    result = presses.press(feishu, message_id, user_id, str(body.get("key", "")), body.get("form") or {})
    last = result.answers[-1] if result.answers else None
    return {
        "http_status": last.http_status if last else 0,
        "answer": last.answer if last else "",
        "attempts": len(result.answers),
        "code": result.code,
        "problem": result.problem,
        "toast": result.toast,
        "updated": result.is_updated,
        "card_token": result.card_token,
    }


def summary(feishu: Feishu) -> Json:
    return {
        "tenants": [tenant_summary(feishu, tenant) for tenant in feishu.state.tenants.values()],
        "messages": len(feishu.state.messages),
        "repeats": feishu.repeats,
        "pending_events": [asdict(pending) for pending in feishu.state.pending.values()],
        "calls": feishu.state.calls,
        "limits": asdict(feishu.state.limits),
    }


def reset(feishu: Feishu, *, everything: bool) -> None:
    """Forget messages, codes and counters; with everything also tenants, apps, groups, tokens and limits."""
    feishu.state.forget_traffic()
    feishu.windows.clear()
    feishu.clicked.clear()
    feishu.last_posts.clear()
    feishu.repeats = 0
    if everything:
        state = feishu.state
        for known in (state.tenants, state.apps, state.chats, state.tokens, state.webviews):
            known.clear()
        state.limits = Limits()
    feishu.store.touch()


def tenant_summary(feishu: Feishu, tenant: Tenant) -> Json:
    people = [
        {
            "user_id": person.user_id,
            "name": person.name,
            "is_resigned": person.is_resigned,
            "union_id": tenant.union_id(person.user_id),
            "webview": webview_url(feishu.state.label_of(tenant.tenant_key, person.user_id)),
        }
        for person in tenant.people.values()
    ]
    chats = [chat for chat in feishu.state.chats.values() if chat.tenant_key == tenant.tenant_key and not chat.is_p2p]
    return {
        "tenant_key": tenant.tenant_key,
        "name": tenant.name,
        "brand": tenant.brand,
        "people": people,
        "groups": [chat_summary(chat) for chat in chats],
        "apps": [app_summary(feishu, app) for app in feishu.state.apps_of(tenant.tenant_key)],
    }


def chat_summary(chat: Chat) -> Json:
    return asdict(chat)


def app_summary(feishu: Feishu, app: App) -> Json:
    """open_ids: each member's id in this app, by user_id."""
    tenant = feishu.state.tenant_of(app)
    return {
        "app_id": app.app_id,
        "name": app.name,
        "enabled": app.enabled,
        "is_released": app.online is not None,
        "is_in_review": app.reviewed is not None,
        "has_changes": setup.has_changes(app),
        "event_url": app.event_url,
        "redirect_urls": app.redirect_urls,
        "allowed_ips": app.allowed_ips,
        "is_encrypted": bool(app.encrypt_key),
        "scopes": sorted(granted(app)),
        "draft": asdict(app.draft),
        "online": asdict(app.online) if app.online else None,
        "versions": [{"number": v.number, "status": v.status} for v in app.versions],
        "bot_open_id": app.bot_open_id,
        "open_ids": {user_id: app.open_id(user_id) for user_id in tenant.people},
    }


def _row(feishu: Feishu, message: Message, user_id: str) -> Json:
    """to: the person of a single chat, else the chat."""
    chat = feishu.state.chats[message.chat_id]
    card = message.seen_by(user_id)
    is_card = message.kind == "interactive"
    return {
        "id": message.id,
        "platform": PLATFORM,
        "to": chat.people[0] if chat.is_p2p else chat.chat_id,
        "kind": message.kind,
        "card": card,
        "text": "" if is_card else str(card.get("text", "")),
        "buttons": [_button(item) for item in cards.pressable(card)] if is_card else [],
        "updates": message.updates,
        "at": message.at,
        "chat": chat.chat_id,
        "app_id": message.app_id,
        "tenant_key": chat.tenant_key,
    }


def _button(item: cards.Pressable) -> Json:
    return {"key": item.key, "text": item.text} | ({"menu": True} if item.option else {})
