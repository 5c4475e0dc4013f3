"""Messages of a robot, work notices, group information, contacts."""

import json

import pytest

from tests.simulator.dingtalk.conftest import CLIENT, CORP

OTO = "/v1.0/robot/oToMessages/batchSend"
GROUP = "/v1.0/robot/groupMessages/send"
QUERY = "/v1.0/im/sceneGroups/query"


def text(**changes):
    body = {
        "robotCode": CLIENT,
        "msgKey": "sampleText",
        "msgParam": json.dumps({"content": "你好"}),
        "userIds": ["lin"],
    }
    return body | changes


def group_text(lab, **changes):
    return text(openConversationId=lab.cid, coolAppCode=lab.cool_app_code) | changes


def test_a_message_to_people(lab):
    status, answer = lab.call("POST", OTO, text(userIds=["lin", "wu", "lin", "nobody"]))
    assert (status, answer["invalidStaffIdList"]) == (200, ["nobody"])
    assert {"+", "/", "="} <= set(answer["processQueryKey"])
    (row,) = lab.messages(person="wu")
    assert (row["kind"], row["card"], row["to"], row["buttons"]) == ("sampleText", {"content": "你好"}, "wu", [])
    assert len(lab.messages(person=f"{CORP}/lin")) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"robotCode": ""}, "invalidParameter.robotCode.empty"),
        ({"robotCode": "dingnobody"}, "invalidParameter.robotCode.invalid"),
        ({"userIds": []}, "invalidParameter.userIds.empty"),
        ({"userIds": [f"u{n}" for n in range(21)]}, "invalidParameter.userIds.overMax"),
        ({"msgKey": "sampleNothing"}, "invalidParameter.msgKey.invalid"),
        ({"msgParam": {"content": "object"}}, "invalidParameter.msgParam.invalid"),
        ({"msgParam": "no json"}, "invalidParameter.msgParam.invalid"),
        ({"msgParam": json.dumps({"content": ""})}, "miss.param.contentOfText"),
        ({"msgParam": json.dumps({"content": "字" * 5001}, ensure_ascii=False)}, "invalidParameter.msgParam.tooLong"),
        ({"msgKey": "sampleMarkdown", "msgParam": json.dumps({"title": "t"})}, "miss.param.markdownTotext"),
        (
            {"msgKey": "sampleActionCard2", "msgParam": json.dumps({"title": "t", "text": "x", "actionTitle1": "a"})},
            "miss.param.actionCardToactionURL1",
        ),
    ],
)
def test_messages_that_are_refused(lab, changes, code):
    status, answer = lab.call("POST", OTO, text(**changes))
    assert (status, answer["code"]) == (400, code)
    assert lab.messages() == []


def test_another_apps_robot(lab):
    other = lab.control("dingtalk/apps", {"corp_id": CORP, "name": "别的应用"})
    token = lab.token(other["client_id"], other["client_secret"])
    assert lab.call("POST", OTO, text(), token=token)[1]["code"] == "invalidParameter.robotCode.auth"


def test_before_a_version_with_the_robot_is_published_there_is_none(lab):
    lab.change(published=False)
    assert lab.call("POST", OTO, text())[1]["code"] == "invalidParameter.robotCode.notExsit"
    lab.change(robot=False)
    assert lab.call("POST", OTO, text())[1]["code"] == "invalidParameter.robotCode.notExsit"


def test_people_outside_the_visible_range_are_not_reached(lab):
    lab.change(visible=["lin"])
    assert lab.call("POST", OTO, text(userIds=["lin", "wu"]))[1]["invalidStaffIdList"] == ["wu"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"coolAppCode": ""}, "invalidParameter.robotCode.auth"),
        ({"coolAppCode": "COOLAPP-1-X"}, "invalidParameter.robotCode.coolApp"),
        ({"openConversationId": "cidnothing"}, "invalid.openConversationId"),
        ({"openConversationId": ""}, "miss.openConversationId"),
    ],
)
def test_groups_that_are_refused(lab, changes, code):
    assert lab.call("POST", GROUP, group_text(lab, **changes))[1]["code"] == code


