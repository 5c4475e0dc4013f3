"""Feishu's two addresses, called as Feishu calls them: from the wizard's first check to a press in a group."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from extensions import db
from models import CheckState, GroupChat, Incident, Integration, IntegrationStatus, Progress
from platforms.feishu import cards
from platforms.feishu.crypto import EventCipher, signature
from services import checks, integrations
from services.clock import utcnow
from services.notifications import notify
from tests.factories import drawn_card, make_channel, make_incident, make_integration, make_link, make_member

APP, TOKEN, KEY = "cli_9f5343c580712544", "vt-Alert-Verify-Token-01", "AlertKey-0123456789abcdef"


class Feishu:
    """The platform, as it calls one integration's addresses."""

    def __init__(self, client: Any, integration: Integration) -> None:
        self.client = client
        self.base = f"/callback/feishu/{integration.public_key}"

    def post(self, purpose: str, content: dict[str, Any], *, is_signed: bool = True, key: str = KEY) -> Any:
        body = json.dumps({"encrypt": EventCipher(key).encrypt(json.dumps(content).encode())})
        stamp = str(int(time.time()))
        headers = {"X-Lark-Request-Timestamp": stamp, "X-Lark-Request-Nonce": "n"}
        headers["X-Lark-Signature"] = signature(stamp, "n", key, body.encode())
        return self.client.post(f"{self.base}/{purpose}", data=body, headers=headers if is_signed else {})

    def verify(self, purpose: str) -> Any:
        """The check when the address is saved: nobody signs it."""
        return self.post(purpose, {"challenge": "ch", "token": TOKEN, "type": "url_verification"}, is_signed=False)

    def event(self, kind: str, content: dict[str, Any], *, purpose: str = "event", event_id: str = "e1") -> Any:
        header = {"event_id": event_id, "token": TOKEN, "event_type": kind, "app_id": APP}
        header["create_time"] = str(int(time.time() * 1_000_000))
        return self.post(purpose, {"schema": "2.0", "header": header, "event": content})

    def press(self, button: dict[str, Any], by: str = "ou_lin", event_id: str = "p1") -> Any:
        (behaviour,) = button["behaviors"]
        content = {"operator": {"open_id": by}, "action": {"value": behaviour["value"], "tag": "button"}}
        return self.event("card.action.trigger", content, purpose="card", event_id=event_id)


@pytest.fixture
def integration(app: Flask) -> Integration:
    found: Integration = make_integration(platform="feishu", settings={"app_id": APP})
    for name, value in (("app_secret", "s" * 32), ("verification_token", TOKEN), ("encrypt_key", KEY)):
        integrations.set_secret(found, name, value)
    db.session.commit()
    return found


@pytest.fixture
def feishu(client: Any, integration: Integration) -> Feishu:
    return Feishu(client, integration)


@pytest.fixture
def incident(integration: Integration) -> Incident:
    lin = make_member("lin")
    make_link(integration, lin, external_user_id="ou_lin")
    return make_incident(make_channel(), responders=(lin,))


@pytest.fixture
def buttons(integration: Integration, incident: Incident) -> dict[str, Any]:
    """The buttons of the card that Lin was sent, by their words."""
    notification = notify(incident, cause="assign", user_ids=[incident.responders[0].user_id], now=utcnow())
    db.session.commit()
    (delivery,) = notification.deliveries
    drawn = cards.as_json(drawn_card(incident, delivery, integration))
    db.session.commit()
    (row,) = [e for e in drawn["body"]["elements"] if e["tag"] == "column_set" and e["flex_mode"] == "flow"]
    found = [column["elements"][0] for column in row["columns"]]
    return {button["text"]["content"]: button for button in found if button["tag"] == "button"}


@pytest.mark.parametrize("purpose", ["event", "card"])
def test_a_draft_is_verified_when_its_address_is_saved(feishu: Feishu, integration: Integration, purpose: str):
    integration.status = IntegrationStatus.DRAFT
    db.session.commit()
    answer = feishu.verify(purpose)
    assert (answer.status_code, answer.get_json()) == (200, {"challenge": "ch"})
    found = checks.get(integration, f"callback_{purpose}")
    assert found is not None
    assert found.state is CheckState.PASSED


def test_a_press_is_applied_and_told_with_the_new_card(feishu: Feishu, buttons: dict[str, Any], incident: Incident):
    answer = feishu.press(buttons["开始处理"])
    said = answer.get_json()
    db.session.expire_all()
    assert incident.progress is Progress.PROCESSING
    assert said["toast"]["type"] == "success"
    assert said["card"]["type"] == "raw"
    labels = said["card"]["data"]["header"]["text_tag_list"]
    assert [label["text"]["content"] for label in labels] == [f"#{incident.num}", "处理中"]


def test_the_same_press_twice_gets_the_same_answer(feishu: Feishu, buttons: dict[str, Any], incident: Incident):
    first, again = (feishu.press(buttons["开始处理"]) for _ in range(2))
    assert first.data == again.data


def test_somebody_who_is_not_linked_is_told_in_a_toast(feishu: Feishu, buttons: dict[str, Any], incident: Incident):
    said = feishu.press(buttons["直接关闭"], by="ou_stranger").get_json()
    assert said["toast"]["type"] == "error"
    assert "未关联应用" in said["toast"]["content"]
    db.session.expire_all()
    assert incident.progress is not Progress.CLOSED


def test_a_group_is_known_once_the_robot_is_in_it(feishu: Feishu, integration: Integration):
    answer = feishu.event("im.chat.member.bot.added_v1", {"chat_id": "oc_1", "name": "值班群"})
    assert (answer.status_code, answer.get_json()) == (200, {})
    chat = db.session.scalars(select(GroupChat).where(GroupChat.integration_id == integration.id)).one()
    assert (chat.external_id, chat.name) == ("oc_1", "值班群")


def test_what_is_not_genuine_is_refused_and_changes_nothing(
    feishu: Feishu, buttons: dict[str, Any], incident: Incident
):
    body = json.dumps({"challenge": "ch", "token": TOKEN, "type": "url_verification"})
    assert feishu.client.post(f"{feishu.base}/event", data=body).status_code == 403
    (behaviour,) = buttons["开始处理"]["behaviors"]
    header = {"event_id": "p", "token": TOKEN, "event_type": "card.action.trigger", "app_id": APP}
    header["create_time"] = str(int(time.time() * 1_000_000))
    event = {"operator": {"open_id": "ou_lin"}, "action": {"value": behaviour["value"]}}
    press = {"schema": "2.0", "header": header, "event": event}
    assert feishu.post("card", press, is_signed=False).status_code == 403
    assert feishu.post("card", press, key="another").status_code == 403
    assert feishu.client.post(f"{feishu.base}/card", data=json.dumps(press)).status_code == 403
    db.session.expire_all()
    assert incident.progress is Progress.TRIGGERED
