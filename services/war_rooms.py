"""War rooms: a group on a chat platform that is made for one incident, and ended after it.

A request only writes down what is wanted; the worker does it (jobs/war_rooms.py), so nothing waits for a platform, and
an answer that got lost never makes a second group.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from errors import AppError, Conflict, NotFound
from extensions import db
from models import Incident, Integration, Membership, RoomState, Severity, Tenant, WarRoom, WarRoomMember
from platforms import PLATFORMS
from platforms.errors import PlatformError, recall
from platforms.rooms import RoomLimits
from platforms.shortening import plain, shorten
from services import rights, timeline, war_room_news, war_room_people, war_room_switch
from services.incident_changes import Outcome, hold
from services.wording import say, speaking
from texts import N_, Text

NAME_CHARACTERS = 50
ENDED = N_("[已结束]")
KNOWN_MARGIN = timedelta(minutes=30)
"""Before a platform forgets an order we take it for forgotten: clocks differ."""


class RoomsSwitchedOff(AppError):
    code = "war_room.switched_off"
    api_code = "InvalidParameter"
    message = N_("本组织没有开启作战室")
    hint = N_("请管理员在 集成中心 → 集成详情 → 增强功能 中勾选「开启作战室」。")
    status = 409


class TooFewToMeet(AppError):
    """Fewer people can be reached on the platform than it makes a group of. people: who cannot, and why."""

    code = "war_room.too_few_people"
    api_code = "InvalidParameter"
    message = N_("%(platform)s群聊至少需要 %(least)s 名已关联的成员，所选人员中只有 %(found)s 名")
    hint = N_("无法加入：%(people)s。请多选几位成员，或请他们从工作台打开一次应用完成关联。")
    status = 409


class StillOpen(Conflict):
    code = "war_room.incident_open"
    message = N_("故障尚未关闭，作战室不能结束")
    hint = N_("请先关闭故障，再结束作战室。")


# --- reading ------------------------------------------------------------------------------------------------------


def of_incident(incident: Incident) -> WarRoom | None:
    """The newest room of an incident, over or not."""
    mine = select(WarRoom).where(WarRoom.tenant_id == incident.tenant_id, WarRoom.incident_id == incident.id)
    return db.session.scalar(mine.order_by(WarRoom.id.desc()).limit(1).options(joinedload(WarRoom.integration)))


def limits_of(room: WarRoom) -> RoomLimits:
    limits = PLATFORMS[room.platform].capabilities.rooms
    if limits is None:
        raise NotFound(room.platform)
    return limits


# --- wishes -------------------------------------------------------------------------------------------------------


def create(
    incident: Incident,
    *,
    by: Membership,
    via: str,
    now: datetime,
    user_ids: Sequence[int] = (),
    with_observers: bool = False,
) -> Outcome:
    """Wish for a room of the present responders and the chosen people. There is one at a time.

    user_ids  beside the responders; with_observers: those, too, who responded earlier
    Raises AccessDenied, RoomsSwitchedOff, TooFewToMeet.
    """
    rights.require(by, "incident.handle")
    hold(incident)
    if not incident.is_open:
        return Outcome(False, Text(N_("故障已关闭，不能再创建作战室")))
    last = of_incident(incident)
    if last is not None and not last.is_over:
        return Outcome(False, Text(N_("该故障已有作战室：%(name)s"), name=last.name))
    integration = war_room_switch.in_use(incident.tenant_id)
    limits = PLATFORMS[integration.platform].capabilities.rooms if integration else None
    if integration is None or limits is None:
        raise RoomsSwitchedOff()
    wanted = war_room_people.wanted(incident, user_ids, with_observers=with_observers)
    _check_number(integration, limits, wanted)
    room = _again(last, integration, limits, now) or _new(incident, integration, now)
    room.name, room.has_observers = name_of(incident, limits), with_observers
    room.created_by_id, room.created_via, room.created_at = by.user_id, via, now
    room.entry_id = timeline.last_id(incident)
    db.session.flush()
    for member, source in wanted:
        war_room_people.add(room, member.user_id, source)
    war_room_news.wake(room.id, tenant_id=room.tenant_id, integration_id=integration.id, now=now)
    incident.changed_at = now
    return Outcome(True, Text(N_("正在创建作战室「%(name)s」"), name=room.name))


def invite(incident: Incident, *, by: Membership, via: str, now: datetime, user_ids: Sequence[int]) -> Outcome:
    """Wish that people come into the room; who could not be put into it before is tried again."""
    rights.require(by, "incident.handle")
    hold(incident)
    room = of_incident(incident)
    if room is None or room.state not in {RoomState.CREATING, RoomState.ACTIVE}:
        return Outcome(False, Text(N_("该故障没有进行中的作战室")))
    for member in war_room_people.members_of(incident.tenant_id, user_ids):
        war_room_people.add(room, member.user_id, war_room_people.CHOSEN)
    war_room_people.try_again(room)
    war_room_news.wake(room.id, tenant_id=room.tenant_id, integration_id=room.integration_id, now=now)
    incident.changed_at = now
    return Outcome(True, Text(N_("正在邀请成员进入作战室")))


def dismiss(incident: Incident, *, by: Membership, via: str, now: datetime) -> Outcome:
    """Wish that the room of a closed incident ends. Raises AccessDenied, StillOpen."""
    rights.require(by, "incident.handle")
    hold(incident)
    if incident.is_open:
        raise StillOpen()
    room = of_incident(incident)
    if room is None or room.state is not RoomState.ACTIVE:
        return Outcome(False, Text(N_("该故障没有进行中的作战室")))
    room.state, room.dismissed_by_id, room.dismissed_via = RoomState.DISMISSING, by.user_id, via
    war_room_news.wake(room.id, tenant_id=room.tenant_id, integration_id=room.integration_id, now=now)
    incident.changed_at = now
    return Outcome(True, Text(N_("正在结束作战室")))


# --- making -------------------------------------------------------------------------------------------------------


def name_of(incident: Incident, limits: RoomLimits) -> str:
    """`[严重] #1024 标题`, in the organisation's language, cut to what the platform takes and to 50 characters."""
    with speaking(db.session.get_one(Tenant, incident.tenant_id)):
        severity = say(Severity(incident.severity).label)
    return shorten(f"[{severity}] #{incident.num} {plain(incident.title)}", _most(limits))


