"""What these tests need of one organisation's application, whatever the platform: one subclass each."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from platforms import PLATFORMS
from platforms.base import Capabilities
from tests.contract.simulator import Simulator
from tests.faults.history import Answer

NO_PAUSE = timedelta(0)
Values = dict[str, Any]


@dataclass(frozen=True)
class Unsigned:
    """A callback as somebody sends it who has no keys."""

    purpose: str
    body: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass
class Application(ABC):
    """One application in the simulator, seen by all the people of its organisation.

    send, update, token  what the paths of these calls contain, and of no others that a test makes
    card_kind   how the simulator lists a card
    renewals    calls after which a token that had ended is in use again, for all workers together
    page_pause  how long a page instead of an answer means to wait
    takes_back_updates  whether it checks that a card is not changed before the answer to its press
    limits      (fault, seconds that everybody of this application waits)
    refusals    (fault, failure code, the words on the incident): never for this person, so tried once
    partial     faults of which the answer's HTTP 200 says nothing, with the failure code
    half_done   faults of which a card is made there, but put before nobody, for a moment
    update_refusals  faults after which a card can never be changed again
    codes       the faults of every documented error code
    proofs      how many things of a press are compared with what only the platform knows
    forgeries   how a press can be no press of this platform's, as the simulator takes it
    ids         each person's id here, by name; fault_scope: what keeps a fault to this application
    settings, secrets, platform_key  as the wizard stores them; public_key: of its addresses, once there are some
    """

    slug: ClassVar[str]
    send: ClassVar[str]
    update: ClassVar[str]
    token: ClassVar[str]
    card_kind: ClassVar[str]
    page_pause: ClassVar[timedelta] = NO_PAUSE
    takes_back_updates: ClassVar[bool] = False
    proofs: ClassVar[int] = 1
    limits: ClassVar[Sequence[tuple[Values, int]]] = ()
    refusals: ClassVar[Sequence[tuple[Values, str, str]]] = ()
    partial: ClassVar[Sequence[tuple[Values, str]]] = ()
    half_done: ClassVar[Sequence[Values]] = ()
    update_refusals: ClassVar[Sequence[Values]] = ()
    codes: ClassVar[Sequence[Values]] = ()
    forgeries: ClassVar[Sequence[Values]] = ()

    simulator: Simulator
    ids: dict[str, str]
    fault_scope: Values
    settings: Values
    secrets: dict[str, str]
    platform_key: str
    public_key: str = ""

    @classmethod
    def capabilities(cls) -> Capabilities:
        return PLATFORMS[cls.slug].capabilities

    @classmethod
    @abstractmethod
    def found(cls, simulator: Simulator, names: Sequence[str]) -> Application:
        """A company of its own with one application that all of `names` may use."""

    @abstractmethod
    def connect(self, base_url: str) -> None:
        """Save our addresses in the platform's console, as far as it asks for them."""

    @abstractmethod
    def reference_of(self, message: Values) -> str:
        """Our reference of the card that a message shows; "" where it does not show any more."""

    @abstractmethod
    def client_of(self, message: Values) -> str:
        """Whose screen a message is on, as the control interface names them."""

    @abstractmethod
    def event(self, person: str, message: Values, key: str, press: str, odd: Values) -> Answer:
        """Let the platform tell of a press, whatever its own client would allow; from any thread.

        press: the same for all deliveries of one press; odd: one of `forgeries`, or {"timestamp": seconds since 1970}.
        """

    @classmethod
    @abstractmethod
    def unsigned(cls, number: int) -> Unsigned: ...

    def change_secret(self) -> None:
        """Somebody has the platform make another secret."""
        raise NotImplementedError

    def callback_path(self, purpose: str = "") -> str:
        path = f"/callback/{self.slug}/{self.public_key}"
        return f"{path}/{purpose}" if purpose else path

    def is_named_in(self, text: str) -> bool:
        """Whether a request is about this application or one of its people."""
        known = [str(value) for value in self.fault_scope.values()] + list(self.ids.values())
        return any(re.search(rf"(?<![0-9A-Za-z_]){re.escape(each)}(?![0-9A-Za-z_])", text) for each in known)

    def is_mine(self, message: Values) -> bool:
        return any(message.get(name) == value for name, value in self.fault_scope.items())
