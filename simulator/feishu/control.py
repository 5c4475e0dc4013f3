"""Control of the simulated Feishu for tests and scripts: set-up without clicking, and what only a laboratory needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields

from flask import Blueprint, Response, jsonify, request

from simulator.base import Json, Unknown
from simulator.feishu import groups, oauth, pushes, reports, setup, tokens
from simulator.feishu.context import Feishu, current_feishu
from simulator.feishu.scopes import EVENTS
from simulator.feishu.state import CARD_CALLBACK, App, Chat, Department, Features, Limits, Person, Tenant

bp = Blueprint("feishu_control", __name__, url_prefix="/control/feishu")

READY_SCOPES = ["im:chat", "im:message", "im:resource:upload", "contact:user.id:readonly"]

# --- set-up ----------------------------------------------------------------------------------------------------------


@bp.post("/tenants")
def create_tenant() -> Response:
    """`{"name"?, "tenant_key"?, "brand"?, "people": [{"user_id", "name", "email"?, "mobile"?, "departments"?}],
    "departments"?: [{"department_id", "name", "parent_id"?, "order"?}]}`; an existing one is changed like by PATCH."""
    feishu, body = current_feishu(), request.get_json(force=True)
    with feishu.store.lock:
        tenant = feishu.state.tenants.get(body.get("tenant_key") or "")
        if tenant is None:
            names = (body.get("name", "示例企业"), body.get("tenant_key", ""), body.get("brand", "feishu"))
            tenant = setup.create_tenant(feishu, *names)
        return jsonify(_changed_tenant(feishu, tenant, body))


@bp.patch("/tenants")
def change_tenant() -> Response:
    """`{"tenant_key", "name"?, "people"?, "departments"?, "approves_at_once"?}`"""
    feishu, body = current_feishu(), request.get_json(force=True)
    with feishu.store.lock:
        return jsonify(_changed_tenant(feishu, _tenant(feishu, body), body))


@bp.post("/resign")
def resign() -> Response:
    """A member leaves: `{"tenant_key", "person"}` → `{"deliveries"}` of the events."""
    feishu, body = current_feishu(), request.get_json(force=True)
    return _delivered(setup.resign(feishu, _tenant(feishu, body), str(body.get("person"))))


@bp.post("/apps")
def create_app() -> Response:
    """`{"tenant_key", "name"?, "app_id"?, "secret"?, "released"?: true, …}` and whatever PATCH takes → its summary with
    `secret`, `verification_token`, `encrypt_key` and everybody's `open_ids`.

    It is ready: released for everybody, with bot, web app, the permissions of READY_SCOPES, all events and the card
    callback; addresses are still missing."""
    feishu, body = current_feishu(), request.get_json(force=True)
    with feishu.store.lock:
        tenant = _tenant(feishu, body)
        app = setup.create_app(
            feishu,
            tenant,
            body.get("name", "值班铃"),
            app_id=body.get("app_id", ""),
            secret=body.get("secret", "") or body.get("app_secret", ""),
        )
        if body.get("released", True):
            app.draft = Features(
                bot=True,
                web_app=True,
                callbacks=[CARD_CALLBACK],
                events=list(EVENTS),
                scopes=list(READY_SCOPES),
                is_for_all=True,
            )
        _change(feishu, app, body)
        if body.get("released", True):
            _release(feishu, app)
        return jsonify(_with_secrets(feishu, app))


@bp.patch("/apps")
def change_app() -> Response:
    """`{"app_id", "name"?, "enabled"?, "secret"?, "encrypt_key"?, "verification_token"?, "event_url"?: "",
    "redirect_urls"?, "allowed_ips"?, "bot"?, "web_app"?, "home_url"?, "desktop_url"?, "mobile_url"?, "scopes"?,
    "user_scopes"?, "events"?, "callbacks"?, "card_url"?, "historic_card_url"?, "available": "all" or [user_id],
    "released"?: true}`. Addresses are not checked here. What a version has to bring is released at once unless
    `released` is false."""
    feishu, body = current_feishu(), request.get_json(force=True)
    with feishu.store.lock:
        app = _app(feishu, body)
        _change(feishu, app, body)
        if body.get("released", True) and app.online is not None:
            _release(feishu, app)
        return jsonify(_with_secrets(feishu, app))


@bp.post("/event_url")
def save_event_url() -> Response:
    """Check and save the events' address as the console does: `{"app_id", "url"}` → `{"ok", "reason"}`."""
    feishu, body = current_feishu(), request.get_json(force=True)
    app = _app(feishu, body)
    return _tried(lambda: setup.save_event_url(feishu, app, str(body["url"])))


@bp.post("/card_url")
def save_card_url() -> Response:
    """The callbacks' address: `{"app_id", "url", "released"?: true}` → `{"ok", "reason"}`. A version brings it at once
    unless `released` is false. `"historic": true` means the old bot page's address."""
    feishu, body = current_feishu(), request.get_json(force=True)
    app = _app(feishu, body)
    save = setup.save_historic_url if body.get("historic") else setup.save_card_url

    def run() -> None:
        save(feishu, app, str(body["url"]))
        with feishu.store.lock:
            if body.get("released", True) and app.online is not None:
                _release(feishu, app)

    return _tried(run)


