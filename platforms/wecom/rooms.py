"""War rooms on WeCom: group chats of a self-built application whose visible range is the whole company.

https://developer.work.weixin.qq.com/document/path/90245, path/98913, path/98914, path/90248
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from platforms.errors import PlatformError, RecipientUnreachable
from platforms.people import Group
from platforms.rooms import Room, RoomLimits, RoomOrder, TooFewPeople, one_by_one
from platforms.wecom.client import Client
from platforms.wecom.errors import (
    ApiNotAllowed,
    ChatExists,
    ChatGone,
    ChatMemberRefused,
    OutOfVisibleRange,
    RoomsNeedEverybody,
    TooManyReceivers,
)
from texts import N_

LIMITS = RoomLimits(
    least_people=2,
    most_people=1999,
    name_characters=50,
    known_hours=None,
    finds=True,
    keeps_cards=False,
    knows_texts=False,
    dissolves=False,
    needs=(
        N_("企业自建应用，且可见范围为根部门（全员）。"),
        N_("每个作战室至少 2 名、最多 2000 名成员（含应用）；每企业每天最多新建 1000 个群。"),
        N_("群内不支持带按钮的卡片：发送的是带链接的文本卡片，处理进度每次变化时重新发送。"),
        N_("企业微信没有解散群的接口：结束作战室时发送最后一条消息并改名为「[已结束]」。"),
    ),
)
ROOT_DEPARTMENT = 1
NO_CHAT = "DutybellCheck0000000000000000000"
"""Made up, so that WeCom looks at our permission and then finds nothing."""
MEMBER_REFUSED = (ChatMemberRefused, TooManyReceivers, OutOfVisibleRange)
"""How a list with somebody in it is refused who is not there or cannot be seen; WeCom does not say who."""


class WeComRooms:
    def __init__(self, client: Client) -> None:
        self.client = client

    def create(self, order: RoomOrder) -> Room:
        """The reference is the chatid: WeCom makes one chat of it, and says of a second one that it exists."""
        try:
            return self._made(order, order.people, {})
        except ChatExists:
            return self.find(order) or self._refused(order)
        except MEMBER_REFUSED:
            return self._without_unreachable(order)

    def find(self, order: RoomOrder) -> Room | None:
        try:
            inside = {person.lower() for person in self.client.get_chat(order.reference)}
        except ChatGone:
            return None
        group = Group(order.reference, order.name)
        outside = [person for person in order.people if person.lower() not in inside]
        return Room(group, missing=self.invite(group, outside) if outside else {})

    def invite(self, group: Group, people: Sequence[str]) -> Mapping[str, PlatformError]:
        def put(some: list[str]) -> None:
            self.client.update_chat(group.external_id, add=some)

        try:
            put(list(people))
        except MEMBER_REFUSED:
            return one_by_one(people, put, MEMBER_REFUSED)
        return {}

    def end(self, group: Group, last_name: str) -> bool:
        """The public cloud cannot dissolve a chat; a private deployment can."""
        if self.client.settings.endpoint:
            self.client.dismiss_chat(group.external_id)
            return True
        self.client.update_chat(group.external_id, name=last_name)
        return False

    def check(self) -> dict[str, Any]:
        """The visible range has the root department, and group chats may be asked about."""
        visible = self.client.get_agent().get("allow_partys") or {}
        if ROOT_DEPARTMENT not in (visible.get("partyid") or []):
            raise RoomsNeedEverybody("no root department")
        try:
            self.client.get_chat(NO_CHAT)
        except ChatGone:
            pass
        except (OutOfVisibleRange, ApiNotAllowed) as error:
            raise RoomsNeedEverybody(error.detail, platform_code=error.platform_code, raw=error.raw) from error
        return {"whole_company": True}

    def _made(self, order: RoomOrder, people: Sequence[str], missing: Mapping[str, PlatformError]) -> Room:
        if len(people) < LIMITS.least_people:
            raise TooFewPeople(LIMITS.least_people, len(people), missing)
        self.client.create_chat(order.reference, order.name, people)
        return Room(Group(order.reference, order.name), missing=missing)

    def _without_unreachable(self, order: RoomOrder) -> Room:
        """Look at each person, since WeCom does not say whom it minds; everybody is fine: the range is too small."""
        missing: dict[str, PlatformError] = {}
        for person in order.people:
            try:
                self.client.get_user(person)
            except RecipientUnreachable as error:
                missing[person] = error
        if not missing:
            self._refused(order)
        return self._made(order, [person for person in order.people if person not in missing], missing)

    def _refused(self, order: RoomOrder) -> Room:
        raise RoomsNeedEverybody(f"{len(order.people)} people")
