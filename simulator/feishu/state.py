"""What the simulated Feishu remembers: tenants with people, apps, chats, messages, tokens, pushes to be repeated."""

from __future__ import annotations

import hashlib
import secrets
from collections import defaultdict
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from simulator.ids import random_text
from simulator.webview import label_of

TOKEN_SECONDS = 7200
TOKEN_RENEWAL_SECONDS = 1800
ROOT_DEPARTMENT = "0"
MAX_MESSAGES = 50_000
CARD_CALLBACK, HISTORIC_CALLBACK = "card.action.trigger", "card.action.trigger_v1"


def new_id(prefix: str) -> str:
    """An id of the platform's shape: om_ and 32 hex digits."""
    return f"{prefix}_{secrets.token_hex(16)}"


@lru_cache(maxsize=200_000)
def _derived(prefix: str, *parts: str) -> str:
    return f"{prefix}_{hashlib.sha256('/'.join(parts).encode()).hexdigest()[:32]}"


@dataclass
class Department:
    """parent_id: "0" for the organisation itself."""

    department_id: str
    name: str
    parent_id: str = ROOT_DEPARTMENT
    order: int = 0


@dataclass
class Person:
    """A member of a tenant. departments: department_ids; stopped: applications whose messages are not wanted."""

    user_id: str
    name: str
    email: str = ""
    mobile: str = ""
    departments: list[str] = field(default_factory=lambda: [ROOT_DEPARTMENT])
    is_resigned: bool = False
    stopped: list[str] = field(default_factory=list)


@dataclass
class Tenant:
    """An organisation. brand: "feishu" or "lark"; approves_at_once: a version needs no reviewer."""

    tenant_key: str
    name: str
    brand: str = "feishu"
    people: dict[str, Person] = field(default_factory=dict)
    departments: dict[str, Department] = field(default_factory=dict)
    approves_at_once: bool = False

    @classmethod
    def load(cls, data: dict[str, Any]) -> Tenant:
        people = {key: Person(**person) for key, person in data.pop("people").items()}
        departments = {key: Department(**value) for key, value in data.pop("departments").items()}
        return cls(**data, people=people, departments=departments)

    def open_department_id(self, department_id: str) -> str:
        return _derived("od", self.tenant_key, department_id)

    def below(self, department_ids: list[str]) -> set[str]:
        """These departments and everything under them."""
        found: set[str] = set()
        waiting = [number for number in department_ids if number in self.departments]
        while waiting:
            number = waiting.pop()
            if number not in found:
                found.add(number)
                waiting += [each.department_id for each in self.departments.values() if each.parent_id == number]
        return found

    def union_id(self, user_id: str) -> str:
        return _derived("on", self.tenant_key, user_id)


@dataclass
class Features:
    """The part of an app's configuration that works from the next released version on.

    is_for_all, users  可用范围: everybody, or these user_ids
    contact_departments  通讯录权限范围: departments that can be read beside the people of 可用范围
    scopes, user_scopes  permissions of the application and of a signed-in person
    card_url  where callbacks go; historic_card_url: 消息卡片请求网址 of the old bot page
    """

    bot: bool = False
    web_app: bool = False
    desktop_url: str = ""
    mobile_url: str = ""
    card_url: str = ""
    historic_card_url: str = ""
    callbacks: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)
    user_scopes: list[str] = field(default_factory=list)
    is_for_all: bool = False
    users: list[str] = field(default_factory=list)
    contact_departments: list[str] = field(default_factory=list)

    def copy(self) -> Features:
        return deepcopy(self)


@dataclass
class Version:
    """A version of an app. status: "reviewing", "approved", "rejected" or "withdrawn"."""

    id: str
    number: str
    status: str
    features: Features
    notes: str = ""
    at: float = 0.0
    decided_at: float = 0.0

    @classmethod
    def load(cls, data: dict[str, Any]) -> Version:
        return cls(**data | {"features": Features(**data["features"])})


