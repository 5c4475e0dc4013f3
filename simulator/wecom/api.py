"""The open API under /cgi-bin/: one table of calls, and what every call goes through before its own rules."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request

from simulator import faults, recording
from simulator.wecom import chats, contacts, messages, oauth, suite_api, tickets, tokens, updates
from simulator.wecom.context import PLATFORM, Call, WeCom, current_wecom
from simulator.wecom.errors import ApiError, error_body
from simulator.wecom.state import CONTACT_SYNC

bp = Blueprint("wecom_api", __name__)

ERROR_FAULTS = {
    "rate_limit": 45009,
    "concurrency": 45033,
    "busy": -1,
    "expired_token": 42001,
    "invalid_token": 40014,
    "ip_refused": 60020,
    "spent_code": 60140,
}
ANY_CALL = set(faults.NAMES) - faults.CALLBACK - faults.PARTIAL - {"spent_code"}
FAULTS_OF = {
    "gettoken": ANY_CALL - {"expired_token", "invalid_token", "ip_refused"},
    "message/send": ANY_CALL | faults.PARTIAL,
    "message/update_template_card": ANY_CALL | {"spent_code"},
}
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")


@dataclass(frozen=True)
class Endpoint:
    """A call: its method, its rules, whether the contact-sync assistant may use it, and whether it counts to the base
    frequency: messages have limits of their own.
    """

    method: str
    run: Callable[[Call], dict[str, Any]]
    for_contact_sync: bool = False
    only_contact_sync: bool = False
    counts: bool = True


ENDPOINTS = {
    "message/send": Endpoint("POST", messages.send, counts=False),
    "message/recall": Endpoint("POST", messages.recall),
    "message/update_template_card": Endpoint("POST", updates.update_template_card),
    "appchat/create": Endpoint("POST", chats.create),
    "appchat/update": Endpoint("POST", chats.update),
    "appchat/get": Endpoint("GET", chats.get),
    "appchat/send": Endpoint("POST", chats.send),
    "auth/getuserinfo": Endpoint("GET", oauth.getuserinfo, counts=False),
    "auth/getuserdetail": Endpoint("POST", oauth.getuserdetail),
    "user/get": Endpoint("GET", contacts.user_get, for_contact_sync=True),
    "user/simplelist": Endpoint("GET", contacts.user_simplelist, for_contact_sync=True),
    "user/list": Endpoint("GET", contacts.user_list, for_contact_sync=True),
    "user/list_id": Endpoint("POST", contacts.user_list_id, for_contact_sync=True, only_contact_sync=True),
    "user/getuserid": Endpoint("POST", contacts.user_getuserid),
    "department/list": Endpoint("GET", contacts.department_list, for_contact_sync=True),
    "department/simplelist": Endpoint("GET", contacts.department_simplelist, for_contact_sync=True),
    "department/get": Endpoint("GET", contacts.department_get, for_contact_sync=True),
    "agent/get": Endpoint("GET", contacts.agent_get),
    "batch/userid_to_openuserid": Endpoint("POST", contacts.userid_to_openuserid),
    "batch/openuserid_to_userid": Endpoint("POST", contacts.openuserid_to_userid),
    "get_api_domain_ip": Endpoint("GET", tickets.api_domain_ip),
    "getcallbackip": Endpoint("GET", tickets.callback_ip),
    "get_jsapi_ticket": Endpoint("GET", tickets.corp_ticket),
    "ticket/get": Endpoint("GET", tickets.app_ticket),
}


@bp.route("/cgi-bin/<path:name>", methods=["GET", "POST", "PUT", "DELETE"])
def api(name: str) -> Response:
    """Answer one call, bent by an armed fault, and write both sides into the wire log."""
    wecom = current_wecom()
    started, at, raw = time.perf_counter(), wecom.store.now(), request.get_data()
    fault = wecom.faults.take(_caller(wecom, name), FAULTS_OF.get(name, ANY_CALL))
    response = faults.instead(fault)
    if response is None:
        response = faults.spoil(fault, _json(_answer(wecom, name, raw, fault)))
    note = f"fault: {fault.fault}" if fault else ""
    recording.incoming(wecom.wire, PLATFORM, response, at=at, started=started, note=note)
    return response


def _answer(wecom: WeCom, name: str, raw: bytes, fault: faults.Fault | None) -> dict[str, Any]:
    query, client_ip = request.args.to_dict(), request.remote_addr or ""
    try:
        with wecom.store.lock:
            if fault and fault.fault in faults.ERRORS:
                raise _injected(wecom, fault, query, raw)
            if suite_api.is_provider_call(name):
                body = _body(wecom, raw) if request.method == "POST" else {}
                return _ok(suite_api.answer(wecom, name, query, body, client_ip))
            if name == "gettoken":
                tokens.check_frequency(wecom, query.get("corpid", ""), name, query, client_ip)
                return _ok(tokens.gettoken(wecom, query, client_ip))
            return _ok(_call(wecom, name, raw, query, client_ip, fault=fault))
    except ApiError as error:
        return error_body(error, client_ip)


def _caller(wecom: WeCom, name: str) -> faults.Caller:
    """Whose call it is: gettoken says it by its secret, everything else by its token, even a dead one."""
    query = request.args
    with wecom.store.lock:
        if name == "gettoken":
            corp = wecom.state.corps.get(query.get("corpid", ""))
            apps = corp.apps.values() if corp else ()
            agent_id = next((app.agent_id for app in apps if app.secret == query.get("corpsecret")), 0)
            return faults.Caller(PLATFORM, name, query.get("corpid", ""), agent_id)
        known = wecom.state.tokens.get(query.get("access_token", ""))
    return faults.Caller(PLATFORM, name, known.corp_id, known.agent_id) if known else faults.Caller(PLATFORM, name)


def _call(
    wecom: WeCom, name: str, raw: bytes, query: dict[str, str], client_ip: str, *, fault: faults.Fault | None
) -> dict[str, Any]:
    """Token, address, frequency, body; then the call's own rules."""
    corp, app = tokens.owner(wecom, query.get("access_token", ""))
    tokens.check_address(wecom, app, client_ip)
    endpoint = ENDPOINTS.get(name)
    if endpoint is None:
        raise ApiError(48002)
    if endpoint.counts:
        tokens.check_frequency(wecom, corp.corp_id, name, query, client_ip)
    is_sync = app.agent_id == CONTACT_SYNC
    if (is_sync and not endpoint.for_contact_sync) or (endpoint.only_contact_sync and not is_sync):
        raise ApiError(48002)
    body = _body(wecom, raw) if endpoint.method == "POST" else {}
    return endpoint.run(Call(wecom, corp, app, query, body, raw, client_ip, fault))


