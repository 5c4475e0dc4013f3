"""What Feishu calls: checking an address, events with their repeats, the requests of a click.

https://open.feishu.cn/document/ukTMukTMukTM/uYDNxYjL2QTM24iN0EjN/event-subscription-configure-/choose-a-subscription-mode
"""

from __future__ import annotations

import json
import secrets
import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from simulator import outbound, recording
from simulator.faults import Caller
from simulator.feishu import crypto
from simulator.feishu.context import PLATFORM, Feishu
from simulator.feishu.scopes import may_receive
from simulator.feishu.state import App, Pending

CHECK_SECONDS, ANSWER_SECONDS = 1.0, 3.0
REPEATS = (15.0, 300.0, 3600.0, 21600.0)
JSON_TYPE = "application/json;charset=utf-8"

Json = dict[str, Any]


@dataclass(frozen=True)
class Odd:
    """How a push departs from the rules, for negative tests; the defaults depart in nothing.

    tamper  "signature", "unsigned", "token", "app_id", "tenant_key", "plaintext" (no encryption in spite of a key),
            "base64", "padding" or "replay" (the last bytes again)
    """

    tamper: str = ""
    timestamp: int | None = None


@dataclass
class Attempt:
    """One try. http_status is 0 when there was no answer."""

    http_status: int
    answer: str
    error: str = ""


@dataclass
class Delivery:
    """An event's tries so far. next_at: when it is due again by the simulator's clock, 0 when never."""

    event_id: str
    app_id: str
    attempts: list[Attempt] = field(default_factory=list)
    next_at: float = 0.0


