"""Cards: what is refused, where they arrive, updates that erase, presses and what their answers show to whom."""

import base64
import hashlib
import hmac
import json
from threading import Event

import pytest

from simulator.dingtalk import presses
from tests.simulator.dingtalk.conftest import API_SECRET, BUTTONS, CLIENT, CORP, ROUTE, VARIABLES

CARDS = "/v1.0/card/instances"


def test_a_card_for_a_group(wired):
    status, answer = wired.send_card()
    (delivered,) = answer["result"]["deliverResults"]
    assert (status, answer["success"], delivered["success"]) == (200, True, True)
    assert (delivered["spaceType"], delivered["spaceId"]) == ("IM_GROUP", wired.cid)
    (row,) = wired.messages(chat=wired.cid)
    assert (row["id"], row["reference"], row["kind"]) == (delivered["carrierId"], "inc-1024", "card")
    assert row["card"] == {"title": "[严重] db-03", "footer": ""}
    assert row["buttons"] == [{"key": "ack|1", "text": "开始处理"}, {"key": "close|1", "text": "直接关闭"}]


def test_a_card_for_a_person_and_one_for_both(wired):
    spaces = f"im_robot.lin;IM_GROUP.{wired.cid}"
    results = wired.send_card(spaces)[1]["result"]["deliverResults"]
    assert [each["success"] for each in results] == [True, True]
    assert len(wired.messages(person="lin")) == len(wired.messages(chat=wired.cid)) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"outTrackId": ""}, "param.outTrackIdEmpty"),
        ({"outTrackId": "x" * 65}, "param.invalid"),
        ({"cardTemplateId": "other.schema"}, "param.templateNotExist"),
        ({"cardData": {"cardParamMap": {"count": 3}}}, "param.invalid"),
        ({"cardData": {"cardParamMap": {"k" * 101: "x"}}}, "param.invalid"),
        ({"cardData": {"cardParamMap": {"x": "字" * 40_000}}}, "param.invalid"),
        ({"privateData": {"nobody": {"cardParamMap": {}}}}, "param.userIdNotExist"),
        ({"privateData": {f"u{n}": {} for n in range(21)}}, "param.invalid"),
        ({"openSpaceId": "IM_ROBOT.lin"}, "param.openSpaceIdInvalid"),
        ({"openSpaceId": "dtv1.card//IM_ROBOT.nobody"}, "param.openSpaceIdInvalid"),
        ({"openSpaceId": "dtv1.card//IM_GROUP.cidnothing"}, "param.openSpaceIdInvalid"),
        ({"imGroupOpenDeliverModel": {}}, "param.openDeliverModelEmpty"),
        ({"imGroupOpenDeliverModel": {"atUserIds": {"lin": "林"}}}, "param.openDeliverModelError"),
        ({"callbackType": "http"}, "param.invalid"),
    ],
)
def test_cards_that_are_refused(wired, changes, code):
    status, answer = wired.send_card(**changes)
    assert (status, answer["code"]) == (400, code)
    assert wired.messages() == []


def test_templates_must_be_published(wired):
    wired.control("dingtalk/templates", {"client_id": CLIENT, "template_id": "draft.schema", "published": False})
    assert wired.send_card(cardTemplateId="draft.schema")[1]["code"] == "param.templateUnpublished"


def test_a_used_id_is_refused_or_silently_does_nothing(wired):
    wired.send_card()
    assert wired.send_card()[1]["code"] == "param.cardAlreadyExist"
    wired.control("dingtalk/limits", {"silent_repeats": True})
    assert wired.send_card(cardData={"cardParamMap": {"title": "other"}})[0] == 200
    assert wired.messages(chat=wired.cid)[0]["card"]["title"] == "[严重] db-03"


def test_what_fails_in_a_space_is_said_there(wired):
    wired.change(visible=["lin"])
    results = wired.send_card(f"IM_ROBOT.wu;IM_GROUP.{wired.new_group()}")[1]["result"]["deliverResults"]
    assert [each["success"] for each in results] == [False, False]
    assert all(each["errorMsg"] for each in results)
    assert wired.messages() == []


def test_an_update_erases_what_it_does_not_send(wired):
    wired.send_card()
    keyed = {"outTrackId": "inc-1024", "cardUpdateOptions": {"updateCardDataByKey": True}}
    wired.call("PUT", CARDS, keyed | {"cardData": {"cardParamMap": {"footer": "林 已认领"}}})
    (row,) = wired.messages(chat=wired.cid)
    assert (row["card"], row["updates"]) == ({"title": "[严重] db-03", "footer": "林 已认领"}, 1)
    status, answer = wired.call("PUT", CARDS, {"outTrackId": "inc-1024", "cardData": {"cardParamMap": {"footer": "x"}}})
    assert (status, answer) == (200, {"success": True, "result": True})
    assert wired.messages(chat=wired.cid)[0]["card"] == {"footer": "x"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"outTrackId": "inc-1024"}, "param.cardDataAndPrivateDataBothEmpty"),
        ({"outTrackId": "nothing", "cardData": {}}, "param.cardNotExist"),
        ({"outTrackId": "inc-1024", "privateData": {"nobody": {}}}, "param.userIdNotExist"),
        ({"cardData": {}}, "MissingoutTrackId"),
    ],
)
def test_updates_that_are_refused(wired, body, code):
    wired.send_card()
    assert wired.call("PUT", CARDS, body)[1]["code"] == code


