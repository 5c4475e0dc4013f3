"""War rooms: the group on a chat platform that is made for one incident."""

from __future__ import annotations

from typing import Any

from blueprints.api.incidents import PEOPLE, action
from blueprints.api.moments import iso
from blueprints.api.operations import Call, operation
from blueprints.api.schemas import component, flag, listed, maybe, moment, one_of, record, row_id, whole, words
from errors import NotFound
from models import RoomState, WarRoom, WarRoomMember
from platforms import PLATFORMS
from platforms.errors import recall
from services import incidents, war_room_people, war_rooms
from services.wording import say, say_error

MEMBER = component(
    "WarRoomMember",
    record(
        {
            "user_id": maybe(whole()),
            "source": words(about="responder, chosen or observer"),
            "state": one_of((war_room_people.PENDING, war_room_people.JOINED, war_room_people.FAILED)),
            "reason": words(about="Why not; empty for who is in it or about to be"),
        }
    ),
)
ROOM = component(
    "WarRoom",
    record(
        {
            "id": whole(),
            "name": words(),
            "state": one_of(RoomState),
            "platform": one_of(PLATFORMS),
            "integration": words(about="The name of the connection"),
            "share_link": words(about="Opens it in the client; empty where there is no such link"),
            "problem": words(about="Why it could not be made, or what went wrong last; empty: nothing"),
            "members": listed(MEMBER),
            "created_at": moment(),
            "dismissed_at": maybe(moment()),
        }
    ),
)
CHOSEN = {
    "user_ids": listed(row_id(), most=200, about="People beside the responders"),
    "with_observers": flag("Also those who responded earlier", default=False),
}


@operation(
    "GET", "/incidents/<int:num>/war-room", "The newest war room of an incident", right="incident.view", answers=ROOM
)
def get_war_room(call: Call, num: int) -> dict[str, Any]:
    room = war_rooms.of_incident(incidents.get(num, viewer=call.member))
    if room is None:
        raise NotFound(str(num))
    return _row(room)


action("war-room", "Have a group made for an incident; there is one at a time", war_rooms.create, record({}, CHOSEN))
action("war-room/invite", "Have people come into the war room", war_rooms.invite, record({"user_ids": PEOPLE}))
action("war-room/dismiss", "End the war room of a closed incident", war_rooms.dismiss)


def _row(room: WarRoom) -> dict[str, Any]:
    kept = {name: getattr(room, name) for name in ("id", "name", "platform", "share_link")}
    return kept | {
        "state": room.state.value,
        "integration": room.integration_name,
        "problem": say_error(recall(room.failure))[0] if room.failure else "",
        "members": [_member_row(member) for member in room.members],
        "created_at": iso(room.created_at),
        "dismissed_at": iso(room.dismissed_at),
    }


def _member_row(member: WarRoomMember) -> dict[str, Any]:
    reason = war_rooms.reason_of(member)
    kept = {name: getattr(member, name) for name in ("user_id", "source", "state")}
    return kept | {"reason": say(reason) if reason else ""}
