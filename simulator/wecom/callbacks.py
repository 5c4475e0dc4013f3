"""What WeCom calls: verifying an address, delivering an event, applying the passive reply.

https://developer.work.weixin.qq.com/document/path/90930 and 90240
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from simulator import outbound, recording, sealing
from simulator.faults import Caller
from simulator.wecom import xml
from simulator.wecom.context import PLATFORM, WeCom
from simulator.wecom.state import App, Callback, Corp

VERIFY_SECONDS = 1.0
DELIVER_SECONDS = 5.0
ATTEMPTS = 3
TOKEN = re.compile(r"^[A-Za-z0-9]{1,32}$")


@dataclass
class Attempt:
    """One try. http_status is 0 when there was no answer; answer is the decrypted reply or the bare body."""

    http_status: int
    answer: str
    error: str = ""


@dataclass
class Delivery:
    """All tries of one event; reply is the inner XML of a passive reply that passed every check, else ""."""

    attempts: list[Attempt] = field(default_factory=list)
    reply: str = ""

    @property
    def last(self) -> Attempt:
        return self.attempts[-1]

    @property
    def is_accepted(self) -> bool:
        return bool(self.attempts) and self.last.http_status == 200


@dataclass(frozen=True)
class Odd:
    """How a delivery departs from the rules, for negative tests; the defaults depart in nothing.

    tamper  "signature", "receive_id", "ciphertext", "unsigned" (no msg_signature) or "replay" (the last bytes again).
    """

    attempts: int = ATTEMPTS
    timestamp: int | None = None
    tamper: str = ""


def shape_problem(url: str, token: str, encoding_aes_key: str) -> str:
    """Why the console would not even try these three values, or ""."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return "URL 应以 http:// 或 https:// 开头"
    if not TOKEN.match(token):
        return "Token 应为不超过 32 位的英文或数字"
    if len(encoding_aes_key) != 43 or not encoding_aes_key.isascii() or not encoding_aes_key.isalnum():
        return "EncodingAESKey 应为 43 位英文或数字"
    return ""


def verify(wecom: WeCom, corp_id: str, settings: Callback) -> str:
    """Ask the address to decrypt a random number within one second; return why it failed, or ""."""
    problem = shape_problem(settings.url, settings.token, settings.encoding_aes_key)
    if problem:
        return problem
    number = str(secrets.randbelow(10**19)).encode()
    encrypted = sealing.encrypt(settings.encoding_aes_key, number, corp_id)
    query = _signed_query(wecom, settings, encrypted) | {"echostr": encrypted}
    url = _with_query(settings.url, query)
    answer = outbound.send("GET", url, seconds=VERIFY_SECONDS)
    reason = _verification_problem(answer, number)
    _record(wecom, url, b"", answer, method="GET", plaintext=number.decode(), note=reason or "URL verified")
    return f"openapi回调地址请求不通过：{reason}" if reason else ""


def deliver(wecom: WeCom, corp: Corp, app: App, plaintext: str, odd: Odd | None = None) -> Delivery:
    """Push one event: five seconds to answer, a new timestamp and nonce and the same plaintext each time.

    Do not hold the store's lock: the product may call the API before it answers.
    """
    odd, delivery = odd or Odd(), Delivery()
    settings = app.callback
    if settings is None:
        delivery.attempts.append(Attempt(0, "", "接收消息服务器未配置"))
        return delivery
    for _ in range(odd.attempts):
        post = _post_of(wecom, corp, app, settings, plaintext=plaintext, odd=odd)
        attempt = _try(wecom, corp, app, settings, post, plaintext=plaintext, delivery=delivery)
        delivery.attempts.append(attempt)
        if attempt.http_status == 200:
            break
    return delivery


def read_reply(settings: Callback, corp_id: str, body: bytes) -> str:
    """The inner XML of a passive reply. Raises CryptoError or XmlError for one that WeCom would ignore."""
    root = xml.parse(body)
    encrypted = xml.text_of(root, "Encrypt")
    stamp, nonce, given = (xml.text_of(root, name) for name in ("TimeStamp", "Nonce", "MsgSignature"))
    if not sealing.is_signed(settings.token, stamp, nonce, encrypted, given):
        raise sealing.CryptoError("MsgSignature of the reply is wrong")
    message, receive_id = sealing.decrypt(settings.encoding_aes_key, encrypted)
    if receive_id != corp_id:
        raise sealing.CryptoError("receiveid of the reply is not the corp")
    return message.decode("utf-8", "replace")


