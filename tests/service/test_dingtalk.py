"""What DingTalk's platform keeps in the database between calls: its token, and that its card address is registered."""

from __future__ import annotations

import json
from typing import Any

from flask import Flask

from extensions import db
from platforms.base import Recipient
from platforms.dingtalk.client import Client
from platforms.dingtalk.platform import DingTalk
from platforms.http import Answer, Transport
from services import integrations
from tests.contract.conftest import make_card
from tests.factories import make_integration

ANSWERS: dict[str, Any] = {
    "/v1.0/oauth2/accessToken": {"accessToken": "t", "expireIn": 7200},
    "/v1.0/card/callbacks/register": {"success": True, "result": {}},
    "/v1.0/card/instances/createAndDeliver": {
        "success": True,
        "result": {"deliverResults": [{"success": True, "carrierId": "c"}]},
    },
}


class Recorded(Transport):
    """Answers as if all were well. asked: the paths, with what was sent there."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, Any]] = []

    def exchange(self, method: str, url: str, content: Any = None, params: Any = None, **_more: Any) -> Answer:
        path = url.removeprefix("https://api.dingtalk.com")
        self.asked.append((path, content))
        return Answer(200, {}, json.dumps(ANSWERS[path]).encode())


def test_the_card_address_is_registered_once_for_all_processes(app: Flask):
    settings = {"corp_id": "dingcorptest0001", "client_id": "dingoncalltest000001", "card_template_id": "t.schema"}
    integration = make_integration(platform="dingtalk", settings=settings)
    integrations.set_secret(integration, "client_secret", "s" * 64)
    db.session.commit()
    transport = Recorded()

    def send(reference: str) -> None:
        platform = integrations.platform_for(integration)  # as another process would build it
        assert isinstance(platform, DingTalk)
        platform.client = Client(platform.settings, platform.reached_at, platform.client._tokens, transport)
        db.session.commit()
        platform.send_card(Recipient("Lin0001"), make_card(reference=reference))

    send("first")
    send("second")
    assert [path.rsplit("/", 1)[1] for path, _ in transport.asked] == [
        *("accessToken", "register"),
        *("createAndDeliver", "createAndDeliver"),
    ]
    registered = transport.asked[1][1]
    assert registered["callbackUrl"] == integrations.addresses(integration)["card_callback_url"]
    assert registered["forceUpdate"] is True
    assert registered["callbackRouteKey"] == transport.asked[2][1]["callbackRouteKey"]
