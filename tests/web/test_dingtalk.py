"""DingTalk's two addresses, called as DingTalk calls them: from the wizard's first check to a press in a group."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from sqlalchemy import select

from extensions import db
from models import CheckState, GroupChat, GroupState, Incident, Integration, IntegrationStatus, Progress
from platforms.base import PlatformIdentity
from platforms.crypto import CallbackCipher
from platforms.dingtalk import cards
from platforms.dingtalk.callbacks import card_signature
from platforms.dingtalk.platform import DingTalk
from services import checks, groups, integrations
from services.clock import utcnow
from services.notifications import notify
from tests.factories import drawn_card, make_channel, make_incident, make_integration, make_link, make_member

CORP, CLIENT = "dingcorptest0001", "dingoncalltest000001"
TOKEN, KEY = "OnCallToken2024abcd", "Abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"


class Console:
    """The platform, as it calls one integration's addresses."""

    def __init__(self, client: Any, integration: Integration) -> None:
        self.client, self.base = client, f"/callback/dingtalk/{integration.public_key}"
        platform = integrations.platform_for(integration)
        assert isinstance(platform, DingTalk)
        self.api_secret = platform.settings.card_api_secret

    def event(self, kind: str, *, key: str = KEY, **content: Any) -> Any:
        keys = CallbackCipher(TOKEN, key, CLIENT)
        encrypted = keys.encrypt(json.dumps({"EventType": kind} | content).encode())
        stamp = str(int(time.time() * 1000))
        signed = keys.sign(stamp, "nonce123", encrypted)
        query = {"msg_signature": signed, "signature": signed, "timestamp": stamp, "nonce": "nonce123"}
        return self.client.post(f"{self.base}/event", query_string=query, json={"encrypt": encrypted})

    def group_event(self, kind: str, event_id: str, **more: Any) -> Any:
        about = {"CorpId": CORP, "eventId": event_id, "openConversationId": "cidT/+=="}
        return self.event(kind, EventTime=int(time.time() * 1000), **about, **more)

    def press(self, button: dict[str, Any], *, reference: str, by: str = "Lin0001", secret: str = "") -> Any:
        params = button["event"]["params"]
        content = {"cardPrivateData": {"actionIds": [params["actionId"]], "params": params["params"]}}
        body = {"type": "actionCallback", "outTrackId": reference, "corpId": CORP, "userId": by}
        stamp = str(time.time_ns() // 1_000_000)
        headers = {
            "x-ddpaas-signature-timestamp": stamp,
            "x-ddpaas-signature": card_signature(secret or self.api_secret, stamp),
        }
        return self.client.post(f"{self.base}/card", json=body | {"content": json.dumps(content)}, headers=headers)


def said(answer: Any) -> bytes:
    """What an answer to an event says, read as DingTalk reads it."""
    content = answer.get_json()
    keys = CallbackCipher(TOKEN, KEY, CLIENT)
    return keys.open(content["msg_signature"], content["timeStamp"], content["nonce"], content["encrypt"])


@pytest.fixture
def integration(app: Flask) -> Integration:
    settings = {"corp_id": CORP, "client_id": CLIENT, "agent_id": "3012345678", "card_template_id": "t.schema"}
    found: Integration = make_integration(platform="dingtalk", settings=settings)
    for name, value in (("client_secret", "s" * 64), ("aes_key", KEY), ("token", TOKEN)):
        integrations.set_secret(found, name, value)
    db.session.commit()
    return found


@pytest.fixture
def console(client: Any, integration: Integration) -> Console:
    return Console(client, integration)


@pytest.fixture
def incident(integration: Integration) -> Incident:
    lin = make_member("lin")
    make_link(integration, lin, external_user_id="Lin0001")
    return make_incident(make_channel(), responders=(lin,))


@pytest.fixture
def sent(integration: Integration, incident: Incident) -> Any:
    """The card that Lin was sent: its reference, and its buttons by their words."""
    notification = notify(incident, cause="assign", user_ids=[incident.responders[0].user_id], now=utcnow())
    db.session.commit()
    (delivery,) = notification.deliveries
    drawn = cards.variables(drawn_card(incident, delivery, integration))
    db.session.commit()
    return delivery.reference, {button["text"]: button for button in json.loads(drawn["buttons"])}


def test_a_draft_is_verified_when_its_address_is_saved(console: Console, integration: Integration):
    integration.status = IntegrationStatus.DRAFT
    db.session.commit()
    answer = console.event("check_url")
    assert (answer.status_code, said(answer)) == (200, b"success")
    found = checks.get(integration, "callback_event")
    assert found is not None
    assert found.state is CheckState.PASSED


def test_a_group_is_known_once_the_cool_app_is_in_it(console: Console, integration: Integration):
    assert (
        said(console.group_event("im_cool_app_install", "e1", coolAppCode="COOLAPP-1-A", robotCode=CLIENT))
        == b"success"
    )
    assert said(console.group_event("chat_update_title", "e2", title="生产告警群")) == b"success"
    chat = db.session.scalars(select(GroupChat).where(GroupChat.integration_id == integration.id)).one()
    assert (chat.external_id, chat.name, chat.origin) == ("cidT/+==", "生产告警群", "cool_app")
    assert chat.details == {"cool_app_code": "COOLAPP-1-A", "robot_code": CLIENT}
    found = checks.get(integration, groups.CHECK)
    assert found is not None
    assert found.state is CheckState.PASSED


def test_a_group_without_the_cool_app_is_none_of_ours(console: Console, integration: Integration):
    console.group_event("im_cool_app_install", "e1")
    console.group_event("im_cool_app_uninstall", "e2")
    chat = db.session.scalars(select(GroupChat).where(GroupChat.integration_id == integration.id)).one()
    assert chat.state is GroupState.REMOVED


def test_a_press_is_applied_and_answered_with_the_new_card(console: Console, sent: Any, incident: Incident):
    reference, buttons = sent
    answer = console.press(buttons["开始处理"], reference=reference)
    db.session.expire_all()
    assert incident.progress is Progress.PROCESSING
    drawn = answer.get_json()["cardData"]["cardParamMap"]
    assert "处理中" in drawn["subtitle"]
    assert answer.get_json()["userPrivateData"]["cardParamMap"]["notice"] == ""


def test_ids_that_differ_in_case_are_two_people(console: Console, sent: Any, incident: Incident):
    reference, buttons = sent
    answer = console.press(buttons["直接关闭"], reference=reference, by="lin0001").get_json()
    assert "未关联应用" in answer["userPrivateData"]["cardParamMap"]["notice"]
    assert "cardData" not in answer
    db.session.expire_all()
    assert incident.progress is Progress.TRIGGERED


def test_what_is_not_genuine_is_refused_and_changes_nothing(console: Console, sent: Any, incident: Incident):
    reference, buttons = sent
    assert console.event("check_url", key=KEY[::-1]).status_code == 403
    assert console.press(buttons["开始处理"], reference=reference, secret="another").status_code == 403
    assert console.client.post(f"{console.base}/card", json={"userId": "Lin0001"}).status_code == 403
    assert console.client.post(console.base, json={}).status_code == 404
    db.session.expire_all()
    assert incident.progress is Progress.TRIGGERED


@pytest.mark.parametrize("name", ["code", "authCode"])
def test_the_way_back_from_signing_in_may_name_the_code_either_way(
    client: Any, integration: Integration, monkeypatch: pytest.MonkeyPatch, name: str
):
    asked: list[tuple[str, bool]] = []

    def identify(_self: DingTalk, code: str, *, in_client: bool, redirect_uri: str = "") -> PlatformIdentity:
        asked.append((code, in_client))
        return PlatformIdentity("Lin0001", "林值班")

    monkeypatch.setattr(DingTalk, "identify", identify)
    home, here = f"/h5/dingtalk/{integration.public_key}", "http://localhost:8000"
    there = urlsplit(client.get(f"{home}/log-in", base_url=here).location)
    assert there.netloc == "login.dingtalk.com"
    back = client.get(f"{home}/oauth?state={parse_qs(there.query)['state'][0]}&{name}=abc123", base_url=here)
    assert back.location.endswith("/bind")
    assert asked == [("abc123", False)]
