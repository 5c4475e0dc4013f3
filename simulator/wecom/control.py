"""Control of the simulated WeCom for tests and scripts: set-up without clicking, and what only a laboratory needs."""

from __future__ import annotations

from dataclasses import asdict, fields

from flask import Blueprint, Response, jsonify, request

from simulator.base import Json, Unknown
from simulator.wecom import callbacks, oauth, setup, tokens
from simulator.wecom.context import WeCom, current_wecom
from simulator.wecom.errors import PAIRINGS
from simulator.wecom.reports import app_summary, corp_summary
from simulator.wecom.state import ROOT_DEPARTMENT, App, Callback, Corp, Limits, Person

bp = Blueprint("wecom_control", __name__, url_prefix="/control/wecom")

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
        return jsonify(corp_summary(wecom, corp))


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
        return jsonify(corp_summary(wecom, corp))


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
        return jsonify(app_summary(app) | {"secret": app.secret, "verify_file": setup.verify_file(app)})


@bp.patch("/apps")
def change_app() -> Response:
    """`{"corp_id", "agent_id", "enabled"?, "visible"?, "trusted_domain"?, "trusted_ips"?, "home_url"?, "name"?,
    "login_domain"?, "secret"?, "callback": null?}`. New addresses work after the corp's delay."""
    wecom, body = current_wecom(), request.get_json(force=True)
    with wecom.store.lock:
        corp, app = _app(wecom, body)
        _change(wecom, corp, app, body, ip_delay_seconds=corp.ip_delay_seconds)
        return jsonify(app_summary(app))


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
