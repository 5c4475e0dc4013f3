"""The simulated WeCom as one object: state, counters and the parts of the simulator it needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Thread
from typing import Any

from simulator.base import current_laboratory
from simulator.counters import Counters
from simulator.faults import Fault, Faults
from simulator.store import Store
from simulator.wecom import ids
from simulator.wecom.errors import PAIRINGS, ApiError
from simulator.wecom.state import App, Corp, Person, WeComState
from simulator.wire import WireLog

PLATFORM = "wecom"


@dataclass
class Unseen:
    """What was answered with success and shown to nobody.

    repeats    requests that the duplicate check recognised; over_limit: messages a member had too many of
    """

    repeats: int = 0
    over_limit: int = 0


@dataclass
class WeCom:
    """Handed to everything in this folder.

    recent_bodies   what the duplicate check knows: when a body was accepted, and as which message
    last_callbacks  the newest bytes sent to each app, for replays
    system_events   what the provider is still to be told about a corp: (corp_id, inner XML)
    """

    store: Store
    wire: WireLog
    faults: Faults
    state: WeComState = field(default_factory=WeComState)
    counters: Counters = field(default_factory=Counters)
    recent_bodies: dict[tuple[str, int, str], tuple[float, str]] = field(default_factory=dict)
    unseen: Unseen = field(default_factory=Unseen)
    last_callbacks: dict[tuple[str, int], tuple[str, bytes]] = field(default_factory=dict)
    pusher: Thread | None = None
    system_events: list[tuple[str, str]] = field(default_factory=list)

    def refuse(self, pairing: str, detail: str = "") -> None:
        """Raise the number chosen for an uncertain pairing, or go on when it is None."""
        code = self.pairing(pairing)
        if code is not None:
            raise ApiError(code, detail)

    def shown_corp(self, corp: Corp, app: App) -> str:
        """The corp as it is named to an app."""
        suite = self.state.suites.get(app.suite_id)
        return ids.own_corp_id(suite, corp.corp_id) if suite else corp.corp_id

    def shown_user(self, corp: Corp, app: App, userid: str) -> str:
        """The same of a member."""
        suite = self.state.suites.get(app.suite_id)
        return ids.own_userid(suite, corp.corp_id, userid) if suite else userid

    def pairing(self, name: str) -> int | None:
        return self.state.pairings.get(name, PAIRINGS[name])


@dataclass
class Call:
    """One API call whose token and address were accepted."""

    wecom: WeCom
    corp: Corp
    app: App
    query: dict[str, str]
    body: dict[str, Any]
    raw: bytes
    client_ip: str
    fault: Fault | None = None

    @property
    def now(self) -> float:
        return self.wecom.store.now()

    def shown(self, userid: str) -> str:
        """A member's id as this app sees it."""
        return self.wecom.shown_user(self.corp, self.app, userid)

    def person(self, text: str) -> Person | None:
        """The member whom this app means by an id: a provider's app knows no plain ones."""
        if not self.app.suite_id:
            return self.corp.person(text)
        return next((person for person in self.corp.people.values() if self.shown(person.userid) == text), None)


def current_wecom() -> WeCom:
    """The simulated WeCom of the running app."""
    wecom: WeCom = current_laboratory().platforms[PLATFORM].world
    return wecom
