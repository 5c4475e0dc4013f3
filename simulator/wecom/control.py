"""Control of the simulated WeCom for tests and scripts: set-up without clicking, and what only a laboratory needs."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from flask import Blueprint, Response, jsonify, request

from simulator.webview import webview_url
from simulator.wecom import callbacks, oauth, presses, setup, tokens
from simulator.wecom.cards import as_seen, pressable
from simulator.wecom.context import PLATFORM, WeCom, current_wecom
from simulator.wecom.errors import PAIRINGS
from simulator.wecom.state import CONTACT_SYNC, ROOT_DEPARTMENT, App, Callback, Corp, Limits, Message, Person

bp = Blueprint("wecom_control", __name__, url_prefix="/control/wecom")

Json = dict[str, Any]


class Unknown(Exception):
    """A corp, app, person or message that does not exist."""


# --- what the generic control asks of every platform -----------------------------------------------------------


def find_person(wecom: WeCom, text: str) -> tuple[str, str]:
    """(corp_id, userid) of "zhangsan" or "corp_id/userid". Raises Unknown, also when two corps have that userid."""
    corp_id, _, userid = text.rpartition("/")
    corps = [wecom.state.corps[corp_id]] if corp_id in wecom.state.corps else []
    if not corp_id:
        corps = [corp for corp in wecom.state.corps.values() if corp.person(userid)]
    if len(corps) > 1:
        raise Unknown(f"{userid} exists in several corps; write corp_id/userid")
    if not corps:
        raise Unknown(f"no such person: {text}")
    person = corps[0].person(userid)
    return corps[0].corp_id, person.userid if person else userid


def listed(wecom: WeCom, person: str = "") -> list[Json]:
    """Messages as the person sees them now, or everybody's, a row for each receiver, oldest first."""
    if person:
        corp_id, userid = find_person(wecom, person)
        return [_row(message, userid) for message in wecom.state.inbox(corp_id, userid) if not message.recalled]
    messages = [message for message in wecom.state.messages.values() if not message.recalled]
    return [_row(message, userid) for message in messages for userid in message.to]


def press(wecom: WeCom, body: Json) -> Json:
    """Press a button for a person. Raises Unknown or presses.CannotPress."""
    with wecom.store.lock:
        _, userid = find_person(wecom, str(body.get("person", "")))
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
        "corps": [_corp_summary(wecom, corp) for corp in wecom.state.corps.values()],
        "messages": len(wecom.state.messages),
        "unused_response_codes": len(wecom.state.response_codes),
        "limits": asdict(wecom.state.limits),
        "pairings": PAIRINGS | wecom.state.pairings,
    }


def reset(wecom: WeCom, *, everything: bool) -> None:
    """Forget messages, codes and counters; with everything also corps, tokens, limits and pairings."""
    wecom.state.forget_traffic()
    wecom.counters.clear()
    wecom.recent_bodies.clear()
    wecom.last_callbacks.clear()
    if everything:
        for known in (wecom.state.corps, wecom.state.tokens, wecom.state.webviews, wecom.state.pairings):
            known.clear()
        wecom.state.limits = Limits()
    wecom.store.touch()


# --- set-up ----------------------------------------------------------------------------------------------------


@bp.post("/corps")
def create_corp() -> Response:
    """A corp with departments and people; an existing corp_id gets the new people added."""
    wecom, body = current_wecom(), request.get_json(force=True)
    with wecom.store.lock:
        corp = wecom.state.corps.get(body.get("corp_id") or "")
        corp = corp or setup.create_corp(wecom, body.get("name", "示例企业"), body.get("corp_id", ""))
        corp.ip_delay_seconds = float(body.get("ip_delay_seconds", corp.ip_delay_seconds))
        for department in body.get("departments") or []:
            parent_id = department.get("parent_id") or department.get("parentid") or ROOT_DEPARTMENT
            if department.get("id") != ROOT_DEPARTMENT:
                setup.add_department(wecom, corp, department["name"], parent_id, int(department.get("id") or 0))
        for person in body.get("people") or []:
            setup.save_person(wecom, corp, _person(person))
        return jsonify(_corp_summary(wecom, corp))


