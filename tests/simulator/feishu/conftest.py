"""A laboratory: a Feishu tenant with one released app, and a small product that its pushes reach over HTTP."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, request

from simulator.feishu import crypto
from simulator.server import RunningServer, start

TENANT = "2ca1d211f64f6438"
KEY = "AlertKey-0123456789abcdef"
TOKEN = "vt-Alert-Verify-Token-01"
PEOPLE = [
    {"user_id": "lin", "name": "林芳", "email": "lin@example.com", "mobile": "13800000001"},
    {"user_id": "wu", "name": "吴伟", "email": "wu@example.com"},
    {"user_id": "zhou", "name": "周敏"},
]


def text(content: str) -> dict[str, Any]:
    return {"tag": "plain_text", "content": content}


def button(key: str, label: str, **more: Any) -> dict[str, Any]:
    behaviors = [{"type": "callback", "value": {"key": key, "reference": "r-1"}}]
    return {"tag": "button", "text": text(label), "behaviors": behaviors} | more


def column(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"tag": "column", "elements": list(elements)}


MENU = {
    "tag": "overflow",
    "options": [{"text": text("屏蔽 4 小时"), "value": "snooze:240"}],
    "behaviors": [{"type": "callback", "value": {"reference": "r-1"}}],
}
CARD: dict[str, Any] = {
    "schema": "2.0",
    "config": {"update_multi": True, "summary": {"content": "[严重] db-03"}},
    "header": {"template": "red", "title": text("[严重] db-03"), "subtitle": text("值班铃 · 支付核心")},
    "body": {
        "elements": [
            {"tag": "markdown", "content": "**空间** 支付"},
            {"tag": "column_set", "columns": [column(button("ack", "开始处理")), column(button("close", "直接关闭"))]},
            MENU,
        ]
    },
}
OLD_CARD: dict[str, Any] = {
    "header": {"title": text("旧卡片")},
    "elements": [{"tag": "action", "actions": [{"tag": "button", "text": text("认领"), "value": {"key": "ack"}}]}],
}


class Lab:
    """Short words for what the tests do to the simulator."""

    def __init__(self, app: Flask) -> None:
        self.http = app.test_client()
        self.control("feishu/tenants", {"tenant_key": TENANT, "name": "示例企业", "people": PEOPLE})
        self.app = self.new_app(encrypt_key=KEY, verification_token=TOKEN)

    def control(self, path: str, body: dict[str, Any] | None = None, method: str = "post") -> Any:
        return getattr(self.http, method)(f"/control/{path}", json=body).get_json()

    def new_app(self, **changes: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.control("feishu/apps", {"tenant_key": TENANT} | changes)
        return made

    def change(self, **values: Any) -> Any:
        return self.control("feishu/apps", {"app_id": self.app["app_id"]} | values, "patch")

    def token(self, app: dict[str, Any] | None = None) -> str:
        app = app or self.app
        body = {"app_id": app["app_id"], "app_secret": app["secret"]}
        answer = self.http.post("/open-apis/auth/v3/tenant_access_token/internal", json=body).get_json()
        return str(answer["tenant_access_token"])

    def call(self, method: str, path: str, body: Any = None, *, app: Any = None, token: str = "", **query: Any) -> Any:
        """The response of a call with the app's token."""
        headers = {"Authorization": f"Bearer {token or self.token(app)}"}
        return self.http.open(f"/open-apis/{path}", method=method, json=body, headers=headers, query_string=query)

    def code(self, method: str, path: str, body: Any = None, **more: Any) -> int:
        return int(self.call(method, path, body, **more).get_json()["code"])

    def open_id(self, user_id: str = "lin") -> str:
        return str(self.app["open_ids"][user_id])

    def message(self, content: Any = None, to: str = "", **more: Any) -> dict[str, Any]:
        content = copy.deepcopy(CARD) if content is None else content
        kind = "text" if "text" in content else "interactive"
        return {"receive_id": to or self.open_id(), "msg_type": kind, "content": json.dumps(content)} | more

    def send(self, content: Any = None, to: str = "", *, app: Any = None, **more: Any) -> Any:
        """A card to 林芳 unless told otherwise; the answer's object."""
        to = to or self.open_id()
        kinds = {"oc_": "chat_id", "on_": "union_id", "ou_": "open_id"}
        body = self.message(content, to, **more)
        return self.call("POST", "im/v1/messages", body, app=app, receive_id_type=kinds[to[:3]]).get_json()

    def sent(self, content: Any = None, to: str = "", **more: Any) -> str:
        answer = self.send(content, to, **more)
        assert answer["code"] == 0, answer
        return str(answer["data"]["message_id"])

    def patch(self, message_id: str, card: Any, **more: Any) -> Any:
        return self.call("PATCH", f"im/v1/messages/{message_id}", {"content": json.dumps(card)}, **more).get_json()

    def group(self, name: str = "值班告警群", *, with_bot: bool = True) -> str:
        body = {"tenant_key": TENANT, "name": name, "people": ["lin", "wu"]}
        made = self.control("feishu/groups", body | {"bots": [self.app["app_id"]] if with_bot else []})
        return str(made["chat_id"])

    def seen_by(self, person: str = "lin") -> list[dict[str, Any]]:
        return self.http.get(f"/control/messages?platform=feishu&person={person}").get_json()

    def press(self, message_id: str, key: str = "ack", person: str = "lin", **more: Any) -> Any:
        body = {"platform": "feishu", "message_id": message_id, "person": person, "key": key} | more
        return self.http.post("/control/press", json=body).get_json()

    def advance(self, seconds: float) -> None:
        self.control("clock", {"advance_seconds": seconds})


class Product:
    """What answers the pushes. `respond` may be replaced; `received` holds the opened bodies."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.posts: list[tuple[bytes, dict[str, str]]] = []
        self.respond: Callable[[dict[str, Any]], Any] = lambda body: {}
        self.check: Callable[[str], Any] = lambda challenge: {"challenge": challenge}
        app = Flask("product")
        app.add_url_rule("/<path:path>", view_func=self._answer, methods=["GET", "POST"])
        self.server: RunningServer = start(app)
        self.url = f"{self.server.url}/callback"

    def _answer(self, path: str) -> Any:
        if request.method == "GET":
            return f"page {path} for {request.headers['User-Agent']}"
        raw = request.get_data()
        body = json.loads(raw)
        if "encrypt" in body:
            body = json.loads(crypto.decrypt(KEY, body["encrypt"]))
        self.posts.append((raw, dict(request.headers)))
        if body.get("type") == "url_verification":
            return self.check(body["challenge"])
        self.received.append(body)
        return self.respond(body)


@pytest.fixture
def lab(simulator: Flask) -> Lab:
    return Lab(simulator)


@pytest.fixture
def product() -> Iterator[Product]:
    product = Product()
    yield product
    product.server.stop()


@pytest.fixture
def wired(lab: Lab, product: Product) -> Lab:
    """The laboratory with both of the product's addresses saved in the app."""
    for name in ("event_url", "card_url"):
        saved = lab.control(f"feishu/{name}", {"app_id": lab.app["app_id"], "url": product.url})
        assert saved == {"ok": True, "reason": ""}
    return lab