def test_a_group_without_the_cool_app_and_one_that_is_gone(lab):
    assert lab.call("POST", GROUP, group_text(lab))[0] == 200
    assert len(lab.messages(chat=lab.cid)) == 1
    lab.control("dingtalk/uninstall", {"client_id": CLIENT, "cid": lab.cid})
    assert lab.call("POST", GROUP, group_text(lab))[1]["code"] == "invalidParameter.robotCode.coolApp"
    lab.control("dingtalk/disband", {"cid": lab.cid})
    assert lab.call("POST", GROUP, group_text(lab))[1]["code"] == "group.disbanded"


def test_a_scene_group_has_the_robot_of_its_template_and_no_other(lab):
    other = lab.control("dingtalk/apps", {"corp_id": CORP, "name": "别的应用"})
    lab.control("dingtalk/templates", {"client_id": other["client_id"], "template_id": "other.schema"})
    template = lab.control("dingtalk/group_templates", {"client_id": CLIENT})["template_id"]
    wanted = {"title": "作战室", "template_id": template, "owner_user_id": "lin", "user_ids": ["lin", "wu"]}
    cid = lab.call("POST", "/v1.0/im/sceneGroup/create", wanted)[1]["open_conversation_id"]
    assert lab.call("POST", GROUP, text(openConversationId=cid))[0] == 200
    token = lab.token(other["client_id"], other["client_secret"])
    message = text(openConversationId=cid, robotCode=other["client_id"])
    assert lab.call("POST", GROUP, message, token=token)[0] == 400
    model = {"robotCode": other["client_id"]}
    card = lab.card(f"IM_GROUP.{cid}", cardTemplateId="other.schema", imGroupOpenDeliverModel=model)
    sent = lab.call("POST", "/v1.0/card/instances/createAndDeliver", card | {"callbackType": "STREAM"}, token=token)
    assert sent[1]["result"]["deliverResults"][0]["errorMsg"] == "chatbotNotInstall"
    renamed = lab.old("/topapi/im/chat/scenegroup/update", {"open_conversation_id": cid, "title": "x"}, token=token)
    assert renamed["errcode"] != 0


def test_who_has_read_and_taking_back(lab):
    key = lab.call("POST", OTO, text(userIds=["lin", "wu"]))[1]["processQueryKey"]
    path, about = "/v1.0/robot/oToMessages/readStatus", {"robotCode": CLIENT}
    read = lab.call("GET", path, processQueryKey=key, **about)[1]
    assert [each["readStatus"] for each in read["messageReadInfoList"]] == ["UNREAD", "UNREAD"]
    spoiled = key.replace("+", " ")
    assert lab.call("GET", path, processQueryKey=spoiled, **about)[1]["code"] == "invalid.processQueryKey"
    recall = {"robotCode": CLIENT, "processQueryKeys": [key, "nothing"]}
    answer = lab.call("POST", "/v1.0/robot/otoMessages/batchRecall", recall)[1]
    assert (answer["successResult"], list(answer["failedResult"])) == ([key], ["nothing"])
    assert lab.messages(person="wu") == []
    lab.control("clock", {"advance_seconds": 90_000})
    assert lab.call("GET", path, processQueryKey=key, **about)[1]["code"] == "processQueryKey.expireTime"


def test_whom_a_fault_leaves_out(lab):
    lab.control("faults", {"platform": "dingtalk", "fault": "invalid_users", "users": "wu"})
    lab.control("faults", {"platform": "dingtalk", "fault": "unlicensed_users"})
    assert lab.call("POST", OTO, text(userIds=["lin", "wu"]))[1]["invalidStaffIdList"] == ["wu"]
    assert lab.call("POST", OTO, text(userIds=["lin", "wu"]))[1]["flowControlledStaffIdList"] == ["lin", "wu"]


