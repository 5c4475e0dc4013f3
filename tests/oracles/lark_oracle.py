"""Runs in .venv-oracles: answers one JSON line for each JSON line, with lark-oapi's cipher, dispatchers and client."""

from __future__ import annotations

import json
from typing import Any

import lark_oapi as lark
from answering import serve
from lark_oapi.api.im.v1 import (
    CreateMessageRequest,
    CreateMessageRequestBody,
    ListChatRequest,
    PatchMessageRequest,
    PatchMessageRequestBody,
)
from lark_oapi.card.action_handler import CardActionHandler
from lark_oapi.core.model import RawRequest
from lark_oapi.core.utils import AESCipher
from lark_oapi.event.callback.model.p2_card_action_trigger import P2CardActionTriggerResponse


def decrypt(call: dict[str, Any]) -> str:
    return AESCipher(call["encrypt_key"]).decrypt_str(call["encrypt"])


def dispatch(call: dict[str, Any]) -> dict[str, Any]:
    """What the library's handler answers to a post, and what its listeners were told."""
    heard: list[Any] = []

    def pressed(event: Any) -> P2CardActionTriggerResponse:
        heard.append({"key": event.event.action.value.get("key"), "open_id": event.event.operator.open_id})
        return P2CardActionTriggerResponse(call.get("answer") or {})

    def grouped(event: Any) -> None:
        heard.append({"chat_id": event.event.chat_id, "name": event.event.name})

    handler = (
        lark.EventDispatcherHandler.builder(call["encrypt_key"], call["verification_token"])
        .register_p2_im_chat_member_bot_added_v1(grouped)
        .register_p2_im_chat_member_bot_deleted_v1(grouped)
        .register_p2_im_chat_disbanded_v1(grouped)
        .register_p2_card_action_trigger(pressed)
        .build()
    )
    return _answered(handler, call) | {"heard": heard}


def dispatch_historic(call: dict[str, Any]) -> dict[str, Any]:
    heard: list[Any] = []

    def pressed(card: Any) -> dict[str, Any]:
        heard.append({"key": card.action.value.get("key"), "open_id": card.open_id})
        return call.get("answer") or {}

    handler = CardActionHandler.builder(call["encrypt_key"], call["verification_token"]).register(pressed).build()
    return _answered(handler, call) | {"heard": heard}


def _answered(handler: Any, call: dict[str, Any]) -> dict[str, Any]:
    request = RawRequest()
    request.uri, request.headers, request.body = "/callback", call["headers"], call["body"].encode()
    response = handler.do(request)
    return {"status": response.status_code, "body": json.loads(response.content)}


def client(call: dict[str, Any]) -> dict[str, Any]:
    """Call a method of the client against any host: send, update or list_chats."""
    made = lark.Client.builder().app_id(call["app_id"]).app_secret(call["app_secret"]).domain(call["domain"]).build()
    response = METHODS[call["method"]](made, **call["arguments"])
    data = lark.JSON.marshal(getattr(response, "data", None))  # an update's answer has none
    return {"code": response.code, "msg": response.msg, "data": json.loads(data or "null")}


def send(made: Any, receiver: str, kind: str, content: str) -> Any:
    body = CreateMessageRequestBody.builder().receive_id(receiver).msg_type(kind).content(content).build()
    receiver_type = "chat_id" if receiver.startswith("oc_") else "open_id"
    request = CreateMessageRequest.builder().receive_id_type(receiver_type).request_body(body).build()
    return made.im.v1.message.create(request)


def update(made: Any, message_id: str, content: str) -> Any:
    body = PatchMessageRequestBody.builder().content(content).build()
    return made.im.v1.message.patch(PatchMessageRequest.builder().message_id(message_id).request_body(body).build())


def list_chats(made: Any, page_size: int) -> Any:
    return made.im.v1.chat.list(ListChatRequest.builder().page_size(page_size).build())


METHODS = {"send": send, "update": update, "list_chats": list_chats}
CALLS = {"decrypt": decrypt, "dispatch": dispatch, "dispatch_historic": dispatch_historic, "client": client}


if __name__ == "__main__":
    lark.logger.handlers.clear()  # they write to where the answers go
    serve(CALLS)
