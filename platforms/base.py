"""What a chat platform is to the product: one small protocol, neutral values, differences as data.

A platform package knows neither Flask nor the database. What it needs (settings, hosts, a token store,
a transport) is handed in; what it learns it returns as the values below.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Protocol

import json_text
from platforms.http import Transport
from platforms.setup import CheckResult, SetupMode

# --- cards --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CardButton:
    """A button that calls back. key: opaque to the platform, ≤ 128 characters; style: primary|danger|plain.

    action  what it does ("acknowledge", "snooze:120"), for a platform that can only draw links: `url`?do=…
    """

    key: str
    text: str
    style: str = "plain"
    action: str = ""


@dataclass(frozen=True)
class Fact:
    label: str
    value: str


@dataclass(frozen=True)
class IncidentCard:
    """An incident as one card shows it, a person's or a group's, before any platform's limits are applied.

    reference   our key of the message (unique, ≤ 128 of 0-9A-Za-z_-@)
    source      "值班铃 · 支付核心"; tone: critical|warning|info|ok|muted
    title       "[严重] db-03 / disk.used>95%"; subtitle: "#1024 · 待处理 · 09:31 触发"
    elapsed     "持续 5 分钟", kept apart because it alone does not make a card out of date
    facts       label and value rows; body: lines of the custom area; footer: last row
    body_is_markup  a template wrote the body in the platform's own markup, values escaped; else it is plain text
    url         the in-app page of the incident
    buttons     in the order to be shown; menu: choices behind "…"
    footer_label  names the footer where a platform can only show it as a label and value row
    open_label  names the way to `url` where a platform can only draw it as a button
    """

    reference: str
    source: str
    tone: str
    title: str
    subtitle: str
    elapsed: str
    facts: tuple[Fact, ...]
    body: tuple[str, ...]
    footer: str
    url: str
    buttons: tuple[CardButton, ...]
    menu_label: str = ""
    menu: tuple[CardButton, ...] = ()
    footer_label: str = "动态"
    open_label: str = "查看详情"
    body_is_markup: bool = False

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything a reader would call a change (so not of `elapsed`)."""
        content = self.as_json()
        del content["elapsed"]
        return hashlib.sha256(json_text.in_order(content)).hexdigest()

    @property
    def bare(self) -> IncidentCard:
        """The card without what the alert itself said, for a platform whose review refuses that."""
        return replace(self, facts=(), body=(), body_is_markup=False)

    def as_json(self) -> dict[str, Any]:
        """The same as values of JSON, for keeping an answer; not copied, so not to be changed."""
        parts = ("facts", "buttons", "menu")
        return vars(self) | {name: [vars(part) for part in getattr(self, name)] for name in parts}


@dataclass(frozen=True)
class Recipient:
    """A person or a group chat, by the id that the platform uses inside this application.

    details  of a group: what the platform wants to be told again with every message there (Group.details)
    is_everybody  meant is everybody in the application's visible range; external_id is capabilities.everybody
    """

    external_id: str
    name: str = ""
    is_group: bool = False
    details: Mapping[str, str] = field(default_factory=dict)
    is_everybody: bool = False


@dataclass(frozen=True)
class Group:
    """A group chat that the application can post to. name: "" and member_count: None while nobody has told it."""

    external_id: str
    name: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    member_count: int | None = None


@dataclass(frozen=True)
class GroupList:
    """Groups that a platform told of. calls: how many questions that took.

    is_complete  False where it stopped before the end: what is missing then may be there all the same
    """

    groups: Sequence[Group] = ()
    calls: int = 1
    is_complete: bool = True


@dataclass(frozen=True)
class SentMessage:
    """What identifies a message that the platform took.

    update_code      a right to change it once, where the platform gives such (WeCom response_code)
    truncated_lines  lines of the body that the platform's limits cut off
    was_repeat       the platform says that an earlier, unanswered try had arrived
    lacks_buttons    the application may not send buttons yet, so the card went out without them
    """

    message_id: str
    update_code: str | None = None
    truncated_lines: int = 0
    was_repeat: bool = False
    lacks_buttons: bool = False