@bp.post("/release")
def release() -> Response:
    """创建版本 and, unless `approve` is false, its approval: `{"app_id", "version"?, "approve"?}` → the app."""
    feishu, body = current_feishu(), request.get_json(force=True)
    with feishu.store.lock:
        app = _app(feishu, body)
        if app.reviewed is None:
            setup.submit(feishu, app, str(body.get("version", "")))
        if app.reviewed and body.get("approve", True):
            setup.decide(feishu, app, is_approved=True)
        return jsonify(reports.app_summary(feishu, app))


@bp.post("/groups")
def create_group() -> Response:
    """`{"tenant_key", "name", "people": [user_id], "bots"?: [app_id], "chat_id"?, "owner"?}` → the group and
    `deliveries`. Bots are added as a member would, with their events."""
    feishu, body = current_feishu(), request.get_json(force=True)
    with feishu.store.lock:
        tenant = _tenant(feishu, body)
        people = list(body.get("people") or tenant.people)
        chat = groups.create(
            feishu,
            tenant,
            body.get("name", ""),
            people,
            owner=body.get("owner", ""),
            chat_id=body.get("chat_id", ""),
        )
    sent = []
    for app_id in body.get("bots") or []:
        sent += groups.add_bot(feishu, chat, _app(feishu, {"app_id": app_id}), chat.owner)
    return jsonify(reports.chat_summary(chat) | {"deliveries": [asdict(delivery) for delivery in sent]})


@bp.patch("/groups")
def change_group() -> Response:
    """`{"chat_id", "name"?, "people"?, "muted"?, "by"?}` → the group and `deliveries` of the events."""
    feishu, body = current_feishu(), request.get_json(force=True)
    chat = _chat(feishu, body)
    with feishu.store.lock:
        chat.people = list(body.get("people", chat.people))
        chat.is_muted = bool(body.get("muted", chat.is_muted))
        feishu.store.touch()
    sent = groups.rename(feishu, chat, body["name"], _by(chat, body)) if body.get("name") else []
    return jsonify(reports.chat_summary(chat) | {"deliveries": [asdict(delivery) for delivery in sent]})


@bp.post("/disband")
def disband() -> Response:
    """`{"chat_id", "keeps_history"?, "by"?}` → `{"deliveries"}`"""
    feishu, body = current_feishu(), request.get_json(force=True)
    chat = _chat(feishu, body)
    keeps = bool(body.get("keeps_history"))
    return _delivered(groups.disband(feishu, chat, _by(chat, body), keeps_history=keeps))


@bp.post("/add_bot")
def add_bot() -> Response:
    """`{"chat_id", "app_id", "by"?}` → `{"deliveries"}`"""
    feishu, body = current_feishu(), request.get_json(force=True)
    chat = _chat(feishu, body)
    return _delivered(groups.add_bot(feishu, chat, _app(feishu, body), _by(chat, body)))


@bp.post("/remove_bot")
def remove_bot() -> Response:
    """`{"chat_id", "app_id", "by"?}` → `{"deliveries"}`"""
    feishu, body = current_feishu(), request.get_json(force=True)
    chat = _chat(feishu, body)
    return _delivered(groups.remove_bot(feishu, chat, _app(feishu, body), _by(chat, body)))


@bp.post("/sign_in")
def sign_in() -> Response:
    """A code as from the authorise link: `{"app_id", "person", "redirect_uri"?, "scope"?, "seconds"?}` → `{"code"}`.

    Without a redirect address it is one that the client gives to a page (requestAccess).
    """
    feishu, body = current_feishu(), request.get_json(force=True)
    with feishu.store.lock:
        app = _app(feishu, body)
        _, user_id = reports.find_person(feishu, f"{app.tenant_key}/{body.get('person', '')}")
        where, scope = str(body.get("redirect_uri") or ""), str(body.get("scope") or "")
        code = oauth.new_code(feishu, app, user_id, redirect_uri=where, scope=scope, seconds=body.get("seconds"))
    return jsonify({"code": code})


# --- laboratory ------------------------------------------------------------------------------------------------------


