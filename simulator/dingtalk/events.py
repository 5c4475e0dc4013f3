"""What DingTalk pushes: checking an address, events of chats, what is tried again and what was given up.

https://open.dingtalk.com/document/development/http-callback-overview
"""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from simulator import outbound, recording, sealing
from simulator.dingtalk import tokens
from simulator.dingtalk.context import PLATFORM, Call, DingTalk, Failed, Waiting
from simulator.dingtalk.state import App, Corp, Group, Subscription
from simulator.faults import Caller
from simulator.ids import random_text

ANSWER_SECONDS = 2.5
RETRY_SECONDS = (10, 30)
MAX_FAILED = 200
EVENTS = {
    "im_cool_app_install": "群内安装酷应用",
    "im_cool_app_uninstall": "群内卸载酷应用",
    "chat_update_title": "群会话更换群名称",
    "chat_disband": "群会话解散群",
    "chat_add_member": "群会话添加人员",
    "chat_remove_member": "群会话删除人员",
    "user_add_org": "通讯录用户增加",
    "user_leave_org": "通讯录用户离职",
}
UNBILLED = ("user_", "org_")
WRONG_VALUE = "HTTP请求结果校验返回字段值失败"

Json = dict[str, Any]


@dataclass(frozen=True)
class Odd:
    """How a push departs from the rules, for negative tests; the defaults depart in nothing.

    tamper  "signature", "suffix", "ciphertext", "unsigned" (neither signature) or "old_name" (only `signature`)
    """

    timestamp: int | None = None
    tamper: str = ""


@dataclass
class Delivery:
    """One try. http_status is 0 when there was no answer; answer is the decrypted reply or the bare body.

    problem  why it does not count as taken, "" when it does
    """

    http_status: int = 0
    answer: str = ""
    problem: str = ""
    payload: Json = field(default_factory=dict)

    @property
    def is_accepted(self) -> bool:
        return not self.problem


def check_url(world: DingTalk, app: App, settings: Subscription) -> str:
    """Why saving this address fails, or ""; the answer must be the encrypted success within 2.5 seconds."""
    delivery = _post(world, app, settings, {"EventType": "check_url"}, Odd())
    return f"{WRONG_VALUE}：{delivery.problem}" if delivery.problem else ""


def push(world: DingTalk, corp: Corp, app: App, kind: str, about: Json) -> Delivery:
    """Push one event if it was ticked; what is not taken is tried again 10 and 30 seconds later.

    Do not hold the store's lock: the product may call the API before it answers.
    """
    with world.store.lock:
        if app.subscription is None or kind not in app.subscription.tags:
            return Delivery(problem="not subscribed")
        if not kind.startswith(UNBILLED) and not tokens.may_push(world, corp.corp_id):
            return Delivery(problem="monthly quota of pushes used up")
        payload = envelope(world, corp, app, kind, about)
    return send(world, app, payload)


def envelope(world: DingTalk, corp: Corp, app: App, kind: str, about: Json) -> Json:
    """The flattened event. In PascalCase mode the event's own names start with capitals and nobody is its operator."""
    if app.pascal_case:
        about = {name[0].upper() + name[1:]: value for name, value in about.items() if name != "operator"}
    head: Json = {"EventType": kind, "EventTime": int(world.now * 1000), "CorpId": corp.corp_id}
    return head | {"BizId": uuid.uuid4().hex, "eventId": uuid.uuid4().hex} | about


def send(world: DingTalk, app: App, payload: Json, odd: Odd | None = None, tries: int = 0) -> Delivery:
    """One try of a push; what follows from its failure is planned."""
    if app.subscription is None:
        return Delivery(problem="not subscribed", payload=payload)
    delivery = _post(world, app, app.subscription, payload, odd or Odd())
    if not delivery.is_accepted:
        _plan(world, Waiting(app.client_id, payload, tries + 1, 0.0))
    return delivery


def retry(world: DingTalk, *, everything: bool = False) -> list[Delivery]:
    """Try again what is due by the simulator's clock, or whatever waits."""
    with world.store.lock:
        due = [each for each in world.waiting if everything or each.due_at <= world.now]
        world.waiting = [each for each in world.waiting if each not in due]
        found = [(each, world.state.app(each.client_id)) for each in due]
    return [send(world, pair[1], each.payload, tries=each.tries) for each, pair in found if pair]


def failed_result(call: Call) -> Json:
    """The pushes that were given up, at most 200 a call, handed out once.

    https://open.dingtalk.com/document/development/obtain-the-event-list-of-failed-push-messages
    """
    own = [each for each in call.world.failed if each.client_id == call.app.client_id]
    handed = own[:MAX_FAILED]
    for each in handed:
        call.world.failed.remove(each)
    return {"failed_list": [_failed_item(each) for each in handed], "has_more": len(own) > MAX_FAILED}


