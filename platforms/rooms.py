"""Groups that the application makes itself, a war room for each incident: one contract for every platform.

A platform that has them names its limits in Capabilities.rooms and gives a Rooms as Platform.rooms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from platforms.errors import PlatformError
from platforms.people import Group
from platforms.setup import SetupField
from texts import N_


class TooFewPeople(PlatformError):
    """Fewer people can be put into a group than the platform makes one of. missing: why each of the others cannot."""

    code = "platform.too_few_people"
    message = N_("至少需要 %(least)s 名已关联且在可见范围内的成员才能建群，目前只有 %(found)s 名")
    hint = N_("请让相关成员从工作台打开一次应用完成关联，或另选成员后重试。")
    status = 409
    failure = "out_of_visible_range"

    def __init__(self, least: int, found: int, missing: Mapping[str, PlatformError] | None = None) -> None:
        super().__init__("", least=least, found=found)
        self.missing = dict(missing or {})


@dataclass(frozen=True)
class RoomLimits:
    """What differs between platforms, as data. Texts are catalogue ids.

    least_people, most_people   in a group, the application aside
    name_characters  of a group's name; longer ones are cut
    known_hours      how long a repeated create() is known by its reference; None: for ever. Later find() is asked
    finds            find() can tell whether the group was made; else nothing is made again after `known_hours`
    keeps_cards      cards with buttons can be posted there and changed; else cards are mere texts with a link
    knows_texts      a text that is sent again under its reference arrives once
    dissolves        the application can dissolve the group; else it is renamed and nothing is posted any more
    fields           what has to be entered for rooms alone
    needs            what has to be true on the platform's side, one sentence each
    """

    least_people: int
    most_people: int
    name_characters: int
    known_hours: int | None
    finds: bool
    keeps_cards: bool
    knows_texts: bool
    dissolves: bool
    fields: tuple[SetupField, ...] = ()
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class RoomOrder:
    """A group to be made.

    reference    our own key of it, 32 letters and digits: the same one is the same group, however often it is asked for
    name         already cut to name_characters; description: for whoever looks at the group's settings
    people       ids on the platform; the first one owns the group where it needs an owner
    """

    reference: str
    name: str
    people: tuple[str, ...]
    description: str = ""


@dataclass(frozen=True)
class Room:
    """A group that was made, or was there. missing: who could not be put into it, by id on the platform."""

    group: Group
    share_link: str = ""
    missing: Mapping[str, PlatformError] = field(default_factory=dict)


class Rooms(Protocol):
    """Every method may raise the PlatformErrors of its folder's errors.py, and may be repeated."""

    def create(self, order: RoomOrder) -> Room:
        """Make the group; asked again with the same reference it is the first one, and whoever is not in it is put in.

        Raises TooFewPeople.
        """

    def find(self, order: RoomOrder) -> Room | None:
        """The group of an order whose answer was lost, everybody put in; None: there is none (RoomLimits.finds)."""

    def invite(self, group: Group, people: Sequence[str]) -> Mapping[str, PlatformError]:
        """Put people into it; who is there already stays. Returns who could not be, and why. Raises GroupGone."""

    def end(self, group: Group, last_name: str) -> bool:
        """Dissolve it; False where that cannot be done, and it is called `last_name` instead."""

    def check(self) -> dict[str, Any]:
        """See that groups could be made, without making one; facts to be shown. Raises what stands in the way."""


def one_by_one(
    people: Iterable[str], put: Callable[[list[str]], None], refusals: tuple[type[PlatformError], ...]
) -> dict[str, PlatformError]:
    """Try each person alone after all of them together were refused; returns whom the platform refuses, and why."""
    missing: dict[str, PlatformError] = {}
    for person in people:
        try:
            put([person])
        except refusals as error:
            missing[person] = error
    return missing
