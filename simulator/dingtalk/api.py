"""The two families of the open API: a table of calls each, and what every call goes through before its own rules."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request

from simulator import faults, recording
from simulator.dingtalk import cards, contacts, errors, events, groups, login, notices, robots, scene_groups, tokens
from simulator.dingtalk.context import PLATFORM, Call, DingTalk, current_dingtalk
from simulator.dingtalk.errors import ApiError, OldError, json_response
from simulator.dingtalk.state import TOKEN_SECONDS, App, Corp
from simulator.ids import random_text

bp = Blueprint("dingtalk_api", __name__)

TOKEN_HEADER = "x-acs-dingtalk-access-token"  # noqa: S105  # the name of a header
BAN_PAGE = "<html><head><title>403</title></head><body><h1>访问被阻断</h1></body></html>"
METHODS = ["GET", "POST", "PUT", "DELETE"]
ANY_CALL = set(faults.NAMES) - faults.CALLBACK - faults.PARTIAL - {"spent_code"}
TOKEN_CALL = ANY_CALL - {"expired_token", "invalid_token", "ip_refused"}
DELIVERIES = {f"/v1.0/card/instances/{name}" for name in ("createAndDeliver", "deliver")}
PARTIAL_CALLS = {"/v1.0/robot/oToMessages/batchSend"} | DELIVERIES
ERROR_FAULTS: dict[str, tuple[Callable[[], ApiError], tuple[int, str]]] = {
    "rate_limit": (errors.too_fast, (90018, "您的服务器调用钉钉开放平台所有接口的请求都被暂时禁用了")),
    "concurrency": (lambda: errors.too_fast("QpsLimitForApi"), (90002, "接口调用超过限制")),
    "busy": (lambda: ApiError("system.busy", "系统繁忙", 500), (-1, "系统繁忙")),
    "expired_token": (errors.invalid_token, (42001, "access_token已过期")),
    "invalid_token": (errors.invalid_token, (40014, "不合法的access_token")),
}


@dataclass(frozen=True)
class Endpoint:
    """A call. permission: the point it needs, "" for none; required: fields whose absence the gateway answers.

    is_billed  counts against the month
    """

    run: Callable[[Call], Any]
    permission: str = ""
    required: tuple[str, ...] = ()
    is_billed: bool = True
    for_users: bool = False


ROBOT, CHAT, CARD = "qyapi_robot_sendmsg", "qyapi_chat_manage", "Card.Instance.Write"
SENT = ("robotCode", "msgKey", "msgParam")
CREATED = ("cardTemplateId", "outTrackId", "cardData")
NEVER = "unavailable"

NEW: dict[tuple[str, str], Endpoint] = {
    ("POST", "/v1.0/robot/oToMessages/batchSend"): Endpoint(robots.batch_send, ROBOT, (*SENT, "userIds")),
    ("POST", "/v1.0/robot/groupMessages/send"): Endpoint(robots.group_send, ROBOT, SENT),
    ("GET", "/v1.0/robot/oToMessages/readStatus"): Endpoint(robots.read_status, ROBOT),
    ("POST", "/v1.0/robot/groupMessages/query"): Endpoint(robots.group_query, ROBOT, ("processQueryKey",)),
    ("POST", "/v1.0/robot/otoMessages/batchRecall"): Endpoint(robots.batch_recall, ROBOT, ("processQueryKeys",)),
    ("POST", "/v1.0/robot/groupMessages/recall"): Endpoint(robots.group_recall, ROBOT, ("processQueryKeys",)),
    ("POST", "/v1.0/card/instances/createAndDeliver"): Endpoint(
        cards.create_and_deliver, CARD, (*CREATED, "openSpaceId")
    ),
    ("POST", "/v1.0/card/instances"): Endpoint(cards.create, CARD, CREATED),
    ("POST", "/v1.0/card/instances/deliver"): Endpoint(cards.deliver, CARD, ("outTrackId", "openSpaceId")),
    ("PUT", "/v1.0/card/instances"): Endpoint(cards.update, CARD, ("outTrackId",)),
    ("POST", "/v1.0/card/callbacks/register"): Endpoint(cards.register, CARD, ("callbackRouteKey", "callbackUrl")),
    ("POST", "/v1.0/im/v1.0/robot/interactiveCards/send"): Endpoint(cards.legacy, NEVER),
    ("PUT", "/v1.0/im/robots/interactiveCards"): Endpoint(cards.legacy, NEVER),
    ("POST", "/v1.0/im/interactiveCards/send"): Endpoint(cards.legacy, NEVER),
    ("PUT", "/v1.0/im/interactiveCards"): Endpoint(cards.legacy, NEVER),
    ("POST", "/v1.0/im/sceneGroups/query"): Endpoint(groups.query, CHAT, ("openConversationId",)),
    ("POST", "/v1.0/im/sceneGroups/members/batchQuery"): Endpoint(groups.members, CHAT, ("openConversationId",)),
    ("POST", "/v1.0/im/group/create"): Endpoint(groups.create, CHAT, ("name", "owner")),
    ("POST", "/v1.0/im/sceneGroup/create"): Endpoint(
        scene_groups.create, CHAT, ("title", "template_id", "owner_user_id")
    ),
    ("POST", "/v1.0/im/sceneGroup/member/add"): Endpoint(scene_groups.add, CHAT, ("open_conversation_id",)),
    ("POST", "/v1.0/im/sceneGroup/member/delete"): Endpoint(scene_groups.remove, CHAT, ("open_conversation_id",)),
    ("POST", "/v1.0/oauth2/jsapiTickets"): Endpoint(lambda call: _ticket("jsapiTicket", "expireIn"), is_billed=False),
    ("GET", "/v1.0/contact/users/me"): Endpoint(login.me, "Contact.User.Read", is_billed=False, for_users=True),
}

OLD: dict[str, Endpoint] = {
    "/topapi/v2/user/getuserinfo": Endpoint(login.getuserinfo, "qyapi_base", is_billed=False),
    "/topapi/v2/department/listsub": Endpoint(contacts.departments, "qyapi_get_department_list", is_billed=False),
    "/topapi/v2/department/listsubid": Endpoint(contacts.department_ids, "qyapi_get_department_list", is_billed=False),
    "/topapi/v2/department/get": Endpoint(contacts.department, "qyapi_get_department_list", is_billed=False),
    "/topapi/v2/user/list": Endpoint(contacts.users, "qyapi_get_department_member", is_billed=False),
    "/topapi/user/listsimple": Endpoint(contacts.simple_users, "qyapi_get_department_member", is_billed=False),
    "/topapi/user/listid": Endpoint(contacts.user_ids, "qyapi_get_member", is_billed=False),
    "/topapi/v2/user/get": Endpoint(contacts.user, "qyapi_get_member", is_billed=False),
    "/topapi/v2/user/getbymobile": Endpoint(contacts.by_mobile, "qyapi_get_member_by_mobile", is_billed=False),
    "/topapi/user/getbyunionid": Endpoint(contacts.by_unionid, "qyapi_get_member", is_billed=False),
    "/topapi/message/corpconversation/asyncsend_v2": Endpoint(notices.send, "qyapi_base"),
    "/topapi/message/corpconversation/getsendresult": Endpoint(notices.result, "qyapi_base"),
    "/topapi/message/corpconversation/getsendprogress": Endpoint(notices.progress, "qyapi_base"),
    "/topapi/im/chat/scenegroup/update": Endpoint(scene_groups.update, CHAT),
    "/chat/get": Endpoint(scene_groups.old_chat, "qyapi_chat_read"),
    "/auth/scopes": Endpoint(contacts.scopes, "qyapi_base", is_billed=False),
    "/get_jsapi_ticket": Endpoint(lambda call: _ticket("ticket", "expires_in"), is_billed=False),
    "/call_back/get_call_back_failed_result": Endpoint(events.failed_result, "qyapi_base", is_billed=False),
}
WITHOUT_RESULT = ("send_result", "progress", "task_id")  # beside errcode instead of inside result


@bp.route("/v1.0/<path:name>", methods=METHODS)
@bp.route("/v2.0/<path:name>", methods=METHODS)
def new_api(name: str) -> Response:
    """One call of api.dingtalk.com."""
    is_token = request.path.startswith("/v1.0/oauth2/")
    return _exchange(_new_call, request.headers.get(TOKEN_HEADER, ""), is_token=is_token)


@bp.route("/topapi/<path:name>", methods=METHODS)
@bp.route("/gettoken", methods=METHODS)
@bp.route("/get_jsapi_ticket", methods=METHODS)
@bp.route("/auth/scopes", methods=METHODS)
@bp.route("/chat/get", methods=METHODS)
@bp.route("/call_back/get_call_back_failed_result", methods=METHODS)
def old_api(name: str = "") -> Response:
    """One call of oapi.dingtalk.com."""
    return _exchange(_old_call, request.args.get("access_token", ""), is_token=request.path == "/gettoken")


def _exchange(run: Callable[..., Any], token: str, *, is_token: bool) -> Response:
    """Answer a call, bent by an armed fault, and write both sides into the wire log."""
    world, raw = current_dingtalk(), request.get_data()
    started, at = time.perf_counter(), world.now
    kinds = TOKEN_CALL if is_token else ANY_CALL | (faults.PARTIAL if request.path in PARTIAL_CALLS else set())
    fault = world.faults.take(_caller(world, token, raw), kinds)
    notes = [f"fault: {fault.fault}"] if fault else []
    response = faults.instead(fault)
    if response is None and world.state.limits.banned:
        response = Response(BAN_PAGE, mimetype="text/html")
    if response is None:
        with world.store.lock:
            try:
                _inject(world, fault, token, is_old=run is _old_call)
                answer = run(world, token, raw, fault, notes)
                is_quoted = run is _old_call and world.state.limits.quoted_numbers
                response = json_response(_quoted(answer) if is_quoted else answer)
            except (ApiError, OldError) as error:
                response = error.response()
        response = faults.spoil(fault, response)
    recording.incoming(world.wire, PLATFORM, response, at=at, started=started, note=", ".join(notes))
    return response


def _new_call(world: DingTalk, token: str, raw: bytes, fault: faults.Fault | None, notes: list[str]) -> Any:
    """Token, address, permission, frequency, body; then the call's own rules. Raises ApiError."""
    path = request.path
    if path == "/v1.0/oauth2/accessToken":
        return tokens.new_access_token(world, _object(raw))
    if path == "/v1.0/oauth2/userAccessToken":
        return login.user_token(world, _object(raw))
    if path.startswith("/v1.0/oauth2/") and path.endswith("/token"):
        return tokens.corp_token(world, path.split("/")[3], _object(raw))
    endpoint = NEW.get((request.method, path))
    if endpoint is None:
        return {"errcode": 404, "errmsg": "请求的URI地址不存在"}
    if not token:
        raise ApiError("AuthenticationFailed.MissingParameter", f"缺少参数：{TOKEN_HEADER}")
    owner = tokens.owner(world, token)
    if owner is None or (owner[2] and not endpoint.for_users):
        raise errors.invalid_token()
    corp, app, userid = owner
    client_ip = request.remote_addr or ""
    if not tokens.is_admitted(app, client_ip):
        raise errors.address_refused(client_ip)
    if endpoint.permission and endpoint.permission not in app.permissions:
        raise errors.missing_permission(endpoint.permission)
    tokens.check_frequency(world, corp, app, path, is_billed=endpoint.is_billed, is_old=False)
    body = _object(raw) if endpoint.required else {}
    for name in endpoint.required:
        if name not in body:
            raise ApiError(f"Missing{name}", f"{name} is mandatory for this action")
    call = Call(world, corp, app, request.args.to_dict(), body, fault, userid)
    answer = endpoint.run(call)
    notes += [call.note] if call.note else []
    return answer


