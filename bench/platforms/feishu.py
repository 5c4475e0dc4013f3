"""Feishu: encrypted JSON, SHA-256 over headers and body.

https://open.feishu.cn/document/feishu-cards/card-callback-communication
and uAjLw4CM/ukTMukTMukTM/reference/im-v1/message/create
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from functools import lru_cache
from typing import ClassVar

from Crypto.Cipher import AES

from bench.load import request
from bench.platforms.base import (
    CARD,
    OTHER,
    TOKEN,
    TOKEN_SECONDS,
    UPDATE,
    Answered,
    Application,
    Button,
    Call,
    holder_of,
)

BLOCK = 16
TOKEN_PATH, SEND_PATH = "auth/v3/tenant_access_token/internal", "im/v1/messages"


class Feishu:
    slug: ClassVar[str] = "feishu"
    label: ClassVar[str] = "Feishu"
    api: ClassVar[str] = "/open-apis/"
    callback: ClassVar[str] = "card_url"
    sends_a_second: ClassVar[int] = 50
    sends_a_minute: ClassVar[int] = 1000
    gives_codes: ClassVar[bool] = False

    def application(self, number: int) -> Application:
        app_id = f"cli_bench{number:04}"
        known = {
            "app_secret": f"secret-{app_id}",
            "verification_token": f"verification-{app_id}",
            "encrypt_key": f"encrypt-{app_id}",
        }
        return Application(self.slug, f"feishu:{app_id}", {"brand": "feishu", "app_id": app_id}, known)

    def person(self, name: str) -> str:
        return f"ou_{name}"

    def press(self, application: Application, button: Button, *, forged: bool = False) -> bytes:
        """One card.action.trigger of schema 2.0."""
        known, now = application.secrets, time.time()
        event = {
            "operator": {"tenant_key": "bench", "open_id": button.user_id},
            "token": f"c-{secrets.token_hex(16)}",
            "action": {"value": {"key": button.key, "reference": button.reference}, "tag": "button"},
            "host": "im_message",
            "context": {"open_message_id": "om_bench", "open_chat_id": "oc_bench"},
        }
        header = {
            "event_id": secrets.token_hex(16),
            "token": known["verification_token"],
            "create_time": str(int(now * 1_000_000)),
            "event_type": "card.action.trigger",
            "tenant_key": "bench",
            "app_id": application.settings["app_id"],
        }
        plain = json.dumps({"schema": "2.0", "header": header, "event": event}).encode()
        body = json.dumps({"encrypt": seal(plain, known["encrypt_key"])}).encode()
        timestamp, nonce = str(int(now)), secrets.token_hex(8)
        signed = sign(timestamp, nonce, known["encrypt_key"], body)
        headers = (
            f"X-Lark-Request-Timestamp: {timestamp}",
            f"X-Lark-Request-Nonce: {nonce}",
            f"X-Lark-Signature: {'0' * 64 if forged else signed}",
        )
        return request("POST", application.callback_path, body, headers=headers)

    def shows_card(self, application: Application, answer: bytes) -> bool:
        return "header" in json.loads(answer).get("card", {}).get("data", {})

    def answer(self, call: Call, number: int) -> Answered:
        if call.path == TOKEN_PATH:
            named = call.json()["app_id"]
            token = {"tenant_access_token": f"{named}.{number}", "expire": TOKEN_SECONDS}
            return Answered(TOKEN, named, {"code": 0, "msg": "ok"} | token)
        holder = holder_of(call.header("authorization").removeprefix("Bearer "))
        done = {"code": 0, "msg": "success"}
        if call.method == "POST" and call.path == SEND_PATH:
            message = call.json()
            title = json.loads(message["content"]).get("header", {}).get("title", {}).get("content", "")
            sent = {"message_id": f"om_{number}", "create_time": str(int(time.time() * 1000))}
            return Answered(CARD, holder, done | {"data": sent}, message["receive_id"], title)
        return Answered(UPDATE if call.method == "PATCH" else OTHER, holder, done | {"data": {}})


def sign(timestamp: str, nonce: str, encrypt_key: str, body: bytes) -> str:
    return hashlib.sha256((timestamp + nonce + encrypt_key).encode() + body).hexdigest()


def seal(plain: bytes, encrypt_key: str) -> str:
    """AES-256-CBC with a random initial vector in front, padded to blocks of 16 bytes."""
    vector, missing = secrets.token_bytes(BLOCK), BLOCK - len(plain) % BLOCK
    cipher = AES.new(_key(encrypt_key), AES.MODE_CBC, iv=vector)
    return base64.b64encode(vector + cipher.encrypt(plain + bytes([missing]) * missing)).decode()


@lru_cache(maxsize=16)
def _key(encrypt_key: str) -> bytes:
    return hashlib.sha256(encrypt_key.encode()).digest()
