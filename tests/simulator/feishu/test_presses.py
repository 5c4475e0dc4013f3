"""A click: what is sent, what answers do, and what they may not be."""

import copy
import json

import pytest

from simulator.feishu import crypto
from tests.simulator.feishu.conftest import CARD, OLD_CARD, TENANT, TOKEN, button, text


def green():
    card = copy.deepcopy(CARD)
    card["header"]["template"] = "green"
    return card


def raw(card):
    return {"card": {"type": "raw", "data": card}}


def test_a_click_tells_who_where_and_what(wired, product):
    message_id = wired.sent()
    result = wired.press(message_id, "ack")
    assert (result["http_status"], result["code"], result["problem"]) == (200, 0, "")
    [body] = product.received
    event = body["event"]
    assert body["header"]["event_type"] == "card.action.trigger"
    assert len(body["header"]["create_time"]) == 16
    assert event["operator"]["open_id"] == wired.open_id()
    assert "user_id" not in event["operator"]
    assert event["action"]["value"] == {"key": "ack", "reference": "r-1"}
    assert event["context"]["open_message_id"] == message_id
    assert event["token"] == result["card_token"]
    assert event["host"] == "im_message"


def test_a_menu_item_travels_as_an_option(wired, product):
    wired.press(wired.sent(), "snooze:240")
    action = product.received[0]["event"]["action"]
    assert (action["tag"], action["option"], action["value"]) == ("overflow", "snooze:240", {"reference": "r-1"})


def test_the_user_id_is_told_with_its_permission(wired, product):
    wired.change(scopes=["im:message", "contact:user.employee_id:readonly"])
    wired.press(wired.sent(), "ack")
    assert product.received[0]["event"]["operator"]["user_id"] == "lin"


def test_toast_and_card_come_back_for_everybody(wired, product):
    group = wired.group()
    product.received.clear()
    toast = {"type": "success", "content": "已开始处理"}
    product.respond = lambda body: {"toast": toast} | raw(green())
    result = wired.press(wired.sent(None, group), "ack", "wu")
    assert (result["toast"], result["updated"]) == (toast, True)
    for person in ("lin", "wu"):
        assert wired.seen_by(person)[0]["card"]["header"]["template"] == "green"


def test_an_exclusive_card_changes_for_the_clicker_alone(wired, product):
    group = wired.group()
    changed = copy.deepcopy(OLD_CARD) | {"header": {"title": text("已认领")}}
    product.respond = lambda body: raw(changed)
    wired.press(wired.sent(OLD_CARD, group), "ack")
    titles = [wired.seen_by(person)[0]["card"]["header"]["title"]["content"] for person in ("lin", "wu")]
    assert titles == ["已认领", "旧卡片"]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({}, 0),
        ("", 0),
        (("", 302, {"Location": "/x"}), 200671),
        (("no", 500), 200671),
        ("ok", 200672),
        ([1], 200672),
        ({"msg": "ok"}, 200672),
        ({"toast": "ok"}, 200672),
        ({"toast": {"type": "loud", "content": "x"}}, 200672),
        ({"card": {"type": "raw", "data": "{}"}}, 200673),
        ({"card": CARD}, 200673),
        (raw(CARD | {"surprise": 1}), 200673),
        (raw(OLD_CARD), 200830),
    ],
)
def test_answers_are_judged(wired, product, answer, code):
    product.respond = lambda body: json.dumps(answer) if isinstance(answer, list) else answer
    result = wired.press(wired.sent(), "ack")
    assert result["code"] == code
    assert (f"code: {code}" in result["problem"]) is bool(code)
    assert wired.seen_by()[0]["updates"] == 0


@pytest.mark.parametrize("change", [{"card_url": ""}, {"callbacks": []}])
def test_without_a_released_callback_nothing_is_sent(wired, product, change):
    wired.change(**change)
    assert wired.press(wired.sent(), "ack")["code"] == 200340
    assert product.received == []


def test_a_dead_address_is_told(wired):
    wired.change(card_url="http://127.0.0.1:9/x")
    assert wired.press(wired.sent(), "ack")["code"] == 200342


def test_a_lost_answer_is_told_and_not_repeated(wired, product):
    wired.control("faults", {"platform": "feishu", "fault": "callback_lost"})
    assert wired.press(wired.sent(), "ack")["code"] == 200341
    assert wired.control("feishu/deliver") == {"deliveries": []}


def test_only_what_is_there_can_be_pressed(wired):
    message_id = wired.sent()
    for key, person, status in (("nonsense", "lin", 409), ("ack", "wu", 409), ("ack", "nobody", 404)):
        body = {"platform": "feishu", "message_id": message_id, "person": person, "key": key}
        assert wired.http.post("/control/press", json=body).status_code == status