@dataclass
class App:
    """A self-built app (企业自建应用). draft: what the console shows; online: what works, None before any release."""

    app_id: str
    tenant_key: str
    name: str
    secret: str
    created_at: float
    description: str = ""
    enabled: bool = True
    encrypt_key: str = ""
    verification_token: str = field(default_factory=lambda: random_text(32))
    event_url: str = ""
    redirect_urls: list[str] = field(default_factory=list)
    allowed_ips: list[str] = field(default_factory=list)
    draft: Features = field(default_factory=Features)
    online: Features | None = None
    versions: list[Version] = field(default_factory=list)
    token: str = ""
    token_expires_at: float = 0.0
    ticket: str = ""
    ticket_expires_at: float = 0.0

    @classmethod
    def load(cls, data: dict[str, Any]) -> App:
        online = data["online"]
        parts = {
            "draft": Features(**data["draft"]),
            "online": Features(**online) if online else None,
            "versions": [Version.load(version) for version in data["versions"]],
        }
        known = {
            name: value for name, value in data.items() if name in cls.__dataclass_fields__
        }  # older states hold more
        return cls(**known | parts)

    @property
    def reviewed(self) -> Version | None:
        """The version that waits for the administrator, if any."""
        return next((version for version in self.versions if version.status == "reviewing"), None)

    @property
    def has_bot(self) -> bool:
        return self.online is not None and self.online.bot

    def open_id(self, user_id: str) -> str:
        """Who this person is to this app, and to no other."""
        return _derived("ou", self.app_id, user_id)

    @property
    def bot_open_id(self) -> str:
        return _derived("ou", self.app_id, "bot")

    def p2p_id(self, user_id: str) -> str:
        """The chat of one person and this app's bot."""
        return _derived("oc", self.app_id, user_id)

    def is_for(self, person: Person) -> bool:
        """Is the person inside the released availability range (可用范围)?"""
        return self.online is not None and (self.online.is_for_all or person.user_id in self.online.users)


@dataclass
class Chat:
    """A group, or a person's chat with a bot (is_p2p). owner: a user_id or an app_id; bots: app_ids."""

    chat_id: str
    tenant_key: str
    name: str
    owner: str = ""
    description: str = ""
    people: list[str] = field(default_factory=list)
    bots: list[str] = field(default_factory=list)
    created_at: float = 0.0
    is_p2p: bool = False
    is_external: bool = False
    is_muted: bool = False
    is_dissolved: bool = False


@dataclass
class Message:
    """A message. content: the object that was sent as text; app_id "" for a line of the client itself.

    views  what single people see of an exclusive card, by user_id
    """

    id: str
    app_id: str
    chat_id: str
    kind: str
    content: dict[str, Any]
    at: float
    updates: int = 0
    updated_at: float = 0.0
    recalled: bool = False
    parent_id: str = ""
    views: dict[str, dict[str, Any]] = field(default_factory=dict)

    def seen_by(self, user_id: str) -> dict[str, Any]:
        return self.views.get(user_id, self.content)


@dataclass
class TokenOwner:
    """Whose an access token is. user_id: "" for the application's own."""

    app_id: str
    expires_at: float
    user_id: str = ""
    scope: str = ""


@dataclass
class LoginCode:
    """An authorisation code. redirect_uri: "" when the client gave it to a page (requestAccess)."""

    app_id: str
    user_id: str
    expires_at: float
    redirect_uri: str = ""
    scope: str = ""
    challenge: str = ""
    challenge_method: str = "plain"
    is_used: bool = False


@dataclass
class CardToken:
    """The right to update one clicked card later: 30 minutes, two uses."""

    message_id: str
    app_id: str
    user_id: str
    at: float
    uses: int = 0


@dataclass
class Pending:
    """An event that was not answered: its plain text, how often it was tried, when it is due again."""

    event_id: str
    app_id: str
    plaintext: str
    tries: int
    due_at: float


@dataclass
class Limits:
    """Frequencies, 0 for none. The monthly quota is that of the free edition when it is switched on (10000)."""

    api_per_second: int = 50
    api_per_minute: int = 1000
    user_per_second: int = 5
    group_per_second: int = 5
    message_updates_per_second: int = 5
    monthly_calls: int = 0


