"""message/send and message/recall: receivers, the limits of each kind, delivery.

https://developer.work.weixin.qq.com/document/path/90236
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simulator import faults
from simulator.counters import DAY
from simulator.ids import random_text
from simulator.wecom import cards, licence_events
from simulator.wecom.context import Call
from simulator.wecom.errors import ApiError, bad_parameter
from simulator.wecom.state import Message

MAX_USERS, MAX_PARTIES, MAX_TAGS = 1000, 100, 100
MAX_TEXT_BYTES = 2048
MAX_DUPLICATE_SECONDS = 14400
RECALL_SECONDS = DAY

Json = dict[str, Any]
RepeatKey = tuple[str, int, str]


@dataclass
class Receivers:
    """Who gets a message, and the lists that WeCom sends back."""

    userids: list[str] = field(default_factory=list)
    invalid_users: list[str] = field(default_factory=list)
    invalid_parties: list[str] = field(default_factory=list)
    invalid_tags: list[str] = field(default_factory=list)
    unlicensed_users: list[str] = field(default_factory=list)

    def lists(self) -> dict[str, str]:
        named = {
            "invaliduser": self.invalid_users,
            "invalidparty": self.invalid_parties,
            "invalidtag": self.invalid_tags,
            "unlicenseduser": self.unlicensed_users,
        }
        return {name: "|".join(values) for name, values in named.items() if values}


def send(call: Call) -> Json:
    """Deliver to everyone who is inside the visible range; an error only when nobody is."""
    body = call.body
    check_agent(call)
    kind, content = _content(call)
    _check_named_receivers(call)
    if kind == "template_card":
        cards.check(content)
        if cards.needs_callback(content) and call.app.callback is None:
            call.wecom.refuse("callback_required")
    repeats = _repeat_key(call)
    is_repeat = _is_recent(call, repeats)
    if kind == "template_card" and not is_repeat:
        _check_task_id(call, str(content.get("task_id") or ""))
    receivers = resolve(call, body.get("touser"), body.get("toparty"), body.get("totag"))
    left_out = _leave_out(call, receivers)
    _leave_out_unlicensed(call, receivers)
    if not receivers.userids and not left_out:
        raise _nobody_reached(call, receivers)
    _check_quota(call, len(receivers.userids))
    answer = receivers.lists() | left_out | {"msgid": random_text(40)}
    if is_repeat and repeats is not None:
        call.wecom.unseen.repeats += 1
        return answer | {"msgid": call.wecom.recent_bodies[repeats][1]}
    if repeats is not None:
        call.wecom.recent_bodies[repeats] = (call.now, answer["msgid"])
    message = _deliver(call, kind, content, receivers, answer["msgid"])
    if kind == "template_card" and cards.can_be_updated(content):
        answer["response_code"] = call.wecom.state.new_response_code(message, call.now)
    call.wecom.store.touch()
    return answer


def recall(call: Call) -> Json:
    """Take back a message of this app, once, within 24 hours.

    https://developer.work.weixin.qq.com/document/path/94867
    """
    message = call.wecom.state.messages.get(str(call.body.get("msgid") or ""))
    if message is None or (message.corp_id, message.agent_id) != (call.corp.corp_id, call.app.agent_id):
        call.wecom.refuse("recall_of_other_app", "msgid invalid")
    elif message.recalled:
        call.wecom.refuse("recall_twice", "msgid invalid")
    elif call.now - message.at > RECALL_SECONDS:
        call.wecom.refuse("recall_too_old", "msgid invalid")
    else:
        message.recalled = True
        call.wecom.store.touch()
    return {}


def check_agent(call: Call) -> None:
    """agentid must be a number (41011, 40056) and the app that owns the token (301002)."""
    agent_id = call.body.get("agentid")
    if agent_id in (None, ""):
        raise ApiError(41011)
    if isinstance(agent_id, bool) or not str(agent_id).isdigit():
        raise ApiError(40056)
    if int(agent_id) != call.app.agent_id:
        raise ApiError(301002)


def resolve(call: Call, users: Any, parties: Any, tags: Any) -> Receivers:
    """Members inside the visible range, in the order they were named; @all makes parties and tags ignored."""
    found = Receivers()
    if users == "@all":
        found.userids = [person.userid for person in call.corp.visible_people(call.app)]
        return found
    chosen: dict[str, None] = {}
    for userid in _split(users):
        person = call.person(userid)
        if person and call.corp.can_see(call.app, person):
            chosen[person.userid] = None
        else:
            found.invalid_users.append(userid.lower())
    visible = call.corp.visible_departments(call.app)
    for party in _split(parties):
        if not party.isdigit() or int(party) not in visible:
            found.invalid_parties.append(party)
            continue
        below = call.corp.below([int(party)])
        chosen |= {p.userid: None for p in call.corp.people.values() if not below.isdisjoint(p.departments)}
    found.invalid_tags = _split(tags)  # the simulator has no tags
    found.userids = list(chosen)
    return found


def _check_named_receivers(call: Call) -> None:
    names = {name: _split(call.body.get(name)) for name in ("touser", "toparty", "totag")}
    if not any(names.values()):
        call.wecom.refuse("no_receiver")
    if len(names["touser"]) > MAX_USERS:
        raise ApiError(40032)
    if len(names["toparty"]) > MAX_PARTIES:
        raise ApiError(82002)
    if len(names["totag"]) > MAX_TAGS:
        raise ApiError(82003)


def _check_task_id(call: Call, task_id: str) -> None:
    """Digits, letters and _-@, at most 128 bytes, once in an app."""
    if not task_id:
        return
    key = (call.corp.corp_id, call.app.agent_id)
    is_used = any((m.corp_id, m.agent_id) == key for m in call.wecom.state.with_task(task_id))
    if is_used or not cards.TASK_ID.match(task_id):
        call.wecom.refuse("task_id")


def _repeat_key(call: Call) -> RepeatKey | None:
    """What enable_duplicate_check compares: the same JSON from the same app; None when it was not asked for."""
    if str(call.body.get("enable_duplicate_check") or 0) != "1":
        return None
    digest = hashlib.sha256(json.dumps(call.body, sort_keys=True).encode()).hexdigest()
    return (call.corp.corp_id, call.app.agent_id, digest)


def _is_recent(call: Call, key: RepeatKey | None) -> bool:
    """Whether the same JSON was accepted within the interval: then it answers 0 and is not delivered again."""
    if key is None:
        return False
    seconds = int(call.body.get("duplicate_check_interval") or 1800)
    if seconds > MAX_DUPLICATE_SECONDS:
        call.wecom.refuse("duplicate_interval_too_long", "duplicate_check_interval exceed max 14400")
        seconds = MAX_DUPLICATE_SECONDS
    accepted_at, _ = call.wecom.recent_bodies.get(key, (float("-inf"), ""))
    return call.now - accepted_at < seconds


def _leave_out(call: Call, receivers: Receivers) -> dict[str, str]:
    """Receivers whom an armed fault takes out of the message, in the list that the answer names them in."""
    if call.fault is None or call.fault.fault not in faults.PARTIAL:
        return {}
    wanted = call.fault.users.lower().split("|") if call.fault.users else [u.lower() for u in receivers.userids]
    out = [userid for userid in receivers.userids if userid.lower() in wanted]
    receivers.userids = [userid for userid in receivers.userids if userid not in out]
    name = "invaliduser" if call.fault.fault == "invalid_users" else "unlicenseduser"
    named = receivers.invalid_users if name == "invaliduser" else []
    return {name: "|".join([*named, *(call.shown(userid).lower() for userid in out)])} if out else {}


def _leave_out_unlicensed(call: Call, receivers: Receivers) -> None:
    """A provider's app reaches licensed members; a message is one of the moments that activate a licence by itself."""
    if not call.app.suite_id:
        return
    books = call.corp.licences
    for userid in list(receivers.userids):
        if not books.is_licensed(userid, call.now):
            given = books.activate_by_itself(userid, call.now)
            if given is None:
                receivers.userids.remove(userid)
                receivers.unlicensed_users.append(call.shown(userid).lower())
                continue
            code, status = given
            shown, scene = call.shown(userid), licence_events.MESSAGE
            event = licence_events.activated(code, shown, scene=scene, status_before=status)
            call.wecom.system_events.append((call.corp.corp_id, event))


