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
    if not suite.command_url:
        return Told(0, "", "指令回调URL未配置")
    members = {"SuiteId": suite.suite_id} | fields
    inner = "".join(xml.element(name, value) for name, value in members.items())
    stamp = int(wecom.store.now())
    plaintext = f"<xml>{inner}{xml.element('TimeStamp', stamp)}</xml>"
    told = Told(0, "", "")
    for _ in range(attempts):
        told = _try(wecom, suite, plaintext)
        if told.status == 200:
            break
    return told


def _try(wecom: WeCom, suite: Suite, plaintext: str) -> Told:
    encrypted = sealing.encrypt(suite.encoding_aes_key, plaintext.encode(), suite.suite_id)
    stamp, nonce = str(int(wecom.store.now())), str(secrets.randbelow(10**10))
    query = {"msg_signature": sealing.signature(suite.token, stamp, nonce, encrypted)}
    query |= {"timestamp": stamp, "nonce": nonce}
    url, body = f"{suite.command_url}?{urlencode(query)}", xml.envelope(suite.suite_id, "", encrypted)
    answer = outbound.send("POST", url, body=body, headers={"Content-Type": "text/xml"}, seconds=SECONDS)
    text = answer.body.decode("utf-8", "replace")
    recording.outgoing(
        wecom.wire, PLATFORM, url, body, answer, at=wecom.store.now(), plaintext=plaintext, note=answer.error
    )
    return Told(answer.status, text, answer.error)