def _old_call(world: DingTalk, token: str, raw: bytes, fault: faults.Fault | None, notes: list[str]) -> Any:
    """The same for the old family; its errors before topapi are wrapped. Raises OldError."""
    path = request.path
    if path == "/gettoken":
        return _ok(tokens.old_gettoken(world, request.args.to_dict()))
    endpoint, is_topapi = OLD.get(path), path.startswith("/topapi/")
    if endpoint is None:
        told = f"不合法ApiName，ApiName = {path.removeprefix('/topapi/')}"
        return {"errcode": 22, "sub_msg": told, "errmsg": f"Invalid method[submsg={told}]"}
    if not token:
        raise OldError(40000, "access_token is blank", is_wrapped=is_topapi)
    owner = tokens.owner(world, token)
    if owner is None or owner[2]:
        raise OldError(40014, "不合法的access_token", is_wrapped=is_topapi)
    corp, app, _ = owner
    client_ip = request.remote_addr or ""
    if not tokens.is_admitted(app, client_ip):
        raise errors.old_address_refused(client_ip, app.client_id)
    if endpoint.permission and endpoint.permission not in app.permissions:
        raise errors.missing_old_permission(endpoint.permission, app.client_id)
    tokens.check_frequency(world, corp, app, path, is_billed=endpoint.is_billed, is_old=True)
    call = Call(world, corp, app, request.args.to_dict(), _form_or_json(raw), fault)
    answer = endpoint.run(call)
    is_bare = not is_topapi or (isinstance(answer, dict) and any(name in answer for name in WITHOUT_RESULT))
    return _ok(answer if is_bare else {"result": answer})


