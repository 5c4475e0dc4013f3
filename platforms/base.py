"""What a chat platform is to the product: one small protocol over neutral values, differences as data.

A platform package knows neither Flask nor the database. What it needs (settings, hosts, a token store,
a transport) is handed in; what it learns it returns as values: cards, people, callbacks, capabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from platforms.callbacks import (
    Callback,
    CallbackReply,
    CallbackRequest,
    CardPress,
    GroupEvent,
    Headers,
    LicenceEvent,
    LostEvents,
    OtherEvent,
    PressAnswer,
    UrlCheck,
)
from platforms.capabilities import (
    Capabilities,
)
from platforms.cards import (
    CardButton,
    CardHandle,
    Fact,
    IncidentCard,
    Picture,
    SentMessage,
)
from platforms.http import Transport
from platforms.licences import LicenceDesk
from platforms.people import (
    Contact,
    Department,
    Group,
    GroupList,
    PlatformIdentity,
    Recipient,
)
from platforms.rooms import Rooms
from platforms.setup import CheckResult, SetupMode

__all__ = [
    "Callback",
    "CallbackReply",
    "CallbackRequest",
    "Capabilities",
    "CardButton",
    "CardHandle",
    "CardPress",
    "Contact",
    "Department",
    "Fact",
    "Group",
    "GroupEvent",
    "GroupList",
    "Headers",
    "Hosts",
    "IncidentCard",
    "LicenceEvent",
    "LostEvents",
    "OtherEvent",
    "Picture",
    "Platform",
    "PlatformIdentity",
    "PressAnswer",
    "Recipient",
    "SentMessage",
    "TokenStore",
    "UrlCheck",
]


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

    console_name  what the vendor calls the console in which an application is set up
    hosts      the real addresses, which {SLUG}_{NAME}_BASE replaces, without a trailing slash
    addresses  generated values to copy, by name: "callback", "callback/event", "home", "home/pc?corpId=$CORPID$" …
    """

    slug: ClassVar[str]
    label: ClassVar[str]
    console_name: ClassVar[str]
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

    @classmethod
    def company(cls, settings: Mapping[str, Any]) -> str:
        """What tells apart the companies whose quota the platform counts, over all their applications."""

    @property
    def application_key(self) -> str | None:
        """What may be connected once over all organisations ("wecom:ww…"); None while it was not entered."""

    def send_card(self, to: Recipient, card: IncidentCard, *, earlier_try_unanswered: bool = False) -> SentMessage:
        """Send a card to one recipient. With `earlier_try_unanswered` a "reference used before" answer is a success."""

    def send_text(self, to: Recipient, content: str, *, reference: str = "") -> SentMessage:
        """Send a text. reference: our key of it, by which a platform knows a repeat if it can; "": there is none."""

    def update_card(self, handle: CardHandle, card: IncidentCard) -> None: ...
    def upload_picture(self, content: bytes, content_type: str) -> str:
        """Give the platform a picture for cards and return its key there; capabilities.pictures is "uploaded"."""

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

    @property
    def rooms(self) -> Rooms:
        """Groups that the application makes itself; asked only where capabilities.rooms has limits."""

    @property
    def licences(self) -> LicenceDesk | None:
        """Where the licences of a connection are asked about whose mode has LicenceRules; None elsewhere."""

    def run_check(self, name: str) -> CheckResult: ...