def _body(wecom: WeCom, raw: bytes) -> dict[str, Any]:
    """The JSON object of a POST call; anything else is refused as WeCom does."""
    if request.method != "POST":
        wecom.refuse("get_on_post_api", "require POST method")
    if request.mimetype in FORM_TYPES and not raw.lstrip().startswith(b"{"):
        wecom.refuse("form_body", "body must be JSON")
    try:
        body = json.loads(raw.decode("utf-8"))
    except ValueError as error:
        raise ApiError(wecom.pairing("bad_json") or 40058, tail=" Warning: wrong json format. ") from error
    if not isinstance(body, dict):
        raise ApiError(wecom.pairing("bad_json") or 40058, tail=" Warning: wrong json format. ")
    if b"\\u" in raw:
        wecom.refuse("unicode_escapes")
    return body


def _injected(wecom: WeCom, fault: faults.Fault, query: dict[str, str], raw: bytes) -> ApiError:
    """The error of an armed fault; a dead token or a spent code is dead for later calls too."""
    if fault.fault == "spent_code":
        wecom.state.response_codes.pop(str(_body(wecom, raw).get("response_code")), None)
    known = wecom.state.tokens.get(query.get("access_token", ""))
    found = wecom.state.app(known.corp_id, known.agent_id) if known else None
    if found and fault.fault == "invalid_token":
        tokens.withdraw(wecom, found[1])
    if found and fault.fault == "expired_token":
        tokens.expire(wecom, found[1])
    return ApiError(ERROR_FAULTS.get(fault.fault, fault.code))


def _ok(payload: dict[str, Any]) -> dict[str, Any]:
    return {"errcode": 0, "errmsg": "ok"} | payload


def _json(payload: dict[str, Any]) -> Response:
    response = Response(json.dumps(payload, ensure_ascii=False), mimetype="application/json")
    response.headers["Error-Code"] = str(payload["errcode"])
    response.headers["Error-Msg"] = payload["errmsg"]
    return response