def test_work_notices_are_accepted_and_some_silently_dropped(lab):
    agent_id = lab.http.get("/control/state").get_json()["dingtalk"]["corps"][0]["apps"][0]["agent_id"]
    notice = {"agent_id": agent_id, "userid_list": "lin,nobody", "msg": {"msgtype": "text", "text": {"content": "a"}}}
    send, result = (f"/topapi/message/corpconversation/{name}" for name in ("asyncsend_v2", "getsendresult"))
    first, second = (lab.old(send, notice) for _ in range(2))
    assert first["errcode"] == second["errcode"] == 0
    told = lab.old(result, {"agent_id": agent_id, "task_id": second["task_id"]})["send_result"]
    assert told["forbidden_list"] == [{"code": "143106", "count": 1, "userid": "lin"}]
    assert told["invalid_user_id_list"] == ["nobody"]
    assert [row["kind"] for row in lab.messages(person="lin")] == ["notice"]
    assert lab.old(send, notice | {"agent_id": 1})["errcode"] == 40056
    long = {"msgtype": "text", "text": {"content": "x" * 3000}}
    assert lab.old(send, notice | {"msg": long})["errcode"] == 45002


def test_what_a_group_is_called(lab):
    ask = {"openConversationId": lab.cid, "coolAppCode": lab.cool_app_code}
    answer = lab.call("POST", QUERY, ask)[1]
    assert (answer["title"], answer["ownerUserId"], answer["status"]) == ("值班群", "lin", 1)
    for changes, code in (
        ({"coolAppCode": ""}, "groupPermissionDenied"),
        ({"coolAppCode": "COOLAPP-1-X"}, "coolAppUnexist"),
        ({"openConversationId": lab.cid.replace("+", " ")}, "cidEncryptError"),
        ({"openConversationId": lab.new_group()}, "coolAppUninstalled"),
    ):
        assert lab.call("POST", QUERY, ask | changes)[1]["code"] == code
    lab.change(visible=["wu"])
    assert lab.call("POST", QUERY, ask)[1]["code"] == "permession.checkFailed"


def test_a_new_group_has_no_robot(lab):
    create = "/v1.0/im/group/create"
    assert lab.call("POST", create, {"name": "长" * 21, "owner": "lin"})[1]["code"] == "parameter.invalid"
    made = lab.call("POST", create, {"name": "作战室", "owner": "lin", "useridlist": ["wu"]})[1]
    sent = lab.call("POST", GROUP, group_text(lab, openConversationId=made["openConversationId"]))[1]
    assert sent["code"] == "invalidParameter.robotCode.coolApp"


def test_contacts_within_the_scope(lab):
    listed = lab.old("/topapi/v2/department/listsub", {})["result"]
    assert [(each["dept_id"], each["parent_id"]) for each in listed] == [(2, 1)]
    page = lab.old("/topapi/v2/user/list", {"dept_id": 1, "cursor": 0, "size": 1})["result"]
    assert (page["has_more"], page["next_cursor"], page["list"][0]["mobile"]) == (True, 1, "13800000001")
    rest = lab.old("/topapi/v2/user/list", {"dept_id": 1, "cursor": 1, "size": 10})["result"]
    assert (rest["has_more"], "next_cursor" in rest) == (False, False)
    lab.control("dingtalk/limits", {"quoted_numbers": True})
    quoted = lab.old("/topapi/v2/user/list", {"dept_id": 1, "cursor": 1, "size": 10})
    assert (quoted["errcode"], quoted["result"]["has_more"]) == ("0", "false")
    lab.control("dingtalk/limits", {"quoted_numbers": False})
    lab.change(permissions=["qyapi_get_member", "qyapi_get_department_member", "qyapi_get_member_by_mobile"], scope=[2])
    assert "mobile" not in lab.old("/topapi/v2/user/get", {"userid": "zhou"})["result"]
    assert lab.old("/topapi/v2/user/get", {"userid": "lin"})["errcode"] == 50002
    assert lab.old("/topapi/v2/user/list", {"dept_id": 1, "size": 10})["errcode"] == 50004
    assert lab.old("/topapi/v2/user/getbymobile", {"mobile": "13800000001"})["result"] == {"userid": "lin"}
    assert lab.old("/topapi/user/getbyunionid", {"unionid": "nobody"})["errcode"] == 60121
