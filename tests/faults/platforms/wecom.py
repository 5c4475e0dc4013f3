"""WeCom's side of these tests."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, ClassVar

from services.clock import utcnow
from tests.contract.simulator import Simulator
from tests.faults.history import Answer
from tests.faults.platforms.application import Application, Unsigned, Values
from tests.servers import wait_until

TOKEN = "platformFaultsToken"
KEY = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg"
AGENT_ID = 1000002
FORGED = "<xml><ToUserName>x</ToUserName><Encrypt>AAAA</Encrypt><AgentID>1000002</AgentID></xml>"

# Every code of https://developer.work.weixin.qq.com/document/path/90313 that one of our calls can meet.
CODES = (
    *(-1, 6000, 40001, 40003, 40008, 40013, 40014, 40029, 40031, 40032, 40033, 40035, 40039, 40050, 40056, 40057),
    *(40058, 40063, 40077, 40078, 40082, 40084, 40085, 40091, 40093, 40094, 40102, 41001, 41002, 41004, 41008, 41011),
    *(42001, 42007, 42009, 42012, 42014, 42022, 43004, 43012, 44004, 45002, 45009, 45033, 45034, 46004, 48001, 48002),
    *(48004, 48006, 48009, 50001, 50002, 50003, 60003, 60011, 60020, 60021, 60030, 60031, 60111, 60123, 60140, 80001),
    *(81012, 81013, 82001, 82002, 82003, 82004, 82101, 82102, 84014, 84015, 84090, 85004, 85005, 85006, 85007, 85008),
    *(85010, 85011, 85111, *range(86001, 86009), 86101, *range(86201, 86218), 92000, 301002, 301005, 301007, 301042),
    *(701008, 701016, 701017, 701030, 701071, 701082, 701099, 2000002),
    *(1, 99999, 987654321),  # one that nobody has heard of is no success either
)


def errcode(code: int) -> Values:
    return {"fault": "errcode", "code": code}


class WeComApplication(Application):
    slug: ClassVar[str] = "wecom"
    send: ClassVar[str] = "message/send"
    update: ClassVar[str] = "message/update_template_card"
    token: ClassVar[str] = "gettoken"
    card_kind: ClassVar[str] = "template_card"
    limits: ClassVar[Sequence[tuple[Values, int]]] = (({"fault": "rate_limit"}, 60), ({"fault": "concurrency"}, 2))
    refusals: ClassVar[Sequence[tuple[Values, str, str]]] = (
        (errcode(60011), "out_of_visible_range", "不在应用可见范围"),
        (errcode(81013), "out_of_visible_range", "不在应用可见范围"),
        (errcode(701008), "wecom_license_missing", "未开通企微许可"),
        (errcode(701016), "wecom_license_missing", "未开通企微许可"),
        (errcode(50003), "integration_disabled", "集成已停用"),
        (errcode(301007), "app_unauthorised", "应用已被取消授权"),
        ({"fault": "ip_refused"}, "ip_not_allowed", "平台拒绝了服务器 IP 127.0.0.1"),
        ({"fault": "invalid_users"}, "out_of_visible_range", "不在应用可见范围"),
        ({"fault": "unlicensed_users"}, "wecom_license_missing", "未开通企微许可"),
    )
    partial: ClassVar[Sequence[tuple[Values, str]]] = (
        ({"fault": "invalid_users"}, "out_of_visible_range"),
        ({"fault": "unlicensed_users"}, "wecom_license_missing"),
    )
    update_refusals: ClassVar[Sequence[Values]] = ({"fault": "spent_code"},)
    codes: ClassVar[Sequence[Values]] = tuple(errcode(code) for code in CODES)
    forgeries: ClassVar[Sequence[Values]] = (
        {"tamper": "signature"},
        {"tamper": "unsigned"},
        {"tamper": "ciphertext"},
        {"tamper": "receive_id"},
    )

    @classmethod
    def found(cls, simulator: Simulator, names: Sequence[str]) -> WeComApplication:
        simulator.control("wecom/limits", {"account_limit": 100_000})
        corp_id = f"ww{secrets.token_hex(8)}"
        people = [{"userid": name, "name": name, "departments": [1]} for name in names]
        simulator.control("wecom/corps", {"corp_id": corp_id, "people": people})
        app = {"corp_id": corp_id, "agent_id": AGENT_ID, "trusted_ips": ["127.0.0.1"], "visible": "all"}
        made = simulator.control("wecom/apps", app | {"trusted_domain": "localhost:8000"})
        return cls(
            simulator,
            ids={name: name for name in names},
            fault_scope={"corp_id": corp_id, "agent_id": AGENT_ID},
            settings={"corp_id": corp_id, "agent_id": str(AGENT_ID), "is_private": False},
            secrets={"secret": made["secret"], "token": TOKEN, "encoding_aes_key": KEY},
            platform_key=f"wecom:{corp_id}",
        )

    @property
    def corp_id(self) -> str:
        return str(self.settings["corp_id"])

    def connect(self, base_url: str) -> None:
        """The console calls the address and waits for a second at most."""
        address = {"url": base_url + self.callback_path(), "token": TOKEN, "encoding_aes_key": KEY}
        wait_until(lambda: self.simulator.control("wecom/callback", self.fault_scope | address)["ok"], "address saved")

    def is_named_in(self, text: str) -> bool:
        return self.corp_id in text or any(f'"{person}"' in text for person in self.ids)

    def is_mine(self, message: Values) -> bool:
        return bool(message["corp_id"] == self.corp_id)

    def reference_of(self, message: Values) -> str:
        return str(message["task_id"])

    def client_of(self, message: Values) -> str:
        return f"{message['corp_id']}/{message['to']}"

    def change_secret(self) -> None:
        self.simulator.control("wecom/apps", self.fault_scope | {"secret": "another"}, method="PATCH")

    def event(self, person: str, message: Values, key: str, press: str, odd: Values) -> Answer:
        xml = self._press_xml(person, message["card"]["task_id"], key, press)
        made = self.simulator.control("wecom/event", {**self.fault_scope, "xml_plaintext": xml, "attempts": 1, **odd})
        return Answer(made["http_status"], 0.0, made["answer"])

    def _press_xml(self, person: str, task_id: str, key: str, code: str) -> str:
        """A press as WeCom tells of it. https://developer.work.weixin.qq.com/document/path/90240"""
        values: dict[str, Any] = {
            "ToUserName": self.corp_id,
            "FromUserName": person,
            "CreateTime": int(utcnow().timestamp()),
            "MsgType": "event",
            "Event": "template_card_event",
            "EventKey": key,
            "TaskId": task_id,
            "CardType": "button_interaction",
            "ResponseCode": code,
            "AgentID": AGENT_ID,
        }
        return "<xml>" + "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in values.items()) + "</xml>"

    @classmethod
    def unsigned(cls, number: int) -> Unsigned:
        query = {"msg_signature": "0" * 40, "timestamp": "1772415060", "nonce": str(number)}
        return Unsigned("", FORGED, query, {})
