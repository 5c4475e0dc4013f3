"""Runs in .venv-oracles: answers one JSON line for each JSON line, with wechatpy's cipher and client."""

from __future__ import annotations

from typing import Any

from answering import serve
from wechatpy.work import WeChatClient, parse_message
from wechatpy.work.crypto import WeChatCrypto


class LocalClient(WeChatClient):
    """wechatpy's client, whose token call names the real host, sent to another one."""

    def _fetch_access_token(self, url: str, params: dict[str, str]) -> Any:
        return super()._fetch_access_token(self.API_BASE_URL + url.rsplit("/", 1)[1], params)


def crypto(call: dict[str, Any]) -> WeChatCrypto:
    return WeChatCrypto(call["token"], call["encoding_aes_key"], call["corp_id"])


def encrypt(call: dict[str, Any]) -> str:
    return crypto(call).encrypt_message(call["message"], call["nonce"], call["timestamp"])


def decrypt(call: dict[str, Any]) -> str:
    opened = crypto(call).decrypt_message(call["xml"], call["signature"], call["timestamp"], call["nonce"])
    return opened if isinstance(opened, str) else opened.decode()


def check_url(call: dict[str, Any]) -> str:
    opened = crypto(call).check_signature(call["signature"], call["timestamp"], call["nonce"], call["echostr"])
    return opened if isinstance(opened, str) else opened.decode()


def parse(call: dict[str, Any]) -> dict[str, str]:
    message = parse_message(call["xml"])
    return {"source": message.source, "target": message.target, "kind": type(message).__name__}


def client(call: dict[str, Any]) -> Any:
    """Call a method of the client, e.g. "message.send_text", against any host."""
    made = LocalClient(call["corp_id"], call["secret"])
    made.API_BASE_URL = call["api_base"]
    target: Any = made
    for name in call["method"].split("."):
        target = getattr(target, name)
    return target(*call["arguments"])


CALLS = {"encrypt": encrypt, "decrypt": decrypt, "check_url": check_url, "parse": parse, "client": client}


if __name__ == "__main__":
    serve(CALLS)
