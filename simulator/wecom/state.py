"""What the simulated WeCom remembers: corps with people and apps, messages with each person's copy, codes, tokens."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from simulator.ids import random_text
from simulator.webview import label_of
from simulator.wecom.licence_book import Licences

ROOT_DEPARTMENT = 1
FIRST_AGENT_ID = 1000002
CONTACT_SYNC = 0  # agent_id of the contact-sync assistant (通讯录同步助手)
TOKEN_SECONDS = 7200
RESPONSE_CODE_SECONDS = 72 * 3600
MAX_MESSAGES = 50_000

USERID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")


@dataclass
class Department:
    id: int
    name: str
    parent_id: int = 0
    order: int = 0


@dataclass
class Person:
    """A member. The id keeps the case it was given; every comparison ignores case."""

    userid: str
    name: str
    departments: list[int] = field(default_factory=lambda: [ROOT_DEPARTMENT])
    position: str = ""
    mobile: str = ""
    email: str = ""


@dataclass
class Callback:
    """接收消息 → API接收, saved after its address answered the verification."""

    url: str
    token: str
    encoding_aes_key: str
    verified_at: float = 0.0


@dataclass
class TrustedIp:
    address: str
    effective_at: float


@dataclass
class App:
    """A self-built app, or the contact-sync assistant when agent_id is CONTACT_SYNC. Empty text means not set.

    suite_id  of the provider's app that this is an installation of; permanent_code: what the corp gave the provider
    """

    agent_id: int
    name: str
    secret: str
    created_at: float
    description: str = ""
    logo: str = ""
    enabled: bool = True
    visible_users: list[str] = field(default_factory=list)
    visible_departments: list[int] = field(default_factory=list)
    callback: Callback | None = None
    trusted_domain: str = ""
    domain_verified_at: float = 0.0
    verify_name: str = field(default_factory=lambda: random_text(16))
    login_domain: str = ""
    trusted_ips: list[TrustedIp] = field(default_factory=list)
    home_url: str = ""
    token: str = ""
    token_expires_at: float = 0.0
    suite_id: str = ""
    permanent_code: str = ""

    @classmethod
    def load(cls, data: dict[str, Any]) -> App:
        callback, ips = data.pop("callback"), data.pop("trusted_ips")
        app = cls(**data, trusted_ips=[TrustedIp(**ip) for ip in ips])
        app.callback = Callback(**callback) if callback else None
        return app


@dataclass
class Corp:
    """An enterprise. ip_delay_seconds is how long a change of trusted addresses takes to work."""

    corp_id: str
    name: str
    created_at: float
    people: dict[str, Person] = field(default_factory=dict)
    departments: dict[int, Department] = field(default_factory=dict)
    apps: dict[int, App] = field(default_factory=dict)
    ip_delay_seconds: float = 60.0
    domain_changes: list[float] = field(default_factory=list)
    licences: Licences = field(default_factory=Licences)

    @classmethod
    def load(cls, data: dict[str, Any]) -> Corp:
        people = {key: Person(**person) for key, person in data.pop("people").items()}
        departments = {int(key): Department(**value) for key, value in data.pop("departments").items()}
        apps = {int(key): App.load(app) for key, app in data.pop("apps").items()}
        licences = Licences.load(data.pop("licences", None) or {})
        return cls(**data, people=people, departments=departments, apps=apps, licences=licences)

    def person(self, userid: str) -> Person | None:
        return self.people.get(userid.lower())

    def own_apps(self) -> list[App]:
        """The self-built and the installed apps, without the contact-sync assistant."""
        return [app for app in self.apps.values() if app.agent_id != CONTACT_SYNC]

    def below(self, department_ids: list[int]) -> set[int]:
        """These departments and everything under them."""
        found: set[int] = set()
        waiting = [number for number in department_ids if number in self.departments]
        while waiting:
            number = waiting.pop()
            if number not in found:
                found.add(number)
                waiting += [child.id for child in self.departments.values() if child.parent_id == number]
        return found

    def visible_departments(self, app: App) -> set[int]:
        return self.below(app.visible_departments)

    def can_see(self, app: App, person: Person) -> bool:
        """Is the member inside the app's visible range (可见范围)?"""
        if ROOT_DEPARTMENT in app.visible_departments or person.userid in app.visible_users:
            return True
        return not self.visible_departments(app).isdisjoint(person.departments)

    def visible_people(self, app: App) -> list[Person]:
        if ROOT_DEPARTMENT in app.visible_departments:
            return list(self.people.values())
        departments = self.visible_departments(app)
        users = set(app.visible_users)
        people = self.people.values()
        return [p for p in people if p.userid in users or not departments.isdisjoint(p.departments)]


