"""What the simulated DingTalk remembers: companies with people, groups and apps; messages, cards, codes, tokens."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from simulator.webview import label_of

ROOT_DEPARTMENT = 1
TOKEN_SECONDS = 7200
KEY_SECONDS = 24 * 3600  # how long a message can be recalled or asked about
MAX_MESSAGES = 20_000
EVERYBODY = "all"


def awkward_id(prefix: str = "") -> str:
    """An id as DingTalk makes them, with + / and = inside, so that whoever forgets to encode it is found out."""
    return prefix + base64.b64encode(b"\xfb\xff" + secrets.token_bytes(20)).decode()


@dataclass
class Department:
    id: int
    name: str
    parent_id: int = 0


@dataclass
class Person:
    """A member. DingTalk compares a userId as it is written."""

    userid: str
    name: str
    unionid: str = ""
    departments: list[int] = field(default_factory=lambda: [ROOT_DEPARTMENT])
    title: str = ""
    mobile: str = ""
    email: str = ""


@dataclass
class Group:
    """A group chat. installed: client ids of the apps whose cool app, and with it the robot, is in it.

    template_id  of a scene group: the robot came with the template, no cool app is in it
    """

    cid: str
    chat_id: str
    title: str
    owner: str
    members: list[str] = field(default_factory=list)
    is_internal: bool = True
    disbanded: bool = False
    installed: list[str] = field(default_factory=list)
    template_id: str = ""


@dataclass
class Subscription:
    """事件订阅, saved after its address answered check_url. tags: the events that were ticked afterwards."""

    url: str
    aes_key: str
    token: str
    tags: list[str] = field(default_factory=list)
    verified_at: float = 0.0


@dataclass
class CoolApp:
    """酷应用 in group chats. has_entry, has_cards: 功能设计; the addresses are those of the quick entry."""

    code: str
    name: str
    published: bool = False
    has_entry: bool = True
    has_cards: bool = True
    pc_url: str = ""
    mobile_url: str = ""


@dataclass
class Version:
    """What the published version contains; everything else only developers see. visible: userids, or EVERYBODY."""

    number: str
    web: bool
    robot: bool
    cool_app: bool
    visible: str | list[str]
    home_url: str
    pc_home_url: str
    at: float


@dataclass
class App:
    """An internal app. robot and the addresses are the draft; `live` is what was published last."""

    client_id: str
    client_secret: str
    agent_id: int
    corp_id: str
    name: str
    created_at: float
    description: str = ""
    home_url: str = ""
    pc_home_url: str = ""
    robot: bool = False
    robot_name: str = ""
    cool_app: CoolApp | None = None
    ip_whitelist: list[str] = field(default_factory=list)
    redirect_urls: list[str] = field(default_factory=list)
    permissions: list[str] = field(default_factory=lambda: ["qyapi_base", "open_app_api_base"])
    scope: list[int] = field(default_factory=lambda: [ROOT_DEPARTMENT])
    scope_users: list[str] = field(default_factory=list)
    subscription: Subscription | None = None
    live: Version | None = None
    suffix: str = "client_id"  # or corp_id
    pascal_case: bool = False
    token: str = ""
    token_expires_at: float = 0.0

    @classmethod
    def load(cls, data: dict[str, Any]) -> App:
        subscription, cool_app, live = (data.pop(name) for name in ("subscription", "cool_app", "live"))
        app = cls(**data)
        app.subscription = Subscription(**subscription) if subscription else None
        app.cool_app = CoolApp(**cool_app) if cool_app else None
        app.live = Version(**live) if live else None
        return app

    def can_see(self, userid: str) -> bool:
        """Is the member inside the published visible range (可见范围)?"""
        return self.live is not None and (self.live.visible == EVERYBODY or userid in self.live.visible)

    @property
    def has_robot(self) -> bool:
        return self.live is not None and self.live.robot

    @property
    def cool_app_code(self) -> str:
        return self.cool_app.code if self.cool_app else ""


@dataclass
class Corp:
    corp_id: str
    name: str
    created_at: float
    people: dict[str, Person] = field(default_factory=dict)
    departments: dict[int, Department] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    apps: dict[str, App] = field(default_factory=dict)

    @classmethod
    def load(cls, data: dict[str, Any]) -> Corp:
        people = {key: Person(**value) for key, value in data.pop("people").items()}
        departments = {int(key): Department(**value) for key, value in data.pop("departments").items()}
        groups = {key: Group(**value) for key, value in data.pop("groups").items()}
        apps = {key: App.load(value) for key, value in data.pop("apps").items()}
        return cls(**data, people=people, departments=departments, groups=groups, apps=apps)


@dataclass
class Template:
    """A card template. definition: the builder's export, {} where only the id is known."""

    id: str
    client_id: str
    name: str
    definition: dict[str, Any] = field(default_factory=dict)
    published: bool = True


