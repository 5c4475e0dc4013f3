"""Messages of a robot to people and groups, who has read them, taking them back.

https://open.dingtalk.com/document/development/chatbots-send-one-on-one-chat-messages-in-batches
https://open.dingtalk.com/document/development/the-robot-sends-a-group-message
"""

from __future__ import annotations

import json
from typing import Any

from simulator.dingtalk.context import Call
from simulator.dingtalk.errors import ApiError
from simulator.dingtalk.state import KEY_SECONDS, Group, Message, awkward_id

MAX_PARAM_BYTES = 15_000
MAX_KEYS = 20

Json = dict[str, Any]

# What each kind of message must contain, and the code for a part that is missing.
PARTS: dict[str, dict[str, str]] = {
    "sampleText": {"content": "miss.param.contentOfText"},
    "sampleMarkdown": {"title": "miss.param.markdownTotitle", "text": "miss.param.markdownTotext"},
    "sampleImageMsg": {"photoURL": "miss.param.imageTophotoURL"},
    "sampleLink": {name: f"miss.param.linkTo{name}" for name in ("text", "title", "messageUrl")},
    "sampleActionCard": {
        name: f"miss.param.actionCardTo{name}" for name in ("title", "text", "singleTitle", "singleURL")
    },
    "sampleActionCard6": {
        name: f"miss.param.actionCardTo{name}"
        for name in ("title", "text", "buttonTitle1", "buttonUrl1", "buttonTitle2", "buttonUrl2")
    },
} | {
    f"sampleActionCard{count}": {
        name: f"miss.param.actionCardTo{name}"
        for name in (
            "title",
            "text",
            *(f"{part}{number}" for number in range(1, count + 1) for part in ("actionTitle", "actionURL")),
        )
    }
    for count in range(2, 6)
}


def batch_send(call: Call) -> Json:
    """Partial failure is a success: who is not reached stands in a list."""
    _check_robot(call)
    body = _content(call)
    given = call.body.get("userIds")
    if not isinstance(given, list) or not given:
        raise ApiError("invalidParameter.userIds.empty", "userIds为空")
    userids = list(dict.fromkeys(str(userid) for userid in given))
    if len(userids) > call.world.state.limits.receivers:
        raise ApiError("invalidParameter.userIds.overMax", "userIds数量超过最大限制")
    left_out = _left_out(call, userids)
    invalid = [each for each in userids if each not in call.corp.people or not call.app.can_see(each)]
    invalid = list(dict.fromkeys(invalid + left_out["invalid_users"]))
    reached = [each for each in userids if each not in invalid and each not in left_out["unlicensed_users"]]
    key = awkward_id()
    for number, userid in enumerate(reached):
        identifier = key if number == 0 else f"{key}#{number}"
        call.world.state.keep(_message(call, identifier, userid, body, is_group=False))
    call.world.store.touch()
    answer: Json = {"processQueryKey": key, "invalidStaffIdList": invalid}
    return answer | {"flowControlledStaffIdList": left_out["unlicensed_users"]}


def group_send(call: Call) -> Json:
    _check_robot(call)
    body, cid = _content(call), call.text("openConversationId")
    if not cid:
        raise ApiError("miss.openConversationId", "缺少openConversationId")
    group = call.group(cid)
    if group is None:
        elsewhere = any(cid in corp.groups for corp in call.world.state.corps.values())
        raise ApiError("conversation.org.notMatch", "群不属于该企业") if elsewhere else _bad_group()
    _check_group(call, group)
    message = _message(call, awkward_id(), cid, body, is_group=True)
    call.world.state.keep(message)
    call.world.store.touch()
    return {"processQueryKey": message.id}


def read_status(call: Call) -> Json:
    """https://open.dingtalk.com/document/development/chatbots-batch-query-the-read-status-of-one-on-one-chat-messages"""
    if call.query.get("robotCode") != call.app.client_id:
        raise ApiError("not.allowed.robotCode", "无效的robotCode")
    sent = _sent(call, call.query.get("processQueryKey", ""), is_group=False)
    people = [
        {
            "name": person.name,
            "userId": message.to,
            "readStatus": "READ" if message.to in message.read_by else "UNREAD",
            "readTimestamp": int(message.at * 1000),
        }
        for message in sent
        if (person := call.person(message.to))
    ]
    return {"sendStatus": "RECALLED" if sent[0].recalled else "SUCCESS", "messageReadInfoList": people}


def group_query(call: Call) -> Json:
    sent = _sent(call, call.text("processQueryKey"), is_group=True)[0]
    status = "RECALLED" if sent.recalled else "SUCCESS"
    return {"sendStatus": status, "readUserIds": sent.read_by, "nextToken": "", "hasMore": False}


