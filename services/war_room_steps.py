"""What a war room needs next, one call to its platform at a time, and what came of it.

What is stored decides: whoever takes up the work after a crash finds the same step, and asks for it under the same
reference. So a group is made once, people are put in again without harm, and a card's text at worst comes twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from extensions import db
from models import Delivery, GroupChat, Incident, Integration, Membership, RoomState, Tenant, WarRoom, WarRoomMember
from platforms import PLATFORMS
from platforms.base import Group, IncidentCard, Platform, Recipient
from platforms.errors import GroupGone, PlatformError, remember
from platforms.rooms import Room, RoomOrder, TooFewPeople
from services import (
    calls,
    card_contents,
    groups,
    incident_cards,
    notifications,
    responders,
    timeline,
    war_room_people,
    war_rooms,
)
from services.card_contents import Message
from services.wording import say, speaking
from texts import N_, Text

SOURCE = "war_room"
"""Of a delivery: the card in a room, kept true like every other."""
FAREWELL = "farewell"
DISSOLVED, RENAMED, GONE = "dissolved", "renamed", "gone"
"""How a room ended, as the timeline keeps it."""


class OutcomeUnknown(PlatformError):
    """The platform never answered whether it made the group, and does not know the order any more."""

    code = "war_room.outcome_unknown"
    message = N_("无法确认作战室是否已经建立：平台没有应答，且已超过它识别重复请求的时限")
    hint = N_("请先在客户端查看是否已有同名群聊，再决定是否重新创建。")


@dataclass(frozen=True)
class Make:
    """Make the group, or find the one that an unanswered try made. is_first: no earlier try can have made it."""

    order: RoomOrder
    looks_first: bool
    is_first: bool

    def call(self, platform: Platform) -> Room:
        found = platform.rooms.find(self.order) if self.looks_first else None
        return found or platform.rooms.create(self.order)


@dataclass(frozen=True)
class Invite:
    group: Group
    people: tuple[str, ...]

    def call(self, platform: Platform) -> Mapping[str, PlatformError]:
        return platform.rooms.invite(self.group, self.people)


@dataclass(frozen=True)
class Post:
    """A card that cannot be changed: posted anew whenever the progress does. shown: what it tells."""

    to: Recipient
    card: IncidentCard
    shown: dict[str, Any]

    def call(self, platform: Platform) -> None:
        platform.send_card(self.to, self.card)


@dataclass(frozen=True)
class Say:
    """A text. reference: our key of it, by which a platform that can knows a repeat; entry_id: its comment, 0: none."""

    to: Recipient
    text: str
    reference: str
    entry_id: int = 0

    def call(self, platform: Platform) -> None:
        platform.send_text(self.to, self.text, reference=self.reference)


@dataclass(frozen=True)
class End:
    group: Group
    last_name: str

    def call(self, platform: Platform) -> bool:
        return platform.rooms.end(self.group, self.last_name)


Step = Make | Invite | Post | Say | End


def hold(room_id: int, tenant_id: int) -> WarRoom | None:
    """The room, locked and read anew; its incident is locked before, as by those who change it."""
    mine = (WarRoom.tenant_id == tenant_id, WarRoom.id == room_id)
    incident_id = db.session.scalar(select(WarRoom.incident_id).where(*mine))
    if incident_id is None:
        return None
    held = select(Incident.id).where(Incident.tenant_id == tenant_id, Incident.id == incident_id).with_for_update()
    db.session.execute(held)
    locked = select(WarRoom).where(*mine).with_for_update().execution_options(populate_existing=True)
    room = db.session.scalar(locked)
    if room is not None:
        db.session.refresh(room.incident)
        db.session.expire(room, ["members"])
    return room


# --- deciding -----------------------------------------------------------------------------------------------------


def next_step(room: WarRoom, integration: Integration, *, now: datetime) -> Step | None:
    """What is to be asked of the platform; stages what can be settled without it. None: the room is up to date.

    Raises OutcomeUnknown, TooFewPeople.
    """
    if room.state is RoomState.CREATING:
        return _make(room, integration, now)
    chat = room.group_chat
    if chat is None or room.is_over:
        return None
    if room.state is RoomState.DISMISSING:
        return _farewell(room, chat) or End(
            groups.as_group(chat), war_rooms.last_name_of(room, war_rooms.limits_of(room))
        )
    return _invite(room, integration, chat, now) or _post(room, integration, chat, now) or _comment(room, chat)


def _make(room: WarRoom, integration: Integration, now: datetime) -> Make:
    limits = war_rooms.limits_of(room)
    is_forgotten = war_rooms.is_forgotten(room, limits, now)
    if is_forgotten and not limits.finds:
        raise OutcomeUnknown("unanswered")
    _add_responders(room)
    ready = list(war_room_people.settle(room, integration))[: limits.most_people]
    if len(ready) < limits.least_people:
        raise TooFewPeople(limits.least_people, len(ready))
    with speaking(db.session.get_one(Tenant, room.tenant_id)):
        described = say(Text(N_("值班铃 · 故障 #%(num)s"), num=room.incident.num))
    is_first = not room.is_unanswered
    room.first_tried_at, room.is_unanswered = room.first_tried_at or now, True
    return Make(RoomOrder(room.reference, room.name, tuple(ready), described), is_forgotten, is_first)


def _invite(room: WarRoom, integration: Integration, chat: GroupChat, now: datetime) -> Invite | None:
    """Who became a responder since, and who was asked for."""
    _add_responders(room)
    before = [member.id for member in room.members if member.state == war_room_people.PENDING]
    ready = war_room_people.settle(room, integration)
    absent = [member for member in room.members if member.id in before and member.state == war_room_people.FAILED]
    if absent:
        _note_members(room, [], absent, now)
    return Invite(groups.as_group(chat), tuple(ready)) if ready else None


def _add_responders(room: WarRoom) -> None:
    if not room.incident.is_open:
        return
    for responder in responders.current(room.incident):
        war_room_people.add(room, responder.user_id, war_room_people.RESPONDER)


def _post(room: WarRoom, integration: Integration, chat: GroupChat, now: datetime) -> Post | None:
    """Where a card cannot be changed in the group, one for each change of the progress."""
    if war_rooms.limits_of(room).keeps_cards:
        return None
    incident = room.incident
    shown = {"progress": incident.progress.value, "severity": incident.severity.value}
    if {name: room.shown.get(name) for name in shown} == shown:
        return None
    message = Message(room.reference, None, is_group=True)
    wording = card_contents.wording_of(db.session.connection(), incident, message, integration)
    tenant = db.session.get_one(Tenant, room.tenant_id)
    card = incident_cards.draw(card_contents.of(incident, message, integration, tenant, now, wording=wording))
    return Post(_recipient(chat), card, shown)


def _comment(room: WarRoom, chat: GroupChat) -> Say | None:
    found = timeline.comments_after(room.incident_id, room.entry_id, tenant_id=room.tenant_id, at_most=1)
    if not found:
        return None
    entry = found[0]
    with speaking(db.session.get_one(Tenant, room.tenant_id)):
        text = say(Text(N_("%(name)s：%(text)s"), name=entry.actor_name, text=str(entry.detail.get("text", ""))))
    return Say(_recipient(chat), text, f"{room.reference}-{entry.id}", entry.id)


def _farewell(room: WarRoom, chat: GroupChat) -> Say | None:
    if room.shown.get(FAREWELL):
        return None
    name = room.dismissed_by.name if room.dismissed_by else ""
    with speaking(db.session.get_one(Tenant, room.tenant_id)):
        ended = Text(
            N_("%(name)s 结束了作战室。故障 #%(num)s 已关闭，之后的变化不再发送到这里。"),
            name=name,
            num=room.incident.num,
        )
        text = say(ended)
    return Say(_recipient(chat), text, f"{room.reference}-{FAREWELL}")


def _recipient(chat: GroupChat) -> Recipient:
    return Recipient(chat.external_id, chat.name, is_group=True, details=dict(chat.details))


# --- recording ----------------------------------------------------------------------------------------------------


def done(room: WarRoom, integration: Integration, step: Step, result: Any, *, now: datetime) -> None:
    """Stage what a step that the platform carried out has come to."""
    room.failure = {}
    calls.note(integration, now)
    match step:
        case Make():
            _made(room, integration, step, result, now)
        case Invite():
            _invited(room, integration, step, result, now)
        case Post():
            room.shown = {**room.shown, **step.shown}
        case Say():
            said(room, step)
        case End():
            ended(room, DISSOLVED if result else RENAMED, now=now)
    if not isinstance(step, Post | Say):  # what is told there is no news of the incident
        room.incident.changed_at = now


def said(room: WarRoom, step: Say) -> None:
    """A text was posted, or it is not known and must not come twice."""
    room.entry_id = max(room.entry_id, step.entry_id)
    if not step.entry_id:
        room.shown = {**room.shown, FAREWELL: True}


def failed(room: WarRoom, step: Step | None, error: PlatformError, *, now: datetime) -> None:
    """Stage that a step is not tried any more. Without the group there is no room; anything else is left out."""
    room.failure = remember(error)
    room.incident.changed_at = now
    if isinstance(error, GroupGone) and room.group_chat is not None:
        ended(room, GONE, now=now)
        return
    match step:
        case None | Make():
            _not_made(room, error, now)
        case Invite():
            pending = [member for member in room.members if member.state == war_room_people.PENDING]
            for member in pending:
                war_room_people.refused(member, error)
            _note_members(room, [], pending, now)
        case Post():
            room.shown = {**room.shown, **step.shown}
        case Say():
            said(room, step)
        case End():
            ended(room, RENAMED, now=now)


def not_ended(room: WarRoom, error: PlatformError, *, now: datetime) -> None:
    """Stage that a room which was to end goes on, and why: whoever wants its end may ask for it again."""
    room.state, room.failure = RoomState.ACTIVE, remember(error)
    room.incident.changed_at = now


def _made(room: WarRoom, integration: Integration, step: Make, made: Room, now: datetime) -> None:
    chat = groups.note_seen(integration, made.group, origin=groups.ROOM, now=now)
    chat.origin = groups.ROOM
    db.session.flush()
    room.group_chat_id, room.share_link, room.state = chat.id, made.share_link, RoomState.ACTIVE
    room.group_chat, room.is_unanswered = chat, False
    _record(room, "war_room_create", now)
    links = war_room_people.settle(room, integration)
    asked = {person: member for person, member in links.items() if person in step.order.people}
    joined, _absent = _put_in(asked, made.missing, now)
    _note_members(room, joined, [member for member in room.members if member.state == war_room_people.FAILED], now)
    if war_rooms.limits_of(room).keeps_cards:
        _send_card(room, chat, now)


def _invited(
    room: WarRoom, integration: Integration, step: Invite, missing: Mapping[str, PlatformError], now: datetime
) -> None:
    links = war_room_people.settle(room, integration)
    asked = {person: member for person, member in links.items() if person in step.people}
    _note_members(room, *_put_in(asked, missing, now), now)


def _put_in(
    asked: Mapping[str, WarRoomMember], missing: Mapping[str, PlatformError], now: datetime
) -> tuple[list[WarRoomMember], list[WarRoomMember]]:
    """Who of those that the platform was asked about is in the group now, and who is not."""
    joined = [member for person, member in asked.items() if person not in missing]
    war_room_people.joined(joined, now=now)
    absent = [asked[person] for person in missing if person in asked]
    for person, error in missing.items():
        if person in asked:
            war_room_people.refused(asked[person], error)
    return joined, absent


def _send_card(room: WarRoom, chat: GroupChat, now: datetime) -> None:
    """The incident's card as a message of its own: retried, changed and counted like every other."""
    (values,) = notifications.group_deliveries(room.tenant_id, [chat.id], now=now)
    about = values | {"source": SOURCE, "incident_id": room.incident_id}
    delivery = Delivery(tenant_id=room.tenant_id, reference=notifications.new_reference(), **about)
    notifications.hand_over(delivery, now=now, severity=room.incident.severity)


