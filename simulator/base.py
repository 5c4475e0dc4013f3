"""What a simulated platform is to the rest of the simulator, and what all of them share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from flask import Blueprint, Response, current_app
from werkzeug.wrappers import Response as BaseResponse

from simulator.faults import Faults
from simulator.store import Section, Store
from simulator.wire import WireLog

Json = dict[str, Any]
Page = str | Response | BaseResponse | tuple[str, int]


class ControlError(Exception):
    """A control call that cannot be done; the text is for whoever wrote the call."""

    status = 400


class Unknown(ControlError):
    """An organisation, app, person, chat or message that does not exist."""

    status = 404


class CannotPress(ControlError):
    """There is nothing to press: no such message, not a receiver, or the button is dead."""

    status = 409


@dataclass(frozen=True)
class Organisation:
    """One company on the start page. people: name and address of each one's client."""

    id: str
    name: str
    console_url: str
    people: list[tuple[str, str]]


@dataclass
class Webview:
    """A host `{label}.localhost`: whose client it is."""

    label: str
    organisation: str
    person: str


class Reports(Protocol):
    """What a platform's module `reports` has: the answers to the control interface, see Platform."""

    def listed(self, world: Any, person: str, chat: str, /) -> list[Json]: ...

    def press(self, world: Any, body: Json, /) -> Json: ...

    def summary(self, world: Any, /) -> Json: ...

    def reset(self, world: Any, /, *, everything: bool) -> None: ...


class Platform(ABC):
    """One platform, as its folder implements it. An object is made for each simulator from its Laboratory.

    slug           as in the product's addresses and the control interface
    name           Chinese, for the start page
    blueprints     its open API, console, client, control (below /control/{slug}/) and sign-in pages
    machine_paths  beginnings of paths that programs call: no cookies, no form tokens, errors as JSON
    user_agent     what its client adds to the browser's own
    bridge         the script (below static/) that stands in for the native client's functions, "" for none
    """

    slug: str
    name: str
    blueprints: Sequence[Blueprint]
    machine_paths: tuple[str, ...] = ()
    user_agent: str = ""
    bridge: str = ""

    reports: Reports

    # The state under its name in the file, and what everything in the folder is handed.
    state: Section
    world: Any

    def messages(self, *, person: str, chat: str) -> list[Json]:
        """As this person sees them, or as the chat shows them, oldest first; both "" for everything.

        Each {"id", "platform", "to", "kind", "card", "buttons": [{"key", "text"}], "updates", "at", …}.
        Raises Unknown. The lock is held.
        """
        return self.reports.listed(self.world, person, chat)

    def press(self, body: Json) -> Json:
        """`{"message_id", "person", "key", …}` → `{"http_status", "answer", …}` of a real call.

        Raises Unknown or CannotPress. The lock is not held.
        """
        return self.reports.press(self.world, body)

    def summary(self) -> Json:
        """What exists, without secrets of apps. The lock is held."""
        return self.reports.summary(self.world)

    def reset(self, *, everything: bool) -> None:
        """Forget messages, codes and counters; with everything also organisations and limits. The lock is held."""
        self.reports.reset(self.world, everything=everything)

    def tick(self) -> None:  # noqa: B027  # most platforms plan nothing
        """Do what is due by now: the clock was moved. The lock is not held."""

    # --- pages -------------------------------------------------------------------------------------------------

    @abstractmethod
    def console_url(self) -> str:
        """Where its administrators work."""

    def further_consoles(self) -> list[tuple[str, str, str]]:
        """Consoles beside that of the companies: (name, what is done there, address)."""
        return []

    @abstractmethod
    def client_url(self) -> str:
        """Where one chooses whose client to look at."""

    @abstractmethod
    def organisations(self) -> list[Organisation]:
        """For the start page. The lock is held."""

    # --- pages of the product inside its client, see webview.py --------------------------------------------------

    @property
    @abstractmethod
    def webviews(self) -> dict[str, list[str]]:
        """Label → organisation, person, origin shown ("" before anything was opened)."""

    @abstractmethod
    def trusted_origins(self) -> set[str]:
        """Where its webviews may go, apart from the product's own address."""

    def own_page(self, url: str) -> str | None:
        """The path on a webview's host where the platform itself answers this address, None for anybody else's."""
        return None

    def answer(self, view: Webview) -> Page | None:
        """The platform's own answer to a request on a webview's host, None to pass it on to the product."""
        return None


@dataclass
class Laboratory:
    """One simulator: what its platforms share, and the platforms by slug in the order of the start page."""

    store: Store
    wire: WireLog
    faults: Faults
    product_url: str = ""
    platforms: dict[str, Platform] = field(default_factory=dict)

    @property
    def first(self) -> str:
        """The platform that is meant where a control call names none."""
        return next(iter(self.platforms))


def current_laboratory() -> Laboratory:
    """The simulator of the running app."""
    laboratory: Laboratory = current_app.extensions["simulator"]
    return laboratory
