"""A WeCom application in the simulator and our platform connected to it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from platforms.http import Transport
from platforms.wecom.platform import WeCom
from platforms.wecom.settings import WeComSettings
from tests.contract.connection import PEOPLE, Connection
from tests.contract.receiver import Receiver
from tests.contract.simulator import Simulator
from tests.tokens import MemoryTokens

OUTSIDE_DEPARTMENT = 9
TOKEN = "oncallCallbackToken2024"
KEY = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg"


@dataclass
class WeComConnection(Connection):
    """A company with one application."""

    slug: ClassVar[str] = "wecom"
    send_path: ClassVar[str] = "message/send"
    checks_urls: ClassVar[int] = 1
    repeats_presses: ClassVar[bool] = True

    create_room_path: ClassVar[str] = "appchat/create"
    nobody_known: ClassVar[str] = "ghost"
    no_room: ClassVar[str] = "f" * 32
    forbidden_failure: ClassVar[str] = "permission_missing"

    platform: WeCom
    corp_id: str
    agent_id: int

    def id_of(self, name: str) -> str:
        return name

    def client_of(self, name: str) -> str:
        return f"{self.corp_id}/{name}"

    def title_of(self, message: dict[str, Any]) -> str:
        return str(message["card"]["main_title"]["title"])

    def text_of(self, message: dict[str, Any]) -> str:
        return str(message["card"]["content"])

    def allow_rooms(self) -> None:
        self.change_app(visible="all")

    def forbid_rooms(self) -> None:
        self.change_app(visible=[2])

    def rooms(self) -> list[str]:
        chats = self.simulator.control("state")["wecom"]["chats"]
        return [chat["id"] for chat in chats if chat["corp_id"] == self.corp_id]

    def room(self, room_id: str) -> tuple[str, set[str]]:
        (chat,) = [one for one in self.simulator.control("state")["wecom"]["chats"] if one["id"] == room_id]
        return chat["name"], set(chat["people"])

    def title_in_room(self, message: dict[str, Any]) -> str:
        return str(message["card"]["title"])

    def sign_in_code(self, name: str) -> str:
        body = {"corp_id": self.corp_id, "agent_id": self.agent_id, "userid": name}
        return str(self.simulator.control("wecom/sign_in", body)["code"])

    def with_wrong_secret(self) -> WeCom:
        return self.with_settings(secret="wrong" * 8)

    def unreachable(self) -> WeCom:
        return self.with_settings(endpoint="http://127.0.0.1:1")

    def with_settings(self, **changes: Any) -> WeCom:
        """The same application as somebody would see it who entered something else."""
        return connect(self.simulator, replace(self.platform.settings, **changes), MemoryTokens())

    def show_alone(self, name: str) -> None:
        self.change_app(visible=[2, name])

    def add_people(self, names: dict[str, str]) -> None:
        people = [{"userid": userid, "name": name, "departments": [2]} for userid, name in names.items()]
        self.simulator.control("wecom/corps", {"corp_id": self.corp_id, "people": people}, method="PATCH")

    @property
    def unseen_department(self) -> str:
        return str(OUTSIDE_DEPARTMENT)

    def event(self, xml: str, **odd: Any) -> Any:
        """Have the simulator deliver any plain text, rightly or wrongly signed."""
        body = {"corp_id": self.corp_id, "agent_id": self.agent_id, "xml_plaintext": xml}
        return self.simulator.control("wecom/event", body | odd)

    def change_app(self, **values: Any) -> Any:
        body = {"corp_id": self.corp_id, "agent_id": self.agent_id} | values
        return self.simulator.control("wecom/apps", body, method="PATCH")


def make_connection(simulator: Simulator, receiver: Receiver) -> WeComConnection:
    """A company of its own for one test, so that tests do not meet one another."""
    corp_id = f"ww{secrets.token_hex(8)}"
    people = [{"userid": userid, "name": name, "departments": [2]} for userid, name in PEOPLE.items()]
    people[1]["departments"], people[2]["departments"] = [3], [OUTSIDE_DEPARTMENT]
    departments = [{"id": 2, "name": "值班组"}, {"id": 3, "name": "夜班", "parent_id": 2}]
    departments.append({"id": OUTSIDE_DEPARTMENT, "name": "其他部门"})
    simulator.control("wecom/corps", {"corp_id": corp_id, "departments": departments, "people": people})
    app = {"corp_id": corp_id, "agent_id": 1000002, "trusted_ips": ["127.0.0.1"], "visible": [2]}
    made = simulator.control("wecom/apps", app | {"trusted_domain": "localhost:8000"})
    settings = WeComSettings(
        corp_id=corp_id,
        agent_id="1000002",
        secret=made["secret"],
        token=TOKEN,
        encoding_aes_key=KEY,
        trusted_domain="localhost:8000",
    )
    tokens = MemoryTokens()
    platform = receiver.platform = connect(simulator, settings, tokens)
    callback = {"url": receiver.url, "token": TOKEN, "encoding_aes_key": KEY}
    saved = simulator.control("wecom/callback", {"corp_id": corp_id, "agent_id": 1000002} | callback)
    assert saved == {"ok": True, "reason": ""}
    return WeComConnection(simulator, receiver, platform, tokens, corp_id, 1000002)


def connect(simulator: Simulator, settings: WeComSettings, tokens: MemoryTokens) -> WeCom:
    hosts = dict.fromkeys(WeCom.hosts, simulator.url)
    return WeCom(settings, hosts, tokens, TRANSPORT)


TRANSPORT = Transport()