def _nobody_reached(call: Call, receivers: Receivers) -> ApiError:
    """81013; where it is for want of licences alone, the documents know another number too."""
    only_unlicensed = receivers.unlicensed_users and not receivers.invalid_users
    code = call.wecom.pairing("all_unlicensed") if only_unlicensed else 81013
    return ApiError(code or 81013, extra=receivers.lists())


def _check_quota(call: Call, persons: int) -> None:
    """An app may reach account limit × 200 persons a natural day, in China; more is refused until it ends."""
    key, most = ("quota", call.corp.corp_id, call.app.agent_id), call.wecom.state.limits.account_limit * 200
    if call.wecom.counters.total(key, call.now, DAY) + persons > most:
        raise ApiError(45009)
    call.wecom.counters.add(key, call.now, DAY, persons)


def _deliver(call: Call, kind: str, content: Json, receivers: Receivers, message_id: str) -> Message:
    """Store the message for those who have not had too many; the others lose it silently."""
    limits, admit = call.wecom.state.limits, call.wecom.counters.admit
    app_key = (call.corp.corp_id, call.app.agent_id)
    per_minute, per_hour = limits.per_member_per_minute, limits.per_member_per_hour
    reached = [u for u in receivers.userids if admit((app_key, u), call.now, per_minute, per_hour)]
    call.wecom.unseen.over_limit += len(receivers.userids) - len(reached)
    task_id = str(content.get("task_id") or "") if kind == "template_card" else ""
    message = Message(message_id, *app_key, kind, content, reached, call.now, task_id)
    call.wecom.state.keep(message)
    return message


