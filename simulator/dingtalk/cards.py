"""The card platform: create and deliver, update, register a callback address.

https://open.dingtalk.com/document/development/create-and-deliver-cards
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from simulator.dingtalk.context import Call
from simulator.dingtalk.errors import ApiError
from simulator.dingtalk.state import Card, Message, Route, awkward_id

PREFIX = "dtv1.card//"
MAX_TRACK_ID = 64
MAX_KEY_BYTES, MAX_DATA_BYTES = 100, 100_000
MAX_PRIVATE_USERS = 20
MODELS = {"IM_GROUP": "imGroup", "IM_ROBOT": "imRobot"}

Json = dict[str, Any]


@dataclass(frozen=True)
class Space:
    """A place for a card: IM_GROUP with a cid, or IM_ROBOT with a userId."""

    type: str
    id: str


def create_and_deliver(call: Call) -> Json:
    spaces = _spaces(call)
    models = {space.type: _deliver_model(call, space.type) for space in spaces}
    card = _create(call)
    delivered = [_deliver(call, card, space, models[space.type]) for space in spaces]
    return {"success": True, "result": {"outTrackId": card.out_track_id, "deliverResults": delivered}}


def create(call: Call) -> Json:
    return {"success": True, "result": _create(call).out_track_id}


def deliver(call: Call) -> Json:
    card, spaces = call.card(call.text("outTrackId")), _spaces(call)
    return {"success": True, "result": [_deliver(call, card, each, _deliver_model(call, each.type)) for each in spaces]}


def update(call: Call) -> Json:
    """Without updateCardDataByKey everything that is not sent is erased, as on the real platform."""
    card = call.card(call.text("outTrackId"))
    private = _private(call)
    if call.body.get("cardData") is None and not private:
        raise ApiError("param.cardDataAndPrivateDataBothEmpty", "cardData和privateData不能同时为空")
    options = call.body.get("cardUpdateOptions") or {}
    if call.body.get("cardData") is not None:
        sent = parameters(call.body["cardData"], "cardData")
        card.public = card.public | sent if options.get("updateCardDataByKey") is True else sent
        card.answered.clear()
    for userid, sent in private.items():
        known = card.private.get(userid, {}) if options.get("updatePrivateDataByKey") is True else {}
        card.private[userid] = known | sent
    card.updates, card.updated_at = card.updates + 1, call.now
    if card.out_track_id in call.world.pressing:
        call.note = "warning: updated while its callback is open"
    call.world.store.touch()
    return {"success": True, "result": True}


def register(call: Call) -> Json:
    """https://open.dingtalk.com/document/development/register-card-callback-address"""
    key, url = call.text("callbackRouteKey"), call.text("callbackUrl")
    if not key:
        raise ApiError("param.callbackRouteKeyEmpty", "callbackRouteKey不能为空")
    if not url:
        raise ApiError("param.callbackUrlEmpty", "callbackUrl不能为空")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query:
        raise ApiError("system.updateCallbackFailed", "更新回调地址失败")
    known = call.world.state.routes.get(route_key(call, key))
    if known is not None and call.body.get("forceUpdate") is not True:
        if call.world.state.limits.strict_route_keys:
            raise ApiError("param.callbackRouteKeyExist", "callbackRouteKey已存在", 500)
        return {"success": True, "result": {"callbackUrl": known.url, "apiSecret": known.secret}}
    call.world.state.routes[route_key(call, key)] = Route(url, call.text("apiSecret"))
    call.world.store.touch()
    return {"success": True, "result": {"callbackUrl": url, "apiSecret": call.text("apiSecret")}}


def legacy(call: Call) -> Json:
    """The two older generations of cards: new apps cannot be given their permission."""
    raise AssertionError("the permission point of these can never be granted")


def route_key(call: Call, key: str) -> str:
    """Route keys of two apps do not meet."""
    return f"{call.app.client_id}/{key}"


def parameters(data: Any, name: str) -> dict[str, str]:
    """The cardParamMap of cardData, or of one person's private data: texts only. Raises ApiError."""
    given = data.get("cardParamMap") if isinstance(data, dict) else None
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise ApiError("param.invalid", f"{name}.cardParamMap应为对象")
    for key, value in given.items():
        if not isinstance(value, str):
            raise ApiError("param.invalid", f"{name}.cardParamMap.{key}应为字符串")
        if len(key.encode()) > MAX_KEY_BYTES:
            raise ApiError("param.invalid", f"{name}.cardParamMap的key不能超过{MAX_KEY_BYTES}字节")
    if sum(len(key.encode()) + len(value.encode()) for key, value in given.items()) > MAX_DATA_BYTES:
        raise ApiError("param.invalid", f"{name}不能超过100KB")
    return dict(given)