@dataclass
class Copy:
    """One person's copy of a card after its first update. replaced is the text on dead buttons, "" while they live."""

    card: dict[str, Any]
    updates: int = 0
    replaced: str = ""
    updated_at: float = 0.0


@dataclass
class Message:
    """A message as its receivers see it. body is the object of its kind (text, markdown, template_card …).

    chat  the group chat that it was posted to, "" for one from the app to each of its receivers
    """

    id: str
    corp_id: str
    agent_id: int
    kind: str
    body: dict[str, Any]
    to: list[str]
    at: float
    task_id: str = ""
    recalled: bool = False
    copies: dict[str, Copy] = field(default_factory=dict)
    chat: str = ""

    @classmethod
    def load(cls, data: dict[str, Any]) -> Message:
        copies = {key: Copy(**copy) for key, copy in data.pop("copies").items()}
        return cls(**data, copies=copies)

    def copy_of(self, userid: str) -> Copy:
        """What this person sees now; the stored copy, or a fresh one that is not stored yet."""
        return self.copies.get(userid.lower()) or Copy(card=self.body)


@dataclass
class Chat:
    """A group chat that an app made (appchat). people: userids. Nobody sees it before something was posted there."""

    id: str
    corp_id: str
    agent_id: int
    name: str
    owner: str
    people: list[str]


@dataclass
class ResponseCode:
    """The right to update a card once within 72 hours."""

    message_id: str
    corp_id: str
    agent_id: int
    at: float


@dataclass
class LoginCode:
    """An OAuth code: five minutes, one use. agent_id 0 when the link named no app; userid "" for an outsider."""

    corp_id: str
    agent_id: int
    userid: str
    openid: str
    domain: str
    scope: str
    at: float


@dataclass
class Ticket:
    """A user_ticket: 1800 seconds."""

    corp_id: str
    agent_id: int
    userid: str
    at: float


@dataclass
class Suite:
    """A provider's application (第三方应用) and the provider behind it.

    tickets  the pushed suite_tickets and when; access_tokens: "suite" and "provider" → token, when it expires
    """

    suite_id: str
    name: str
    secret: str
    provider_corp_id: str
    provider_secret: str
    token: str = ""
    encoding_aes_key: str = ""
    command_url: str = ""
    data_url: str = ""
    home_url: str = ""
    trusted_domain: str = ""
    trusted_ips: list[str] = field(default_factory=lambda: ["127.0.0.1", "::1"])
    tickets: dict[str, float] = field(default_factory=dict)
    pushed_at: float = 0.0
    access_tokens: dict[str, tuple[str, float]] = field(default_factory=dict)


@dataclass
class SuiteCode:
    """An auth_code (ten minutes, one use) or a pre_auth_code (twenty). corp_id: of the company that agreed."""

    suite_id: str
    kind: str
    corp_id: str
    at: float


class TokenOwner(NamedTuple):
    corp_id: str
    agent_id: int
    expires_at: float


@dataclass
class Limits:
    """Frequencies; the defaults are the documented ones. account_limit × 200 is an app's daily quota."""

    per_member_per_minute: int = 30
    per_member_per_hour: int = 1000
    corp_api_per_minute: int = 10_000
    corp_api_per_hour: int = 150_000
    ip_api_per_minute: int = 20_000
    ip_api_per_hour: int = 600_000
    wrong_secrets_per_hour: int = 2000
    account_limit: int = 500
    ticket_per_corp_per_hour: int = 400
    ticket_per_app_per_hour: int = 100
    domain_settings_per_month: int = 20
    chats_per_day: int = 1000
    chat_changes_per_hour: int = 1000
    chat_persons_per_minute: int = 20_000


