"""A DingTalk application in the simulator and our platform connected to it."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, replace
from typing import Any, ClassVar
from urllib.parse import quote

from platforms.base import Recipient
from platforms.dingtalk import cards, template
from platforms.dingtalk.platform import DingTalk
from platforms.dingtalk.settings import DingTalkSettings
from platforms.errors import PlatformError, RateLimited
from platforms.http import Transport
from tests.contract.connection import PEOPLE, Connection
from tests.contract.receiver import Receiver
from tests.contract.simulator import Simulator
from tests.tokens import MemoryTokens

TOKEN = "OnCallToken2024abcd"
KEY = "Abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
REDIRECT_URL = "http://localhost:8000/h5/dingtalk/k/oauth"
EVENTS = ["im_cool_app_install", "im_cool_app_uninstall", "chat_update_title", "chat_disband"]
OUTSIDE_DEPARTMENT = 9
TRANSPORT = Transport()


@dataclass
class DingTalkConnection(Connection):
    """A company with one published application and its card template; another company next door."""

    slug: ClassVar[str] = "dingtalk"
    send_path: ClassVar[str] = "card/instances/createAndDeliver"
    checks_urls: ClassVar[int] = 1
    repeats_presses: ClassVar[bool] = False
    repeats_cards: ClassVar[bool] = True
    page: ClassVar[tuple[type[PlatformError], bool]] = (RateLimited, False)
    nobody: ClassVar[tuple[str, ...]] = (*Connection.nobody, "Lin;IM_ROBOT.Wu")

    create_room_path: ClassVar[str] = "sceneGroup/create"
    nobody_known: ClassVar[str] = "Ghost0001"
    no_room: ClassVar[str] = "cidNoSuchRoom=="
    forbidden_failure: ClassVar[str] = "permission_missing"

    platform: DingTalk
    corp_id: str
    client_id: str
    other_corp_id: str

    def id_of(self, name: str) -> str:
        """DingTalk keeps capitals apart."""
        return f"{name.capitalize()}0001" if name in PEOPLE else name

    def client_of(self, name: str) -> str:
        return f"{self.corp_id}/{self.id_of(name)}"

    def title_of(self, message: dict[str, Any]) -> str:
        """Without the mark of its tone."""
        title = str(message["card"]["title"])
        return next((title[len(mark) + 1 :] for mark in cards.MARKS.values() if title.startswith(mark)), title)

    def text_of(self, message: dict[str, Any]) -> str:
        return str(message["card"]["content"])

    def allow_rooms(self) -> None:
        made = self.simulator.control("dingtalk/group_templates", {"client_id": self.client_id})
        names = {"room_template_id": made["template_id"], "room_robot_code": made["robot_code"]}
        self.platform = self.with_settings(**names)

    def forbid_rooms(self) -> None:
        self.change_app(permissions=["qyapi_chat_manage", "qyapi_chat_base_read", "qyapi_get_member_by_mobile"])

    def rooms(self) -> list[str]:
        return [group["openConversationId"] for group in self._groups() if group["template_id"]]

    def room(self, room_id: str) -> tuple[str, set[str]]:
        (group,) = [one for one in self._groups() if one["openConversationId"] == room_id]
        return group["title"], {member.removesuffix("0001").lower() for member in group["members"]}

    def _groups(self) -> list[dict[str, Any]]:
        corps = self.simulator.control("state")["dingtalk"]["corps"]
        return next(corp["groups"] for corp in corps if corp["corp_id"] == self.corp_id)

    def sign_in_code(self, name: str, kind: str = "h5") -> str:
        """A code as the client gives it, or as the sign-in page does ("oauth"), which also knows other companies."""
        is_stranger = name == "stranger"
        person = f"{self.other_corp_id}/stranger" if is_stranger else self.id_of(name)
        body = {"client_id": self.client_id, "person": person, "kind": kind}
        return str(self.simulator.control("dingtalk/sign_in", body)["code"])

    def with_wrong_secret(self) -> DingTalk:
        return self.with_settings(client_secret="wrong" * 12)

    def unreachable(self) -> DingTalk:
        hosts = dict.fromkeys(DingTalk.hosts, "http://127.0.0.1:1")
        return DingTalk(self.platform.settings, hosts, MemoryTokens(), TRANSPORT)

    def with_settings(self, **changes: Any) -> DingTalk:
        """The same application as somebody would see it who entered something else."""
        return connect(self.simulator, replace(self.platform.settings, **changes), MemoryTokens())

    def show_alone(self, name: str) -> None:
        self.change_app(scope_users=[self.id_of(name)])

    def add_people(self, names: dict[str, str]) -> None:
        people = [{"userid": userid, "name": name, "departments": [2]} for userid, name in names.items()]
        self.simulator.control("dingtalk/corps", {"corp_id": self.corp_id, "people": people}, method="PATCH")

    @property
    def unseen_department(self) -> str:
        return str(OUTSIDE_DEPARTMENT)

    def make_group(self, name: str) -> Recipient:
        """A group with the cool app; what its install event told goes with every message."""
        body = {"corp_id": self.corp_id, "title": name, "members": [self.id_of("lin"), self.id_of("wu")]}
        chat_id = self.simulator.control("dingtalk/groups", body)["openConversationId"]
        self.simulator.control("dingtalk/install", {"client_id": self.client_id, "cid": chat_id})
        event: Any = self.receiver.callbacks[-1]
        assert event.group.external_id == chat_id
        return Recipient(chat_id, name, is_group=True, details=event.group.details)

    def as_seen_by(self, name: str, group: Recipient) -> dict[str, Any]:
        """The one message of a group as this member sees it."""
        which = f"chat={quote(group.external_id, safe='')}&person={self.client_of(name)}"
        (seen,) = self.simulator.control(f"messages?platform=dingtalk&{which}")
        return dict(seen)

    def event(self, content: dict[str, Any], **odd: Any) -> Any:
        """Have the simulator push any event, rightly or wrongly signed."""
        return self.simulator.control("dingtalk/event", {"client_id": self.client_id, "event": content} | odd)

    def change_app(self, **values: Any) -> Any:
        return self.simulator.control("dingtalk/apps", {"client_id": self.client_id} | values, method="PATCH")


def make_connection(simulator: Simulator, receiver: Receiver) -> DingTalkConnection:
    """A company of its own for one test, so that tests do not meet one another."""
    people: list[dict[str, Any]] = [
        {"userid": f"{name.capitalize()}0001", "name": shown} for name, shown in PEOPLE.items()
    ]
    for person, department in zip(people, (2, 3, OUTSIDE_DEPARTMENT), strict=True):
        person["departments"] = [department]
    departments = [{"id": 2, "name": "值班组"}, {"id": 3, "name": "夜班", "parent_id": 2}]
    departments.append({"id": OUTSIDE_DEPARTMENT, "name": "其他部门"})
    company = {"people": people, "departments": departments}
    corp_id = simulator.control("dingtalk/corps", company)["corp_id"]
    other = {"people": [{"userid": "stranger", "name": "路人"}]}
    other_corp_id = simulator.control("dingtalk/corps", other)["corp_id"]
    app = {"corp_id": corp_id, "visible": ["Lin0001", "Wu0001"], "redirect_urls": [REDIRECT_URL]}
    made = simulator.control("dingtalk/apps", app | {"scope": [2]})
    client_id = made["client_id"]
    wanted = {"client_id": client_id, "definition": json.loads(template.exported()), "name": secrets.token_hex(4)}
    settings = DingTalkSettings(
        corp_id=corp_id,
        agent_id=str(made["agent_id"]),
        client_id=client_id,
        client_secret=made["client_secret"],
        aes_key=KEY,
        token=TOKEN,
        card_template_id=simulator.control("dingtalk/templates", wanted)["template_id"],
        card_callback_url=f"{receiver.url}/card",
    )
    tokens = MemoryTokens()
    platform = receiver.platform = connect(simulator, settings, tokens)
    address = {"client_id": client_id, "url": f"{receiver.url}/event", "aes_key": KEY, "token": TOKEN, "tags": EVENTS}
    assert simulator.control("dingtalk/event_url", address) == {"ok": True, "reason": ""}
    return DingTalkConnection(simulator, receiver, platform, tokens, corp_id, client_id, other_corp_id)


def connect(simulator: Simulator, settings: DingTalkSettings, tokens: MemoryTokens) -> DingTalk:
    return DingTalk(settings, dict.fromkeys(DingTalk.hosts, simulator.url), tokens, TRANSPORT)