@bp.patch("/corps")
def change_corp() -> Response:
    """`{"corp_id", "ip_delay_seconds"?, "name"?, "people"?, "remove_people"?}`"""
    wecom, body = current_wecom(), request.get_json(force=True)
    with wecom.store.lock:
        corp = _corp(wecom, body)
        corp.name = body.get("name", corp.name)
        corp.ip_delay_seconds = float(body.get("ip_delay_seconds", corp.ip_delay_seconds))
        for person in body.get("people") or []:
            setup.save_person(wecom, corp, _person(person))
        for userid in body.get("remove_people") or []:
            setup.remove_person(wecom, corp, userid)
        wecom.store.touch()
        return jsonify(_corp_summary(wecom, corp))


@bp.post("/apps")
def create_app() -> Response:
    """An app that is ready: its trusted addresses work at once and its domain counts as verified."""
    wecom, body = current_wecom(), request.get_json(force=True)
    with wecom.store.lock:
        corp = _corp(wecom, body)
        app = setup.create_app(
            wecom, corp, body.get("name", "告警"), int(body.get("agent_id") or 0), body.get("secret", "")
        )
        _change(wecom, corp, app, {"visible": "all"} | body, ip_delay_seconds=0)
        if app.trusted_domain:
            app.domain_verified_at = wecom.store.now()
        return jsonify(_app_summary(app) | {"secret": app.secret, "verify_file": setup.verify_file(app)})


@bp.patch("/apps")
def change_app() -> Response:
    """`{"corp_id", "agent_id", "enabled"?, "visible"?, "trusted_domain"?, "trusted_ips"?, "home_url"?, "name"?,
    "login_domain"?, "secret"?, "callback": null?}`. New addresses work after the corp's delay."""
    wecom, body = current_wecom(), request.get_json(force=True)
    with wecom.store.lock:
        corp, app = _app(wecom, body)
        _change(wecom, corp, app, body, ip_delay_seconds=corp.ip_delay_seconds)
        return jsonify(_app_summary(app))


@bp.post("/callback")
def save_callback() -> Response:
    """Verify and save the receiving address as the console does: `{"ok", "reason"}`."""
    wecom, body = current_wecom(), request.get_json(force=True)
    corp, app = _app(wecom, body)
    try:
        setup.save_callback(wecom, corp, app, Callback(body["url"], body["token"], body["encoding_aes_key"]))
    except setup.SetupError as error:
        return jsonify({"ok": False, "reason": str(error)})
    return jsonify({"ok": True, "reason": ""})


@bp.post("/verify_domain")
def verify_domain() -> Response:
    """Fetch the ownership file as the console does: `{"ok", "reason"}`."""
    wecom = current_wecom()
    _, app = _app(wecom, request.get_json(force=True))
    try:
        setup.check_ownership(wecom, app)
    except setup.SetupError as error:
        return jsonify({"ok": False, "reason": str(error)})
    return jsonify({"ok": True, "reason": ""})


@bp.post("/sign_in")
def sign_in() -> Response:
    """A code as the authorise link would give: `{"corp_id", "userid", "agent_id", "scope"?, "domain"?}` → `{"code"}`.

    A userid that is no member gives a code whose answer is an openid.
    """
    wecom, body = current_wecom(), request.get_json(force=True)
    with wecom.store.lock:
        corp, app = _app(wecom, body)
        person = (body.get("person_corp_id") or corp.corp_id, str(body.get("userid", "")))
        domain, scope = body.get("domain", app.trusted_domain), body.get("scope", "snsapi_base")
        code = oauth.new_code(wecom, corp, app.agent_id, person, domain=domain, scope=scope)
    return jsonify({"code": code})


# --- laboratory ------------------------------------------------------------------------------------------------


@bp.post("/event")
def send_event() -> Response:
    """Deliver any plaintext: `{"corp_id", "agent_id", "xml_plaintext", "attempts"?, "timestamp"?, "tamper"?}`."""
    wecom, body = current_wecom(), request.get_json(force=True)
    corp, app = _app(wecom, body)
    stamp = body.get("timestamp")
    odd = callbacks.Odd(
        attempts=int(body.get("attempts", 1)),
        timestamp=None if stamp is None else int(stamp),
        tamper=str(body.get("tamper") or ""),
    )
    delivery = callbacks.deliver(wecom, corp, app, str(body.get("xml_plaintext", "")), odd)
    last = delivery.last
    tries = [asdict(attempt) for attempt in delivery.attempts]
    return jsonify({"http_status": last.http_status, "answer": last.answer, "attempts": tries})


