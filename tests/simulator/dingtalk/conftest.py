"""A laboratory: the simulator with one company and one DingTalk app, and a product that its callbacks reach."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, request

from simulator import sealing
from simulator.server import RunningServer, start

CORP = "ding9f50b15bccd16741"
CLIENT = "dingoncalltest000001"
SECRET = "s" * 64
TOKEN = "OnCallToken2024abcd"
KEY = "Abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
API_SECRET = "cardApiSecret123"
TEMPLATE = "b4fd2119-9945-4e13-9989-747da19e3bc7.schema"
ROUTE = "oncall-i7"
PEOPLE = [
    {"userid": "lin", "name": "林值班", "mobile": "13800000001"},
    {"userid": "wu", "name": "吴同事"},
    {"userid": "zhou", "name": "周外人", "departments": [2]},
]
BUTTONS = [
    {"text": text, "color": "blue", "status": status, "event": {"type": "sendCardRequest", "params": params}}
    for text, status, params in (
        ("开始处理", "normal", {"actionId": "acknowledge", "params": {"key": "ack|1"}}),
        ("直接关闭", "normal", {"actionId": "close", "params": {"key": "close|1"}}),
        ("已关闭", "disabled", {"actionId": "reopen", "params": {"key": "reopen|1"}}),
    )
]
VARIABLES = {"title": "[严重] db-03", "footer": "", "buttons": json.dumps(BUTTONS, ensure_ascii=False)}


class Lab:
    """Short words for what the tests do to the simulator."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.http = self.app.test_client()
        self.cid = ""
        self.cool_app_code = ""

    def control(self, path: str, body: dict[str, Any] | None = None, method: str = "post") -> Any:
        return getattr(self.http, method)(f"/control/{path}", json=body).get_json()

    def settle(self) -> None:
        """A company with three members, a published app, and a group that the app's cool app is in."""
        departments = [{"id": 2, "name": "外部"}]
        self.control(
            "dingtalk/corps", {"corp_id": CORP, "name": "示例企业", "people": PEOPLE, "departments": departments}
        )
        made = self.control("dingtalk/apps", {"corp_id": CORP, "client_id": CLIENT, "client_secret": SECRET})
        self.cool_app_code = made["cool_app_code"]
        self.cid = self.new_group()
        self.control("dingtalk/install", {"client_id": CLIENT, "cid": self.cid})
        self.control("dingtalk/templates", {"client_id": CLIENT, "template_id": TEMPLATE})

    def new_group(self, **changes: Any) -> str:
        group = {"corp_id": CORP, "title": "值班群", "members": ["lin", "wu"]}
        return str(self.control("dingtalk/groups", group | changes)["openConversationId"])

    def change(self, **values: Any) -> Any:
        return self.control("dingtalk/apps", {"client_id": CLIENT} | values, "patch")

    def token(self, client: str = CLIENT, secret: str = SECRET) -> str:
        answer = self.http.post("/v1.0/oauth2/accessToken", json={"appKey": client, "appSecret": secret})
        return str(answer.get_json()["accessToken"])

    def call(self, method: str, path: str, body: Any = None, *, token: str | None = None, **query: str) -> Any:
        """One call of the new API: status and JSON."""
        headers = {"x-acs-dingtalk-access-token": self.token() if token is None else token}
        answer = self.http.open(path, method=method, json=body, query_string=query, headers=headers)
        return answer.status_code, answer.get_json()

    def old(self, path: str, body: Any = None, *, token: str | None = None) -> Any:
        query = {"access_token": self.token() if token is None else token}
        method = "GET" if body is None else "POST"
        answer = self.http.open(path, method=method, json=body, query_string=query)
        assert answer.status_code == 200
        return answer.get_json()

    def card(self, space: str = "", **changes: Any) -> dict[str, Any]:
        """The body of createAndDeliver for the group, or for another space."""
        deliver = {"robotCode": CLIENT}
        return {
            "cardTemplateId": TEMPLATE,
            "outTrackId": "inc-1024",
            "callbackType": "HTTP",
            "callbackRouteKey": ROUTE,
            "cardData": {"cardParamMap": VARIABLES},
            "openSpaceId": f"dtv1.card//{space or f'IM_GROUP.{self.cid}'}",
            "imGroupOpenDeliverModel": deliver,
            "imRobotOpenDeliverModel": deliver | {"spaceType": "IM_ROBOT"},
        } | changes

    def send_card(self, space: str = "", **changes: Any) -> Any:
        return self.call("POST", "/v1.0/card/instances/createAndDeliver", self.card(space, **changes))

    def messages(self, **query: str) -> list[dict[str, Any]]:
        answer = self.http.get("/control/messages", query_string={"platform": "dingtalk"} | query)
        assert answer.status_code == 200, answer.get_json()
        return list(answer.get_json())

    def press(self, key: str = "ack|1", person: str = "lin", **more: Any) -> Any:
        row = self.messages()[-1]
        body = {"platform": "dingtalk", "message_id": row["id"], "person": person, "key": key}
        return self.http.post("/control/press", json=body | more)


