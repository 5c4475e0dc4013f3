"""Rows K of the enforcement list: verifying an address, delivering events, passive replies."""

import pytest
from flask import Response, redirect

from simulator.wecom import callbacks
from tests.simulator.conftest import CARD, CORP, KEY, TOKEN, passive


def save(lab, product, **changes):
    body = {"corp_id": CORP, "agent_id": lab.agent_id, "url": product.url, "token": TOKEN, "encoding_aes_key": KEY}
    return lab.control("wecom/callback", body | changes)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda plain: plain + b"\n", "空白或换行"),
        (lambda plain: b"\xef\xbb\xbf" + plain, "BOM"),
        (lambda plain: b'"' + plain + b'"', "引号"),
        (lambda plain: b"12345", "不是解密后的明文"),
        (lambda plain: (b"", 403), "HTTP 403"),
        (lambda plain: redirect("/elsewhere"), "HTTP 302"),
    ],
)
def test_the_address_must_answer_exactly(lab, product, answer, reason):
    product.verify = answer
    saved = save(lab, product)
    assert saved["ok"] is False
    assert reason in saved["reason"]


def test_the_address_must_answer_in_a_second(lab, product, monkeypatch):
    monkeypatch.setattr(callbacks, "VERIFY_SECONDS", 0.0001)
    assert "1 秒内没有响应" in save(lab, product)["reason"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"url": "ftp://x"}, "URL"),
        ({"token": "x" * 33}, "Token"),
        ({"token": "a-b"}, "Token"),
        ({"encoding_aes_key": KEY[:-1]}, "EncodingAESKey"),
        ({"url": "http://localhost:1/callback"}, "无法连接"),
    ],
)
def test_wrong_values_are_refused_with_their_name(lab, product, change, reason):
    assert reason in save(lab, product, **change)["reason"]


def test_a_key_other_than_the_products_is_refused(lab, product):
    assert save(lab, product, encoding_aes_key="a" * 43)["ok"] is False


def test_a_press_arrives_as_the_event_of_the_button(wired, product):
    sent = wired.send_card()
    answer = wired.press(sent["msgid"], "ack").get_json()
    assert (answer["http_status"], answer["answer"], answer["attempts"]) == (200, "", 1)
    fields = product.fields()
    assert fields["Event"] == "template_card_event"
    assert (fields["ToUserName"], fields["FromUserName"]) == (CORP, "zhangsan")
    assert (fields["EventKey"], fields["TaskId"]) == ("ack", CARD["task_id"])
    assert (fields["CardType"], fields["AgentID"]) == ("button_interaction", str(wired.agent_id))


def test_a_menu_item_has_its_own_event(wired, product):
    sent = wired.send_card()
    wired.press(sent["msgid"], "snooze:6h")
    assert (product.fields()["Event"], product.fields()["EventKey"]) == ("template_card_menu_event", "snooze:6h")


def test_a_drop_down_travels_with_the_press(wired, product):
    selection = {"question_key": "q1", "option_list": [{"id": "2h", "text": "2"}, {"id": "4h", "text": "4"}]}
    sent = wired.send_card(button_selection=selection)
    wired.press(sent["msgid"], "ack")
    assert "<QuestionKey><![CDATA[q1]]></QuestionKey><OptionIds><OptionId><![CDATA[2h]]>" in product.received[-1]


def test_only_receivers_press_and_only_what_is_there(wired):
    sent = wired.send_card()
    assert wired.press(sent["msgid"], "ack", "lisi").status_code == 409
    assert wired.press(sent["msgid"], "nothing").status_code == 409
    assert wired.press("nothing", "ack").status_code == 409
    assert wired.press(sent["msgid"], "ack", "nobody").status_code == 404


def test_a_refused_event_is_pushed_three_times_with_the_same_plaintext(wired, product):
    product.respond = lambda plain: ("", 500)
    answer = wired.press(wired.send_card()["msgid"], "ack").get_json()
    assert (answer["http_status"], answer["attempts"]) == (500, 3)
    assert "HTTP 500" in answer["problem"]
    assert len(product.received) == 3
    assert len(set(product.received)) == 1
    assert len({query for query, _ in product.posts}) == 3
    assert len({body for _, body in product.posts}) == 3


def test_a_second_try_that_works_ends_the_pushing(wired, product):
    product.respond = lambda plain: ("", 200 if len(product.received) > 1 else 502)
    assert wired.press(wired.send_card()["msgid"], "ack").get_json()["attempts"] == 2


def test_an_answer_after_the_limit_counts_as_none(wired, product, monkeypatch):
    monkeypatch.setattr(callbacks, "DELIVER_SECONDS", 0.0001)
    answer = wired.press(wired.send_card()["msgid"], "ack").get_json()
    assert (answer["http_status"], answer["attempts"]) == (0, 3)


