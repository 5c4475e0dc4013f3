"""A laboratory: the simulator with one corp and one app, and a small product that its callbacks reach over HTTP."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
from flask import Flask, Response, request

from simulator import sealing
from simulator.app import create_app
from simulator.server import RunningServer, start
from simulator.wecom import xml
from tests.servers import wait_until

CORP = "ww1234567890abcdef"
TOKEN = "oncallCallbackToken2024"
KEY = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg"

CARD: dict[str, Any] = {
    "card_type": "button_interaction",
    "task_id": "inc-1001_n-77@1",
    "source": {"desc": "值班铃", "desc_color": 2},
    "main_title": {"title": "[严重] api-gateway 5xx > 5%", "desc": "#1024 · 待处理"},
    "sub_title_text": "\n".join(f"line {number}" for number in range(1, 11)),
    "card_action": {"type": 1, "url": "http://localhost:5000/h5/incidents/1001"},
    "action_menu": {"desc": "更多屏蔽", "action_list": [{"text": "屏蔽 6 小时", "key": "snooze:6h"}]},
    "button_list": [
        {"text": "开始处理", "style": 1, "key": "ack"},
        {"text": "直接关闭", "style": 2, "key": "close"},
        {"text": "详情", "type": 1, "url": "http://localhost:5000/h5"},
    ],
}

NOTICE: dict[str, Any] = {
    "card_type": "text_notice",
    "main_title": {"title": "通知"},
    "card_action": {"type": 1, "url": "http://localhost:5000/"},
}


class Lab:
    """Short words for what the tests do to the simulator."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.http = app.test_client()
        self.secret = ""
        self.agent_id = 0

    def control(self, path: str, body: dict[str, Any] | None = None, method: str = "post") -> Any:
        answer = getattr(self.http, method)(f"/control/{path}", json=body)
        return answer.get_json()

    def get(self, path: str) -> Any:
        return self.http.get(f"/control/{path}").get_json()

    def settle(self, **app: Any) -> dict[str, Any]:
        """A corp with three members and an app that may call."""
        people: list[dict[str, Any]] = [{"userid": "zhangsan", "name": "张三"}, {"userid": "LiSi", "name": "李四"}]
        people.append({"userid": "zhou", "name": "周敏", "departments": [2]})
        departments = [{"id": 2, "name": "外部"}]
        self.control("wecom/corps", {"name": "示例企业", "corp_id": CORP, "people": people, "departments": departments})
        return self.new_app(**app)

    def new_app(self, **changes: Any) -> dict[str, Any]:
        body = {"corp_id": CORP, "name": "告警", "visible": "all", "trusted_ips": ["127.0.0.1"]}
        made: dict[str, Any] = self.control("wecom/apps", body | {"trusted_domain": "localhost:5000"} | changes)
        self.secret, self.agent_id = self.secret or made["secret"], self.agent_id or made["agent_id"]
        return made

    def token(self, secret: str = "") -> str:
        answer = self.http.get(f"/cgi-bin/gettoken?corpid={CORP}&corpsecret={secret or self.secret}")
        return answer.get_json()["access_token"]

    def call(self, name: str, body: dict[str, Any] | None = None, *, secret: str = "", **query: Any) -> Any:
        """POST with a body, else GET; the token is added."""
        query = {"access_token": self.token(secret), **query}
        if body is None:
            return self.http.get(f"/cgi-bin/{name}", query_string=query).get_json()
        return self.http.post(f"/cgi-bin/{name}", query_string=query, json=body).get_json()

    def send(self, touser: str = "zhangsan", **message: Any) -> Any:
        """A text unless another message is given."""
        message = message or {"msgtype": "text", "text": {"content": "你好"}}
        return self.call("message/send", {"touser": touser, "agentid": self.agent_id, **message})

    def send_card(self, card: dict[str, Any] | None = None, touser: str = "zhangsan", **changes: Any) -> Any:
        card = copy.deepcopy(card or CARD) | changes
        return self.send(touser, msgtype="template_card", template_card=card)

    def seen_by(self, person: str = "zhangsan") -> list[dict[str, Any]]:
        return self.get(f"messages?platform=wecom&person={person}")

    def press(self, message_id: str, key: str, person: str = "zhangsan") -> Any:
        body = {"platform": "wecom", "message_id": message_id, "person": person, "key": key}
        return self.http.post("/control/press", json=body)

    def advance(self, seconds: float) -> None:
        self.control("clock", {"advance_seconds": seconds})