@dataclass(frozen=True)
class CardHandle:
    """A card to change: our reference, the platform's message id, and a right to update if it needs one."""

    recipient: Recipient
    reference: str
    message_id: str
    update_code: str | None = None


# --- callbacks ----------------------------------------------------------------------------------------------------


class Headers(Protocol):
    """A request's headers, whatever the case of a name."""

    def get(self, name: str, /) -> str | None: ...


@dataclass(frozen=True)
class CallbackRequest:
    """A request as it came in: nothing parsed, so that signatures are checked on the raw bytes.

    purpose  the last part of its address, where a platform calls several: "event", "card"; "" where it is one
    """

    method: str
    query: Mapping[str, str]
    headers: Headers
    body: bytes
    received_at: datetime
    purpose: str = ""


@dataclass(frozen=True)
class Callback:
    """Something the platform said, verified. signature: identifies the exact request (replay protection).

    fresh_seconds  how far `sent_at` may be from our clock: as long as the platform repeats what was not answered
    addressed_to   which of our ids the platform named as the receiver, where it wants to read the same one again
    """

    signature: str
    nonce: str
    sent_at: datetime
    fresh_seconds: int = field(default=300, kw_only=True)
    addressed_to: str = field(default="", kw_only=True)


@dataclass(frozen=True)
class UrlCheck(Callback):
    """The platform tries our address; `reply` is what it wants to read."""

    reply: str


@dataclass(frozen=True)
class CardPress(Callback):
    """A person pressed a button or chose from a card's menu.

    event_key    identifies this press over all repeats of its delivery
    reference    our key of the message; button_key: the key that we drew
    update_code  the right to change the card that the press brought, if any
    message_id   the platform's id of the card's message, if the press names it
    """

    event_key: str
    external_user_id: str
    reference: str
    button_key: str
    update_code: str | None = None
    message_id: str = field(default="", kw_only=True)


@dataclass(frozen=True)
class PressAnswer:
    """What whoever pressed is told: their card as it is now (None: it stays as it was) and a sentence ("": none)."""

    card: IncidentCard | None = None
    text: str = ""
    is_refusal: bool = False


@dataclass(frozen=True)
class GroupEvent(Callback):
    """Something happened to a group chat: it can be posted to from now on, or not any more, or has another name.

    event_key  identifies the event over all repeats of its delivery
    change     added | removed | disbanded | renamed; happened_at: by the platform's clock, since events overtake others
    """

    event_key: str
    change: str
    group: Group
    happened_at: datetime


@dataclass(frozen=True)
class LostEvents:
    """Events of groups that the platform told us in vain, as it hands them out, once. has_more: it keeps others."""

    events: Sequence[GroupEvent] = ()
    has_more: bool = False


@dataclass(frozen=True)
class OtherEvent(Callback):
    """Verified, but nothing that we act on: logged and answered."""

    event_key: str
    kind: str


