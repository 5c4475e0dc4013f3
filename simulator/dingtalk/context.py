"""The simulated DingTalk as one object: state, counters and the parts of the simulator it needs."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from simulator.base import current_laboratory
from simulator.counters import Counters
from simulator.dingtalk.errors import ApiError
from simulator.dingtalk.state import App, Card, Corp, DingTalkState, Group, Person
from simulator.faults import Fault, Faults
from simulator.store import Store
from simulator.wire import WireLog

PLATFORM = "dingtalk"


@dataclass
class Waiting:
    """A push that is tried again. tries: how often so far; due_at: by the simulator's clock."""

    client_id: str
    payload: dict[str, Any]
    tries: int
    due_at: float


@dataclass
class Failed:
    """A push that nobody took, for get_call_back_failed_result."""

    client_id: str
    payload: dict[str, Any]
    at: float


@dataclass
class DingTalk:
    """Handed to everything in this folder.

    waiting, failed   pushes between tries, and given up
    notices           what became of work notices: task → what getsendresult says
    pressing          outTrackIds whose callback is open at this moment
    """

    store: Store
    wire: WireLog
    faults: Faults
    state: DingTalkState = field(default_factory=DingTalkState)
    counters: Counters = field(default_factory=Counters)
    waiting: list[Waiting] = field(default_factory=list)
    failed: deque[Failed] = field(default_factory=lambda: deque(maxlen=2000))
    notices: dict[int, dict[str, Any]] = field(default_factory=dict)
    pressing: set[str] = field(default_factory=set)

    @property
    def now(self) -> float:
        return self.store.now()


@dataclass
class Call:
    """One API call whose token, address and permission were accepted. userid: whose token, "" for the app's."""

    world: DingTalk
    corp: Corp
    app: App
    query: dict[str, str]
    body: dict[str, Any]
    fault: Fault | None = None
    userid: str = ""
    note: str = ""

    @property
    def now(self) -> float:
        return self.world.store.now()

    def text(self, name: str) -> str:
        """A text of the body, "" where there is none."""
        value = self.body.get(name)
        return value if isinstance(value, str) else ""

    def person(self, userid: object) -> Person | None:
        return self.corp.people.get(str(userid))

    def group(self, cid: str) -> Group | None:
        return self.corp.groups.get(cid)

    def came_with(self, group: Group) -> bool:
        """Whether this app's robot came into a scene group with its template."""
        template = self.world.state.group_templates.get(group.template_id)
        return template is not None and template.client_id == self.app.client_id

    def card(self, out_track_id: str) -> Card:
        """A card of this app. Raises ApiError."""
        if not out_track_id:
            raise ApiError("param.outTrackIdEmpty", "outTrackId不能为空")
        card = self.world.state.cards.get(out_track_id)
        if card is None or card.client_id != self.app.client_id:
            raise ApiError("param.cardNotExist", "卡片不存在")
        return card


def current_dingtalk() -> DingTalk:
    """The simulated DingTalk of the running app."""
    world: DingTalk = current_laboratory().platforms[PLATFORM].world
    return world
