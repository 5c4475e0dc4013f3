"""The simulator's control interface, and what the demo wants of each simulated platform."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Protocol

import requests

from config import Settings

SECONDS = 30
TRIES = 10


class SetupFailed(Exception):
    """A simulated platform refused a step; the message is its reason."""


class SimulatedApp(Protocol):
    """The demo company's application on one platform.

    credentials  as the platform's console shows them; learned: what the platform said later and is needed again
    addresses    the product's generated addresses by name; they change with PORT, so every start tells them again
    """

    slug: str
    mode: str

    def invent(self) -> dict[str, Any]:
        """Credentials of an application that does not exist yet."""

    def make(self, control: Control, credentials: Mapping[str, Any], addresses: Mapping[str, str]) -> dict[str, Any]:
        """See that company and application are there and know today's addresses; returns what was learned."""

    def values(
        self, credentials: Mapping[str, Any], learned: Mapping[str, Any], addresses: Mapping[str, str]
    ) -> dict[str, str]:
        """What an administrator pastes into the wizard, by the names of its fields."""

    def prove(self, control: Control, credentials: Mapping[str, Any], addresses: Mapping[str, str]) -> None:
        """Let the platform try the product's addresses, as its console does when they are saved."""

    def external_id(self, username: str, learned: Mapping[str, Any]) -> str:
        """What the application knows a person by."""

    def make_group(self, control: Control, credentials: Mapping[str, Any], name: str) -> str:
        """Make a group of everybody that the application can post to; returns its id, "" where there are none."""


class Control:
    """The simulator's control interface."""

    def __init__(self, settings: Settings) -> None:
        self._base = f"{settings.simulator_url}/control"

    def insist(self, path: str, body: dict[str, Any]) -> None:
        """A step in which a platform tries the product, with a second's patience: a busy machine gets more tries."""
        for _ in range(TRIES):
            answer = self.call("POST", path, body)
            if answer["ok"]:
                return
        raise SetupFailed(f"{path}: {answer['reason']}")

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        try:
            answer = requests.request(method, self._base + path, json=body, timeout=SECONDS)
        except requests.ConnectionError as error:
            raise SetupFailed(f"The simulator does not answer at {self._base}.") from error
        if not answer.ok:
            raise SetupFailed(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()


def ips(addresses: Mapping[str, str]) -> list[str]:
    """The product's own addresses to the outside."""
    return [ip for ip in addresses["egress_ips"].split(";") if ip]


def letters_and_digits(count: int) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    return "".join(secrets.choice(alphabet) for _ in range(count))


def aes_key() -> str:
    """43 letters and digits that are the Base64 of 32 bytes."""
    return letters_and_digits(42) + secrets.choice("AEIMQUYcgkosw048")