@bp.post("/invalidate_token")
def invalidate_token() -> Response:
    """End an app's token early: `{"corp_id", "agent_id", "how": "invalid" (40014) or "expired" (42001)}`."""
    wecom, body = current_wecom(), request.get_json(force=True)
    with wecom.store.lock:
        _, app = _app(wecom, body)
        (tokens.expire if body.get("how") == "expired" else tokens.withdraw)(wecom, app)
    return jsonify({"ok": True})


@bp.post("/limits")
def change_limits() -> Response:
    """Change any of the frequencies by name; answers all of them."""
    wecom, body = current_wecom(), request.get_json(force=True)
    with wecom.store.lock:
        for field in fields(Limits):
            if field.name in body:
                setattr(wecom.state.limits, field.name, int(body[field.name]))
        wecom.store.touch()
        return jsonify(asdict(wecom.state.limits))


@bp.post("/pairings")
def change_pairings() -> Response:
    """Choose the number for an uncertain check by name; null accepts the call."""
    wecom, body = current_wecom(), request.get_json(force=True)
    unknown = set(body) - set(PAIRINGS)
    if unknown:
        raise Unknown(f"no such pairing: {', '.join(sorted(unknown))}")
    with wecom.store.lock:
        wecom.state.pairings |= body
        wecom.store.touch()
        return jsonify(PAIRINGS | wecom.state.pairings)


# --- rows ------------------------------------------------------------------------------------------------------


def _row(message: Message, userid: str) -> Json:
    copy = message.copy_of(userid)
    is_card = message.kind == "template_card"
    return {
        "id": message.id,
        "platform": PLATFORM,
        "to": userid,
        "kind": message.kind,
        "card": as_seen(copy) if is_card else message.body,
        "buttons": pressable(copy) if is_card else [],
        "updates": copy.updates,
        "at": message.at,
        "corp_id": message.corp_id,
        "agent_id": message.agent_id,
    }


def _corp_summary(wecom: WeCom, corp: Corp) -> Json:
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
        "apps": [_app_summary(app) for app in corp.own_apps()],
    }


def _app_summary(app: App) -> Json:
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


def _change(wecom: WeCom, corp: Corp, app: App, body: Json, ip_delay_seconds: float) -> None:
    """Apply what the body names, without the order that the console demands."""
    visible = body.get("visible")
    if visible == "all":
        setup.set_visible(wecom, corp, app, [], [ROOT_DEPARTMENT])
    elif visible is not None:
        users = [item for item in visible if isinstance(item, str)]
        setup.set_visible(wecom, corp, app, users, [item for item in visible if isinstance(item, int)])
    if "trusted_domain" in body:
        setup.set_domain(wecom, app, str(body["trusted_domain"] or "").lower())
    if "trusted_ips" in body:
        setup.set_trusted_ips(wecom, app, list(body["trusted_ips"] or []), ip_delay_seconds)
    if "home_url" in body:
        setup.save_home(wecom, app, str(body["home_url"] or ""))
    if "login_domain" in body:
        setup.save_login_domain(wecom, app, str(body["login_domain"] or ""))
    if "enabled" in body:
        setup.set_enabled(wecom, app, bool(body["enabled"]))
    if body.get("name"):
        app.name = str(body["name"])
    if body.get("secret"):
        app.secret = str(body["secret"])
    if "callback" in body and body["callback"] is None:
        app.callback = None
    wecom.store.touch()


def _person(body: Json) -> Person:
    known = {field.name for field in fields(Person)}
    return Person(**{"name": body["userid"]} | {key: value for key, value in body.items() if key in known})


def _corp(wecom: WeCom, body: Json) -> Corp:
    corp = wecom.state.corps.get(str(body.get("corp_id", "")))
    if corp is None:
        raise Unknown(f"no such corp: {body.get('corp_id')}")
    return corp


def _app(wecom: WeCom, body: Json) -> tuple[Corp, App]:
    corp = _corp(wecom, body)
    app = corp.apps.get(int(body.get("agent_id") or 0))
    if app is None:
        raise Unknown(f"no such app: {body.get('agent_id')}")
    return corp, app
