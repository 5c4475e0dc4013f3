"""War rooms on Feishu: groups that the robot makes, owns, and dissolves.

https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/reference/im-v1/chat/create
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from platforms.errors import PlatformError
from platforms.feishu.checks import ScopesNotGranted
from platforms.feishu.client import Client
from platforms.feishu.errors import GroupDissolved, OpenIdUnknown, OutOfAvailability
from platforms.people import Group
from platforms.rooms import Room, RoomLimits, RoomOrder, TooFewPeople
from platforms.shortening import shorten
from texts import N_

LIMITS = RoomLimits(
    least_people=1,
    most_people=5000,
    name_characters=60,
    known_hours=10,
    finds=True,
    keeps_cards=True,
    knows_texts=True,
    dissolves=True,
    needs=(
        N_("权限：im:chat（获取与更新群组信息）、contact:user.id:readonly 均已开通并发布。"),
        N_("成员须在应用的可用范围内；每个群最多 5000 人。"),
    ),
)
SCOPES = ("im:chat", "contact:user.id:readonly")
AT_ONCE = 50
DESCRIPTION_CHARACTERS = 100
CHAT_LINK = "https://applink.feishu.cn/client/chat/open"


class FeishuRooms:
    def __init__(self, client: Client) -> None:
        self.client = client

    def create(self, order: RoomOrder) -> Room:
        """An empty group of the robot's, known by its uuid for ten hours; then everybody who can be in it."""
        if not order.people:
            raise TooFewPeople(LIMITS.least_people, 0)
        chat_id = self.client.create_chat(order.name, _description(order), order.reference)
        return self._filled(chat_id, order)

    def find(self, order: RoomOrder) -> Room | None:
        """By the reference in its description, among the groups that the robot is in."""
        for chat in self.client.list_chats().items:
            is_there = chat.get("chat_status", "normal") == "normal"
            if is_there and str(chat.get("description") or "").endswith(order.reference):
                return self._filled(str(chat["chat_id"]), order)
        return None

    def invite(self, group: Group, people: Sequence[str]) -> Mapping[str, PlatformError]:
        missing: dict[str, PlatformError] = {}
        for start in range(0, len(people), AT_ONCE):
            left_out = self.client.add_to_chat(group.external_id, people[start : start + AT_ONCE])
            for person in left_out.barred:
                missing[person] = OutOfAvailability("invalid_id_list", platform_code=232024)
            for person in left_out.unknown:
                missing[person] = OpenIdUnknown("not_existed_id_list", platform_code=232043)
        return missing

    def end(self, group: Group, last_name: str) -> bool:
        with suppress(GroupDissolved):  # by an earlier try, or by somebody in it
            self.client.dissolve_chat(group.external_id)
        return True

    def check(self) -> dict[str, Any]:
        """The permissions are granted now."""
        granted = self.client.get_scopes()
        missing = [name for name in SCOPES if name not in granted]
        if missing:
            raise ScopesNotGranted("missing", scopes=", ".join(missing))
        return {}

    def _filled(self, chat_id: str, order: RoomOrder) -> Room:
        group = Group(chat_id, order.name)
        link = f"{CHAT_LINK}?{urlencode({'openChatId': chat_id})}"
        return Room(group, link, self.invite(group, order.people))


def _description(order: RoomOrder) -> str:
    """Ends in the reference, which find() looks for."""
    about = shorten(order.description, DESCRIPTION_CHARACTERS - len(order.reference) - 1)
    return f"{about} {order.reference}".strip()