@dataclass
class GroupTemplate:
    """群模板 of scene groups (场景群), with the app's robot in it. enabled: 启用."""

    id: str
    client_id: str
    name: str
    enabled: bool = True


@dataclass
class Card:
    """A card instance. What a viewer sees is public, then what an answer showed that viewer alone, then private.

    callback  the route key when callbackType is HTTP, else "" and nothing is called
    answered, answers   what answers to a viewer's presses showed that viewer alone since the last update, and how many
    """

    out_track_id: str
    client_id: str
    corp_id: str
    template_id: str
    callback: str
    public: dict[str, str]
    private: dict[str, dict[str, str]]
    at: float
    updates: int = 0
    updated_at: float = 0.0
    answered: dict[str, dict[str, str]] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)

    def seen_by(self, userid: str) -> dict[str, str]:
        return self.public | self.answered.get(userid, {}) | self.private.get(userid, {})


@dataclass
class Message:
    """What a robot posted, to a person (userid) or a group (cid). id is the processQueryKey.

    kind    the msgKey; "card" with the outTrackId in `card`; "notice" for a work notice
    only    userids that alone see it in its group, [] for all
    """

    id: str
    corp_id: str
    client_id: str
    kind: str
    to: str
    is_group: bool
    body: dict[str, Any]
    at: float
    card: str = ""
    only: list[str] = field(default_factory=list)
    at_users: list[str] = field(default_factory=list)
    recalled: bool = False
    read_by: list[str] = field(default_factory=list)


@dataclass
class Route:
    """Where card callbacks of a route key go. Without a secret they are not signed."""

    url: str
    secret: str


@dataclass
class LoginCode:
    """A one-time code of five minutes. kind: "h5" from the client, "oauth" from the browser's sign-in page."""

    kind: str
    corp_id: str
    client_id: str
    userid: str
    at: float
    has_corp: bool = False


@dataclass
class Token:
    """userid "" is the app's own token, otherwise that person's (and may belong to another company)."""

    corp_id: str
    client_id: str
    expires_at: float
    userid: str = ""


@dataclass
class Limits:
    """Quotas; the defaults are the documented ones of the standard edition, 0 switches one off.

    receivers  userIds of one batchSend; banned: every call is answered by a page, as for a blocked address
    strict_route_keys   registering a taken key is refused (the API page), else answered by what is there (the guide)
    silent_repeats      a used outTrackId is answered with success and changes nothing, else refused
    quoted_numbers      the old API writes numbers and booleans as texts, as its examples do
    """

    qps: int = 20
    monthly_calls: int = 5000
    monthly_pushes: int = 3000
    receivers: int = 20
    banned: bool = False
    strict_route_keys: bool = True
    silent_repeats: bool = False
    quoted_numbers: bool = False


@dataclass
class DingTalkState:
    """Everything above by its key. Only touched while the store's lock is held."""

    corps: dict[str, Corp] = field(default_factory=dict)
    templates: dict[str, Template] = field(default_factory=dict)
    group_templates: dict[str, GroupTemplate] = field(default_factory=dict)
    scene_uuids: dict[str, str] = field(default_factory=dict)  # client id/uuid: cid
    cards: dict[str, Card] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)
    login_codes: dict[str, LoginCode] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    webviews: dict[str, list[str]] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)

    def load(self, data: dict[str, Any]) -> None:
        self.corps = {key: Corp.load(value) for key, value in data["corps"].items()}
        self.templates = {key: Template(**value) for key, value in data["templates"].items()}
        self.group_templates = {key: GroupTemplate(**value) for key, value in data.get("group_templates", {}).items()}
        self.scene_uuids = data.get("scene_uuids", {})
        self.cards = {key: Card(**value) for key, value in data["cards"].items()}
        self.messages = {key: Message(**value) for key, value in data["messages"].items()}
        self.routes = {key: Route(**value) for key, value in data["routes"].items()}
        self.login_codes = {key: LoginCode(**value) for key, value in data["login_codes"].items()}
        self.tokens = {key: Token(**value) for key, value in data["tokens"].items()}
        self.webviews = data["webviews"]
        self.limits = Limits(**data["limits"])

    def apps(self) -> Iterator[tuple[Corp, App]]:
        for corp in self.corps.values():
            for app in corp.apps.values():
                yield corp, app

    def app(self, client_id: str) -> tuple[Corp, App] | None:
        return next(((corp, app) for corp, app in self.apps() if app.client_id == client_id), None)

    def keep(self, message: Message) -> None:
        """Store a message; the oldest go beyond the limit."""
        self.messages[message.id] = message
        while len(self.messages) > MAX_MESSAGES:
            del self.messages[next(iter(self.messages))]

    def label_of(self, corp_id: str, userid: str) -> str:
        return label_of(self.webviews, corp_id, userid, ".dingtalk")

    def forget_traffic(self) -> None:
        """Drop messages, cards and codes; companies, apps, routes and tokens stay."""
        for traffic in (self.cards, self.messages, self.login_codes):
            traffic.clear()