@dataclass
class FeishuState:
    """Everything above by its key. Only touched while the store's lock is held."""

    tenants: dict[str, Tenant] = field(default_factory=dict)
    apps: dict[str, App] = field(default_factory=dict)
    chats: dict[str, Chat] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)
    tokens: dict[str, TokenOwner] = field(default_factory=dict)
    login_codes: dict[str, LoginCode] = field(default_factory=dict)
    card_tokens: dict[str, CardToken] = field(default_factory=dict)
    pending: dict[str, Pending] = field(default_factory=dict)
    uuids: dict[str, list[Any]] = field(default_factory=dict)  # app_id/uuid: message_id, when
    calls: dict[str, int] = field(default_factory=dict)  # tenant_key/YYYY-MM: calls that count to the quota
    images: dict[str, list[str]] = field(default_factory=dict)  # image_key: app_id, SHA-256 of the content
    webviews: dict[str, list[str]] = field(default_factory=dict)  # label: tenant_key, user_id, origin shown
    limits: Limits = field(default_factory=Limits)
    _lines: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def load(self, data: dict[str, Any]) -> None:
        self.tenants = {key: Tenant.load(value) for key, value in data["tenants"].items()}
        self.apps = {key: App.load(value) for key, value in data["apps"].items()}
        self.chats = {key: Chat(**value) for key, value in data["chats"].items()}
        self.messages = {key: Message(**value) for key, value in data["messages"].items()}
        self.tokens = {key: TokenOwner(**value) for key, value in data["tokens"].items()}
        self.login_codes = {key: LoginCode(**value) for key, value in data["login_codes"].items()}
        self.card_tokens = {key: CardToken(**value) for key, value in data["card_tokens"].items()}
        self.pending = {key: Pending(**value) for key, value in data["pending"].items()}
        self.uuids, self.calls, self.webviews = data["uuids"], data["calls"], data["webviews"]
        self.images = data.get("images", {})
        self.limits = Limits(**data["limits"])
        for message in self.messages.values():
            self._lines[message.chat_id].append(message.id)

    def label_of(self, tenant_key: str, user_id: str) -> str:
        """The host label of a person's webview."""
        return label_of(self.webviews, tenant_key, user_id, ".feishu")

    def apps_of(self, tenant_key: str) -> list[App]:
        return [app for app in self.apps.values() if app.tenant_key == tenant_key]

    def tenant_of(self, app: App) -> Tenant:
        return self.tenants[app.tenant_key]

    def chats_of(self, tenant_key: str, user_id: str) -> list[Chat]:
        """The chats a person is in, groups and single ones."""
        chats = self.chats.values()
        return [chat for chat in chats if chat.tenant_key == tenant_key and user_id in chat.people]

    def thread(self, chat_id: str) -> Iterator[Message]:
        """The messages of a chat, oldest first, without those that were recalled."""
        for message_id in self._lines.get(chat_id, []):
            message = self.messages.get(message_id)
            if message and not message.recalled:
                yield message

    def p2p(self, app: App, user_id: str, now: float) -> Chat:
        """The person's chat with the bot, made when it is first needed."""
        chat_id = app.p2p_id(user_id)
        if chat_id not in self.chats:
            self.chats[chat_id] = Chat(
                chat_id, app.tenant_key, "", people=[user_id], bots=[app.app_id], created_at=now, is_p2p=True
            )
        return self.chats[chat_id]

    def keep(self, message: Message) -> None:
        """Store a message; the oldest go beyond 50 000."""
        self.messages[message.id] = message
        self._lines[message.chat_id].append(message.id)
        for kept in (self.messages, self.card_tokens, self.uuids, self.login_codes):
            while len(kept) > MAX_MESSAGES:
                del kept[next(iter(kept))]

    def forget_traffic(self) -> None:
        """Drop messages, codes and pushes; tenants, apps, groups and tokens stay."""
        tables = (self.messages, self.login_codes, self.card_tokens, self.pending, self.uuids, self.calls, self._lines)
        for table in tables:
            table.clear()