@dataclass(frozen=True)
class CallbackReply:
    """What the platform is answered, byte for byte."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


# --- people -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PlatformIdentity:
    """Who the platform says is using the in-app page; None as id: not a member of the connected company."""

    external_user_id: str | None
    name: str = ""


@dataclass(frozen=True)
class Department:
    """A department that the application may see. parent_id: "" where the parent is not seen, or there is none."""

    external_id: str
    name: str
    parent_id: str = ""
    order: int = 0


@dataclass(frozen=True)
class Contact:
    """A member of the company that the application may see. name: "" where the platform withholds it."""

    external_user_id: str
    name: str


# --- the platform -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Capabilities:
    """What differs between platforms, as data. Texts are catalogue ids.

    channel_kind        the personal channel: "wecom_app"
    updates_need_codes  a card can only be changed with an unused right to do so
    update_code_hours   how long such a right lives
    update_note         what a person should know about cards that could not be changed; "" where there is nothing
    browser_hint        how a person has the client open links in the system's browser, where that is a secret
    body_lines, menu_items, buttons, facts   how much of a card is shown
    body_characters     as much of the custom area as the platform advises; 0: it advises nothing
    body_bytes          more of the custom area, in UTF-8, is cut with …; 0: the lines alone count
    escape_body         writes any text so that it is no markup in the custom area; None: the area is plain text
    refuses_markup      a card whose markup it does not understand is not drawn (an update goes once more without it)
    answers_in_reply    the press's answer can carry the presser's new card
    reply_reaches_all   … and then everybody in a group sees that card (else a group's card is updated as well)
    tells_in_reply      the press's answer can carry a sentence (else a refusal is told in a private message)
    has_refresh_button  every card carries 状态刷新 (else only one whose update has failed)
    coalesce_seconds    how long changes wait for one another before a card is updated
    sends_per_member_minute, sends_per_member_hour   more messages to one person are dropped without a word; 0: no limit
    sends_per_group_minute   more cards to one group than people read are told in one summary; 0: no limit
    dedupe_hours        how long the platform knows a message again that is sent once more, so that it arrives once
    user_agent_mark     what the user agent of the platform's own browser contains
    one_per_tenant      an organisation connects this platform once
    workbench_hint      how a person opens the application once, to be linked
    has_groups          cards can be sent to group chats; lists_groups: read_groups() also finds those nobody told us of
    no_groups_hint      what to do, step by step, while there is no group to choose
    callbacks           the last parts of the addresses that the platform calls: ("",) or ("event", "card")
    sign_in_scripts     scripts under static/, in order, that ask the client for a sign-in code; (): a redirect does
    group_parameter     what names the group in the address that its quick entry opens; "": groups have no such entry
    code_names          how the parameter with the code may be called on the way back from sign_in_url
    keeps_lost_events   events that we did not answer can be asked for: read_lost_events()
    group_events        (change of GroupEvent, what the console calls its event), those that are to be subscribed to
    group_origin        how a group becomes known by an event: "cool_app", "bot_added"
    sends_per_chat_second   messages a second to one person or group, sends_per_second: of one application; 0: no limit
    update_days         for how long a card can be changed; 0: as long as there is a right to
    monthly_calls       calls a month that the platform's free edition grants; 0: none are counted
    folds_ids           ids of people that differ in case alone are the same person's
    lists_contacts      the company's departments and their members can be read
    no_contacts_hint    why nobody may be found there, and what to do
    contact_fields      how its contacts are set up: (what the documents call it, name of the set-up field)
    contact_steps       what is to be done in its console for that: (sentence, what it asks to be entered there:
                        trusted_domain, egress_ips or home_url)
    everybody           the id that stands for everybody in the visible range; "": one message cannot reach them all
    """

    channel_kind: str
    updates_need_codes: bool
    update_code_hours: int
    body_lines: int
    menu_items: int
    buttons: int
    facts: int
    answers_in_reply: bool
    has_refresh_button: bool
    coalesce_seconds: float
    sends_per_member_minute: int
    sends_per_member_hour: int
    dedupe_hours: int
    user_agent_mark: str
    one_per_tenant: bool
    workbench_hint: str
    update_note: str = ""
    browser_hint: str = ""
    reply_reaches_all: bool = True
    tells_in_reply: bool = False
    refuses_markup: bool = False
    has_groups: bool = False
    lists_groups: bool = False
    no_groups_hint: tuple[str, ...] = ()
    callbacks: tuple[str, ...] = ("",)
    sign_in_scripts: tuple[str, ...] = ()
    group_parameter: str = ""
    code_names: tuple[str, ...] = ("code",)
    group_origin: str = "bot_added"
    keeps_lost_events: bool = False
    group_events: tuple[tuple[str, str], ...] = ()
    sends_per_chat_second: int = 0
    sends_per_group_minute: int = 0
    sends_per_second: int = 0
    update_days: int = 0
    monthly_calls: int = 0
    folds_ids: bool = True
    everybody: str = ""
    body_characters: int = 0
    body_bytes: int = 0
    escape_body: Callable[[str], str] | None = None
    lists_contacts: bool = False
    no_contacts_hint: tuple[str, ...] = ()
    contact_fields: tuple[tuple[str, str], ...] = ()
    contact_steps: tuple[tuple[str, str], ...] = ()


class TokenStore(Protocol):
    """Where a client keeps its access tokens; implemented by services/tokens.py over the database."""

    def get(self, kind: str, fetch: Callable[[], tuple[str, int]]) -> str:
        """Return a valid token; `fetch` (→ token, lifetime in seconds) is called by one process at a time.

        After a failed fetch its PlatformError is raised again, without a call, until it is time to try once more.
        """

    def renew(self, kind: str, fetch: Callable[[], tuple[str, int]]) -> str:
        """Fetch now, whatever is stored: an administrator asks whether the credentials work."""

    def drop(self, kind: str, value: str) -> None:
        """Forget `value`, which the platform rejected; a newer token stays."""


Hosts = Mapping[str, str]
"""Where a platform is reached, by name ("api", "console" …): Platform.hosts, or what the operator says instead."""


class Platform(Protocol):
    """One connected application. Every method may raise the PlatformErrors of its folder's errors.py.

    hosts      the real addresses, which {SLUG}_{NAME}_BASE replaces, without a trailing slash
    addresses  generated values to copy, by name: "callback", "callback/event", "home", "home/pc?corpId=$CORPID$" …
    """

    slug: ClassVar[str]
    label: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    modes: ClassVar[tuple[SetupMode, ...]]
    hosts: ClassVar[Hosts]
    addresses: ClassVar[Mapping[str, str]]

    @classmethod
    def build(
        cls,
        settings: Mapping[str, Any],
        secrets: Mapping[str, str],
        *,
        tokens: TokenStore,
        hosts: Hosts,
        transport: Transport,
    ) -> Platform:
        """From what the wizard stored, drafts included. secrets: in clear, as long as the object lives.

        Beside what was entered, settings hold "press_reply" and "addresses", the generated ones by their names.
        """

    @classmethod
    def entered_host(cls, settings: Mapping[str, Any]) -> str:
        """The platform's own address as a person entered it (a private deployment); "" for the operator's hosts."""

    @classmethod
    def console(cls, settings: Mapping[str, Any], hosts: Hosts) -> str:
        """The address of the console in which this application is set up; deep links are appended."""

    @property
    def application_key(self) -> str | None:
        """What may be connected once over all organisations ("wecom:ww…"); None while it was not entered."""

    def send_card(self, to: Recipient, card: IncidentCard, *, earlier_try_unanswered: bool = False) -> SentMessage:
        """Send a card to one recipient. With `earlier_try_unanswered` a "reference used before" answer is a success."""

    def send_text(self, to: Recipient, content: str, *, reference: str = "") -> SentMessage:
        """Send a text. reference: our key of it, by which a platform knows a repeat if it can; "": there is none."""

    def update_card(self, handle: CardHandle, card: IncidentCard) -> None: ...
    def read_callback(self, request: CallbackRequest) -> Callback: ...
    def answer(self, callback: Callback, answer: PressAnswer | None) -> CallbackReply: ...
    def sign_in_url(self, redirect_uri: str, state: str, *, in_client: bool) -> str:
        """Where a person proves who they are by being redirected; comes back with `code` and `state`."""

    def client_sign_in(self) -> Mapping[str, str]:
        """What capabilities.sign_in_scripts need to ask the client for a code; becomes data- attributes."""

    def identify(self, code: str, *, in_client: bool, redirect_uri: str = "") -> PlatformIdentity:
        """Who a code stands for.

        in_client     it came from sign_in_scripts, not from sign_in_url
        redirect_uri  what sign_in_url was given, which some platforms ask again
        """

    def read_groups(self, known: Sequence[Group]) -> GroupList:
        """The groups that can be posted to now: all of them (capabilities.lists_groups), else those of the `known`.

        Where counting the members takes a call for each group, those whose number is known keep it.
        """

    def read_lost_events(self) -> LostEvents:
        """What of groups the platform told us and we did not answer; capabilities.keeps_lost_events."""

    def read_departments(self) -> list[Department]:
        """The departments that the application may see, a parent before its children; capabilities.lists_contacts."""

    def read_members(self, department_id: str) -> list[Contact]:
        """Who belongs to a department itself, not to one below it.

        department_id  of read_departments(); "": people who are visible by themselves, whatever their departments
        """

    def run_check(self, name: str) -> CheckResult: ...