@pytest.mark.parametrize(("card", "days"), [(CARD, 14), (OLD_CARD, 30)])
def test_a_card_grows_old(wired, card, days):
    message_id = wired.sent(copy.deepcopy(card))
    wired.advance(days * 86400 - 60)
    assert wired.press(message_id, "ack")["code"] == 0
    wired.advance(120)
    assert f"已超过 {days} 天" in wired.press(message_id, "ack")["error"]


def test_a_late_update_of_an_old_card_is_lost(wired, product):
    product.respond = lambda body: raw(copy.deepcopy(OLD_CARD))
    message_id = wired.sent(OLD_CARD)
    wired.advance(15 * 86400)
    assert wired.press(message_id, "ack")["updated"] is False


def test_a_card_cannot_be_updated_while_its_click_waits(wired, product):
    message_id, answers = wired.sent(), []

    def respond(body):
        answers.append(wired.patch(message_id, green()))
        return {}

    product.respond = respond
    wired.press(message_id, "ack")
    assert "ErrCode: 11310" in answers[0]["msg"]
    assert "card action is lock" in answers[0]["msg"]
    assert wired.patch(message_id, green())["code"] == 0


def late(lab, token, card):
    return lab.call("POST", "interactive/v1/card/update", {"token": token, "card": card}).get_json()


def test_a_clicked_card_changes_later_twice_within_half_an_hour(wired):
    token = wired.press(wired.sent(), "ack")["card_token"]
    assert late(wired, token, green()) == {"code": 0, "msg": "ok"}
    assert wired.seen_by()[0]["card"]["header"]["template"] == "green"
    assert late(wired, token, CARD)["code"] == 0
    assert late(wired, token, CARD)["code"] == 300040
    assert late(wired, "c-unknown", CARD)["code"] == 300020
    token = wired.press(wired.seen_by()[0]["id"], "ack")["card_token"]
    assert late(wired, token, {"schema": "2.0", "surprise": 1})["code"] == 11311
    wired.advance(1801)
    assert late(wired, token, CARD)["code"] == 300030


def test_a_later_change_that_comes_too_early_is_taken_back(wired, product):
    message_id, answers = wired.sent(), []

    def respond(body):
        answers.append(late(wired, body["event"]["token"], green()))
        return {}

    product.respond = respond
    wired.press(message_id, "ack")
    assert answers[0]["code"] == 0
    assert wired.seen_by()[0]["card"]["header"]["template"] == "red"


def test_a_form_sends_what_was_typed_and_asks_for_what_is_missing(wired, product):
    comment = {"tag": "input", "name": "comment", "required": True}
    submit = button("comment", "提交", form_action_type="submit", name="submit")
    card = {"schema": "2.0", "body": {"elements": [{"tag": "form", "name": "f", "elements": [comment, submit]}]}}
    message_id = wired.sent(card)
    assert wired.press(message_id, "comment")["error"] == "required: comment"
    wired.press(message_id, "comment", form={"comment": "看一下"})
    action = product.received[0]["event"]["action"]
    assert (action["form_value"], action["name"]) == ({"comment": "看一下"}, "submit")


def test_a_form_with_a_nameless_part_fails_at_the_click(wired):
    submit = button("comment", "提交", form_action_type="submit", name="submit")
    parts = [{"tag": "form", "name": "f", "elements": [{"tag": "input"}, submit]}]
    assert wired.press(wired.sent({"schema": "2.0", "body": {"elements": parts}}), "comment")["code"] == 200530


def test_the_historic_form_is_flat_plain_and_signed_with_the_token(wired, product):
    wired.change(callbacks=["card.action.trigger_v1"])
    product.respond = lambda body: green() | {"toast": {"type": "info", "content": "好"}}
    result = wired.press(wired.sent(), "ack")
    assert (result["attempts"], result["updated"], result["toast"]["content"]) == (1, True, "好")
    sent, headers = product.posts[-1]
    stamp, nonce = headers["X-Lark-Request-Timestamp"], headers["X-Lark-Request-Nonce"]
    assert headers["X-Lark-Signature"] == crypto.historic_signature(TOKEN, stamp, nonce, sent)
    assert headers["X-Refresh-Token"]
    body = json.loads(sent)
    assert (body["open_id"], body["tenant_key"]) == (wired.open_id(), TENANT)
    assert body["action"]["value"]["key"] == "ack"


NEW, OLD = "card.action.trigger", "card.action.trigger_v1"


@pytest.mark.parametrize(
    ("callbacks", "historic", "requests"),
    [
        ([NEW], False, ["new"]),
        ([OLD], False, ["old"]),
        ([NEW, OLD], False, ["new", "old"]),
        ([NEW], True, ["new", "old"]),
        ([OLD], True, ["old"]),
        ([NEW, OLD], True, ["new", "old"]),
    ],
)
def test_which_requests_a_click_causes(wired, product, callbacks, historic, requests):
    wired.change(callbacks=callbacks, historic_card_url=product.url if historic else "")
    wired.press(wired.sent(), "ack")
    assert ["new" if "schema" in body else "old" for body in product.received] == requests