def _verification_problem(answer: outbound.Answer, number: bytes) -> str:
    stripped = answer.body.strip()
    problems = [
        (answer.error == "timeout", "1 秒内没有响应"),
        (answer.status == 0, f"无法连接（{answer.error}）"),
        (answer.status != 200, f"返回 HTTP {answer.status}，应为 200"),
        (answer.body == number, ""),
        (answer.body.startswith(b"\xef\xbb\xbf"), "返回内容带有 BOM"),
        (stripped == number, "返回内容带有空白或换行"),
        (stripped.strip(b"\"'") == number, "返回内容带有引号"),
    ]
    other = "返回内容不是解密后的明文，请检查 Token、EncodingAESKey 与服务端是否一致"
    return next((text for applies, text in problems if applies), other)


def _post_of(wecom: WeCom, corp: Corp, app: App, settings: Callback, *, plaintext: str, odd: Odd) -> tuple[str, bytes]:
    """The address with its signature and the encrypted body of one attempt."""
    key = (corp.corp_id, app.agent_id)
    if odd.tamper == "replay" and key in wecom.last_callbacks:
        return wecom.last_callbacks[key]
    named = wecom.shown_corp(corp, app)
    receive_id = "ww0000000000000000" if odd.tamper == "receive_id" else named
    encrypted = sealing.encrypt(settings.encoding_aes_key, plaintext.encode(), receive_id)
    query = _signed_query(wecom, settings, encrypted, odd.timestamp)
    if odd.tamper == "signature":
        query["msg_signature"] = ("0" if query["msg_signature"][0] != "0" else "1") + query["msg_signature"][1:]
    if odd.tamper == "unsigned":
        del query["msg_signature"]
    if odd.tamper == "ciphertext":
        encrypted = encrypted[:-8] + ("AAAA" if encrypted[-8:-4] != "AAAA" else "BBBB") + encrypted[-4:]
    post = (_with_query(settings.url, query), xml.envelope(named, str(app.agent_id), encrypted))
    wecom.last_callbacks[key] = post
    return post


def _try(
    wecom: WeCom,
    corp: Corp,
    app: App,
    settings: Callback,
    post: tuple[str, bytes],
    *,
    plaintext: str,
    delivery: Delivery,
) -> Attempt:
    url, body = post
    answer = outbound.send("POST", url, body=body, headers={"Content-Type": "text/xml"}, seconds=DELIVER_SECONDS)
    if answer.status and wecom.faults.take(_called(corp, app, url), ["callback_lost"]):
        answer = outbound.Answer(0, b"", answer.ms, "fault: callback_lost")
    text, note = answer.body.decode("utf-8", "replace"), answer.error
    reply = ""
    if answer.status == 200 and answer.body.strip() not in (b"", b"success", b"ok"):
        try:
            reply = delivery.reply = read_reply(settings, wecom.shown_corp(corp, app), answer.body)
        except (sealing.CryptoError, xml.XmlError) as error:
            note = f"passive reply ignored: {error}"
    _record(wecom, url, body, answer, plaintext=plaintext, plain_answer=reply, note=note)
    return Attempt(answer.status, reply or text, note)


def _called(corp: Corp, app: App, url: str) -> Caller:
    return Caller(PLATFORM, urlsplit(url).path, corp.corp_id, app.agent_id)


def _signed_query(wecom: WeCom, settings: Callback, encrypted: str, timestamp: int | None = None) -> dict[str, str]:
    stamp, nonce = str(timestamp or int(wecom.store.now())), str(secrets.randbelow(10**10))
    given = sealing.signature(settings.token, stamp, nonce, encrypted)
    return {"msg_signature": given, "timestamp": stamp, "nonce": nonce}


def _with_query(url: str, query: dict[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"


def _record(
    wecom: WeCom, url: str, body: bytes, answer: outbound.Answer, *, method: str = "POST", **texts: str
) -> None:
    recording.outgoing(wecom.wire, PLATFORM, url, body, answer, at=wecom.store.now(), method=method, **texts)