@bp.post("/event")
def send_event() -> Response:
    """Deliver any event, subscribed or not: `{"app_id", "type", "event", "event_id"?, "tamper"?, "timestamp"?, "to"?}`.

    Or `"plaintext"` instead of type and event, sent once. → `{"http_status", "answer", "event_id", "next_at"}`.
    event_id  of an earlier event, which is delivered once more then
    tamper    signature, unsigned, token, app_id, tenant_key, plaintext, base64, padding or replay
    to        "card" sends it to the callbacks' address instead
    """
    feishu, body = current_feishu(), request.get_json(force=True)
    app, stamp = _app(feishu, body), body.get("timestamp")
    odd = pushes.Odd(str(body.get("tamper") or ""), None if stamp is None else int(stamp))
    is_for_cards = body.get("to") == "card"
    if is_for_cards or "plaintext" in body:
        url = (app.online.card_url if app.online else "") if is_for_cards else app.event_url
        plaintext = body.get("plaintext") or pushes.envelope(
            feishu, app, str(body["type"]), body.get("event") or {}, microseconds=is_for_cards
        )
        answer = pushes.post(feishu, app, url, plaintext, odd)
        return jsonify({"http_status": answer.status, "answer": answer.body.decode("utf-8", "replace")})
    event_id = str(body.get("event_id") or "")
    event = body.get("event") or {}
    delivery = pushes.emit(feishu, app, str(body["type"]), event, odd=odd, event_id=event_id, is_forced=True)
    if delivery is None:
        raise Unknown("the app has no address for events")
    last = delivery.attempts[-1]
    answered = {"http_status": last.http_status, "answer": last.answer}
    return jsonify(answered | {"event_id": delivery.event_id, "next_at": delivery.next_at})


@bp.post("/deliver")
def deliver() -> Response:
    """Repeat the events that are due by the simulator's clock (move it with /control/clock) → `{"deliveries"}`."""
    return _delivered(pushes.deliver_due(current_feishu()))


@bp.post("/invalidate_token")
def invalidate_token() -> Response:
    """End an app's token early, so that calls answer 99991663: `{"app_id"}`."""
    feishu, body = current_feishu(), request.get_json(force=True)
    with feishu.store.lock:
        tokens.withdraw(feishu, _app(feishu, body))
    return jsonify({"ok": True})


@bp.post("/limits")
def change_limits() -> Response:
    """Change any of the frequencies by name, 0 for none; answers all of them."""
    feishu, body = current_feishu(), request.get_json(force=True)
    with feishu.store.lock:
        for field in fields(Limits):
            if field.name in body:
                setattr(feishu.state.limits, field.name, int(body[field.name]))
        feishu.store.touch()
        return jsonify(asdict(feishu.state.limits))


def _changed_tenant(feishu: Feishu, tenant: Tenant, body: Json) -> Json:
    for each in body.get("departments") or []:
        tenant.departments[each["department_id"]] = Department(**each)
    known = {field.name for field in fields(Person)}
    for person in body.get("people") or []:
        values = {"name": person["user_id"]} | {name: value for name, value in person.items() if name in known}
        setup.save_person(feishu, tenant, Person(**values))
    tenant.name = body.get("name") or tenant.name
    tenant.approves_at_once = bool(body.get("approves_at_once", tenant.approves_at_once))
    feishu.store.touch()
    return reports.tenant_summary(feishu, tenant)


def _change(feishu: Feishu, app: App, body: Json) -> None:
    """Apply what the body names, without the order and the checks that the console demands."""
    for name in ("name", "enabled", "secret", "encrypt_key", "verification_token", "event_url", "redirect_urls"):
        if name in body:
            setattr(app, name, body[name])
    if "allowed_ips" in body:
        setup.save_ips(feishu, app, list(body["allowed_ips"]))
    if "home_url" in body:
        app.draft.desktop_url = app.draft.mobile_url = str(body["home_url"] or "")
    for field in fields(Features):
        if field.name in body and field.name not in ("is_for_all", "users"):
            setattr(app.draft, field.name, body[field.name])
    available = body.get("available")
    if available is not None:
        app.draft.is_for_all = available == "all"
        app.draft.users = [] if available == "all" else list(available)
    feishu.store.touch()


def _release(feishu: Feishu, app: App) -> None:
    """A new version is online at once."""
    if setup.has_changes(app):
        setup.submit(feishu, app)
        if app.reviewed:
            setup.decide(feishu, app, is_approved=True)


def _with_secrets(feishu: Feishu, app: App) -> Json:
    secrets = {"secret": app.secret, "verification_token": app.verification_token, "encrypt_key": app.encrypt_key}
    return reports.app_summary(feishu, app) | secrets


def _tried(run: Callable[[], None]) -> Response:
    """What the console says: saved, or why not."""
    try:
        run()
    except setup.SetupError as error:
        return jsonify({"ok": False, "reason": str(error)})
    return jsonify({"ok": True, "reason": ""})


def _delivered(deliveries: list[pushes.Delivery]) -> Response:
    return jsonify({"deliveries": [asdict(delivery) for delivery in deliveries]})


def _by(chat: Chat, body: Json) -> str:
    return str(body.get("by") or chat.owner)


def _tenant(feishu: Feishu, body: Json) -> Tenant:
    tenant = feishu.state.tenants.get(str(body.get("tenant_key", "")))
    if tenant is None:
        raise Unknown(f"no such tenant: {body.get('tenant_key')}")
    return tenant


def _app(feishu: Feishu, body: Json) -> App:
    app = feishu.state.apps.get(str(body.get("app_id", "")))
    if app is None:
        raise Unknown(f"no such app: {body.get('app_id')}")
    return app


def _chat(feishu: Feishu, body: Json) -> Chat:
    chat = feishu.state.chats.get(str(body.get("chat_id", "")))
    if chat is None:
        raise Unknown(f"no such group: {body.get('chat_id')}")
    return chat