def test_a_press_is_signed_and_says_who_pressed_what(wired, product):
    wired.send_card()
    answer = wired.press(person="wu").get_json()
    assert (answer["http_status"], answer["problem"]) == (200, "")
    body, headers = product.presses[-1]
    assert (body["outTrackId"], body["corpId"], body["userId"]) == ("inc-1024", CORP, "wu")
    assert (body["spaceType"], body["spaceId"], body["userIdType"]) == ("IM_GROUP", wired.cid, 1)
    private = json.loads(body["content"])["cardPrivateData"]
    assert private == {"actionIds": ["acknowledge"], "params": {"key": "ack|1"}}
    headers = {name.lower(): value for name, value in headers.items()}
    stamp = headers["x-ddpaas-signature-timestamp"]
    wanted = base64.b64encode(hmac.new(API_SECRET.encode(), stamp.encode(), hashlib.sha256).digest()).decode()
    assert headers["x-ddpaas-signature"] == wanted


def test_an_answer_changes_the_card_for_the_presser_alone(wired, product):
    wired.send_card()
    product.answer = lambda press: {
        "cardUpdateOptions": {"updateCardDataByKey": True, "updatePrivateDataByKey": True},
        "cardData": {"cardParamMap": {"footer": "林 已认领", "buttons": "[]"}},
        "userPrivateData": {"cardParamMap": {"notice": "已认领"}},
    }
    wired.press()
    own, other = (wired.messages(chat=wired.cid, person=person)[0] for person in ("lin", "wu"))
    assert (own["card"]["footer"], own["card"]["notice"], own["buttons"], own["updates"]) == (
        "林 已认领",
        "已认领",
        [],
        1,
    )
    assert (other["card"]["footer"], len(other["buttons"]), other["updates"]) == ("", 2, 0)
    everybody = {"outTrackId": "inc-1024", "cardUpdateOptions": {"updateCardDataByKey": True}}
    wired.call("PUT", CARDS, everybody | {"cardData": {"cardParamMap": {"footer": "处理中"}}})
    assert {wired.messages(chat=wired.cid, person=person)[0]["card"]["footer"] for person in ("lin", "wu")} == {
        "处理中"
    }


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (lambda press: ("no", 500), 500),
        (lambda press: {"late": Event().wait(1)}, 0),
        (lambda press: ("no json", 200), 200),
        (lambda press: {"cardData": {"cardParamMap": {"footer": 1}}}, 200),
    ],
    ids=["500", "late", "no json", "a number"],
)
def test_answers_that_change_nothing(wired, product, answer, status, monkeypatch):
    monkeypatch.setattr(presses, "ANSWER_SECONDS", 0.5)
    wired.send_card()
    product.answer = answer
    result = wired.press().get_json()
    assert (result["http_status"], bool(result["problem"])) == (status, True)
    assert wired.messages(chat=wired.cid)[0]["card"]["footer"] == ""


@pytest.mark.parametrize(("key", "person"), [("reopen|1", "lin"), ("nothing", "lin"), ("ack|1", "zhou")])
def test_what_cannot_be_pressed(wired, key, person):
    wired.send_card()
    assert wired.press(key, person).status_code == 409


def test_without_a_route_nobody_is_called(wired, product):
    wired.send_card(callbackType=None)
    assert wired.press().status_code == 409
    wired.send_card(outTrackId="second", callbackRouteKey="unknown")
    assert wired.press().get_json()["problem"]
    assert product.presses == []


def test_updating_while_the_callback_is_open_is_noted(wired, product):
    token = wired.token()
    wired.send_card()
    body = {"outTrackId": "inc-1024", "cardData": {"cardParamMap": VARIABLES}}

    def answer(press):
        other = wired.app.test_client()
        other.put(CARDS, json=body, headers={"x-acs-dingtalk-access-token": token})
        return {}

    product.answer = answer
    wired.press()
    notes = [entry["note"] for entry in wired.http.get("/control/wire").get_json()]
    assert "warning: updated while its callback is open" in notes


def test_a_route_key_belongs_to_one_address(wired, product):
    route = {"callbackRouteKey": ROUTE, "callbackUrl": f"{product.url}/other"}
    register = "/v1.0/card/callbacks/register"
    assert wired.call("POST", register, route)[1]["code"] == "param.callbackRouteKeyExist"
    wired.control("dingtalk/limits", {"strict_route_keys": False})
    assert wired.call("POST", register, route)[1]["result"]["callbackUrl"] == f"{product.url}/card"
    assert wired.call("POST", register, route | {"forceUpdate": True})[1]["result"]["callbackUrl"].endswith("/other")
    with_query = route | {"callbackUrl": f"{product.url}/card?x=1", "forceUpdate": True}
    assert wired.call("POST", register, with_query)[1]["code"] == "system.updateCallbackFailed"


def test_a_template_says_in_which_order_a_card_is_drawn(wired):
    editor = {
        "variableList": [{"name": "title"}, {"name": "footer"}, {"name": "buttons"}],
        "schema": {
            "componentsTree": [
                {
                    "componentName": "Card",
                    "children": [
                        {"componentName": "ButtonGroup", "props": {"buttons": {"variable": "buttons"}}},
                        {"componentName": "BaseText", "props": {"bold": True, "text": {"content": "${title}"}}},
                    ],
                }
            ]
        },
    }
    definition = {"editorData": json.dumps(editor)}
    made = wired.control("dingtalk/templates", {"client_id": CLIENT, "definition": definition})
    assert made["template_id"].endswith(".schema")
    assert wired.send_card(cardTemplateId=made["template_id"])[0] == 200
    refused = wired.http.post("/control/dingtalk/templates", json={"client_id": CLIENT, "definition": {"x": 1}})
    assert (refused.status_code, len(BUTTONS)) == (400, 3)