def _content(call: Call) -> tuple[str, Json]:
    """The message's kind and its object as it will be shown, cut where WeCom cuts."""
    kind = call.body.get("msgtype")
    check = KINDS.get(str(kind))
    if check is None:
        raise ApiError(40008)
    return str(kind), check(call, object_of(call, str(kind)))


def object_of(call: Call, kind: str) -> Json:
    """The body's object of this kind, {} where its absence is accepted."""
    content = call.body.get(kind)
    if isinstance(content, dict):
        return content
    call.wecom.refuse("missing_object", f"{kind} missing")
    return {}


def _text(call: Call, content: Json) -> Json:
    text = str(content.get("content") or "")
    if not text:
        raise ApiError(44004)
    return {"content": text.encode()[:MAX_TEXT_BYTES].decode("utf-8", "ignore")}


def _markdown(call: Call, content: Json) -> Json:
    text = str(content.get("content") or "")
    if not text:
        raise ApiError(44004)
    if len(text.encode()) > MAX_TEXT_BYTES:
        call.wecom.refuse("markdown_too_long", f"markdown.content exceed max length {MAX_TEXT_BYTES}")
    return {"content": text.encode()[:MAX_TEXT_BYTES].decode("utf-8", "ignore")}


def _textcard(call: Call, content: Json) -> Json:
    for name in ("title", "description"):
        if not content.get(name):
            raise bad_parameter(f"textcard.{name} missing")
    url = str(content.get("url") or "")
    if not url:
        call.wecom.refuse("textcard_without_url", "textcard.url missing")
    elif "://" not in url:
        call.wecom.refuse("url_without_scheme", "textcard.url")
    if len(url.encode()) > 2048:
        raise bad_parameter("textcard.url exceed max length 2048")
    shown = {"title": str(content["title"])[:128], "description": str(content["description"])[:512], "url": url}
    return shown | {"btntxt": str(content.get("btntxt") or "详情")[:4]}


def _articles(call: Call, content: Json) -> Json:
    articles = content.get("articles")
    if not isinstance(articles, list) or not 1 <= len(articles) <= 8:
        raise bad_parameter("articles size must be 1 to 8")
    if not all(isinstance(article, dict) and article.get("title") for article in articles):
        raise bad_parameter("articles.title missing")
    return content


def _media(call: Call, content: Json) -> Json:
    if not content.get("media_id"):
        raise bad_parameter("media_id missing")
    return content


def _as_is(call: Call, content: Json) -> Json:
    return content


KINDS: dict[str, Callable[[Call, Json], Json]] = {
    "text": _text,
    "markdown": _markdown,
    "textcard": _textcard,
    "news": _articles,
    "mpnews": _articles,
    "image": _media,
    "voice": _media,
    "video": _media,
    "file": _media,
    "miniprogram_notice": _as_is,
    "template_card": _as_is,
}


def _split(names: Any) -> list[str]:
    return [name for name in str(names or "").split("|") if name]
