"""Feishu's side of these tests."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from platforms.feishu.errors import ERRORS
from tests.contract.simulator import Simulator
from tests.faults.history import Answer
from tests.faults.platforms.application import Application, Unsigned, Values
from tests.servers import wait_until

KEY = "AlertKey-0123456789abcdef"
REFERENCE = re.compile(r'"reference": "([^"]+)"')


def errcode(code: int) -> Values:
    return {"fault": "errcode", "code": code}


@dataclass
class FeishuApplication(Application):
    slug: ClassVar[str] = "feishu"
    send: ClassVar[str] = "im/v1/messages"
    update: ClassVar[str] = "im/v1/messages/"
    token: ClassVar[str] = "tenant_access_token/internal"
    card_kind: ClassVar[str] = "interactive"
    takes_back_updates: ClassVar[bool] = True
    proofs: ClassVar[int] = 2
    limits: ClassVar[Sequence[tuple[Values, int]]] = (({"fault": "rate_limit"}, 1),)
    refusals: ClassVar[Sequence[tuple[Values, str, str]]] = (
        (errcode(230013), "out_of_visible_range", "不在应用可见范围"),
        (errcode(230029), "out_of_visible_range", "不在应用可见范围"),
        (errcode(99992361), "out_of_visible_range", "不在应用可见范围"),
        (errcode(99991662), "integration_disabled", "集成已停用"),
        (errcode(99991673), "app_unauthorised", "应用已被取消授权"),
        (errcode(230006), "permission_missing", "应用缺少权限"),
        ({"fault": "ip_refused"}, "ip_not_allowed", "平台拒绝了服务器 IP 127.0.0.1"),
    )
    update_refusals: ClassVar[Sequence[Values]] = (errcode(230031), errcode(230110))
    codes: ClassVar[Sequence[Values]] = (*map(errcode, sorted(ERRORS)), errcode(987654321))
    forgeries: ClassVar[Sequence[Values]] = tuple(
        {"tamper": how} for how in ("signature", "unsigned", "token", "app_id", "plaintext", "base64", "padding")
    )

    references: dict[str, str] = field(default_factory=dict)

    @classmethod
    def found(cls, simulator: Simulator, names: Sequence[str]) -> FeishuApplication:
        people = [{"user_id": name, "name": name} for name in names]
        tenant_key = simulator.control("feishu/tenants", {"people": people})["tenant_key"]
        made = simulator.control("feishu/apps", {"tenant_key": tenant_key, "encrypt_key": KEY})
        kept = {"verification_token": made["verification_token"], "encrypt_key": made["encrypt_key"]}
        return cls(
            simulator,
            ids={name: made["open_ids"][name] for name in names},
            fault_scope={"app_id": made["app_id"]},
            settings={"app_id": made["app_id"]},
            secrets={"app_secret": made["secret"], **kept},
            platform_key=f"feishu:{made['app_id']}",
        )

    def connect(self, base_url: str) -> None:
        """The console calls both addresses and waits for a second at most."""
        for purpose in self.capabilities().callbacks:
            address = self.fault_scope | {"url": base_url + self.callback_path(purpose)}
            saving = f"feishu/{purpose}_url"
            wait_until(lambda: self.simulator.control(saving, address)["ok"], "address saved")  # noqa: B023

    def reference_of(self, message: Values) -> str:
        """Only buttons carry it, so it is remembered for when they are gone."""
        found = REFERENCE.search(json.dumps(message["card"]))
        if found:
            self.references[message["id"]] = found[1]
        return self.references.get(message["id"], "")

    def client_of(self, message: Values) -> str:
        return f"{message['tenant_key']}/{message['to']}"

    def change_secret(self) -> None:
        self.simulator.control("feishu/apps", self.fault_scope | {"secret": "another" * 4}, method="PATCH")

    def event(self, person: str, message: Values, key: str, press: str, odd: Values) -> Answer:
        value = {"key": key, "reference": self.reference_of(message)}
        event = {
            "operator": {"open_id": self.ids[person]},
            "token": f"c-{press}",
            "action": {"tag": "button", "value": value},
            "context": {"open_message_id": message["id"], "open_chat_id": message["chat"]},
        }
        told = {"type": "card.action.trigger", "event": event, "to": "card"}
        made = self.simulator.control("feishu/event", self.fault_scope | told | odd)
        return Answer(made["http_status"], 0.0, made["answer"])

    @classmethod
    def unsigned(cls, number: int) -> Unsigned:
        names = ("X-Lark-Request-Timestamp", "X-Lark-Request-Nonce", "X-Lark-Signature")
        headers = dict(zip(names, ("1772415060", str(number), "0" * 64), strict=True))
        return Unsigned("card", '{"encrypt": "AAAA"}', {}, headers)
