"""What the contract's tests need of a connected application, whatever the platform: one subclass each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

from platforms.base import CardHandle, IncidentCard, Platform, Recipient, SentMessage
from platforms.errors import AnswerNotUnderstood, CredentialInvalid, PlatformError
from tests.contract.receiver import Receiver
from tests.contract.simulator import Simulator
from tests.tokens import MemoryTokens

PEOPLE = {"lin": "林值班", "wu": "吴同事", "zhou": "周外人"}


@dataclass
class Connection(ABC):
    """One application: Lin and Wu are in its visible range, Zhou is a member of the company outside it.

    send_path       what the path of a sending call ends with
    repeats_presses  whether a press that was not answered is delivered again
    repeats_cards   whether a card that is sent again under its reference is put into the chat again, since it may
                    have been made without being put there
    checks_urls     how many addresses the platform tries when they are entered in its console
    page            what a page instead of an answer means, and whether the request may have been carried out
    wrong_secret    what somebody is told who entered another secret
    nobody          ids that stand for nobody, or for more people than one
    create_room_path  of the call that makes a group; nobody_known, no_room: ids of the right shape that nothing has
    forbidden_failure  what the check says after forbid_rooms()

    Lin belongs to the department 值班组, Wu to 夜班 below it, Zhou to another one, which cannot be seen.
    """

    slug: ClassVar[str]
    send_path: ClassVar[str]
    repeats_presses: ClassVar[bool]
    checks_urls: ClassVar[int]
    repeats_cards: ClassVar[bool] = False
    wrong_secret: ClassVar[type[PlatformError]] = CredentialInvalid
    page: ClassVar[tuple[type[PlatformError], bool]] = (AnswerNotUnderstood, True)
    nobody: ClassVar[tuple[str, ...]] = ("@all", "lin|wu", "", "lin\n")

    simulator: Simulator
    receiver: Receiver
    platform: Platform
    tokens: MemoryTokens

    create_room_path: ClassVar[str]
    nobody_known: ClassVar[str]
    no_room: ClassVar[str]
    forbidden_failure: ClassVar[str]
    room_details: ClassVar[dict[str, str]] = {}

    @abstractmethod
    def allow_rooms(self) -> None:
        """Do all that war rooms need on the platform's side."""

    @abstractmethod
    def forbid_rooms(self) -> None:
        """Take something of that away again."""

    @abstractmethod
    def rooms(self) -> list[str]:
        """The groups that the application made, by their ids."""

    @abstractmethod
    def room(self, room_id: str) -> tuple[str, set[str]]:
        """Name and people of a group, as the tests call them."""

    def title_in_room(self, message: dict[str, Any]) -> str:
        """The title of the card that a message in a war room shows."""
        return self.title_of(message)

    @abstractmethod
    def id_of(self, name: str) -> str:
        """A person's id as the platform tells it to this application."""

    @abstractmethod
    def client_of(self, name: str) -> str:
        """A person as the control interface names them."""

    @abstractmethod
    def title_of(self, message: dict[str, Any]) -> str:
        """The title of the card that a message shows."""

    @abstractmethod
    def text_of(self, message: dict[str, Any]) -> str:
        """What a message says that is no card. Raises KeyError for a card."""

    @abstractmethod
    def sign_in_code(self, name: str) -> str: ...

    @abstractmethod
    def with_wrong_secret(self) -> Platform:
        """The same application as somebody would see it who entered another secret."""

    @abstractmethod
    def unreachable(self) -> Platform:
        """The same application where nobody listens."""

    @abstractmethod
    def show_alone(self, name: str) -> None:
        """Let the application see one more person, whatever that person's department."""

    @abstractmethod
    def add_people(self, names: dict[str, str]) -> None:
        """Put more people into 值班组: id → name."""

    @property
    @abstractmethod
    def unseen_department(self) -> str:
        """Zhou's department, by its id."""

    def make_group(self, name: str) -> Recipient:
        """A group chat of Lin and Wu that the application can post to; where capabilities.has_groups."""
        raise NotImplementedError

    def group_messages(self, group: Recipient) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.simulator.control(
            f"messages?platform={self.slug}&chat={quote(group.external_id, safe='')}"
        )
        return listed

    def name_of(self, name: str) -> str:
        """A person's name as the platform tells it to this application."""
        return PEOPLE[name]

    def member(self, name: str) -> Recipient:
        return Recipient(self.id_of(name), PEOPLE.get(name, name))

    def messages(self, name: str) -> list[dict[str, Any]]:
        """What this person sees, oldest first."""
        person = self.client_of(name)
        listed: list[dict[str, Any]] = self.simulator.control(f"messages?platform={self.slug}&person={person}")
        return listed

    def press(self, sent: SentMessage, key: str, by: str = "lin") -> Any:
        """Press a button; returns the simulator's {"http_status", "answer", …} of the callback."""
        pressed = {"platform": self.slug, "message_id": sent.message_id, "person": self.client_of(by), "key": key}
        return self.simulator.control("press", pressed)

    def handle(self, sent: SentMessage, card: IncidentCard, name: str = "lin") -> CardHandle:
        return CardHandle(self.member(name), card.reference, sent.message_id, sent.update_code)