def group_event(group: Group, corp: Corp, now: float, operator: str) -> Json:
    """What the chat_… events tell of a group."""
    return {
        "timeStamp": int(now * 1000),
        "chatId": group.chat_id,
        "corpId": corp.corp_id,
        "operatorUnionId": corp.people[operator].unionid if operator in corp.people else "",
        "openConversationId": group.cid,
        "operator": operator,
    }


def cool_app_event(group: Group, corp: Corp, app: App, now: float, operator: str) -> Json:
    """What installing and uninstalling tell: no title, and the time as a text."""
    return {
        "coolAppCode": app.cool_app_code,
        "operateTime": str(int(now * 1000)),
        "openConversationCorpId": corp.corp_id,
        "robotCode": app.client_id,
        "openConversationId": group.cid,
        "operator": operator,
    }


def _failed_item(failed: Failed) -> Json:
    kind = str(failed.payload.get("EventType"))
    return {"call_back_tag": kind, "event_time": int(failed.at * 1000), kind: {"callbackData": failed.payload}}


def _plan(world: DingTalk, missed: Waiting) -> None:
    """Wait for the next try, or give up. Real time counts too, where nobody moves the clock."""
    with world.store.lock:
        if missed.tries > len(RETRY_SECONDS):
            world.failed.append(Failed(missed.client_id, missed.payload, world.now))
            return
        pause = RETRY_SECONDS[missed.tries - 1]
        missed.due_at = world.now + pause
        world.waiting.append(missed)
    timer = threading.Timer(pause + 0.1, retry, [world])
    timer.daemon = True
    timer.start()


def _post(world: DingTalk, app: App, settings: Subscription, payload: Json, odd: Odd) -> Delivery:
    suffix = app.corp_id if app.suffix == "corp_id" else app.client_id
    plaintext = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    sealed_for = "dingsomebodyelse0000" if odd.tamper == "suffix" else suffix
    encrypted = sealing.encrypt(settings.aes_key, plaintext.encode(), sealed_for)
    url = _signed_url(world, settings, encrypted, odd)
    if odd.tamper == "ciphertext":
        encrypted = encrypted[:-8] + ("AAAA" if encrypted[-8:-4] != "AAAA" else "BBBB") + encrypted[-4:]
    body = json.dumps({"encrypt": encrypted}).encode()
    answer = outbound.send("POST", url, body=body, headers={"Content-Type": "application/json"}, seconds=ANSWER_SECONDS)
    called = Caller(PLATFORM, urlsplit(url).path, app.corp_id, app.agent_id, app.client_id)
    if answer.status and world.faults.take(called, ["callback_lost"]):
        answer = outbound.Answer(0, b"", answer.ms, "fault: callback_lost")
    reply, problem = _read(settings, suffix, answer)
    texts = {"plaintext": plaintext, "plain_answer": reply, "note": problem}
    recording.outgoing(world.wire, PLATFORM, url, body, answer, at=world.now, **texts)
    text = reply or answer.body.decode("utf-8", "replace")
    return Delivery(answer.status, text, problem, payload)


def _signed_url(world: DingTalk, settings: Subscription, encrypted: str, odd: Odd) -> str:
    """The address with both names of the signature, the time in milliseconds and a nonce of eight."""
    stamp, nonce = str(odd.timestamp or int(world.now * 1000)), random_text(8)
    given = sealing.signature(settings.token, stamp, nonce, encrypted)
    if odd.tamper == "signature":
        given = ("0" if given[0] != "0" else "1") + given[1:]
    query = {"signature": given, "msg_signature": given, "timestamp": stamp, "nonce": nonce}
    for name in {"unsigned": ("signature", "msg_signature"), "old_name": ("msg_signature",)}.get(odd.tamper, ()):
        del query[name]
    return f"{settings.url}{'&' if '?' in settings.url else '?'}{urlencode(query)}"


def _read(settings: Subscription, suffix: str, answer: outbound.Answer) -> tuple[str, str]:
    """The decrypted reply, and why it is not the success that is wanted ("" when it is)."""
    if answer.status != 200:
        return "", answer.error or f"HTTP {answer.status}"
    try:
        body = json.loads(answer.body)
        stamp, nonce = str(body["timeStamp"]), str(body["nonce"])
        if not sealing.is_signed(settings.token, stamp, nonce, str(body["encrypt"]), str(body["msg_signature"])):
            return "", "signature of the reply is wrong"
        message, received = sealing.decrypt(settings.aes_key, str(body["encrypt"]))
    except (ValueError, KeyError, TypeError) as error:
        return "", f"reply is not an encrypted one ({type(error).__name__})"
    reply = message.decode("utf-8", "replace")
    if received != suffix:
        return reply, "suffix of the reply is wrong"
    return reply, "" if reply == "success" else "reply is not success"
