"""Control of providers' applications for tests and scripts: /control/wecom/suites."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from simulator.base import Json, Unknown
from simulator.wecom import oauth, setup, suite_events, suites
from simulator.wecom.context import WeCom, current_wecom
from simulator.wecom.ids import own_corp_id, own_userid
from simulator.wecom.state import ROOT_DEPARTMENT, Corp, Suite

bp = Blueprint("wecom_suite_control", __name__, url_prefix="/control/wecom/suites")


@bp.post("")
def create() -> Response:
    """`{"name", "suite_id"?, "secret"?, "provider_corp_id"?, "provider_secret"?, "home_url"?, "trusted_domain"?}`."""
    wecom, body = current_wecom(), request.get_json(force=True)
    with wecom.store.lock:
        suite = suites.create_suite(wecom, body.get("name", "值班铃"), **_texts(body))
        suites.change_pages(
            wecom, suite, home_url=body.get("home_url", ""), trusted_domain=body.get("trusted_domain", "")
        )
        suite.trusted_ips = list(body.get("trusted_ips", suite.trusted_ips))
        return jsonify(_shown(suite))


@bp.post("/callbacks")
def save_callbacks() -> Response:
    """Verify and save both addresses, then push a ticket.

    `{"suite_id", "command", "data", "token", "encoding_aes_key"}` → `{"ok", "reason"}`
    """
    wecom, body = current_wecom(), request.get_json(force=True)
    urls = {name: str(body[name]) for name in ("command", "data")}
    try:
        suites.save_callbacks(wecom, _suite(wecom, body), urls, body["token"], body["encoding_aes_key"])
    except setup.SetupError as error:
        return jsonify({"ok": False, "reason": str(error)})
    return jsonify({"ok": True, "reason": ""})


@bp.post("/ticket")
def ticket() -> Response:
    wecom, body = current_wecom(), request.get_json(force=True)
    return jsonify({"answer": suites.push_ticket(wecom, _suite(wecom, body))})


@bp.post("/install")
def install() -> Response:
    """As from the console: `{"suite_id", "corp_id", "visible"?, "by_link"?}` → ids, and the auth_code if by link."""
    wecom, body = current_wecom(), request.get_json(force=True)
    suite, corp = _suite(wecom, body), _corp(wecom, body)
    visible = body.get("visible", [ROOT_DEPARTMENT])
    with wecom.store.lock:
        users = [item for item in visible if isinstance(item, str)]
        app, code = suites.install(wecom, corp, suite, users, [item for item in visible if isinstance(item, int)])
    problem = "" if body.get("by_link") else suites.announce(wecom, suite, code)
    known = {"agent_id": app.agent_id, "corp_id": own_corp_id(suite, corp.corp_id), "problem": problem}
    return jsonify(known | ({"auth_code": code} if body.get("by_link") else {}))


@bp.post("/change")
def change() -> Response:
    """Another visible range: `{"suite_id", "corp_id", "visible": [userid or department id]}`."""
    wecom, body = current_wecom(), request.get_json(force=True)
    suite, corp = _suite(wecom, body), _corp(wecom, body)
    app = suites.installed(corp, suite)
    if app is None:
        raise Unknown("not installed")
    with wecom.store.lock:
        users = [item for item in body["visible"] if isinstance(item, str)]
        setup.set_visible(wecom, corp, app, users, [item for item in body["visible"] if isinstance(item, int)])
    suites.change(wecom, corp, suite)
    return jsonify({"ok": True})


@bp.post("/cancel")
def cancel() -> Response:
    wecom, body = current_wecom(), request.get_json(force=True)
    suites.cancel(wecom, _corp(wecom, body), _suite(wecom, body))
    return jsonify({"ok": True})


@bp.post("/reset")
def reset() -> Response:
    """重新获取: the permanent code dies, the event brings a code for the new one."""
    wecom, body = current_wecom(), request.get_json(force=True)
    suite, corp = _suite(wecom, body), _corp(wecom, body)
    app = suites.installed(corp, suite)
    if app is None:
        raise Unknown("not installed")
    with wecom.store.lock:
        app.permanent_code = ""
        code = suites.new_code(wecom, suite, suites.AUTH_CODE, corp.corp_id)
    return jsonify({"problem": suites.announce(wecom, suite, code, "reset_permanent_code")})


@bp.post("/event")
def event() -> Response:
    """Push any event: `{"suite_id", "fields": {name: text}}` → `{"http_status", "answer"}`."""
    wecom, body = current_wecom(), request.get_json(force=True)
    told = suite_events.push(wecom, _suite(wecom, body), dict(body["fields"]), attempts=1)
    return jsonify({"http_status": told.status, "answer": told.answer})


@bp.post("/sign_in")
def sign_in() -> Response:
    """A code as the authorise link would give: `{"suite_id", "corp_id", "userid"}` → `{"code", "userid"}`."""
    wecom, body = current_wecom(), request.get_json(force=True)
    suite, corp, userid = _suite(wecom, body), _corp(wecom, body), str(body["userid"])
    app = suites.installed(corp, suite)
    if app is None:
        raise Unknown("not installed")
    with wecom.store.lock:
        code = oauth.new_code(
            wecom, corp, app.agent_id, (corp.corp_id, userid), domain=body.get("domain", suite.trusted_domain)
        )
    return jsonify({"code": code, "userid": own_userid(suite, corp.corp_id, userid)})


def _texts(body: Json) -> dict[str, str]:
    return {
        name: str(body[name]) for name in ("suite_id", "secret", "provider_corp_id", "provider_secret") if name in body
    }


def _shown(suite: Suite) -> dict[str, Any]:
    """Everything that the provider's console shows."""
    names = ("suite_id", "name", "secret", "provider_corp_id", "provider_secret", "trusted_domain")
    return {name: getattr(suite, name) for name in names}


def _suite(wecom: WeCom, body: Json) -> Suite:
    found = wecom.state.suites.get(str(body.get("suite_id", "")))
    if found is None:
        raise Unknown(f"no such suite: {body.get('suite_id')}")
    return found


def _corp(wecom: WeCom, body: Json) -> Corp:
    found = wecom.state.corps.get(str(body.get("corp_id", "")))
    if found is None:
        raise Unknown(f"no such corp: {body.get('corp_id')}")
    return found
