"""Runs in .venv-oracles: answers one JSON line for each JSON line, with dingtalk-sdk's cipher and client."""

from __future__ import annotations

from typing import Any

from answering import serve
from dingtalk import AppKeyClient
from dingtalk.crypto import DingTalkCrypto


def crypto(call: dict[str, Any]) -> DingTalkCrypto:
    return DingTalkCrypto(call["token"], call["aes_key"], call["receive_id"])


def encrypt(call: dict[str, Any]) -> dict[str, str]:
    sealed: dict[str, str] = crypto(call).encrypt_message(call["message"], call["nonce"], call["timestamp"])
    return sealed


def decrypt(call: dict[str, Any]) -> str:
    opened = crypto(call).decrypt_encrypt_str(call["signature"], call["timestamp"], call["nonce"], call["encrypt"])
    return opened if isinstance(opened, str) else opened.decode()


def client(call: dict[str, Any]) -> Any:
    """Call a method of the old family's client, e.g. "user.get", against any host."""
    made = AppKeyClient(call["corp_id"], call["client_id"], call["client_secret"])
    made.API_BASE_URL = call["api_base"]
    target: Any = made
    for name in call["method"].split("."):
        target = getattr(target, name)
    return target(*call["arguments"])


CALLS = {"encrypt": encrypt, "decrypt": decrypt, "client": client}


if __name__ == "__main__":
    serve(CALLS)