def _create(call: Call) -> Card:
    """Check and keep the instance. Raises ApiError."""
    body, state = call.body, call.world.state
    out_track_id, template_id = call.text("outTrackId"), call.text("cardTemplateId")
    if not out_track_id:
        raise ApiError("param.outTrackIdEmpty", "outTrackId不能为空")
    if len(out_track_id) > MAX_TRACK_ID:
        raise ApiError("param.invalid", "outTrackId不要超过64个字符")
    if not template_id:
        raise ApiError("param.cardTemplateIdEmpty", "cardTemplateId不能为空")
    template = state.templates.get(template_id)
    if template is None or template.client_id not in ("", call.app.client_id):
        raise ApiError("param.templateNotExist", "卡片模板不存在")
    if not template.published:
        raise ApiError("param.templateUnpublished", "卡片模板未发布")
    public, private = parameters(body["cardData"], "cardData"), _private(call)
    callback_type = body.get("callbackType")
    if callback_type not in (None, "HTTP", "STREAM"):
        raise ApiError("param.invalid", "callbackType应为STREAM或HTTP")
    known = state.cards.get(out_track_id)
    if known is not None:
        if state.limits.silent_repeats and known.client_id == call.app.client_id:
            return known
        raise ApiError("param.cardAlreadyExist", "卡片已存在")
    route = route_key(call, call.text("callbackRouteKey")) if callback_type == "HTTP" else ""
    card = Card(
        out_track_id,
        call.app.client_id,
        call.corp.corp_id,
        template_id,
        callback=route,
        public=public,
        private=private,
        at=call.now,
    )
    state.cards[out_track_id] = card
    call.world.store.touch()
    return card


def _private(call: Call) -> dict[str, dict[str, str]]:
    given = call.body.get("privateData") or {}
    if not isinstance(given, dict) or len(given) > MAX_PRIVATE_USERS:
        raise ApiError("param.invalid", f"privateData每次不能超过{MAX_PRIVATE_USERS}人")
    for userid in given:
        if call.person(userid) is None:
            raise ApiError("param.userIdNotExist", f"用户{userid}不存在")
    return {userid: parameters(data, f"privateData.{userid}") for userid, data in given.items()}


def _spaces(call: Call) -> list[Space]:
    """What openSpaceId names. Raises ApiError for a prefix, a type, a group or a person that is none."""
    text = call.text("openSpaceId")
    if not text:
        raise ApiError("param.openSpaceIdEmpty", "openSpaceId不能为空")
    if not text.startswith(PREFIX):
        raise ApiError("param.openSpaceIdInvalid", "openSpaceId不合法")
    spaces = []
    for part in text.removeprefix(PREFIX).split(";"):
        kind, _, identifier = part.partition(".")
        space = Space(kind.upper(), identifier)
        is_known = call.group(identifier) if space.type == "IM_GROUP" else call.person(identifier)
        if space.type not in MODELS or is_known is None:
            raise ApiError("param.openSpaceIdInvalid", "openSpaceId不合法")
        spaces.append(space)
    return spaces


def _deliver_model(call: Call, space_type: str) -> Json:
    model = call.body.get(f"{MODELS[space_type]}OpenDeliverModel")
    if not isinstance(model, dict) or not model:
        raise ApiError("param.openDeliverModelEmpty", f"{MODELS[space_type]}OpenDeliverModel不能为空")
    is_robot = space_type == "IM_ROBOT"
    if is_robot and not (model.get("spaceType") == "IM_ROBOT" or model.get("robotCode")):
        raise ApiError("param.openDeliverModelError", "spaceType应为IM_ROBOT")
    if not is_robot and not model.get("robotCode"):
        raise ApiError("param.openDeliverModelError", "缺少robotCode")
    return model


def _deliver(call: Call, card: Card, space: Space, model: Json) -> Json:
    """Put the card into one space; what fails there is said there, with success at the top."""
    problem = _undeliverable(call, space, model)
    result = {"spaceType": space.type, "spaceId": space.id, "success": not problem}
    if problem:
        return result | {"errorMsg": problem}
    message = Message(
        awkward_id(),
        call.corp.corp_id,
        call.app.client_id,
        "card",
        space.id,
        is_group=space.type == "IM_GROUP",
        body={"lastMessage": _last_message(call, space)},
        at=call.now,
        card=card.out_track_id,
        only=[str(userid) for userid in model.get("recipients") or []],
        at_users=list(model.get("atUserIds") or {}),
    )
    call.world.state.keep(message)
    return result | {"carrierId": message.id, "errorMsg": ""}


def _undeliverable(call: Call, space: Space, model: Json) -> str:
    """Why this space cannot have the card, or ""."""
    if model.get("robotCode", call.app.client_id) != call.app.client_id or not call.app.has_robot:
        return "chatbotNotFound"
    if call.fault and call.fault.fault in ("invalid_users", "unlicensed_users"):
        users = call.fault.users.split("|") if call.fault.users else [space.id]
        if space.id in users:
            return call.fault.name or "SYSTEM_ERROR"
    group = call.group(space.id) if space.type == "IM_GROUP" else None
    if group is None:
        return "" if call.app.can_see(space.id) else "user is not in the visible scope of the app"
    if group.disbanded:
        return "group.disbanded"
    if not group.is_internal:
        return "conversation.org.notMatch"
    has_robot = call.came_with(group) or call.app.client_id in group.installed
    return "" if has_robot else "chatbotNotInstall"


def _last_message(call: Call, space: Space) -> str:
    """The line for the list of chats."""
    model = call.body.get(f"{MODELS[space.type]}OpenSpaceModel") or {}
    return str((model.get("lastMessageI18n") or {}).get("ZH_CN") or "[卡片]")
