"""Sending, updating, recalling, and the list of groups."""

import copy

import pytest

from tests.simulator.feishu.conftest import CARD, KEY, OLD_CARD, button, text


def test_a_card_arrives_with_its_buttons(lab):
    answer = lab.send()
    assert answer["data"]["msg_type"] == "interactive"
    assert answer["data"]["create_time"].isdigit()
    [message] = lab.seen_by()
    assert (message["id"], message["to"], message["updates"]) == (answer["data"]["message_id"], "lin", 0)
    assert [b["key"] for b in message["buttons"]] == ["ack", "close", "snooze:240"]
    assert message["buttons"][2] == {"key": "snooze:240", "text": "屏蔽 4 小时", "menu": True}
    assert message["card"]["header"]["title"]["content"] == "[严重] db-03"


def test_the_control_knows_people_by_every_name(lab):
    lab.send({"text": "hi"})
    for name in ("lin", f"{lab.seen_by()[0]['tenant_key']}/lin", lab.open_id()):
        assert [message["text"] for message in lab.seen_by(name)] == ["hi"]
    assert lab.http.get("/control/messages?platform=feishu&person=nobody").status_code == 404


@pytest.mark.parametrize(
    ("changes", "query", "code", "ext"),
    [
        ({"content": {"text": "x"}}, {}, 230001, "content is not a string in json format"),
        ({"content": "no json"}, {}, 230001, "content is not a string in json format"),
        ({"content": "[]"}, {}, 230001, "content is not a string in json format"),
        ({"content": '{"text":""}'}, {}, 230001, "content cannot be empty"),
        ({"msg_type": "markdown"}, {}, 230001, "invalid msg_type"),
        ({"uuid": "u" * 51}, {}, 230001, "invalid uuid"),
        ({"receive_id": "oc_1"}, {}, 230001, "invalid receive_id"),
        ({}, {"receive_id_type": "phone"}, 230001, "invalid receive_id_type"),
        ({"receive_id": "ou_unknown"}, {}, 99992351, ""),
        ({"receive_id": "oc_unknown"}, {"receive_id_type": "chat_id"}, 99992356, ""),
        ({"content": '{"text":"%s"}' % ("x" * 160_000)}, {}, 230025, ""),
    ],
)
def test_what_is_wrong_with_a_message_is_told(lab, changes, query, code, ext):
    body = lab.message({"text": "x"}) | changes
    answer = lab.call("POST", "im/v1/messages", body, **({"receive_id_type": "open_id"} | query))
    assert (answer.status_code, answer.get_json()["code"]) == (400, code)
    assert ext in answer.get_json()["msg"]


def test_an_open_id_belongs_to_one_app(lab):
    other = lab.new_app(name="别的应用")
    assert lab.send({"text": "x"}, other["open_ids"]["lin"])["code"] == 99992361
    assert lab.send({"text": "x"}, other["open_ids"]["lin"], app=other)["code"] == 0


def test_people_outside_the_range_and_gone_ones_get_nothing(lab):
    lab.change(available=["wu"])
    assert lab.send()["code"] == 230013
    lab.change(available="all")
    lab.control("feishu/resign", {"tenant_key": "2ca1d211f64f6438", "person": "lin"})
    assert lab.send()["code"] == 230029


def test_without_the_bot_ability_nothing_is_sent(lab):
    lab.change(bot=False)
    assert lab.send()["code"] == 230006


def test_groups_need_the_bot(lab):
    group = lab.group(with_bot=False)
    assert lab.send(None, group)["code"] == 230002
    lab.control("feishu/add_bot", {"chat_id": group, "app_id": lab.app["app_id"]})
    assert lab.send(None, group)["code"] == 0
    assert [m["to"] for m in lab.http.get(f"/control/messages?platform=feishu&chat={group}").get_json()] == [group]
    assert len(lab.seen_by("wu")) == 1
    assert lab.seen_by("zhou") == []
    lab.control("feishu/groups", {"chat_id": group, "muted": True}, "patch")
    assert lab.send(None, group)["code"] == 230018
    lab.control("feishu/disband", {"chat_id": group})
    assert lab.send(None, group)["code"] == 232009


def test_the_same_uuid_is_the_same_message_for_an_hour(lab):
    first = lab.sent(uuid="u-1")
    assert lab.sent(uuid="u-1") == first
    assert len(lab.seen_by()) == 1
    lab.advance(3601)
    assert lab.sent(uuid="u-1") != first


def test_five_a_second_to_one_person_and_to_one_group(lab):
    assert [lab.send()["code"] for _ in range(6)] == [0] * 5 + [230020]
    assert lab.send(None, lab.open_id("wu"))["code"] == 0
    lab.control("feishu/limits", {"user_per_second": 0})
    assert lab.send()["code"] == 0
    group, other = lab.group(), lab.new_app(name="别的应用")
    lab.control("feishu/add_bot", {"chat_id": group, "app_id": other["app_id"]})
    codes = [lab.send(None, group, app=app)["code"] for app in (None, other) * 3]
    assert codes == [0] * 5 + [230020]


