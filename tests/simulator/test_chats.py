"""Rows G of the enforcement list: group chats that an app makes."""

import pytest

from tests.simulator.conftest import CORP

ROOM = "0123456789abcdef"


def make(lab, *people: str, **changes):
    body = {"chatid": ROOM, "name": "作战室", "userlist": list(people or ("zhangsan", "LiSi"))}
    return lab.call("appchat/create", body | changes)["errcode"]


def test_only_an_app_that_everybody_sees_may_make_chats(lab):
    lab.control("wecom/apps", {"corp_id": CORP, "agent_id": lab.agent_id, "visible": [2]}, "patch")
    assert make(lab) == 60011
    lab.control("wecom/pairings", {"chat_range": 48002})
    assert make(lab) == 48002


@pytest.mark.parametrize(
    ("changes", "errcode"),
    [
        ({"userlist": ["zhangsan"]}, 86006),
        ({"userlist": ["zhangsan", "nobody"]}, 86216),
        ({"owner": "zhou"}, 86207),
        ({"chatid": "no-hyphens"}, 86001),
        ({"chatid": "x" * 33}, 86001),
    ],
)
def test_a_chat_that_wecom_would_not_make_is_refused(lab, changes, errcode):
    assert make(lab, **changes) == errcode


def test_a_chatid_is_taken_once_and_a_long_name_is_cut(lab):
    assert [make(lab, name="名" * 60), make(lab)] == [0, 86215]
    assert lab.call("appchat/get", chatid=ROOM)["chat_info"]["name"] == "名" * 50


def test_a_chat_is_its_apps_own(lab):
    make(lab)
    other = lab.new_app(name="另一个")
    assert lab.call("appchat/get", chatid="0" * 16)["errcode"] == 86003
    assert lab.call("appchat/get", secret=other["secret"], chatid=ROOM)["errcode"] == 86008


def test_chats_and_their_changes_are_counted(lab):
    lab.control("wecom/limits", {"chats_per_day": 1, "chat_changes_per_hour": 1, "chat_persons_per_minute": 3})
    assert [make(lab), make(lab, chatid="second")] == [0, 45009]
    change = {"chatid": ROOM, "name": "新名称"}
    assert [lab.call("appchat/update", change)["errcode"] for _ in range(2)] == [0, 45009]
    text = {"chatid": ROOM, "msgtype": "text", "text": {"content": "你好"}}
    assert [lab.call("appchat/send", text)["errcode"] for _ in range(2)] == [0, 45009]


def test_a_chat_takes_no_button_cards_and_is_unseen_before_its_first_message(lab):
    make(lab)
    client = f"/wecom/client/{CORP}/zhangsan/"
    assert "作战室" not in lab.http.get(client).get_data(as_text=True)
    card = {"chatid": ROOM, "msgtype": "template_card", "template_card": {"card_type": "text_notice"}}
    assert lab.call("appchat/send", card)["errcode"] == 40008
    lab.call("appchat/send", {"chatid": ROOM, "msgtype": "text", "text": {"content": "开始了"}})
    assert "作战室" in lab.http.get(client).get_data(as_text=True)
    assert "开始了" in lab.http.get(f"{client}?chat={ROOM}").get_data(as_text=True)
