"""WeCom: encrypted XML, SHA-1 over sorted parts.

https://developer.work.weixin.qq.com/document/path/90968, …/90236 (messages), …/94888 (updates), …/96458 (presses)
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import time
from functools import lru_cache
from typing import Any, ClassVar
from urllib.parse import urlencode

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

AGENT_ID = "1000002"
BLOCK = 32
KINDS = {"gettoken": TOKEN, "message/send": CARD, "message/update_template_card": UPDATE}
ENCRYPTED = re.compile(rb"<Encrypt><!\[CDATA\[([^\]]+)\]\]></Encrypt>")


class WeCom:
    slug: ClassVar[str] = "wecom"
    label: ClassVar[str] = "WeCom"
    api: ClassVar[str] = "/cgi-bin/"
    callback: ClassVar[str] = "callback_url"
    sends_a_second: ClassVar[int] = 0
    sends_a_minute: ClassVar[int] = 0
    gives_codes: ClassVar[bool] = True

    def application(self, number: int) -> Application:
        corp_id = f"ww{number:012x}be01"
        settings = {"corp_id": corp_id, "agent_id": AGENT_ID, "trusted_domain": "localhost"}
        known = {
            "secret": f"secret-{corp_id}",
            "token": f"token{corp_id[-6:]}",
            "encoding_aes_key": (corp_id * 3)[:42] + "A",
        }
        return Application(self.slug, f"wecom:{corp_id}", settings, known)

    def person(self, name: str) -> str:
        return name

    def press(self, application: Application, button: Button, *, forged: bool = False) -> bytes:
        """One template_card_event."""
        corp_id, agent_id = application.settings["corp_id"], application.settings["agent_id"]
        nonce, now = secrets.token_hex(8), str(int(time.time()))
        plain = (
            f"<xml><ToUserName><![CDATA[{corp_id}]]></ToUserName><FromUserName>{button.user_id}</FromUserName>"
            f"<CreateTime>{now}</CreateTime><MsgType>event</MsgType><Event>template_card_event</Event>"
            f"<EventKey>{button.key}</EventKey><TaskId>{button.reference}</TaskId>"
            f"<CardType>button_interaction</CardType><ResponseCode>{nonce}</ResponseCode>"
            f"<AgentID>{agent_id}</AgentID></xml>"
        )
        sealed = seal(plain.encode(), application.secrets["encoding_aes_key"], corp_id)
        signed = sign(application.secrets["token"], now, nonce, sealed)
        query = {"msg_signature": "0" * 40 if forged else signed, "timestamp": now, "nonce": nonce}
        body = f"<xml><ToUserName>{corp_id}</ToUserName><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>"
        path = f"{application.callback_path}?{urlencode(query)}"
        return request("POST", path, body.encode(), content_type="text/xml")

    def shows_card(self, application: Application, answer: bytes) -> bool:
        found = ENCRYPTED.search(answer)
        opened = unseal(found.group(1), application.secrets["encoding_aes_key"]) if found else b""
        return b"<TemplateCard>" in opened

    def answer(self, call: Call, number: int) -> Answered:
        kind = KINDS.get(call.path, OTHER)
        if kind == TOKEN:
            named = call.parameter.get("corpid") or call.parameter["corpId"]
            content = {"access_token": f"{named}.{number}", "expires_in": TOKEN_SECONDS}
            return Answered(kind, named, {"errcode": 0, "errmsg": "ok"} | content)
        holder = holder_of(call.parameter.get("access_token", ""))
        if kind != CARD:
            return Answered(kind, holder, {"errcode": 0, "errmsg": "ok", "invaliduser": []})
        message = call.json()
        card = message.get("template_card") or {}
        sent = {"errcode": 0, "errmsg": "ok", "invaliduser": "", "msgid": f"m{number}"}
        sent |= {"response_code": f"code-{number}"} if card else {}
        return Answered(kind, holder, sent, message.get("touser", ""), card.get("main_title", {}).get("title", ""))


def sign(token: str, timestamp: str, nonce: str, sealed: str) -> str:
    return hashlib.sha1("".join(sorted([token, timestamp, nonce, sealed])).encode(), usedforsecurity=False).hexdigest()


def seal(plain: bytes, encoding_aes_key: str, receiver: str) -> str:
    """AES-256-CBC of 16 random bytes, the length, the message and whom it is for, padded to blocks of 32 bytes."""
    whole = secrets.token_bytes(16) + len(plain).to_bytes(4, "big") + plain + receiver.encode()
    missing = BLOCK - len(whole) % BLOCK
    return base64.b64encode(_cipher(encoding_aes_key).encrypt(whole + bytes([missing]) * missing)).decode()


def unseal(sealed: bytes, encoding_aes_key: str) -> bytes:
    """The message of `seal`, whose receiver is not looked at."""
    whole: bytes = _cipher(encoding_aes_key).decrypt(base64.b64decode(sealed))
    return whole[20 : 20 + int.from_bytes(whole[16:20], "big")]


def _cipher(encoding_aes_key: str) -> Any:
    key = _key(encoding_aes_key)
    return AES.new(key, AES.MODE_CBC, iv=key[:16])


@lru_cache(maxsize=16)
def _key(encoding_aes_key: str) -> bytes:
    return base64.b64decode(encoding_aes_key + "=")