def _object(raw: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises ApiError."""
    try:
        body = json.loads(raw) if raw else None
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ApiError("Missingbody", "body is mandatory for this action")
    return body


def _form_or_json(raw: bytes) -> dict[str, Any]:
    """The old family takes either; a JSON body must say that it is one."""
    if not raw:
        return {}
    if request.form:
        return request.form.to_dict()
    if request.mimetype != "application/json":
        raise OldError(43009, "Content-Type不合法")
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise OldError(40035, "不合法的参数") from error
    if not isinstance(body, dict):
        raise OldError(40035, "不合法的参数")
    return body


def _ok(answer: dict[str, Any]) -> dict[str, Any]:
    return {"errcode": 0, "errmsg": "ok", "request_id": random_text(12).lower()} | answer


def _quoted(value: Any) -> Any:
    """Numbers and booleans as texts, at any depth."""
    if isinstance(value, dict):
        return {name: _quoted(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_quoted(part) for part in value]
    return json.dumps(value) if isinstance(value, int | float) else value


def _ticket(name: str, life: str) -> dict[str, Any]:
    return {name: random_text(64), life: TOKEN_SECONDS}


def _inject(world: DingTalk, fault: faults.Fault | None, token: str, *, is_old: bool) -> None:
    """Raise the error of an armed fault; a token that was called dead is dead for later calls too."""
    if fault is None or fault.fault not in faults.ERRORS:
        return
    found = tokens.owner(world, token)
    if found and fault.fault in ("expired_token", "invalid_token"):
        tokens.withdraw(world, found[1])
    if fault.fault == "ip_refused":
        client_ip, client_id = request.remote_addr or "", found[1].client_id if found else ""
        raise errors.old_address_refused(client_ip, client_id) if is_old else errors.address_refused(client_ip)
    if fault.fault not in ERROR_FAULTS:
        word = fault.name or str(fault.code)
        raise OldError(fault.code, "fault") if is_old else ApiError(word, "fault", fault.status or 400)
    refusal, (number, text) = ERROR_FAULTS[fault.fault]
    raise OldError(number, text, is_wrapped=request.path.startswith("/topapi/")) if is_old else refusal()


def _caller(world: DingTalk, token: str, raw: bytes) -> faults.Caller:
    """Whose call it is: by its token, or by the client id that asks for one."""
    with world.store.lock:
        found = tokens.owner(world, token)
        pair: tuple[Corp, App] | None = (found[0], found[1]) if found else _asking(world, raw)
    if pair is None:
        return faults.Caller(PLATFORM, request.path)
    return faults.Caller(PLATFORM, request.path, pair[0].corp_id, pair[1].agent_id, pair[1].client_id)


def _asking(world: DingTalk, raw: bytes) -> tuple[Corp, App] | None:
    try:
        body = _object(raw)
    except ApiError:
        body = request.args.to_dict()
    names = ("appKey", "client_id", "clientId", "appkey")
    return world.state.app(next((str(body[name]) for name in names if name in body), ""))
