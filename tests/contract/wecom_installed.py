"""A provider's application, installed in a company of the simulator, and our platform connected through it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from typing import Any

from platforms.base import Callback, CallbackReply, CallbackRequest, PressAnswer, UrlCheck
from platforms.provider import AuthorisationEvent, Company, TicketArrived
from platforms.wecom.errors import InstallAgain
from platforms.wecom.installed import InstalledClient
from platforms.wecom.platform import WeCom
from platforms.wecom.suite import Suite
from tests.contract.connection import PEOPLE
from tests.contract.receiver import Receiver
from tests.contract.simulator import Simulator
from tests.contract.wecom import KEY, OUTSIDE_DEPARTMENT, TOKEN, TRANSPORT, WeComConnection
from tests.tokens import MemoryTokens


@dataclass
class Told:
    """What WeCom told the provider."""

    ticket: str = ""
    events: list[AuthorisationEvent] = field(default_factory=list)


class Addresses:
    """Both of the provider's addresses as one platform of the receiver: the data address is the company's."""

    def __init__(self) -> None:
        self.suite: Suite | None = None
        self.company: WeCom | None = None
        self.told = Told()

    def read_callback(self, request: CallbackRequest) -> Callback:
        assert self.suite
        if request.method == "GET":
            return self.suite.read_data_check(request)
        if request.purpose == "data":
            assert self.company
            return self.company.read_callback(request)
        callback = self.suite.read_command(request)
        if isinstance(callback, TicketArrived):
            self.told.ticket = callback.ticket
        if isinstance(callback, AuthorisationEvent):
            self.told.events.append(callback)
        return callback

    def answer(self, callback: Callback, answer: PressAnswer | None) -> CallbackReply:
        assert self.suite
        if isinstance(callback, UrlCheck | TicketArrived | AuthorisationEvent):
            return self.suite.answer(callback)
        assert self.company
        return self.company.answer(callback, answer)


@dataclass
class InstalledConnection(WeComConnection):
    """The same company, which has no application of its own."""

    checks_urls = 2
    wrong_secret = InstallAgain

    suite: Suite
    told: Told
    addresses: Addresses

    @property
    def suite_id(self) -> str:
        return self.suite.settings.suite_id

    def id_of(self, name: str) -> str:
        """As WeCom encrypts it for the provider; somebody who is no member keeps the name."""
        if name not in PEOPLE:
            return name
        body = {"suite_id": self.suite_id, "corp_id": self.corp_id, "userid": name}
        return str(self.simulator.control("wecom/suites/sign_in", body)["userid"])

    def name_of(self, name: str) -> str:
        """WeCom tells a provider no names."""
        return self.id_of(name)

    def sign_in_code(self, name: str) -> str:
        body = {"suite_id": self.suite_id, "corp_id": self.corp_id, "userid": name}
        return str(self.simulator.control("wecom/suites/sign_in", body)["code"])

    def with_wrong_secret(self) -> WeCom:
        return self.with_settings(secret="wrong" * 8)

    def with_settings(self, **changes: Any) -> WeCom:
        base = changes.pop("endpoint", self.simulator.url)
        return installed(self.suite, replace(self.platform.settings, **changes), MemoryTokens(), base)

    def show_alone(self, name: str) -> None:
        body = {"suite_id": self.suite_id, "corp_id": self.corp_id, "visible": [2, name]}
        self.simulator.control("wecom/suites/change", body)


def make_connection(simulator: Simulator, receiver: Receiver) -> InstalledConnection:
    """A company of its own for one test, which installed the application of a provider of its own."""
    corp_id = f"ww{secrets.token_hex(8)}"
    people: list[dict[str, Any]] = [
        {"userid": userid, "name": name, "departments": [2]} for userid, name in PEOPLE.items()
    ]
    people[1]["departments"], people[2]["departments"] = [3], [OUTSIDE_DEPARTMENT]
    departments = [{"id": 2, "name": "值班组"}, {"id": 3, "name": "夜班", "parent_id": 2}]
    departments.append({"id": OUTSIDE_DEPARTMENT, "name": "其他部门"})
    simulator.control("wecom/corps", {"corp_id": corp_id, "departments": departments, "people": people})
    suite, addresses, known = offer(simulator, receiver)
    made = simulator.control("wecom/suites/install", known | {"corp_id": corp_id, "visible": [2]})
    assert made["problem"] == ""
    company = suite.redeem(addresses.told.events[-1].auth_code)
    right = Company(company.corp_id, company.permanent_code)
    allowed = suite.read_authorisation(right)
    tokens = MemoryTokens()
    platform = suite.platform_for(replace(right, agent_id=allowed.agent_id), {"corp_id": corp_id}, tokens=tokens)
    addresses.company = platform
    receiver.callbacks = [callback for callback in receiver.callbacks if isinstance(callback, UrlCheck)]
    return InstalledConnection(
        simulator, receiver, platform, tokens, corp_id, int(allowed.agent_id), suite, addresses.told, addresses
    )


def offer(simulator: Simulator, receiver: Receiver) -> tuple[Suite, Addresses, dict[str, str]]:
    """A provider with an application whose addresses are saved and that has a ticket; how the control names it."""
    made = simulator.control("wecom/suites", {"name": "值班铃", "trusted_domain": "localhost:8000"})
    addresses = Addresses()
    entered = {"suite_id": made["suite_id"], "provider_corp_id": made["provider_corp_id"]}
    secret = {"suite_secret": made["secret"], "provider_secret": made["provider_secret"]}
    addresses.suite = Suite.build(
        entered,
        secret | {"token": TOKEN, "encoding_aes_key": KEY},
        ticket=lambda: addresses.told.ticket,
        tokens=MemoryTokens(),
        hosts=dict.fromkeys(WeCom.hosts, simulator.url),
        transport=TRANSPORT,
    )
    receiver.platform = addresses  # type: ignore[assignment]  # as much of a platform as the receiver asks for
    known = {"suite_id": made["suite_id"]}
    urls = {name: f"{receiver.url}/{name}" for name in Suite.callbacks}
    saved = simulator.control("wecom/suites/callbacks", known | urls | {"token": TOKEN, "encoding_aes_key": KEY})
    assert saved == {"ok": True, "reason": ""}
    return addresses.suite, addresses, known


def installed(suite: Suite, settings: Any, tokens: MemoryTokens, base: str) -> WeCom:
    client = InstalledClient(settings, base, suite.client, tokens=tokens, transport=TRANSPORT)
    return WeCom(settings, suite.reached_at, tokens, TRANSPORT, client)
