"""A provider's application for tests: what a super-administrator entered, what WeCom answers and what it calls."""

from __future__ import annotations

import json
import time
from typing import Any

from flask import Flask

from extensions import db
from models import Provider
from platforms.crypto import CallbackCipher
from platforms.http import Answer
from services import providers
from services.clock import utcnow
from tests.factories import make_member

SUITE, OWN_CORP, CORP_ID = "ww0000000000suite1", "wpOwnViewOfCorp0001", "ww1234567890abcdef"
TOKEN, KEY = "SuiteToken2026", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg"
VALUES = {
    "provider_corp_id": "ww00000000provider",
    "provider_secret": "provider-secret-of-some-length",
    "app_name": "Dutybell",
    "suite_id": SUITE,
    "suite_secret": "suite-secret-of-some-length",
    "token": TOKEN,
    "encoding_aes_key": KEY,
}
ANSWERS: dict[str, dict[str, Any]] = {
    "get_suite_token": {"suite_access_token": "suite-token", "expires_in": 7200},
    "get_provider_token": {"provider_access_token": "provider-token", "expires_in": 7200},
    "get_corp_token": {"access_token": "corp-token", "expires_in": 7200},
    "get_pre_auth_code": {"pre_auth_code": "pre-1", "expires_in": 1200},
    "get_permanent_code": {
        "permanent_code": "the-permanent-code",
        "auth_corp_info": {"corpid": OWN_CORP, "corp_name": "示例企业"},
    },
    "get_auth_info": {
        "auth_corp_info": {"corpid": OWN_CORP, "corp_name": "示例企业"},
        "auth_info": {"agent": [{"agentid": 1000007, "privilege": {"allow_party": [1]}}]},
    },
    "get": {"name": "Dutybell", "allow_partys": {"partyid": [1]}},
    "userid_to_openuserid": {"open_userid_list": []},
    "corpid_to_opencorpid": {"open_corpid": OWN_CORP},
}


class Script:
    """A transport that answers by the last part of the path and counts what was asked."""

    def __init__(self, answers: dict[str, dict[str, Any]]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, Any]] = []

    def post_json(self, url: str, content: Any, params: Any = None, **_: Any) -> Answer:
        return self.get(url, {**(params or {}), "body": content})

    def get(self, url: str, params: Any = None) -> Answer:
        name = url.rpartition("/")[2]
        self.asked.append((name, params))
        return Answer(200, {}, json.dumps({"errcode": 0, "errmsg": "ok"} | self.answers[name]).encode())

    def times(self, name: str) -> int:
        return sum(1 for asked, _ in self.asked if asked == name)


def script(app: Flask, **changes: dict[str, Any]) -> Script:
    """Answer this application's calls as WeCom would when all is well, but for the changes."""
    made = Script(ANSWERS | changes)
    app.extensions["platform_transport"] = made
    return made


def enter(**changes: str) -> Provider:
    """What a super-administrator enters."""
    operator = make_member("root", is_superadmin=True).user
    provider = providers.save("wecom", VALUES | changes, by=operator, now=utcnow())
    db.session.commit()
    return provider


def query(encrypted: str, *, token: str = TOKEN, seconds_ago: float = 0) -> dict[str, str]:
    stamp = str(int(time.time() - seconds_ago))
    signature = CallbackCipher(token, KEY, SUITE).sign(stamp, "nonce", encrypted)
    return {"msg_signature": signature, "timestamp": stamp, "nonce": "nonce"}


def command(client: Any, info: str, *, receiver: str = SUITE, **fields: str) -> Any:
    """WeCom tells the provider something. The odd values are seconds_ago and token of the query."""
    odd: dict[str, Any] = {name: fields.pop(name) for name in ("token", "seconds_ago") if name in fields}
    members = {"SuiteId": SUITE, "InfoType": info, "TimeStamp": str(int(time.time()))} | fields
    inner = "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in members.items())
    encrypted = CallbackCipher(TOKEN, KEY, receiver).encrypt(f"<xml>{inner}</xml>".encode())
    return client.post(
        "/callback/wecom-suite/command",
        query_string=query(encrypted, **odd),
        data=f"<xml><ToUserName><![CDATA[{SUITE}]]></ToUserName><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>",
    )


def check(client: Any, purpose: str, *, receiver: str = SUITE) -> Any:
    """WeCom's console tries an address."""
    echo = CallbackCipher(TOKEN, KEY, receiver).encrypt(b"7386429105823746152")
    return client.get(f"/callback/wecom-suite/{purpose}", query_string=query(echo) | {"echostr": echo})


def press(client: Any, xml_members: dict[str, str], *, receiver: str = OWN_CORP) -> Any:
    """A message of a company's member."""
    inner = "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in xml_members.items())
    encrypted = CallbackCipher(TOKEN, KEY, receiver).encrypt(f"<xml>{inner}</xml>".encode())
    return client.post(
        "/callback/wecom-suite/data",
        query_string=query(encrypted),
        data=f"<xml><ToUserName><![CDATA[{OWN_CORP}]]></ToUserName><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>",
    )