def test_a_card_is_replaced_for_everybody(lab):
    group = lab.group()
    message_id = lab.sent(None, group)
    card = copy.deepcopy(CARD)
    card["header"]["template"] = "green"
    assert lab.patch(message_id, card) == {"code": 0, "msg": "ok", "data": {}}
    for person in ("lin", "wu"):
        [seen] = lab.seen_by(person)
        assert (seen["card"]["header"]["template"], seen["updates"]) == ("green", 1)


def without_update_multi():
    return CARD | {"config": {}}


@pytest.mark.parametrize(
    ("sent", "new", "code", "sub"),
    [
        (CARD, without_update_multi(), 230099, "200621"),
        (without_update_multi(), CARD, 230099, "200621"),
        (CARD, OLD_CARD | {"config": {"update_multi": True}}, 230099, "200830"),
        (CARD, CARD | {"unknown": 1}, 230099, "200621"),
        ({"text": "x"}, CARD, 230001, "NOT a card"),
        (CARD, CARD | {"body": {"elements": [{"tag": "markdown", "content": "x" * 31_000}]}}, 230025, ""),
    ],
)
def test_an_update_keeps_to_the_rules(lab, sent, new, code, sub):
    answer = lab.patch(lab.sent(copy.deepcopy(sent)), new)
    assert answer["code"] == code
    assert sub in answer["msg"]


def test_an_update_is_refused_to_others_to_old_and_to_recalled_cards(lab):
    message_id, other = lab.sent(), lab.new_app(name="别的应用")
    assert lab.patch(message_id, CARD, app=other)["code"] == 230027
    assert lab.patch("om_unknown", CARD)["code"] == 230001
    assert [lab.patch(message_id, CARD)["code"] for _ in range(6)] == [0] * 5 + [230020]
    lab.advance(14 * 86400 + 1)
    assert lab.patch(message_id, CARD)["code"] == 230031
    recalled = lab.sent()
    assert lab.code("DELETE", f"im/v1/messages/{recalled}") == 0
    assert lab.patch(recalled, CARD)["code"] == 230011


def test_a_message_is_read_and_answered_in_its_chat(lab):
    group = lab.group()
    message_id = lab.sent({"text": "原文"}, group)
    reply = {"msg_type": "text", "content": '{"text":"后续"}'}
    assert lab.call("POST", f"im/v1/messages/{message_id}/reply", reply).get_json()["data"]["parent_id"] == message_id
    [item] = lab.call("GET", f"im/v1/messages/{message_id}").get_json()["data"]["items"]
    assert (item["chat_id"], item["updated"]) == (group, False)


def test_the_list_of_groups_has_pages(lab):
    made = [lab.group(f"群 {number}") for number in range(5)]
    lab.group("没有机器人的群", with_bot=False)
    lab.send()  # a single chat is no group
    seen, token = [], ""
    for _ in range(3):
        data = lab.call("GET", "im/v1/chats", page_size=2, page_token=token).get_json()["data"]
        seen += [item["chat_id"] for item in data["items"]]
        token = data["page_token"]
    assert seen == made
    assert (data["has_more"], token) == (False, "")
    assert lab.code("GET", "im/v1/chats", page_size=101) == 232001
    assert lab.code("GET", "im/v1/chats", page_token="foreign") == 232001


def test_a_group_in_detail(lab):
    group = lab.group()
    data = lab.call("GET", f"im/v1/chats/{group}").get_json()["data"]
    assert (data["name"], data["owner_id"], data["user_count"]) == ("值班告警群", lab.open_id(), "2")
    other = lab.new_app(name="别的应用")
    assert "owner_id" not in lab.call("GET", f"im/v1/chats/{group}", app=other).get_json()["data"]
    assert lab.code("GET", f"im/v1/chats/{group}/members", app=other) == 232011
    members = lab.call("GET", f"im/v1/chats/{group}/members").get_json()["data"]["items"]
    assert [row["name"] for row in members] == ["林芳", "吴伟"]
    inside = lab.call("GET", f"im/v1/chats/{group}/members/is_in_chat").get_json()["data"]
    assert inside == {"is_in_chat": True}
    assert lab.code("GET", "im/v1/chats/oc_unknown") == 232006


def test_people_are_found_by_address(lab):
    body = {"emails": ["lin@example.com", "no@example.com"], "mobiles": ["13800000001"]}
    path = "contact/v3/users/batch_get_id"
    rows = lab.call("POST", path, body, user_id_type="open_id").get_json()["data"]["user_list"]
    assert rows == [
        {"email": "lin@example.com", "user_id": lab.open_id()},
        {"email": "no@example.com"},
        {"mobile": "13800000001", "user_id": lab.open_id()},
    ]
    lab.change(available=["wu"])
    rows = lab.call("POST", path, {"emails": ["lin@example.com"]}).get_json()["data"]["user_list"]
    assert rows == [{"email": "lin@example.com"}]
    assert lab.code("POST", path, {"emails": ["x"] * 51}) == 99992402


def test_the_keys_of_buttons_are_found_wherever_they_are(lab):
    card = copy.deepcopy(OLD_CARD)
    card["elements"][0]["actions"].append({"tag": "button", "text": text("乙"), "value": {"op": "b"}})
    card["elements"][0]["actions"].append(button("c", "丙", disabled=True))
    lab.sent(card)
    assert [b["key"] for b in lab.seen_by()[0]["buttons"]] == ["ack", '{"op":"b"}']
    assert KEY  # the laboratory's app encrypts
