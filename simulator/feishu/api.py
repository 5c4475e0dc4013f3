"""The open API under /open-apis/: one table of calls, and what every call goes through before its own rules."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request

from simulator import faults, recording
from simulator.feishu import (
    chats,
    contacts,
    gateway,
    images,
    inspection,
    messages,
    oauth,
    scopes,
    tokens,
    updates,
    warrooms,
)
from simulator.feishu.context import PLATFORM, Call, Feishu, current_feishu
from simulator.feishu.errors import ApiError, error_body
from simulator.feishu.gateway import PERSON, Endpoint

bp = Blueprint("feishu_api", __name__)

ERROR_FAULTS = {
    "rate_limit": 99991400,
    "concurrency": 230020,
    "busy": 2200,
    "expired_token": 99991663,
    "invalid_token": 99991663,
    "ip_refused": 99991401,
    "spent_code": 300040,
}
ANY_CALL = set(faults.NAMES) - faults.CALLBACK - faults.PARTIAL - {"spent_code"}
WITHOUT_TOKEN = ANY_CALL - {"expired_token", "invalid_token", "ip_refused"}
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
SEND_FIELDS = ("receive_id", "msg_type", "content")

Json = dict[str, Any]

ENDPOINTS = {
    ("POST", "im/v1/messages"): Endpoint(messages.send, scopes.SEND, required=SEND_FIELDS),
    ("POST", "im/v1/messages/:message_id/reply"): Endpoint(
        messages.reply, scopes.SEND, required=("msg_type", "content")
    ),
    ("POST", "im/v1/images"): Endpoint(images.upload, scopes.IMAGES, takes_form=True),
    ("PATCH", "im/v1/messages/:message_id"): Endpoint(messages.update, scopes.UPDATE, required=("content",)),
    ("DELETE", "im/v1/messages/:message_id"): Endpoint(messages.recall, scopes.RECALL),
    ("GET", "im/v1/messages/:message_id"): Endpoint(messages.read, scopes.READ),
    ("POST", "interactive/v1/card/update"): Endpoint(updates.update_clicked_card, scopes.UPDATE, required=("token",)),
    ("GET", "im/v1/chats"): Endpoint(chats.listed, scopes.CHATS),
    ("POST", "im/v1/chats"): Endpoint(warrooms.create, scopes.CREATE_CHAT),
    ("POST", "im/v1/chats/:chat_id/members"): Endpoint(warrooms.add_members, scopes.ADD_MEMBERS, required=("id_list",)),
    ("DELETE", "im/v1/chats/:chat_id"): Endpoint(warrooms.delete, scopes.DELETE_CHAT),
    ("GET", "contact/v3/users/:user_id"): Endpoint(inspection.user, scopes.USERS, is_counted=False),
    ("GET", "contact/v3/users/find_by_department"): Endpoint(contacts.members, scopes.USERS, is_counted=False),
    ("GET", "contact/v3/departments/:department_id"): Endpoint(contacts.department, scopes.USERS, is_counted=False),
    ("GET", "contact/v3/departments/:department_id/children"): Endpoint(
        contacts.children, scopes.USERS, is_counted=False
    ),
    ("GET", "contact/v3/scopes"): Endpoint(contacts.scopes, scopes.USERS, is_counted=False),
    ("GET", "im/v1/chats/:chat_id"): Endpoint(chats.read, scopes.CHATS),
    ("GET", "im/v1/chats/:chat_id/members"): Endpoint(chats.members, scopes.CHAT_MEMBERS),
    ("GET", "im/v1/chats/:chat_id/members/is_in_chat"): Endpoint(chats.is_in_chat, scopes.CHAT_MEMBERS),
    ("GET", "bot/v3/info"): Endpoint(inspection.bot_info, is_counted=False),
    ("GET", "application/v6/scopes"): Endpoint(inspection.scopes, is_counted=False),
    ("GET", "application/v6/applications/:app_id"): Endpoint(inspection.application, scopes.SELF, is_counted=False),
    ("GET", "event/v1/outbound_ip"): Endpoint(inspection.outbound_ips, ("event:ip_list",), is_counted=False),
    ("POST", "contact/v3/users/batch_get_id"): Endpoint(inspection.ids_of, scopes.USER_IDS, is_counted=False),
    ("POST", "jssdk/ticket/get"): Endpoint(inspection.js_ticket, is_counted=False),
    ("GET", "authen/v1/user_info"): Endpoint(oauth.user_info, takes=PERSON, is_counted=False),
}
FLAT = {"bot/v3/info", "interactive/v1/card/update"}
OPEN = {
    "auth/v3/tenant_access_token/internal": tokens.tenant_access_token,
    "auth/v3/app_access_token/internal": tokens.app_access_token,
}
PATTERNS = [
    (method, pattern, re.compile("^" + re.sub(r":(\w+)", r"(?P<\1>[^/]+)", pattern) + "$"))
    for method, pattern in sorted(ENDPOINTS, key=lambda known: known[1].count(":"))
]


@bp.route("/open-apis/<path:name>", methods=METHODS)
def api(name: str) -> Response:
    """Answer one call, bent by an armed fault, and write both sides into the wire log."""
    if name.rstrip("/") in OPEN:
        issue = OPEN[name.rstrip("/")]
        return _answered(name, WITHOUT_TOKEN, lambda fault: _issued(issue, fault))
    if name == "authen/v2/oauth/token":
        return _answered(name, WITHOUT_TOKEN, _exchanged)
    possible = ANY_CALL | (faults.PARTIAL if name == "im/v1/messages" else set())
    possible |= {"spent_code"} if name == "interactive/v1/card/update" else set()
    return _answered(name, possible, lambda fault: _called(name, fault))


@bp.post("/oauth/v3/token")
def token_v3() -> Response:
    """The token endpoint of the accounts host."""
    return _answered("oauth/v3/token", WITHOUT_TOKEN, _exchanged)


def not_found() -> Response:
    """What the gateway says to an unknown path and to a wrong method; no JSON."""
    return Response("404 page not found", status=404, mimetype="text/plain")


def _answered(name: str, possible: set[str], answer: Callable[[faults.Fault | None], Response]) -> Response:
    feishu = current_feishu()
    started, at = time.perf_counter(), feishu.now
    request.get_data()  # kept for the wire log before a form is read from it
    fault = feishu.faults.take(_caller(feishu, name), possible)
    response = faults.instead(fault)
    if response is None:
        response = faults.spoil(fault, answer(fault))
    note = f"fault: {fault.fault}" if fault else ""
    recording.incoming(feishu.wire, PLATFORM, response, at=at, started=started, note=note)
    return response


def _caller(feishu: Feishu, name: str) -> faults.Caller:
    """Whose call it is: by its token, even a dead one, or by the app_id in the body of a token call."""
    with feishu.store.lock:
        app_id = tokens.app_of_token(feishu, request.headers.get("Authorization", ""))
    if not app_id:
        body = request.get_json(force=True, silent=True)
        named = (body.get("app_id") or body.get("client_id")) if isinstance(body, dict) else None
        app_id = named if isinstance(named, str) else ""
    return faults.Caller(PLATFORM, name, app_id=app_id)


def _issued(issue: Callable[[Feishu, Json], Json], fault: faults.Fault | None) -> Response:
    """A token call: flat, and with HTTP 200 for refusals, too."""
    feishu = current_feishu()
    if request.method != "POST":
        return not_found()
    if fault and fault.fault == "errcode":
        return _json({"code": fault.code, "msg": _injected(fault).message})
    if fault and fault.fault in faults.ERRORS:
        return _refusal(_injected(fault))
    body = request.get_json(force=True, silent=True)
    with feishu.store.lock:
        return _json(issue(feishu, body if isinstance(body, dict) else {}))


def _exchanged(fault: faults.Fault | None) -> Response:
    """The token endpoint of OAuth 2.0: JSON or a form."""
    feishu = current_feishu()
    if request.method != "POST":
        return not_found()
    if fault and fault.fault in faults.ERRORS:
        return _refusal(_injected(fault))
    body = request.form.to_dict() if request.form else request.get_json(force=True, silent=True)
    try:
        if not isinstance(body, dict):
            raise oauth.TokenError(20063)
        with feishu.store.lock:
            return _json(oauth.exchange(feishu, body, request.headers.get("Authorization", "")))
    except oauth.TokenError as error:
        return _json(error.body, 400)


def _called(name: str, fault: faults.Fault | None) -> Response:
    found = _find(request.method, name)
    if found is None:
        return not_found()
    pattern, parts = found
    feishu = current_feishu()
    try:
        with feishu.store.lock:
            if fault and fault.fault in faults.ERRORS:
                raise _spoilt(feishu, fault)
            data = _run(feishu, pattern, parts, fault)
    except ApiError as error:
        return _refusal(error)
    text = "ok" if request.method == "PATCH" or pattern in FLAT else "success"
    return _json({"code": 0, "msg": text} | (data if pattern in FLAT else {"data": data}))


def _run(feishu: Feishu, pattern: str, parts: dict[str, str], fault: faults.Fault | None) -> Json:
    """Token, permission, frequency, body; then the call's own rules; a success counts. The lock is held."""
    endpoint = ENDPOINTS[request.method, pattern]
    app, known = gateway.admit(
        feishu,
        endpoint,
        f"{request.method} {pattern}",
        authorization=request.headers.get("Authorization", ""),
        client_ip=request.remote_addr or "",
    )
    raw = request.get_data()
    takes_json = request.method in ("POST", "PATCH", "PUT") and not endpoint.takes_form
    body = gateway.body_of(raw, endpoint.required) if takes_json else {}
    data = endpoint.run(Call(feishu, app, parts, request.args.to_dict(), body, raw, known.user_id, fault))
    if endpoint.is_counted:
        gateway.count(feishu, app)
    return data


