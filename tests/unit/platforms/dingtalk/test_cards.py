"""The card that DingTalk is given: exactly the template's variables, all of them strings, and no markup from alerts."""

from __future__ import annotations

import json

import pytest

from platforms.base import CardButton, Picture, Recipient
from platforms.dingtalk import cards, template
from platforms.errors import ContentRefused, RecipientUnreachable
from tests.contract.conftest import make_card

LIN = Recipient("Manager0001", "林值班")
GROUP = Recipient("cidTESTGROUP0001==", "生产告警群", is_group=True)


def made(to: Recipient = LIN, **changes: object) -> cards.Json:
    return cards.creation(make_card(**changes), to, template_id="t.schema", route_key="r", robot_code="robot")


def test_the_template_has_exactly_the_variables_that_are_filled():
    public = {name for name, is_private in template.variables().items() if not is_private}
    private = {name for name, is_private in template.variables().items() if is_private}
    assert public == set(cards.VARIABLES) == cards.variables(make_card()).keys()
    assert private == set(cards.PRIVATE_VARIABLES) == cards.reply(None, "x")["userPrivateData"]["cardParamMap"].keys()


def test_the_template_shows_every_variable():
    source = json.loads(template.SOURCE.read_text(encoding="utf-8"))
    tree = json.dumps(source["schema"]["componentsTree"])
    for name in template.variables():
        assert f'"{name}"' in tree or f"${{{name}}}" in tree
    used = {part["componentName"] for part in source["schema"]["componentsTree"][0]["children"]} | {"Card"}
    assert used == {part["componentName"] for part in source["schema"]["componentsMap"]}


def test_the_file_to_import_is_json_within_json():
    envelope = json.loads(template.exported())
    assert (envelope["type"], envelope["mode"]) == ("im", "card")
    assert json.loads(envelope["editorData"])["variableList"]


def test_a_persons_card_goes_to_the_robots_chat():
    card = made()
    assert card["openSpaceId"] == "dtv1.card//IM_ROBOT.Manager0001"
    assert card["imRobotOpenDeliverModel"] == {"spaceType": "IM_ROBOT", "robotCode": "robot"}
    assert card["outTrackId"] == "inc-1024_d-7"
    assert (card["callbackType"], card["callbackRouteKey"]) == ("HTTP", "r")


def test_a_groups_card_names_the_robot_and_the_group():
    card = made(GROUP)
    assert card["openSpaceId"] == "dtv1.card//IM_GROUP.cidTESTGROUP0001=="
    assert card["imGroupOpenDeliverModel"] == {"robotCode": "robot"}
    assert card["imGroupOpenSpaceModel"]["supportForward"] is False
    assert "imRobotOpenDeliverModel" not in card


def test_every_value_is_a_string_of_the_documented_length():
    long = make_card(
        title="长" * 500,
        body=tuple("行" * 300 for _ in range(40)),
        source="x" * 200,
        footer="y" * 500,
        subtitle="z" * 300,
    )
    for value in cards.variables(long).values():
        assert isinstance(value, str)
        assert len(value.encode()) <= cards.VALUE_BYTES


def test_buttons_send_our_keys_back():
    buttons = json.loads(cards.variables(make_card())["buttons"])
    assert [button["text"] for button in buttons][:2] == ["开始处理", "直接关闭"]
    assert [button["color"] for button in buttons][:3] == ["blue", "red", "gray"]
    assert buttons[0]["event"]["type"] == "sendCardRequest"
    assert buttons[0]["event"]["params"]["params"] == {"key": "acknowledge"}
    menu = json.loads(cards.variables(make_card())["menu"])
    assert [item["event"]["params"]["params"]["key"] for item in menu] == ["snooze:240", "snooze:1440"]


def test_real_keys_fit():
    buttons = tuple(CardButton(f"snooze:1440.{'A' * 22}{n}", "屏蔽 24 小时", "plain", "snooze:1440") for n in range(8))
    drawn = cards.variables(make_card(buttons=buttons[:4], menu=buttons[4:7]))
    assert len(drawn["buttons"].encode()) <= cards.VALUE_BYTES
    assert len(drawn["menu"].encode()) <= cards.VALUE_BYTES


def test_a_closed_incidents_card_has_no_buttons():
    drawn = cards.variables(make_card(buttons=(), menu=()))
    assert (drawn["buttons"], drawn["menu"]) == ("[]", "[]")


def test_text_of_an_alert_is_no_markup():
    drawn = cards.variables(make_card(body=("[点我](https://evil.example) **fett** `x`", "# 标题"), facts=()))
    assert "[点我](" not in drawn["body"]
    assert r"\[点我\]\(https" in drawn["body"]
    assert drawn["body"].split("  \n")[1] == r"\# 标题"