def last_name_of(room: WarRoom, limits: RoomLimits) -> str:
    with speaking(db.session.get_one(Tenant, room.tenant_id)):
        return shorten(f"{say(ENDED)} {room.name}", _most(limits))


def _most(limits: RoomLimits) -> int:
    return min(limits.name_characters, NAME_CHARACTERS)


def is_forgotten(room: WarRoom, limits: RoomLimits, now: datetime) -> bool:
    """Whether an earlier try may have made the group and the platform would not know it again by its reference."""
    if not room.is_unanswered or room.first_tried_at is None or limits.known_hours is None:
        return False
    return now - room.first_tried_at > timedelta(hours=limits.known_hours) - KNOWN_MARGIN


def _again(last: WarRoom | None, integration: Integration, limits: RoomLimits, now: datetime) -> WarRoom | None:
    """The room that could not be made, to be tried again under the same reference: it may be there after all."""
    if last is None or last.state is not RoomState.FAILED or last.integration_id != integration.id:
        return None
    if is_forgotten(last, limits, now) and not limits.finds:
        return None
    last.state, last.failure = RoomState.CREATING, {}
    war_room_people.try_again(last)
    return last


def _new(incident: Incident, integration: Integration, now: datetime) -> WarRoom:
    room = WarRoom(
        tenant_id=incident.tenant_id,
        incident_id=incident.id,
        integration_id=integration.id,
        integration_name=integration.name,
        platform=integration.platform,
        reference=secrets.token_hex(16),
        created_at=now,
        created_via="",
        shown={},
        failure={},
    )
    db.session.add(room)
    return room


def _check_number(integration: Integration, limits: RoomLimits, wanted: Iterable[tuple[Membership, str]]) -> None:
    """Say at once what the platform would refuse. Raises TooFewToMeet."""
    found, absent = 0, []
    for member, _source in wanted:
        reason = war_room_people.hindrance(integration, member)
        found += reason is None
        if reason is not None:
            absent.append(
                Text(N_("%(name)s（%(reason)s）"), name=member.user.name, reason=war_room_people.label(reason))
            )
    if found < limits.least_people:
        label = Text(PLATFORMS[integration.platform].label)
        raise TooFewToMeet(platform=label, least=limits.least_people, found=found, people=absent or ["—"])


def problem_of(room: WarRoom) -> PlatformError | None:
    """Why it could not be made, or what went wrong last and was left out."""
    return recall(room.failure) if room.failure else None


def reason_of(member: WarRoomMember) -> Text | None:
    """Why somebody is not in the room; None for who is, or is about to be."""
    return war_room_people.label(member.reason) if member.state == war_room_people.FAILED and member.reason else None
