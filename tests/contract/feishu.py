"""A Feishu application in the simulator and our platform connected to it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from platforms.base import Recipient
from platforms.feishu.platform import Feishu
from platforms.feishu.settings import FeishuSettings
from platforms.http import Transport
from tests.contract.connection import PEOPLE, Connection
from tests.contract.receiver import Receiver
from tests.contract.simulator import Simulator
from tests.tokens import MemoryTokens

KEY = "AlertKey-0123456789abcdef"
REDIRECT_URL = "http://localhost:8000/h5/feishu/k/oauth"
TRANSPORT = Transport()
SCOPES = [
    "im:chat",
    "im:message",
    "im:resource:upload",
    "contact:contact.base:readonly",
    "contact:user.base:readonly",
    "contact:department.base:readonly",
    "contact:department.organize:readonly",
]


@dataclass
class FeishuConnection(Connection):
    """A tenant with one released application."""

    slug: ClassVar[str] = "feishu"
    send_path: ClassVar[str] = "im/v1/messages"
    checks_urls: ClassVar[int] = 2
    repeats_presses: ClassVar[bool] = False
    nobody: ClassVar[tuple[str, ...]] = (*Connection.nobody, "all", "ou_lin,ou_wu", "oc_1234567890abcdef")

    create_room_path: ClassVar[str] = "im/v1/chats"
    nobody_known: ClassVar[str] = "ou_" + "0" * 32
    no_room: ClassVar[str] = "oc_" + "0" * 32
    forbidden_failure: ClassVar[str] = "permission_missing"

    platform: Feishu
    tenant_key: str
    app_id: str
    open_ids: dict[str, str]

    def id_of(self, name: str) -> str:
        """Names of nobody stay what they are; one that looks like a member's is an id of nobody."""
        return self.open_ids.get(name) or ("ou_0123456789abcdef" if name == "nobody" else name)

    def client_of(self, name: str) -> str:
        return f"{self.tenant_key}/{name}"

    def title_of(self, message: dict[str, Any]) -> str:
        return str(message["card"]["header"]["title"]["content"])

    def text_of(self, message: dict[str, Any]) -> str:
        return str(message["text"])

    def allow_rooms(self) -> None:
        self.change_app(available=["lin", "wu", "chen"], scopes=[*SCOPES, "contact:user.id:readonly"])

    def forbid_rooms(self) -> None:
        self.change_app(scopes=["im:chat", "im:message"])

    def rooms(self) -> list[str]:
        return [chat["chat_id"] for chat in self._chats()]

    def room(self, room_id: str) -> tuple[str, set[str]]:
        (chat,) = [one for one in self._chats() if one["chat_id"] == room_id]
        return chat["name"], set(chat["people"])

    def _chats(self) -> list[dict[str, Any]]:
        tenants = self.simulator.control("state")["feishu"]["tenants"]
        return next(tenant["groups"] for tenant in tenants if tenant["tenant_key"] == self.tenant_key)

    def sign_in_code(self, name: str, redirect_uri: str = "") -> str:
        """A code as the client gives it; with an address, as the authorise page does.

        Nobody of another company gets as far as a code: Zhou stands for whom the application is not there for.
        """
        person = "zhou" if name == "stranger" else name
        body = {"app_id": self.app_id, "person": person, "redirect_uri": redirect_uri}
        return str(self.simulator.control("feishu/sign_in", body)["code"])

    def with_wrong_secret(self) -> Feishu:
        return self.with_settings(app_secret="wrong" * 6)

    def unreachable(self) -> Feishu:
        hosts = dict.fromkeys(Feishu.hosts, "http://127.0.0.1:1")
        return Feishu(self.platform.settings, hosts, MemoryTokens(), TRANSPORT)

    def with_settings(self, **changes: Any) -> Feishu:
        """The same application as somebody would see it who entered something else."""
        return connect(self.simulator, replace(self.platform.settings, **changes), MemoryTokens())

    def show_alone(self, name: str) -> None:
        self.change_app(available=["lin", "wu", name])

    def add_people(self, names: dict[str, str]) -> None:
        people = [{"user_id": user_id, "name": name, "departments": ["duty"]} for user_id, name in names.items()]
        self.simulator.control("feishu/tenants", {"tenant_key": self.tenant_key, "people": people}, method="PATCH")
        self.open_ids |= self.change_app()["open_ids"]

    @property
    def unseen_department(self) -> str:
        digest = hashlib.sha256(f"{self.tenant_key}/others".encode()).hexdigest()
        return f"od_{digest[:32]}"

    def make_group(self, name: str) -> Recipient:
        body = {"tenant_key": self.tenant_key, "name": name, "people": ["lin", "wu"], "bots": [self.app_id]}
        made = self.simulator.control("feishu/groups", body)
        return Recipient(made["chat_id"], name, is_group=True)

    def event(self, kind: str, content: Any, **odd: Any) -> Any:
        """Have the simulator deliver any event, rightly or wrongly signed."""
        body = {"app_id": self.app_id, "type": kind, "event": content}
        return self.simulator.control("feishu/event", body | odd)

    def change_app(self, **values: Any) -> Any:
        return self.simulator.control("feishu/apps", {"app_id": self.app_id} | values, method="PATCH")


def make_connection(simulator: Simulator, receiver: Receiver, *, encrypt_key: str = KEY) -> FeishuConnection:
    """A tenant of its own for one test, so that tests do not meet one another."""
    places = dict(zip(PEOPLE, ("duty", "night", "others"), strict=True))
    people = [{"user_id": who, "name": name, "departments": [places[who]]} for who, name in PEOPLE.items()]
    departments = [{"department_id": "duty", "name": "值班组"}, {"department_id": "others", "name": "其他部门"}]
    departments.append({"department_id": "night", "name": "夜班", "parent_id": "duty"})
    tenant = simulator.control("feishu/tenants", {"people": people, "departments": departments})
    app = {"tenant_key": tenant["tenant_key"], "encrypt_key": encrypt_key, "available": ["lin", "wu"]}
    app |= {"contact_departments": ["duty"], "scopes": SCOPES}
    made = simulator.control("feishu/apps", app | {"redirect_urls": [REDIRECT_URL]})
    settings = FeishuSettings(
        app_id=made["app_id"],
        app_secret=made["secret"],
        verification_token=made["verification_token"],
        encrypt_key=made["encrypt_key"],
        redirect_url=REDIRECT_URL,
    )
    tokens = MemoryTokens()
    platform = receiver.platform = connect(simulator, settings, tokens)
    for purpose in ("event", "card"):
        address = {"app_id": made["app_id"], "url": f"{receiver.url}/{purpose}"}
        assert simulator.control(f"feishu/{purpose}_url", address) == {"ok": True, "reason": ""}
    return FeishuConnection(
        simulator, receiver, platform, tokens, tenant["tenant_key"], made["app_id"], made["open_ids"]
    )


def connect(simulator: Simulator, settings: FeishuSettings, tokens: MemoryTokens) -> Feishu:
    return Feishu(settings, dict.fromkeys(Feishu.hosts, simulator.url), tokens, TRANSPORT)