def _find(method: str, name: str) -> tuple[str, dict[str, str]] | None:
    """The pattern of a path, and the ids in it."""
    for known, pattern, expression in PATTERNS:
        match = expression.match(name) if known == method else None
        if match:
            return pattern, match.groupdict()
    return None


def _spoilt(feishu: Feishu, fault: faults.Fault) -> ApiError:
    """The error of an armed fault; a dead token is dead for later calls too."""
    app = feishu.state.apps.get(tokens.app_of_token(feishu, request.headers.get("Authorization", "")))
    if app and fault.fault in ("invalid_token", "expired_token"):
        tokens.withdraw(feishu, app)
    return _injected(fault)


def _injected(fault: faults.Fault) -> ApiError:
    if fault.fault == "rate_limit":
        return gateway.over_limit(50, fault.seconds or 1.0)
    error = ApiError(ERROR_FAULTS.get(fault.fault, fault.code), ip=request.remote_addr or "")
    error.status = fault.status or error.status
    return error


def _refusal(error: ApiError) -> Response:
    log_id = time.strftime("%Y%m%d%H%M%S") + secrets.token_hex(9).upper()
    response = _json(error_body(error, log_id), error.status, log_id)
    response.headers.update(error.headers)
    return response


def _json(payload: Json, status: int = 200, log_id: str = "") -> Response:
    response = Response(json.dumps(payload, ensure_ascii=False), status=status, mimetype="application/json")
    response.headers["X-Tt-Logid"] = log_id or time.strftime("%Y%m%d%H%M%S") + secrets.token_hex(9).upper()
    return response
