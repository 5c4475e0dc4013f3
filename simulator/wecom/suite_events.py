"""What WeCom tells a provider on the command address: sealed for the application, repeated until it is answered."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from urllib.parse import urlencode

from simulator import outbound, recording, sealing
from simulator.wecom import xml
from simulator.wecom.context import PLATFORM, WeCom
from simulator.wecom.state import Suite

SECONDS = 1.0
ATTEMPTS = 3


@dataclass(frozen=True)
class Told:
    """The last try's answer. status 0: there was none."""

    status: int
    answer: str
    error: str


def push(wecom: WeCom, suite: Suite, fields: dict[str, str], *, attempts: int = ATTEMPTS) -> Told:
    """Push an event; the same plaintext in each try. Do not hold the store's lock."""
    members = {"SuiteId": suite.suite_id} | fields
    inner = "".join(xml.element(name, value) for name, value in members.items())
    return _push(wecom, suite, inner, suite.suite_id, attempts)


def push_system(wecom: WeCom, suite: Suite, corp_id: str, inner: str) -> Told:
    """A system event (系统事件), which names the provider's company and no application."""
    about = xml.element("ServiceCorpId", suite.provider_corp_id) + xml.element("AuthCorpId", corp_id)
    return _push(wecom, suite, about + inner, suite.provider_corp_id, ATTEMPTS)


def _push(wecom: WeCom, suite: Suite, inner: str, receiver: str, attempts: int) -> Told:
    if not suite.command_url:
        return Told(0, "", "指令回调URL未配置")
    plaintext = f"<xml>{inner}{xml.element('TimeStamp', int(wecom.store.now()))}</xml>"
    told = Told(0, "", "")
    for _ in range(attempts):
        told = _try(wecom, suite, plaintext, receiver)
        if told.status == 200:
            break
    return told


def _try(wecom: WeCom, suite: Suite, plaintext: str, receiver: str) -> Told:
    encrypted = sealing.encrypt(suite.encoding_aes_key, plaintext.encode(), receiver)
    stamp, nonce = str(int(wecom.store.now())), str(secrets.randbelow(10**10))
    query = {"msg_signature": sealing.signature(suite.token, stamp, nonce, encrypted)}
    query |= {"timestamp": stamp, "nonce": nonce}
    url, body = f"{suite.command_url}?{urlencode(query)}", xml.envelope(receiver, "", encrypted)
    answer = outbound.send("POST", url, body=body, headers={"Content-Type": "text/xml"}, seconds=SECONDS)
    text = answer.body.decode("utf-8", "replace")
    recording.outgoing(
        wecom.wire, PLATFORM, url, body, answer, at=wecom.store.now(), plaintext=plaintext, note=answer.error
    )
    return Told(answer.status, text, answer.error)