class Product:
    """What answers events and presses. `reply` is the plain text of an event's answer, `answer` that of a press."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.queries: list[dict[str, str]] = []
        self.presses: list[tuple[dict[str, Any], dict[str, str]]] = []
        self.reply: Callable[[dict[str, Any]], Any] = lambda event: "success"
        self.answer: Callable[[dict[str, Any]], Any] = lambda press: {}
        self.suffix = CLIENT
        app = Flask("product")
        app.add_url_rule("/event", view_func=self._event, methods=["POST"])
        app.add_url_rule("/card", view_func=self._card, methods=["POST"])
        app.add_url_rule("/h5", view_func=lambda: "<html><head></head><body>h5</body></html>")
        self.server: RunningServer = start(app)
        self.url = self.server.url

    def _event(self) -> Any:
        query = request.args.to_dict()
        encrypted = request.get_json()["encrypt"]
        assert set(request.get_json()) == {"encrypt"}
        if not sealing.is_signed(
            TOKEN,
            query["timestamp"],
            query["nonce"],
            encrypted,
            query.get("msg_signature") or query.get("signature", ""),
        ):
            return "bad signature", 403
        try:
            plain, suffix = sealing.decrypt(KEY, encrypted)
        except sealing.CryptoError:
            return "bad cipher text", 403
        if suffix != self.suffix:
            return "foreign", 403
        event = json.loads(plain)
        self.events.append(event)
        self.queries.append(query)
        reply = self.reply(event)
        return sealed(reply, suffix) if isinstance(reply, str) else reply

    def _card(self) -> Any:
        self.presses.append((request.get_json(), dict(request.headers)))
        return self.answer(request.get_json())


def sealed(text: str, suffix: str = CLIENT, token: str = TOKEN) -> dict[str, str]:
    """The encrypted answer to an event."""
    encrypted = sealing.encrypt(KEY, text.encode(), suffix)
    signed = sealing.signature(token, "1767225600500", "r3plyN0n", encrypted)
    return {"msg_signature": signed, "timeStamp": "1767225600500", "nonce": "r3plyN0n", "encrypt": encrypted}


@pytest.fixture
def lab(simulator: Flask) -> Lab:
    lab = Lab(simulator)
    lab.settle()
    return lab


@pytest.fixture
def product() -> Iterator[Product]:
    product = Product()
    yield product
    product.server.stop()


@pytest.fixture
def wired(lab: Lab, product: Product) -> Lab:
    """The laboratory with the product's addresses saved: events, all of them ticked, and the cards' route."""
    saved = lab.control(
        "dingtalk/event_url",
        {"client_id": CLIENT, "url": f"{product.url}/event", "aes_key": KEY, "token": TOKEN, "tags": "all"},
    )
    assert saved == {"ok": True, "reason": ""}
    route = {"callbackRouteKey": ROUTE, "callbackUrl": f"{product.url}/card", "apiSecret": API_SECRET}
    status, answer = lab.call("POST", "/v1.0/card/callbacks/register", route)
    assert (status, answer["success"]) == (200, True)
    return lab