def test_a_lost_answer_makes_the_event_come_again(wired, product):
    wired.control("faults", {"platform": "wecom", "fault": "callback_lost", "count": 1})
    answer = wired.press(wired.send_card()["msgid"], "ack").get_json()
    assert (answer["http_status"], answer["attempts"], len(product.received)) == (200, 2, 2)


@pytest.mark.parametrize("tamper", ["signature", "receive_id", "ciphertext", "unsigned"])
def test_a_tampered_event_reaches_the_product_to_be_refused(wired, product, tamper):
    body = {"corp_id": CORP, "agent_id": wired.agent_id, "xml_plaintext": "<xml></xml>", "tamper": tamper}
    answer = wired.control("wecom/event", body)
    assert answer["http_status"] == 403
    assert product.received == []


def test_a_replay_repeats_the_last_bytes(wired, product):
    body = {"corp_id": CORP, "agent_id": wired.agent_id, "xml_plaintext": "<xml><Event>x</Event></xml>"}
    wired.control("wecom/event", body)
    wired.control("wecom/event", body | {"tamper": "replay", "xml_plaintext": ""})
    assert product.posts[0] == product.posts[1]


def test_an_event_can_carry_an_old_timestamp(wired, product):
    body = {"corp_id": CORP, "agent_id": wired.agent_id, "xml_plaintext": "<xml></xml>", "timestamp": 1000}
    assert wired.control("wecom/event", body)["http_status"] == 200
    assert "timestamp=1000&" in product.posts[0][0]


REPLY = (
    "<xml><ToUserName>zhangsan</ToUserName><FromUserName>{corp}</FromUserName><CreateTime>1</CreateTime>{rest}</xml>"
)


def reply(rest):
    return passive(REPLY.format(corp=CORP, rest=rest))


def test_a_passive_reply_changes_the_button_for_the_presser_alone(wired, product):
    rest = "<MsgType>update_button</MsgType><Button><ReplaceName>已认领</ReplaceName></Button>"
    product.respond = lambda plain: reply(rest)
    sent = wired.send_card(touser="zhangsan|lisi")
    answer = wired.press(sent["msgid"], "ack").get_json()
    assert "update_button" in answer["answer"]
    assert wired.seen_by()[0]["card"]["replace_text"] == "已认领"
    assert wired.seen_by("lisi")[0]["updates"] == 0
    body = {"agentid": wired.agent_id, "response_code": answer["response_code"], "atall": 1}
    spent = wired.call("message/update_template_card", body | {"button": {"replace_name": "x"}})
    assert spent["errcode"] == 60140


def test_a_passive_reply_can_bring_a_whole_card(wired, product):
    card = (
        "<MsgType>update_template_card</MsgType><TemplateCard><CardType>button_interaction</CardType>"
        "<Source><Desc>值班铃</Desc><DescColor>3</DescColor></Source><MainTitle><Title>处理中</Title></MainTitle>"
        "<HorizontalContentList><KeyName>负责人</KeyName><Value>张三</Value></HorizontalContentList>"
        "<ActionMenu><Desc>更多</Desc><ActionList><Text>静默</Text><Key>mute</Key></ActionList></ActionMenu>"
        "<ButtonList><Text>关闭</Text><Style>2</Style><Key>close</Key></ButtonList>"
        "<ButtonList><Text>刷新</Text><Style>4</Style><Key>refresh</Key></ButtonList></TemplateCard>"
    )
    product.respond = lambda plain: reply(card)
    wired.press(wired.send_card()["msgid"], "ack")
    seen = wired.seen_by()[0]
    assert [button["key"] for button in seen["buttons"]] == ["close", "refresh", "mute"]
    assert seen["card"]["source"] == {"desc": "值班铃", "desc_color": 3}
    assert seen["card"]["horizontal_content_list"] == [{"keyname": "负责人", "value": "张三"}]


@pytest.mark.parametrize(
    "broken",
    [
        "this is no XML",
        "<xml><Encrypt>AAAA</Encrypt><MsgSignature>0</MsgSignature><TimeStamp>1</TimeStamp><Nonce>1</Nonce></xml>",
        '<!DOCTYPE x [<!ENTITY e "x">]><xml>&e;</xml>',
    ],
)
def test_a_broken_reply_is_ignored(wired, product, broken):
    product.respond = lambda plain: Response(broken)
    answer = wired.press(wired.send_card()["msgid"], "ack").get_json()
    assert answer["http_status"] == 200
    assert wired.seen_by()[0]["updates"] == 0


def test_a_reply_with_a_card_that_is_refused_is_ignored(wired, product):
    product.respond = lambda plain: reply(
        "<MsgType>update_template_card</MsgType><TemplateCard><CardType>poster</CardType></TemplateCard>"
    )
    wired.press(wired.send_card()["msgid"], "ack")
    assert wired.seen_by()[0]["updates"] == 0