class Product:
    """What answers the callbacks. `respond` may be replaced; `received` holds the decrypted events."""

    def __init__(self) -> None:
        self.received: list[str] = []
        self.posts: list[tuple[str, bytes]] = []
        self.verify: Callable[[bytes], Any] = lambda plain: plain
        self.respond: Callable[[str], Any] = lambda plain: ""
        self.files: dict[str, Any] = {}
        app = Flask("product")
        app.add_url_rule("/callback", view_func=self._callback, methods=["GET", "POST"])
        app.add_url_rule("/", view_func=self._page, defaults={"path": ""}, methods=["GET", "POST"])
        app.add_url_rule("/<path:path>", view_func=self._page, methods=["GET", "POST", "PUT"])
        self.page: Callable[[str], Any] = lambda path: self.files.get(path, ("no", 404))
        self.server: RunningServer = start(app)
        self.url = f"{self.server.url}/callback"
        self.domain = f"localhost:{self.server.port}"

    def _callback(self) -> Any:
        query = request.args
        if request.method == "GET":
            plain, receive_id = sealing.decrypt(KEY, query["echostr"])
            assert receive_id == CORP
            return self.verify(plain)
        self.posts.append((request.query_string.decode(), request.get_data()))
        encrypted = xml.text_of(xml.parse(request.get_data()), "Encrypt")
        if not sealing.is_signed(TOKEN, query["timestamp"], query["nonce"], encrypted, query.get("msg_signature", "")):
            return "bad signature", 403
        try:
            plain, receive_id = sealing.decrypt(KEY, encrypted)
        except sealing.CryptoError:
            return "bad cipher text", 403
        if receive_id != CORP:
            return "foreign receiver", 403
        self.received.append(plain.decode())
        return self.respond(plain.decode())

    def _page(self, path: str) -> Any:
        return self.page(path)

    def fields(self, index: int = -1) -> dict[str, str]:
        """The elements of a received event by name."""
        return {child.tag: child.text or "" for child in fromstring(self.received[index])}


def passive(inner: str) -> Response:
    """An encrypted reply as the product would send it."""
    encrypted = sealing.encrypt(KEY, inner.encode(), CORP)
    signed = sealing.signature(TOKEN, "1718000124", "n1", encrypted)
    parts = f"<Encrypt><![CDATA[{encrypted}]]></Encrypt><MsgSignature><![CDATA[{signed}]]></MsgSignature>"
    return Response(f"<xml>{parts}<TimeStamp>1718000124</TimeStamp><Nonce><![CDATA[n1]]></Nonce></xml>")


@pytest.fixture(scope="session")
def kept_simulator() -> Flask:
    return create_app()


@pytest.fixture
def simulator(kept_simulator: Flask) -> Flask:
    """An empty simulator: to empty one is a hundred times quicker than to make one."""
    assert kept_simulator.test_client().post("/control/reset", json={"all": True}).status_code == 200
    return kept_simulator


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
    """The laboratory with the product's callback address saved in the app, again where a busy machine took a second."""
    values = {"corp_id": CORP, "agent_id": lab.agent_id, "url": product.url, "token": TOKEN, "encoding_aes_key": KEY}
    wait_until(lambda: lab.control("wecom/callback", values) == {"ok": True, "reason": ""}, "the address is saved")
    return lab
