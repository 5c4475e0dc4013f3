"""The simulated Feishu as one object: state, frequencies and the parts of the simulator it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simulator.base import current_laboratory
from simulator.faults import Fault, Faults
from simulator.feishu.limits import Windows
from simulator.feishu.state import App, FeishuState, Tenant
from simulator.store import Store
from simulator.wire import WireLog

PLATFORM = "feishu"


@dataclass
class Click:
    """A card whose click has not been answered. before: what it showed; is_early: an update came too soon."""

    before: dict[str, Any]
    count: int = 0
    is_early: bool = False


@dataclass
class Feishu:
    """Handed to everything in this folder.

    clicked     cards whose click has not been answered yet, by message
    last_posts  the newest bytes and headers sent to each app, for replays
    repeats     sends that were recognised by their uuid
    """

    store: Store
    wire: WireLog
    faults: Faults
    state: FeishuState = field(default_factory=FeishuState)
    windows: Windows = field(default_factory=Windows)
    clicked: dict[str, Click] = field(default_factory=dict)
    last_posts: dict[str, tuple[bytes, dict[str, str]]] = field(default_factory=dict)
    repeats: int = 0

    @property
    def now(self) -> float:
        return self.store.now()


@dataclass
class Call:
    """One API call that passed the gateway. person: the user_id behind a user token; parts: ids of the path."""

    feishu: Feishu
    app: App
    parts: dict[str, str]
    query: dict[str, str]
    body: dict[str, Any]
    raw: bytes
    person: str = ""
    fault: Fault | None = None

    @property
    def now(self) -> float:
        return self.feishu.store.now()

    def id_maker(self, id_type: str) -> Callable[[str], str] | None:
        """From a user_id to the person's id of this type, None for a type that there is not."""
        known: dict[str, Callable[[str], str]] = {
            "open_id": self.app.open_id,
            "user_id": str,
            "union_id": self.tenant.union_id,
        }
        return known.get(id_type)

    @property
    def tenant(self) -> Tenant:
        return self.feishu.state.tenant_of(self.app)


def current_feishu() -> Feishu:
    """The simulated Feishu of the running app."""
    feishu: Feishu = current_laboratory().platforms[PLATFORM].world
    return feishu
