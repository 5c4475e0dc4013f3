"""What the benchmark has to know of a chat platform: what its API answers, and what it posts when a button is pressed.

Written from the platforms' documentation and not with the product's own ciphers, which would agree with themselves.
Light to import, since the fake platform does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

TOKEN, CARD, UPDATE, OTHER = "token", "card", "update", "other"
"""What a call to the API was."""
TOKEN_SECONDS = 7200

Json = dict[str, Any]


@dataclass(frozen=True)
class Application:
    """One application as an administrator would have connected it.

    settings, secrets  as the product stores them, secrets in clear; key: what may be connected once
    callback_path      where it posts presses, once it is connected
    """

    platform: str
    key: str
    settings: dict[str, str]
    secrets: dict[str, str]
    callback_path: str = ""


@dataclass(frozen=True)
class Button:
    """A button of one card that somebody got.

    user_id      the person's id on the platform; reference: of the card, as the product chose it
    application  which of the organisation's applications sent it
    """

    user_id: str
    reference: str
    key: str
    application: int = 0


@dataclass(frozen=True)
class Call:
    """A request to the API. path: behind the platform's `api`; head: the raw lines before the body."""

    method: str
    path: str
    query: Mapping[str, list[str]] = field(default_factory=dict)
    head: bytes = b""
    body: bytes = b""

    def header(self, name: str) -> str:
        """A header's value, "" without it; `name` in lower case."""
        wanted = name.encode() + b":"
        found = next((line for line in self.head.split(b"\r\n") if line.lower().startswith(wanted)), b"")
        return found[len(wanted) :].strip().decode()

    def json(self) -> Json:
        content: Json = json.loads(self.body)
        return content

    @property
    def parameter(self) -> dict[str, str]:
        return {name: values[0] for name, values in self.query.items()}


@dataclass(frozen=True)
class Answered:
    """What a call was and what it is answered. application: whose call; user_id, title: of a card that arrived."""

    kind: str
    application: str
    content: Json
    user_id: str = ""
    title: str = ""


class ChatPlatform(Protocol):
    """One platform. Its access tokens begin with the application that they were given to: "<application>.<number>".

    api            what the addresses of its calls begin with
    callback       the name of the generated address to which it posts presses
    sends_a_second, sends_a_minute  messages of one application that it takes; 0: as many as one likes
    gives_codes    with every card that it takes it gives a right to change it once
    """

    slug: ClassVar[str]
    label: ClassVar[str]
    api: ClassVar[str]
    callback: ClassVar[str]
    sends_a_second: ClassVar[int]
    sends_a_minute: ClassVar[int]
    gives_codes: ClassVar[bool]

    def application(self, number: int) -> Application:
        """The values of an application, before it is connected; `number` tells those of one organisation apart."""

    def person(self, name: str) -> str:
        """The id on the platform of somebody whose name is letters, digits and hyphens."""

    def press(self, application: Application, button: Button, *, forged: bool = False) -> bytes:
        """The request for one press of now, which was never sent before. forged: signed wrongly."""

    def shows_card(self, application: Application, answer: bytes) -> bool:
        """Whether the answer to a press carries the new card, so that nothing is left to be done."""

    def answer(self, call: Call, number: int) -> Answered:
        """What the API answers. number: no two calls have the same."""


def holder_of(token: str) -> str:
    """The application that an access token was given to."""
    return token.rpartition(".")[0]