def batch_recall(call: Call) -> Json:
    return _recall(call, is_group=False)


def group_recall(call: Call) -> Json:
    return _recall(call, is_group=True)


def _recall(call: Call, *, is_group: bool) -> Json:
    _check_robot(call)
    keys = call.body.get("processQueryKeys") or []
    if not isinstance(keys, list) or not keys:
        raise ApiError("invalidParameter.processQueryKey.missing", "缺少processQueryKeys")
    if len(keys) > MAX_KEYS:
        raise ApiError("invalidParameter.processQueryKeys.overMax", "processQueryKeys数量超过最大限制")
    done, failed = [], {}
    for key in keys:
        try:
            for message in _sent(call, str(key), is_group=is_group):
                message.recalled = True
            done.append(key)
        except ApiError as error:
            failed[key] = error.code
    call.world.store.touch()
    return {"successResult": done, "failedResult": failed}


def _sent(call: Call, key: str, *, is_group: bool) -> list[Message]:
    """The messages behind a key of this app. Raises ApiError; also for a key whose + came out of a query as a space."""
    if not key:
        raise ApiError("invalidParameter.processQueryKey.missing", "缺少processQueryKey")
    kept = call.world.state.messages
    first = kept.get(key)
    found = [message for message in kept.values() if message.id == key or message.id.startswith(f"{key}#")]
    if first is None or first.client_id != call.app.client_id or first.is_group != is_group:
        raise ApiError("invalid.processQueryKey", "无效的processQueryKey")
    if call.now - first.at > KEY_SECONDS:
        raise ApiError("processQueryKey.expireTime", "processQueryKey已过期")
    return found


def _check_robot(call: Call) -> None:
    code = call.body.get("robotCode")
    if not code:
        raise ApiError("invalidParameter.robotCode.empty", "机器人robotCode为空")
    if code != call.app.client_id:
        if call.world.state.app(str(code)) is None:
            raise ApiError("invalidParameter.robotCode.invalid", "无效的robotCode")
        raise ApiError(
            "invalidParameter.robotCode.auth", "此应用appkey和机器人robotCode不匹配，请使用机器人应用的appkey"
        )
    if not call.app.has_robot:
        raise ApiError("invalidParameter.robotCode.notExsit", "机器人不存在")


def _check_group(call: Call, group: Group) -> None:
    """A group of the company: the robot is there by the template, or by the cool app, whose code must be said then."""
    if group.disbanded:
        raise ApiError("group.disbanded", "群已经解散")
    if not group.is_internal:
        raise ApiError("conversation.org.notMatch", "群不属于该企业")
    code = call.text("coolAppCode")
    if call.came_with(group):
        if code:
            raise ApiError("invalidParameter.robotCode.coolApp", "绑定这个机器人的酷应用没有在群中被使用")
        return
    if not code:
        raise ApiError("invalidParameter.robotCode.auth", "只有酷应用身份才可使用这个机器人")
    if code != call.app.cool_app_code:
        raise ApiError("invalidParameter.robotCode.coolApp", "酷应用编码无效")
    if call.app.client_id not in group.installed:
        raise ApiError("invalidParameter.robotCode.coolApp", "绑定这个机器人的酷应用没有在群中被使用")


def _content(call: Call) -> Json:
    """The object inside msgParam. Raises ApiError."""
    kind, text = call.body.get("msgKey"), call.body.get("msgParam")
    if not kind:
        raise ApiError("invalidParameter.msgKey.empty", "msgKey为空")
    if kind not in PARTS:
        raise ApiError("invalidParameter.msgKey.invalid", "无效的msgKey")
    try:
        content = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise ApiError("invalidParameter.msgParam.invalid", "msgParam必须是json格式")
    if len(str(text).encode()) > MAX_PARAM_BYTES:
        raise ApiError("invalidParameter.msgParam.tooLong", "消息内容太长")
    for part, code in PARTS[str(kind)].items():
        if not content.get(part):
            raise ApiError(code, f"缺少参数{part}")
    return content


def _message(call: Call, identifier: str, to: str, body: Json, *, is_group: bool) -> Message:
    whose = (identifier, call.corp.corp_id, call.app.client_id)
    return Message(*whose, call.text("msgKey"), to, is_group=is_group, body=body, at=call.now)


def _left_out(call: Call, userids: list[str]) -> dict[str, list[str]]:
    """Whom an armed fault leaves out, by its name."""
    found: dict[str, list[str]] = {"invalid_users": [], "unlicensed_users": []}
    if call.fault and call.fault.fault in found:
        named = call.fault.users.split("|") if call.fault.users else userids
        found[call.fault.fault] = [userid for userid in userids if userid in named]
    return found


def _bad_group() -> ApiError:
    return ApiError("invalid.openConversationId", "openConversationId无效")
