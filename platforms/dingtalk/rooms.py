"""War rooms on DingTalk: scene groups (场景群), made from a template that brings the robot along.

https://open.dingtalk.com/document/development/create-a-scene-group
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from platforms.dingtalk.client import Client
from platforms.dingtalk.errors import GroupMemberRefused, GroupOwnerOutOfRange, UserGone
from platforms.errors import ContentRefused, GroupGone, PlatformError, RecipientUnreachable
from platforms.people import Group
from platforms.rooms import Room, RoomLimits, RoomOrder, TooFewPeople, one_by_one
from platforms.setup import SetupField
from texts import N_

LIMITS = RoomLimits(
    least_people=1,
    most_people=1000,
    name_characters=30,
    known_hours=24,
    finds=False,
    keeps_cards=True,
    knows_texts=False,
    dissolves=False,
    fields=(
        SetupField(
            "room_template_id",
            N_("模板 ID"),
            N_("开发者后台 → 开放能力 → 场景群 → 群模板：新建并启用模板，复制模板 ID。"),
            pattern=r"[0-9A-Za-z_-]{4,64}",
            wrong=N_("模板 ID 应为字母、数字、横线组成的一段文字"),
        ),
        SetupField(
            "room_robot_code",
            N_("机器人 ID"),
            N_("群模板中添加本应用的机器人，复制它的机器人 ID（robotCode）。"),
            pattern=r"[0-9A-Za-z_-]{4,64}",
            wrong=N_("机器人 ID 应为字母、数字组成的一段文字"),
        ),
    ),
    needs=(
        N_("权限：qyapi_chat_manage、qyapi_chat_read、qyapi_chat_base_read、qyapi_get_member_by_mobile 均已开通。"),
        N_("已启用的场景群模板，且模板中添加了本应用的机器人。"),
        N_("群主须在应用的可见范围内：由新建作战室的人担任。"),
        N_("钉钉没有解散群的接口：结束作战室时发送最后一条消息并改名为「[已结束]」。"),
    ),
)
NO_CHAT = "cidDutybellCheck0000000000=="
NO_OLD_CHAT = "chat" + "0" * 32
NO_MOBILE = "10000000000"
"""Made up, so that DingTalk looks at our permission and then finds nothing."""
AT_ONCE = 100
MEMBER_REFUSED = (GroupMemberRefused, UserGone)


class DingTalkRooms:
    def __init__(self, client: Client) -> None:
        self.client = client

    def create(self, order: RoomOrder) -> Room:
        """The reference is the uuid, by which DingTalk knows the group again. The owner alone, then the others."""
        settings = self.client.settings
        settings.need("room_template_id", "room_robot_code")
        missing: dict[str, PlatformError] = {}
        for owner in order.people:
            try:
                chat_id = self.client.create_scene_group(order.reference, order.name, owner)
            except (GroupOwnerOutOfRange, *MEMBER_REFUSED) as error:
                missing[owner] = error
                continue
            details = {"robot_code": settings.room_robot_code, "template_id": settings.room_template_id}
            group = Group(chat_id, order.name, details)
            others = [person for person in order.people if person != owner and person not in missing]
            return Room(group, missing=missing | dict(self.invite(group, others)))
        raise TooFewPeople(LIMITS.least_people, 0, missing)

    def find(self, order: RoomOrder) -> Room | None:
        """DingTalk lists no groups."""
        return None

    def invite(self, group: Group, people: Sequence[str]) -> Mapping[str, PlatformError]:
        def put(some: list[str]) -> None:
            self.client.add_to_scene_group(group.external_id, some)

        missing: dict[str, PlatformError] = {}
        for start in range(0, len(people), AT_ONCE):
            some = list(people[start : start + AT_ONCE])
            try:
                put(some)
            except MEMBER_REFUSED:
                missing |= one_by_one(some, put, MEMBER_REFUSED)
        return missing

    def end(self, group: Group, last_name: str) -> bool:
        self.client.rename_scene_group(group.external_id, last_name)
        return False

    def check(self) -> dict[str, Any]:
        """Template and robot are named, and every permission is there: DingTalk looks for what we made up."""
        self.client.settings.need("room_template_id", "room_robot_code")
        asks = (
            lambda: self.client.get_group(NO_CHAT, {}),
            lambda: self.client.get_old_chat(NO_OLD_CHAT),
            lambda: self.client.find_by_mobile(NO_MOBILE),
        )
        for ask in asks:
            with suppress(ContentRefused, GroupGone, RecipientUnreachable):  # no such group, nobody of this number
                ask()
        return {}
