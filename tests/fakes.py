"""A chat platform that is a list in memory: what was sent, and what it shall answer next."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from platforms.base import (
    Callback,
    CallbackReply,
    CallbackRequest,
    CardHandle,
    CardPress,
    Contact,
    Department,
    Group,
    GroupEvent,
    GroupList,
    Hosts,
    IncidentCard,
    LostEvents,
    OtherEvent,
    PlatformIdentity,
    PressAnswer,
    Recipient,
    SentMessage,
    UrlCheck,
)
from platforms.errors import CallbackRefused, GroupGone, PlatformError, RecipientUnreachable, UpdateCodeSpent
from platforms.rooms import Room, RoomLimits, RoomOrder
from platforms.setup import CheckResult, SetupMode
from platforms.wecom.platform import WeCom

SIGNATURE = "genuine"


@dataclass
class Message:
    """A card or text as its reader has it; update codes are "code-1", "code-2" … over all messages."""

    to: str
    card: IncidentCard | None = None
    text: str = ""
    updates: list[IncidentCard] = field(default_factory=list)

    @property
    def shown(self) -> IncidentCard:
        card = self.updates[-1] if self.updates else self.card
        assert card is not None
        return card


@dataclass
class FakeRooms:
    """Groups by their references. errors, lost: as of FakePlatform; barred: who cannot be put into one."""

    groups: dict[str, RoomOrder] = field(default_factory=dict)
    people: dict[str, list[str]] = field(default_factory=dict)
    barred: set[str] = field(default_factory=set)
    ended: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    errors: deque[PlatformError | None] = field(default_factory=deque)
    lost: bool = False
    dissolves: bool = True
    requirement: PlatformError | None = None
    asked: int = 0
    looked: int = 0

    def create(self, order: RoomOrder) -> Room:
        self.asked += 1
        error = self.errors.popleft() if self.errors else None
        if error and not self.lost:
            raise error
        group = Group(f"group-{order.reference}", order.name)
        self.groups.setdefault(order.reference, order)
        self.people.setdefault(group.external_id, [])
        missing = self.invite(group, order.people)
        if error:
            raise error
        return Room(group, f"https://chat.example/{order.reference}", missing)

    def find(self, order: RoomOrder) -> Room | None:
        self.looked += 1
        group = Group(f"group-{order.reference}", order.name)
        return Room(group, "", self.invite(group, order.people)) if order.reference in self.groups else None

    def invite(self, group: Group, people: Sequence[str]) -> dict[str, PlatformError]:
        if group.external_id in self.gone:
            raise GroupGone("gone")
        inside = self.people[group.external_id]
        inside += [person for person in people if person not in self.barred and person not in inside]
        return {person: RecipientUnreachable("barred") for person in people if person in self.barred}

    def end(self, group: Group, last_name: str) -> bool:
        self.ended[group.external_id] = last_name
        return self.dissolves

    def check(self) -> dict[str, Any]:
        if self.requirement is not None:
            raise self.requirement
        return {}


@dataclass
class FakePlatform:
    """Takes one card per reference. errors: raised instead of, or with `lost` after, the next calls."""

    capabilities = WeCom.capabilities
    messages: list[Message] = field(default_factory=list)
    errors: deque[PlatformError | None] = field(default_factory=deque)
    lost: bool = False
    spent: set[str] = field(default_factory=set)
    calls: int = 0
    while_sending: Callable[[], None] = lambda: None
    rooms: FakeRooms = field(default_factory=FakeRooms)

    def send_card(self, to: Recipient, card: IncidentCard, *, earlier_try_unanswered: bool = False) -> SentMessage:
        self.calls += 1
        error = self._next_error()
        if error and not self.lost:
            raise error
        if any(message.card and message.card.reference == card.reference for message in self.messages):
            assert earlier_try_unanswered, "the same reference was sent twice"
            return SentMessage("", was_repeat=True)
        self.messages.append(Message(to.external_id, card))
        self.while_sending()
        if error:
            raise error
        number = len(self.messages)
        return SentMessage(f"message-{number}", f"code-{number}")

    def send_text(self, to: Recipient, content: str, *, reference: str = "") -> SentMessage:
        if error := self._next_error():
            raise error
        self.messages.append(Message(to.external_id, text=content))
        return SentMessage(f"message-{len(self.messages)}")

    def update_card(self, handle: CardHandle, card: IncidentCard) -> None:
        self.calls += 1
        error = self._next_error()
        if error and not self.lost:
            raise error
        if handle.update_code is None or handle.update_code in self.spent:
            raise UpdateCodeSpent("spent")
        self.spent.add(handle.update_code)
        self.by_reference(handle.reference).updates.append(card)
        if error:
            raise error

    def by_reference(self, reference: str) -> Message:
        return next(one for one in self.messages if one.card and one.card.reference == reference)

    def read_callback(self, request: CallbackRequest) -> Callback:
        """The query is signature, at (Unix seconds), nonce; the body is the press as JSON."""
        if request.query.get("signature") != SIGNATURE:
            raise CallbackRefused("signature")
        sent_at = datetime.fromtimestamp(float(request.query["at"]), UTC)
        base = (SIGNATURE, request.query.get("nonce", "n"), sent_at)
        if request.method == "GET":
            return UrlCheck(*base, reply=request.query["echo"])
        event = json.loads(request.body)
        if event.get("kind"):
            return OtherEvent(*base, event_key="other", kind=event["kind"])
        if event.get("change"):
            group, happened_at = Group(**event.pop("group")), datetime.fromisoformat(event.pop("happened_at"))
            return GroupEvent(*base, **event, group=group, happened_at=happened_at)
        return CardPress(*base, **event)

    def answer(self, callback: Callback, answer: PressAnswer | None) -> CallbackReply:
        if isinstance(callback, UrlCheck):
            return CallbackReply(200, callback.reply.encode())
        if answer is None or answer.card is None:
            return CallbackReply(200, b"")
        return CallbackReply(200, json.dumps(asdict(answer.card), ensure_ascii=False).encode(), "application/json")

    def sign_in_url(self, redirect_uri: str, state: str, *, in_client: bool) -> str:
        return f"https://sign-in.example/?state={state}&to={redirect_uri}&client={in_client}"

    def identify(self, code: str, *, in_client: bool, redirect_uri: str = "") -> PlatformIdentity:
        return PlatformIdentity(code or None, code)

    def run_check(self, name: str) -> CheckResult:
        return CheckResult(True, {"name": name})

    def _next_error(self) -> PlatformError | None:
        return self.errors.popleft() if self.errors else None


@dataclass
class GroupPlatform(FakePlatform):
    """The same with group chats: answers carry a sentence but not the card, any card can be changed at any time.

    groups  what read_groups() finds, or an error; groups_asked: what it was told to be known
    departments, members  what read_departments() and read_members() find, or errors
    """

    slug: ClassVar[str] = "chat"
    label: ClassVar[str] = "畅聊"
    console_name: ClassVar[str] = "畅聊管理后台"
    modes: ClassVar[tuple[SetupMode, ...]] = (SetupMode("self_built", "自建应用", (), ()),)
    hosts: ClassVar[Hosts] = {}
    addresses: ClassVar[Mapping[str, str]] = {"callback/event": "callback/event", "home_url": "home"}
    capabilities = replace(
        WeCom.capabilities,
        channel_kind="chat_app",
        quota=None,
        updates_need_codes=False,
        answers_in_reply=False,
        reply_reaches_all=False,
        tells_in_reply=True,
        has_refresh_button=False,
        coalesce_seconds=1.0,
        sends_per_member_minute=0,
        sends_per_member_hour=0,
        one_per_tenant=False,
        has_groups=True,
        no_groups_hint=("把应用添加到群聊。", "回到这里点击刷新。"),
        callbacks=("event", "card"),
        update_note="",
        user_agent_mark="ChatClient",
        rooms=RoomLimits(
            least_people=1,
            most_people=100,
            name_characters=30,
            known_hours=10,
            finds=True,
            keeps_cards=True,
            knows_texts=False,
            dissolves=True,
        ),
    )
    groups: list[Group] | PlatformError = field(default_factory=list)
    groups_asked: list[Group] = field(default_factory=list)
    departments: list[Department] | PlatformError = field(default_factory=list)
    members: dict[str, list[Contact] | PlatformError] = field(default_factory=dict)
    recipients: list[Recipient] = field(default_factory=list)
    lost_events: deque[LostEvents] = field(default_factory=deque)
    uploads: list[bytes] = field(default_factory=list)
    told: list[tuple[str, ...]] = field(default_factory=list)
    """Whose notices each update was to take away."""

    @classmethod
    def entered_host(cls, settings: Mapping[str, Any]) -> str:
        return ""

    @classmethod
    def company(cls, settings: Mapping[str, Any]) -> str:
        return str(settings.get("company") or "")

    @classmethod
    def console(cls, settings: Mapping[str, Any], hosts: Hosts) -> str:
        return "https://console.example"

    def send_card(self, to: Recipient, card: IncidentCard, *, earlier_try_unanswered: bool = False) -> SentMessage:
        self.recipients.append(to)
        return replace(super().send_card(to, card, earlier_try_unanswered=earlier_try_unanswered), update_code=None)

    def update_card(self, handle: CardHandle, card: IncidentCard) -> None:
        self.calls += 1
        if error := self._next_error():
            raise error
        self.by_reference(handle.reference).updates.append(card)
        self.told.append(handle.told)

    def upload_picture(self, content: bytes, content_type: str) -> str:
        if error := self._next_error():
            raise error
        self.uploads.append(content)
        return f"img_{len(self.uploads)}"

    def read_groups(self, known: Sequence[Group]) -> GroupList:
        self.groups_asked = list(known)
        if isinstance(self.groups, PlatformError):
            raise self.groups
        return GroupList(list(self.groups), calls=1 if self.capabilities.lists_groups else len(known))

    def read_lost_events(self) -> LostEvents:
        return self.lost_events.popleft() if self.lost_events else LostEvents()

    def read_departments(self) -> list[Department]:
        if isinstance(self.departments, PlatformError):
            raise self.departments
        return list(self.departments)

    def read_members(self, department_id: str) -> list[Contact]:
        found = self.members.get(department_id, ())
        if isinstance(found, PlatformError):
            raise found
        return list(found)

    def answer(self, callback: Callback, answer: PressAnswer | None) -> CallbackReply:
        if isinstance(callback, UrlCheck):
            return CallbackReply(200, callback.reply.encode())
        return CallbackReply(200, (answer.text if answer else "").encode())


def press_of(card: IncidentCard, text: str, *, by: str = "lin", **changes: Any) -> dict[str, Any]:
    """The press of the button that says `text`, as the fake platform's callback body."""
    button = next(one for one in (*card.buttons, *card.menu) if one.text == text)
    known = json.dumps([card.reference, button.key, by, changes], sort_keys=True)
    event = {
        "event_key": hashlib.sha256(known.encode()).hexdigest(),
        "external_user_id": by,
        "reference": card.reference,
        "button_key": button.key,
        "update_code": f"press-{hashlib.sha256(known.encode()).hexdigest()[:12]}",
    }
    return event | changes
