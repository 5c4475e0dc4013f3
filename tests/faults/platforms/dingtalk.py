"""DingTalk's side of these tests."""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar

from platforms.dingtalk import codes as listed
from platforms.dingtalk import template
from platforms.dingtalk.platform import NO_CARDS
from services.clock import utcnow
from tests.contract.simulator import Simulator
from tests.faults.history import Answer
from tests.faults.platforms.application import Application, Unsigned, Values
from tests.servers import wait_until

TOKEN = "OnCallToken2024abcd"
KEY = "Abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
CREATE = "card/instances/createAndDeliver"
UNANSWERED = sorted(name for name, error in listed.ERRORS.items() if not issubclass(error, NO_CARDS))
"""Codes after which nothing is sent. Where cards cannot be had at all, a message with links goes out instead."""


def errcode(name: str) -> Values:
    return {"fault": "errcode", "name": name}


@dataclass
class DingTalkApplication(Application):
    slug: ClassVar[str] = "dingtalk"
    send: ClassVar[str] = CREATE
    update: ClassVar[str] = "card/instances"
    token: ClassVar[str] = "oauth2/accessToken"
    card_kind: ClassVar[str] = "card"
    page_pause: ClassVar[timedelta] = timedelta(minutes=5)
    limits: ClassVar[Sequence[tuple[Values, int]]] = (({"fault": "rate_limit"}, 1), ({"fault": "concurrency"}, 60))
    refusals: ClassVar[Sequence[tuple[Values, str, str]]] = (
        (errcode("staffId.notExisted"), "out_of_visible_range", "不在应用可见范围"),
        (errcode("50003"), "integration_disabled", "集成已停用"),
        (errcode("chatbotNotFound"), "permission_missing", "应用缺少权限"),
        (errcode("40079"), "app_unauthorised", "应用已被取消授权"),
        ({"fault": "ip_refused"}, "ip_not_allowed", "平台拒绝了服务器 IP 127.0.0.1"),
    )
    partial: ClassVar[Sequence[tuple[Values, str]]] = (
        ({"fault": "invalid_users", "name": "user is not in the visible scope of the app"}, "out_of_visible_range"),
    )
    half_done: ClassVar[Sequence[Values]] = ({"fault": "invalid_users", "name": "SYSTEM_BUSY"},)
    update_refusals: ClassVar[Sequence[Values]] = (errcode("param.cardNotExist"),)
    codes: ClassVar[Sequence[Values]] = (*map(errcode, UNANSWERED), errcode("nobody.knows.this"))
    forgeries: ClassVar[Sequence[Values]] = (
        {"tamper": "signature"},
        {"tamper": "unsigned"},
        {"tamper": "no_signature"},
        {"corp_id": "dingsomebodyelse01"},
    )

    moments: dict[str, int] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @classmethod
    def found(cls, simulator: Simulator, names: Sequence[str]) -> DingTalkApplication:
        people = [{"userid": name, "name": name} for name in names]
        corp_id = simulator.control("dingtalk/corps", {"people": people})["corp_id"]
        made = simulator.control("dingtalk/apps", {"corp_id": corp_id})
        client_id = made["client_id"]
        drawn = {"client_id": client_id, "definition": json.loads(template.exported()), "name": secrets.token_hex(4)}
        return cls(
            simulator,
            ids={name: name for name in names},
            fault_scope={"corp_id": corp_id, "app_id": client_id},
            settings={
                "corp_id": corp_id,
                "agent_id": str(made["agent_id"]),
                "client_id": client_id,
                "card_template_id": simulator.control("dingtalk/templates", drawn)["template_id"],
            },
            secrets={"client_secret": made["client_secret"], "aes_key": KEY, "token": TOKEN},
            platform_key=f"dingtalk:{corp_id}:{client_id}",
        )

    @property
    def client_id(self) -> str:
        return str(self.settings["client_id"])

    def connect(self, base_url: str) -> None:
        """The card address is told with the first card; the one for events the console calls at once."""
        address = {"client_id": self.client_id, "url": base_url + self.callback_path("event")}
        keys = {"aes_key": KEY, "token": TOKEN}
        wait_until(lambda: self.simulator.control("dingtalk/event_url", address | keys)["ok"], "address saved")

    def reference_of(self, message: Values) -> str:
        return str(message["reference"])

    def client_of(self, message: Values) -> str:
        return f"{message['corp_id']}/{message['to']}"

    def change_secret(self) -> None:
        changed = {"client_id": self.client_id, "client_secret": "another" * 9}
        self.simulator.control("dingtalk/apps", changed, method="PATCH")

    def event(self, person: str, message: Values, key: str, press: str, odd: Values) -> Answer:
        """The time in the headers is all that tells one press on a card from another."""
        moment = self.moments.setdefault(press, int(utcnow().timestamp() * 1000) + next(self.numbers))
        stamp = int(odd["timestamp"]) * 1000 if "timestamp" in odd else moment
        told = {"message_id": message["id"], "userid": person, "params": {"key": key}}
        made = self.simulator.control("dingtalk/card_event", told | odd | {"timestamp": stamp})
        return Answer(made["http_status"], 0.0, made["answer"])

    @classmethod
    def unsigned(cls, number: int) -> Unsigned:
        headers = {"x-ddpaas-signature-timestamp": str(1772415060000 + number), "x-ddpaas-signature": "A" * 43 + "="}
        return Unsigned("card", '{"type": "actionCallback"}', {}, headers | {"Content-Type": "application/json"})
