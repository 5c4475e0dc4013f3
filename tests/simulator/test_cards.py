"""Rows C of the enforcement list: what a card must be, and how its response codes are spent."""

import copy

import pytest

from tests.simulator.conftest import CARD, CORP, NOTICE

BUTTON = {"text": "开始处理", "key": "ack"}


def test_an_interactive_card_needs_a_callback_address(lab):
    assert lab.send_card()["errcode"] == 43012


def test_a_plain_notice_needs_none_and_cannot_be_updated(lab):
    answer = lab.send_card(NOTICE)
    assert answer["errcode"] == 0
    assert "response_code" not in answer


def test_a_notice_with_a_menu_can_be_updated(wired):
    menu = {"action_list": [{"text": "静默", "key": "mute"}]}
    assert wired.send_card(NOTICE, task_id="t1", action_menu=menu)["response_code"]


@pytest.mark.parametrize(
    "change",
    [
        {"card_type": "poster"},
        {"task_id": ""},
        {"main_title": {"title": ""}},
        {"button_list": []},
        {"button_list": [{"text": str(n), "key": str(n)} for n in range(7)]},
        {"button_list": [BUTTON, BUTTON]},
        {"button_list": [{"text": "x", "key": "k" * 1025}]},
        {"button_list": [{"text": "x"}]},
        {"button_list": [{"text": "x", "type": 1}]},
        {"button_list": [{"key": "x"}]},
        {"action_menu": {"action_list": []}},
        {"action_menu": {"action_list": [{"text": str(n), "key": str(n)} for n in range(4)]}},
        {"horizontal_content_list": [{"keyname": str(n)} for n in range(7)]},
        {"horizontal_content_list": [{"value": "x"}]},
        {"horizontal_content_list": [{"keyname": "x", "type": 1}]},
        {"horizontal_content_list": [{"keyname": "x", "type": 3}]},
        {"jump_list": [{"title": str(n)} for n in range(4)]},
        {"button_selection": {"question_key": "q", "option_list": []}},
        {"button_selection": {"question_key": "q", "option_list": [{"id": str(n), "text": "x"} for n in range(11)]}},
        {"card_action": {"type": 3}},
        {"card_action": {"type": 1}},
        {"source": "text"},
    ],
)
def test_wrong_button_cards_are_refused(wired, change):
    assert wired.send_card(**change)["errcode"] == 40058


@pytest.mark.parametrize(
    "change",
    [
        {"card_action": None},
        {"card_action": {"type": 0}},
        {"main_title": {}},
        {"action_menu": {"action_list": [{"text": "x", "key": "x"}]}},
        {"card_type": "news_notice"},
    ],
)
def test_wrong_notices_are_refused(wired, change):
    assert wired.send_card(NOTICE, **change)["errcode"] == 40058


@pytest.mark.parametrize("task_id", ["with space", "汉字", "x" * 129])
def test_a_task_id_has_a_limited_alphabet_and_length(wired, task_id):
    assert wired.send_card(task_id=task_id)["errcode"] == 42014


def test_a_task_id_is_used_once_in_an_app(wired):
    assert wired.send_card()["errcode"] == 0
    assert wired.send_card()["errcode"] == 42014


def test_votes_and_choices_are_known(wired):
    options = [{"id": "a", "text": "A"}, {"id": "b", "text": "B"}]
    submit = {"submit_button": {"text": "提交", "key": "go"}}
    vote = {"card_type": "vote_interaction", "task_id": "v1", "main_title": {"title": "?"}, **submit}
    choice = {"card_type": "multiple_interaction", "task_id": "m1", "main_title": {"title": "?"}, **submit}
    assert wired.send_card(vote | {"checkbox": {"question_key": "q", "option_list": options}})["errcode"] == 0
    assert wired.send_card(choice | {"select_list": [{"question_key": "q", "option_list": options}]})["errcode"] == 0
    assert wired.send_card(vote | {"task_id": "v2"})["errcode"] == 40058


def update(lab, code, change, **target):
    body = {"agentid": lab.agent_id, "response_code": code, **(target or {"atall": 1}), **change}
    return lab.call("message/update_template_card", body)


