"""Work notices (工作通知): accepted at once, delivered or silently dropped.

https://open.dingtalk.com/document/development/asynchronous-sending-of-enterprise-session-messages
"""

from __future__ import annotations

import json
from typing import Any

from simulator.counters import DAY
from simulator.dingtalk.context import Call
from simulator.dingtalk.errors import OldError
from simulator.dingtalk.state import EVERYBODY, Message, awkward_id

MAX_RECEIVERS, MAX_MESSAGE_BYTES, MAX_DAILY = 100, 2048, 500

Json = dict[str, Any]


def send(call: Call) -> Json:
    """The answer says accepted; what was dropped is only seen in getsendresult."""
    if str(call.body.get("agent_id") or "") != str(call.app.agent_id):
        raise OldError(40056, "不合法的agentid")
    message, userids = _message(call), _receivers(call)
    task = 256_000_000_000 + len(call.world.notices)
    result: Json = {"invalid": [], "forbidden": [], "to": []}
    call.world.notices[task] = result
    for userid in userids:
        if call.person(userid) is None or not call.app.can_see(userid):
            result["invalid"].append(userid)
        elif code := _drop_code(call, userid, message):
            result["forbidden"].append({"code": code, "count": 1, "userid": userid})
        else:
            result["to"].append(userid)
            whose = (awkward_id(), call.corp.corp_id, call.app.client_id)
            call.world.state.keep(Message(*whose, "notice", userid, is_group=False, body=message, at=call.now))
    call.world.store.touch()
    return {"task_id": task}


def result(call: Call) -> Json:
    known = call.world.notices.get(int(call.body.get("task_id") or 0))
    if known is None:
        raise OldError(400002, "参数无效")
    told = {
        "invalid_user_id_list": known["invalid"],
        "forbidden_user_id_list": [each["userid"] for each in known["forbidden"]],
        "failed_user_id_list": [],
        "read_user_id_list": [],
        "unread_user_id_list": known["to"],
        "invalid_dept_id_list": [],
        "forbidden_list": known["forbidden"],
    }
    return {"send_result": told}


def progress(call: Call) -> Json:
    return {"progress": {"progress_in_percent": 100, "status": 2}}


def _message(call: Call) -> Json:
    given = call.body.get("msg")
    try:
        message = json.loads(given) if isinstance(given, str) else given
    except ValueError:
        message = None
    if not isinstance(message, dict) or not isinstance(message.get(str(message.get("msgtype"))), dict):
        raise OldError(400002, "参数无效")
    if len(json.dumps(message, ensure_ascii=False).encode()) > MAX_MESSAGE_BYTES:
        raise OldError(45002, "消息内容超过限制")
    return message


def _receivers(call: Call) -> list[str]:
    if str(call.body.get("to_all_user", "")).lower() == "true":
        visible = call.app.live.visible if call.app.live else []
        return list(call.corp.people) if visible == EVERYBODY else list(visible)
    userids = [part for part in str(call.body.get("userid_list") or "").split(",") if part]
    if not userids:
        raise OldError(41011, "缺少agentid或接收人")
    if len(userids) > MAX_RECEIVERS:
        raise OldError(400002, "接收人超过100")
    return userids


def _drop_code(call: Call, userid: str, message: Json) -> str:
    """Why nothing arrives although the call succeeded, as the text of a number, or ""."""
    counters, day = call.world.counters, DAY
    text = json.dumps(message, ensure_ascii=False, sort_keys=True)
    if counters.add(("same notice", call.app.client_id, userid, text), call.now, day) > 1:
        return "143106"
    return "143105" if counters.add(("notices", call.app.client_id, userid), call.now, day) > MAX_DAILY else ""