@dataclass
class WeComState:
    """Everything above by its key. Only touched while the store's lock is held."""

    corps: dict[str, Corp] = field(default_factory=dict)
    suites: dict[str, Suite] = field(default_factory=dict)
    suite_codes: dict[str, SuiteCode] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)
    chats: dict[str, Chat] = field(default_factory=dict)
    response_codes: dict[str, ResponseCode] = field(default_factory=dict)
    login_codes: dict[str, LoginCode] = field(default_factory=dict)
    tickets: dict[str, Ticket] = field(default_factory=dict)
    tokens: dict[str, TokenOwner] = field(default_factory=dict)
    webviews: dict[str, list[str]] = field(default_factory=dict)  # label: corp_id, userid, origin shown
    limits: Limits = field(default_factory=Limits)
    pairings: dict[str, int | None] = field(default_factory=dict)
    _inboxes: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    _tasks: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def load(self, data: dict[str, Any]) -> None:
        self.corps = {key: Corp.load(value) for key, value in data["corps"].items()}
        self.suites = {key: Suite(**value) for key, value in data.get("suites", {}).items()}
        self.suite_codes = {key: SuiteCode(**value) for key, value in data.get("suite_codes", {}).items()}
        self.messages = {key: Message.load(value) for key, value in data["messages"].items()}
        self.chats = {key: Chat(**value) for key, value in data.get("chats", {}).items()}
        self.response_codes = {key: ResponseCode(**value) for key, value in data["response_codes"].items()}
        self.login_codes = {key: LoginCode(**value) for key, value in data["login_codes"].items()}
        self.tickets = {key: Ticket(**value) for key, value in data["tickets"].items()}
        self.tokens = {key: TokenOwner(*value) for key, value in data["tokens"].items()}
        self.webviews = data["webviews"]
        self.limits = Limits(**data["limits"])
        self.pairings = data["pairings"]
        for message in self.messages.values():
            self._index(message)

    def app(self, corp_id: str, agent_id: int) -> tuple[Corp, App] | None:
        corp = self.corps.get(corp_id)
        app = corp.apps.get(agent_id) if corp else None
        return (corp, app) if corp and app else None

    def posted(self, chat_id: str) -> list[Message]:
        """What was posted to a group chat, oldest first."""
        return [message for message in self.messages.values() if message.chat == chat_id]

    def chats_of(self, corp_id: str, userid: str) -> list[Chat]:
        """The group chats that a member sees: those where something was posted."""
        seen = {message.chat for message in self.messages.values() if message.chat}
        mine = (chat for chat in self.chats.values() if chat.corp_id == corp_id and userid in chat.people)
        return [chat for chat in mine if chat.id in seen]

    def inbox(self, corp_id: str, userid: str) -> Iterator[Message]:
        """What apps sent to a person, oldest first; group chats aside."""
        for message_id in self._inboxes.get((corp_id, userid.lower()), []):
            if message_id in self.messages and not self.messages[message_id].chat:
                yield self.messages[message_id]

    def label_of(self, corp_id: str, userid: str) -> str:
        """The host label of a person's webview."""
        return label_of(self.webviews, corp_id, userid)

    def with_task(self, task_id: str) -> list[Message]:
        """The messages of every app that used this task_id."""
        return [self.messages[i] for i in self._tasks.get(task_id, []) if i in self.messages]

    def new_response_code(self, message: Message, at: float) -> str:
        code = random_text(43)
        self.response_codes[code] = ResponseCode(message.id, message.corp_id, message.agent_id, at)
        return code

    def keep(self, message: Message) -> None:
        """Store a message and file it with its receivers; the oldest go beyond 50 000."""
        self.messages[message.id] = message
        self._index(message)
        for kept in (self.messages, self.response_codes):
            while len(kept) > MAX_MESSAGES:
                del kept[next(iter(kept))]

    def forget_traffic(self) -> None:
        """Drop messages and codes; corps, apps and tokens stay."""
        for codes in (self.response_codes, self.login_codes, self.tickets):
            codes.clear()
        for messages in (self.messages, self.chats, self._inboxes, self._tasks):
            messages.clear()

    def _index(self, message: Message) -> None:
        if message.task_id:
            self._tasks[message.task_id].append(message.id)
        for userid in message.to:
            self._inboxes[message.corp_id, userid.lower()].append(message.id)