def test_form_a_leaves_nothing_to_press(wired):
    sent = wired.send_card()
    assert update(wired, sent["response_code"], {"button": {"replace_name": "已关闭"}})["errcode"] == 0
    seen = wired.seen_by()[0]
    assert (seen["buttons"], seen["updates"], seen["card"]["replace_text"]) == ([], 1, "已关闭")
    assert wired.press(sent["msgid"], "ack").status_code == 409


def test_form_b_replaces_the_card_for_those_it_names(wired):
    sent = wired.send_card(touser="zhangsan|lisi")
    new = copy.deepcopy(CARD) | {"main_title": {"title": "处理中"}, "button_list": [BUTTON]}
    answer = update(wired, sent["response_code"], {"template_card": new}, userids=["ZhangSan", "zhou"])
    assert answer["invaliduser"] == ["zhou"]
    assert wired.seen_by()[0]["card"]["main_title"]["title"] == "处理中"
    assert wired.seen_by("lisi")[0]["card"]["main_title"]["title"] == CARD["main_title"]["title"]
    assert [button["key"] for button in wired.seen_by()[0]["buttons"]] == ["ack", "snooze:6h"]


def test_replace_text_disables_the_buttons_of_a_new_card(wired):
    sent = wired.send_card()
    new = {key: CARD[key] for key in ("card_type", "main_title")} | {"replace_text": "已关闭"}
    assert update(wired, sent["response_code"], {"template_card": new})["errcode"] == 0
    assert wired.seen_by()[0]["buttons"] == []


def test_a_code_works_once_and_for_72_hours(wired):
    sent = wired.send_card()
    kill = {"button": {"replace_name": "x"}}
    update(wired, sent["response_code"], kill)
    assert update(wired, sent["response_code"], kill)["errcode"] == 60140
    assert update(wired, "unknown", kill)["errcode"] == 60140
    later = wired.send_card(task_id="t2")
    wired.advance(72 * 3600 + 1)
    assert update(wired, later["response_code"], kill)["errcode"] == 60140


def test_form_a_is_refused_on_a_notice(wired):
    menu = {"action_list": [{"text": "静默", "key": "mute"}]}
    sent = wired.send_card(NOTICE, task_id="t1", action_menu=menu)
    assert update(wired, sent["response_code"], {"button": {"replace_name": "x"}})["errcode"] == 40058


def test_another_app_cannot_spend_the_code(wired):
    sent, other = wired.send_card(), wired.new_app(name="另一个")
    body = {"agentid": other["agent_id"], "response_code": sent["response_code"], "atall": 1}
    answer = wired.call(
        "message/update_template_card", body | {"button": {"replace_name": "x"}}, secret=other["secret"]
    )
    assert answer["errcode"] == 60140


def test_a_wrong_update_does_not_use_the_code_up(wired):
    sent = wired.send_card()
    kill = {"button": {"replace_name": "x"}}
    assert update(wired, sent["response_code"], {"template_card": {"card_type": "poster"}})["errcode"] == 40058
    assert update(wired, sent["response_code"], kill, userids=["zhou"])["errcode"] == 82102
    assert update(wired, sent["response_code"], kill, userids=[])["errcode"] == 82101
    assert update(wired, sent["response_code"], kill)["errcode"] == 0


def test_every_press_gives_a_fresh_code_for_buttons_and_menu(wired, product):
    sent = wired.send_card(touser="zhangsan|lisi")
    codes = {sent["response_code"]}
    for key, person in (("ack", "zhangsan"), ("snooze:6h", "zhangsan"), ("ack", f"{CORP}/lisi")):
        codes.add(wired.press(sent["msgid"], key, person).get_json()["response_code"])
        assert product.fields()["ResponseCode"] in codes
    assert len(codes) == 4
    for number, code in enumerate(codes, start=1):
        new = copy.deepcopy(CARD) | {"sub_title_text": str(number)}
        assert update(wired, code, {"template_card": new})["errcode"] == 0
    assert wired.seen_by("lisi")[0]["updates"] == 4