def _not_made(room: WarRoom, error: PlatformError, now: datetime) -> None:
    missing = error.missing if isinstance(error, TooFewPeople) else {}
    if missing and room.integration is not None:
        for person, member in war_room_people.settle(room, room.integration).items():
            if person in missing:
                war_room_people.refused(member, missing[person])
    room.state = RoomState.FAILED
    reason = {"message": error.message, "params": remember(error)["params"]}
    _record(room, "war_room_create", now, reason=reason)


def ended(room: WarRoom, how: str, *, now: datetime) -> None:
    """Stage that the room is over. how: DISSOLVED, RENAMED, or GONE by nobody's wish here."""
    room.state, room.dismissed_at, room.is_dissolved = RoomState.DISMISSED, now, how != RENAMED
    if room.group_chat is not None:
        groups.note_gone(room.group_chat, tried_at=now)
    by = None if how == GONE else _member(room, room.dismissed_by_id)
    via = room.dismissed_via or "system"
    timeline.record(room.incident, "war_room_dismiss", by=by, via=via, at=now, room=room.name, how=how)


def _record(room: WarRoom, type: str, now: datetime, **detail: Any) -> None:
    about = {"room": room.name, "platform": PLATFORMS[room.platform].label}
    by = _member(room, room.created_by_id)
    timeline.record(room.incident, type, by=by, via=room.created_via, at=now, **about, **detail)


def _note_members(
    room: WarRoom, joined: Sequence[WarRoomMember], absent: Sequence[WarRoomMember], now: datetime
) -> None:
    names = [member.user.name for member in joined]
    missing = [
        {"name": member.user.name, "reason": war_room_people.label(member.reason or "").message} for member in absent
    ]
    timeline.record(room.incident, "war_room_member", via="system", at=now, joined=names, missing=missing)


def _member(room: WarRoom, user_id: int | None) -> Membership | None:
    found = responders.known(room.tenant_id, [user_id]) if user_id is not None else []
    return found[0] if found else None