def test_a_templates_markup_stays():
    drawn = cards.variables(make_card(body=("**触发值** 96\\.4%",), body_is_markup=True))
    assert drawn["body"] == "**触发值** 96\\.4%"


def test_what_is_cut_is_counted():
    assert cards.truncated_lines(make_card()) == 0
    assert cards.truncated_lines(make_card(body=tuple(f"line {n}" for n in range(23)))) == 3
    assert cards.truncated_lines(make_card(body=("长" * 300,))) == 1


def test_the_line_below_the_title_leads_to_the_incident():
    assert cards.variables(make_card())["subtitle"] == (
        r"[\#1024 · 待处理 · 09:31 触发 · 持续 5 分钟](https://oncall.example.com/h5/wecom/k/incidents/1024)"
    )


def test_the_tone_is_seen():
    assert cards.variables(make_card(tone="ok"))["title"].startswith("🟢")
    assert cards.variables(make_card())["title"].startswith("🔴 [严重]")


@pytest.mark.parametrize("reference", ["", "x" * 65, "中文", "a b"])
def test_a_reference_that_dingtalk_would_not_take_is_refused(reference):
    with pytest.raises(ContentRefused):
        made(reference=reference)


def test_two_buttons_cannot_have_one_key():
    with pytest.raises(ContentRefused):
        made(buttons=(CardButton("a", "A"), CardButton("a", "B")))


@pytest.mark.parametrize("somebody", ["", "@all", "a;IM_GROUP.cid", "lin|wu", "lin\n", "x" * 65])
def test_a_card_never_reaches_more_than_one_person(somebody):
    with pytest.raises(RecipientUnreachable):
        made(Recipient(somebody))


@pytest.mark.parametrize("chat", ["", "cid1;IM_ROBOT.lin", "cid 1"])
def test_nor_more_than_one_group(chat):
    with pytest.raises(ContentRefused):
        made(Recipient(chat, is_group=True))


def test_a_change_keeps_what_it_does_not_name_and_takes_the_notice_away():
    changes = cards.update(make_card(), LIN)
    assert changes["cardUpdateOptions"]["updateCardDataByKey"] is True
    assert changes["privateData"] == {"Manager0001": {"cardParamMap": {"notice": ""}}}
    assert "privateData" not in cards.update(make_card(), GROUP)


# --- without a template -------------------------------------------------------------------------------------------

ACTIONS = (
    CardButton("k1", "开始处理", "primary", "acknowledge"),
    CardButton("k2", "直接关闭", "danger", "close"),
    CardButton("k3", "屏蔽 2 小时", "plain", "snooze:120"),
)


def test_buttons_become_links_that_ask():
    key, values = cards.message(make_card(buttons=ACTIONS))
    page = make_card().url
    assert key == "sampleActionCard4"
    assert (values["actionTitle1"], values["actionURL1"]) == ("查看详情", page)
    assert (values["actionTitle2"], values["actionURL2"]) == ("开始处理", f"{page}?do=acknowledge")
    assert values["actionURL4"] == f"{page}?do=snooze&minutes=120"
    assert "db\\-03" in values["text"]


def test_no_buttons_make_one_link():
    key, values = cards.message(make_card(buttons=(), menu=()))
    assert key == "sampleActionCard"
    assert (values["singleTitle"], values["singleURL"]) == ("查看详情", make_card().url)


def test_links_go_on_behind_a_query():
    assert cards.action_url("https://x.example/i?a=1", "close") == "https://x.example/i?a=1&do=close"


def test_pictures_stand_below_the_text_by_their_address():
    shown = Picture("https://grafana.example.com/render?a=1", "磁盘 [1]")
    body = cards.variables(make_card(body=("一行",), pictures=(shown,)))["body"]
    assert body == "一行\n\n![磁盘 \\[1\\]](https://grafana.example.com/render?a=1)"
    text = cards.message(make_card(pictures=(shown,)))[1]["text"]
    assert "](https://grafana.example.com/render?a=1)" in text


def test_no_address_of_a_picture_is_more_than_that():
    odd = Picture("https://example.com/a.png)[x](https://evil.example/) ![", "")
    body = cards.variables(make_card(body=(), pictures=(odd,)))["body"]
    assert body.count("](") == 1 and body.endswith(")") and " " not in body


def test_a_picture_without_room_is_left_out_and_no_word_for_it():
    long, short = Picture("https://example.com/" + "a" * 1100, ""), Picture("https://example.com/b.png", "")
    body = cards.variables(make_card(body=("一行",), pictures=(long, short)))["body"]
    assert body == "一行\n\n![](https://example.com/b.png)"
