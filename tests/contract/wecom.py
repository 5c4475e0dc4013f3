"""A WeCom application in the simulator and our platform connected to it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Any

from platforms.base import CardHandle, IncidentCard, Recipient, SentMessage
from platforms.http import Transport
from platforms.wecom.platform import WeCom
from platforms.wecom.settings import WeComSettings
from tests.contract.receiver import Receiver
from tests.contract.simulator import Simulator
from tests.tokens import MemoryTokens

PEOPLE = {"lin": "林值班", "wu": "吴同事", "zhou": "周外人"}
OUTSIDE_DEPARTMENT = 9
TOKEN = "oncallCallbackToken2024"
KEY = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg"


@dataclass
class WeComConnection:
    """One application: Lin and Wu are in its visible range, Zhou is a member of the company outside it."""

    simulator: Simulator
    receiver: Receiver
    platform: WeCom
    tokens: MemoryTokens
    corp_id: str
    agent_id: int

    def member(self, name: str) -> Recipient:
        return Recipient(name, PEOPLE.get(name, name))

    def messages(self, name: str) -> list[dict[str, Any]]:
        """What this person sees, oldest first."""
        listed: list[dict[str, Any]] = self.simulator.control(f"messages?platform=wecom&person={self.corp_id}/{name}")
        return listed

    def press(self, sent: SentMessage, key: str, by: str = "lin") -> Any:
        """Press a button; returns the simulator's {"http_status", "answer", …} of the callback."""
        body = {"platform": "wecom", "message_id": sent.message_id, "person": f"{self.corp_id}/{by}", "key": key}
        return self.simulator.control("press", body)

    def handle(self, sent: SentMessage, card: IncidentCard, name: str = "lin") -> CardHandle:
        return CardHandle(self.member(name), card.reference, sent.message_id, sent.update_code)

    def event(self, xml: str, **odd: Any) -> Any:
        """Have the simulator deliver any plain text, rightly or wrongly signed."""
        body = {"corp_id": self.corp_id, "agent_id": self.agent_id, "xml_plaintext": xml}
        return self.simulator.control("wecom/event", body | odd)

    def change_app(self, **values: Any) -> Any:
        body = {"corp_id": self.corp_id, "agent_id": self.agent_id} | values
        return self.simulator.control("wecom/apps", body, method="PATCH")

    def sign_in_code(self, userid: str) -> str:
        body = {"corp_id": self.corp_id, "agent_id": self.agent_id, "userid": userid}
        return str(self.simulator.control("wecom/sign_in", body)["code"])

    def with_settings(self, **changes: Any) -> WeCom:
        """The same application as somebody would see it who entered something else."""
        return connect(self.simulator, replace(self.platform.settings, **changes), MemoryTokens())


def make_connection(simulator: Simulator, receiver: Receiver) -> WeComConnection:
    """A company of its own for one test, so that tests do not meet one another."""
    corp_id = f"ww{secrets.token_hex(8)}"
    people = [{"userid": userid, "name": name, "departments": [2]} for userid, name in PEOPLE.items()]
    people[2]["departments"] = [OUTSIDE_DEPARTMENT]
    departments = [{"id": 2, "name": "值班组"}, {"id": OUTSIDE_DEPARTMENT, "name": "其他部门"}]
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