def check_url(feishu: Feishu, app: App, url: str) -> str:
    """Send the challenge; why the console refuses to save the address, or "". Do not hold the store's lock."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return "请填写有效的 HTTP/HTTPS URL"
    challenge = secrets.token_hex(16)
    asked = {"challenge": challenge, "token": app.verification_token, "type": "url_verification"}
    plain = compact(asked)
    body = _sealed(app, plain)
    answer = outbound.send("POST", url, body=body, headers={"Content-Type": JSON_TYPE}, seconds=CHECK_SECONDS)
    problem = _challenge_problem(answer, challenge)
    record(feishu, url, body, answer, plaintext=plain, note=problem or "URL verified")
    return problem


def emit(
    feishu: Feishu,
    app: App,
    event_type: str,
    event: Json,
    *,
    odd: Odd | None = None,
    event_id: str = "",
    is_forced: bool = False,
) -> Delivery | None:
    """Send an event that the released version subscribes; None when it does not. Do not hold the store's lock.

    is_forced  whatever is subscribed; event_id: of an event that was sent before, as a duplicate
    A failed try is repeated after 15 s, 5 min, 1 h and 6 h.
    """
    if not app.event_url or not (is_forced or may_receive(app, event_type)):
        return None
    event_id = event_id or secrets.token_hex(16)
    pending = Pending(event_id, app.app_id, envelope(feishu, app, event_type, event, event_id=event_id), 0, feishu.now)
    return _deliver(feishu, pending, odd or Odd())


def deliver_due(feishu: Feishu, event_id: str = "") -> list[Delivery]:
    """Try again what is due by the simulator's clock, or this one event of it. Do not hold the store's lock."""
    with feishu.store.lock:
        waiting = [p for p in feishu.state.pending.values() if event_id in ("", p.event_id)]
        due = [pending for pending in waiting if pending.due_at <= feishu.now]
        for pending in due:
            del feishu.state.pending[pending.event_id]
    return [_deliver(feishu, pending, Odd()) for pending in due]


def envelope(
    feishu: Feishu, app: App, event_type: str, event: Json, *, event_id: str = "", microseconds: bool = False
) -> str:
    """An event of schema 2.0 as the text that is encrypted and signed. Times: milliseconds, or microseconds."""
    header = {
        "event_id": event_id or secrets.token_hex(16),
        "token": app.verification_token,
        "create_time": str(int(feishu.now * (1_000_000 if microseconds else 1000))),
        "event_type": event_type,
        "tenant_key": app.tenant_key,
        "app_id": app.app_id,
    }
    return compact({"schema": "2.0", "header": header, "event": event})


def post(feishu: Feishu, app: App, url: str, plaintext: str, odd: Odd | None = None) -> outbound.Answer:
    """One signed push: encrypted when there is an Encrypt Key; without one nothing is signed."""
    odd = odd or Odd()
    body, headers = _bytes(feishu, app, plaintext, odd)
    answer = outbound.send("POST", url, body=body, headers=headers, seconds=ANSWER_SECONDS)
    if answer.status and feishu.faults.take(Caller(PLATFORM, urlsplit(url).path, app_id=app.app_id), ["callback_lost"]):
        answer = outbound.Answer(0, b"", answer.ms, "fault: callback_lost")
    record(feishu, url, body, answer, plaintext=plaintext, note=answer.error)
    return answer


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def record(feishu: Feishu, url: str, body: bytes, answer: outbound.Answer, **texts: str) -> None:
    recording.outgoing(feishu.wire, PLATFORM, url, body, answer, at=feishu.now, **texts)


def _deliver(feishu: Feishu, pending: Pending, odd: Odd) -> Delivery:
    app = feishu.state.apps.get(pending.app_id)
    delivery = Delivery(pending.event_id, pending.app_id)
    if app is None or not app.event_url:
        return delivery
    answer = post(feishu, app, app.event_url, pending.plaintext, odd)
    delivery.attempts.append(Attempt(answer.status, answer.body.decode("utf-8", "replace"), answer.error))
    if answer.status == 200 or odd.tamper or pending.tries >= len(REPEATS):
        return delivery
    wait = REPEATS[pending.tries]
    with feishu.store.lock:
        pending.tries, pending.due_at = pending.tries + 1, feishu.now + wait
        feishu.state.pending[pending.event_id] = pending
        feishu.store.touch()
    _remind(feishu, pending.event_id, wait)
    delivery.next_at = pending.due_at
    return delivery


def _remind(feishu: Feishu, event_id: str, seconds: float) -> None:
    """Look whether it is due once that much real time has passed, for those who do not move the clock themselves."""
    timer = threading.Timer(seconds + 0.5, deliver_due, [feishu, event_id])
    timer.daemon = True
    timer.start()


def _challenge_problem(answer: outbound.Answer, challenge: str) -> str:
    try:
        said: Any = json.loads(answer.body)
    except ValueError:
        said = None
    echoed = said.get("challenge") if isinstance(said, dict) else None
    problems = [
        (answer.error == "timeout", "请求 1 秒内没有响应"),
        (answer.status == 0, f"请求地址无法连接（{answer.error}）"),
        (answer.status != 200, f"返回 HTTP {answer.status}，应为 200"),
        (said is None, "返回数据不是合法的 JSON 格式"),
        (echoed != challenge, "Challenge code 没有返回"),
    ]
    return next((text for applies, text in problems if applies), "")


def _bytes(feishu: Feishu, app: App, plaintext: str, odd: Odd) -> tuple[bytes, dict[str, str]]:
    """The body and headers of one push, spoiled as asked."""
    if odd.tamper == "replay" and app.app_id in feishu.last_posts:
        return feishu.last_posts[app.app_id]
    body = plaintext_body = _with_foreign_header(plaintext, odd.tamper)
    sent = plaintext_body.encode() if odd.tamper == "plaintext" else _sealed(app, body)
    if odd.tamper in ("base64", "padding") and app.encrypt_key:
        sent = _broken(sent, odd.tamper)
    stamp, nonce = str(odd.timestamp or int(feishu.now)), secrets.token_hex(8)
    headers = {"Content-Type": JSON_TYPE}
    if app.encrypt_key and odd.tamper != "unsigned":
        given = crypto.signature(app.encrypt_key, stamp, nonce, sent)
        if odd.tamper == "signature":
            given = ("0" if given[0] != "0" else "1") + given[1:]
        headers |= signed_headers(stamp, nonce, given)
    feishu.last_posts[app.app_id] = (sent, headers)
    return sent, headers


def signed_headers(timestamp: str, nonce: str, signature: str) -> dict[str, str]:
    return {
        "X-Lark-Request-Timestamp": timestamp,
        "X-Lark-Request-Nonce": nonce,
        "X-Lark-Signature": signature,
    }


def _sealed(app: App, plaintext: str) -> bytes:
    if not app.encrypt_key:
        return plaintext.encode()
    return compact({"encrypt": crypto.encrypt(app.encrypt_key, plaintext.encode())}).encode()


def _with_foreign_header(plaintext: str, tamper: str) -> str:
    """The text as another application or tenant, or somebody without the Verification Token, would send it."""
    if tamper not in ("token", "app_id", "tenant_key"):
        return plaintext
    value = json.loads(plaintext)
    value.setdefault("header", value)[tamper] = {"app_id": "cli_0000000000000000"}.get(tamper, "foreign")
    return compact(value)


def _broken(sent: bytes, tamper: str) -> bytes:
    """The cipher text cut short, or with another last block."""
    encrypted = json.loads(sent)["encrypt"]
    if tamper == "base64":
        encrypted = encrypted[:-5]
    else:
        encrypted = encrypted[:-12] + ("AAAAAAAA" if encrypted[-12:-4] != "AAAAAAAA" else "BBBBBBBB") + encrypted[-4:]
    return compact({"encrypt": encrypted}).encode()
