"""What the console and the in-app pages show of an incident's war room, and their form to make one."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import BooleanField, SelectMultipleField
from wtforms.widgets import CheckboxInput, ListWidget

from blueprints.access import current_member
from models import Incident, RoomState, WarRoom
from platforms import PLATFORMS
from services import responders, war_room_switch, war_rooms
from services.war_room_people import FAILED, JOINED, PENDING
from services.wording import error_sentence
from texts import Text

REFUSALS = (war_rooms.RoomsSwitchedOff, war_rooms.TooFewToMeet, war_rooms.StillOpen)
"""What is said to whoever pressed, on the page where they pressed."""
TONES = {
    RoomState.CREATING: "accent",
    RoomState.ACTIVE: "ok",
    RoomState.DISMISSING: "warn",
    RoomState.DISMISSED: "neutral",
    RoomState.FAILED: "bad",
}


class RoomForm(FlaskForm):
    """Whom to have in a war room beside the responders."""

    people = SelectMultipleField(
        _l("还要邀请"), coerce=int, widget=ListWidget(prefix_label=False), option_widget=CheckboxInput()
    )
    with_observers = BooleanField(_l("也邀请之前的处理人员（旁观）"))


def room_form(incident: Incident, *, submitted: bool = False) -> RoomForm:
    """Everybody else of the organisation; whoever opens the form is chosen at first."""
    viewer = current_member()
    form = RoomForm(prefix="room") if submitted else RoomForm(formdata=None, prefix="room", people=[viewer.user_id])
    room = war_rooms.of_incident(incident)
    here = {member.user_id for member in room.members} if room is not None and not room.is_over else set()
    taken = here | {responder.user_id for responder in incident.responders if responder.is_current}
    everybody = responders.candidates(incident.tenant_id)
    form.people.choices = [(member.user_id, member.user.name) for member in everybody if member.user_id not in taken]
    if not any(not responder.is_current for responder in incident.responders):
        del form.with_observers
    return form


def chosen_people(form: RoomForm) -> list[int]:
    """Those of a submitted form whom it offered."""
    offered = {user_id for user_id, _name in form.people.choices}
    return [user_id for user_id in form.people.data or [] if user_id in offered]


def room_shown(incident: Incident, *, with_form: bool = True) -> dict[str, Any]:
    """What the pages of an incident need; `room_state` changes whenever something of it does.

    with_form  whether the page offers the form. It lists everybody, and open pages ask for themselves all the time:
               it is left out, too, where there is nothing to make or to fill.
    """
    room, maker = war_rooms.of_incident(incident), war_room_switch.in_use(incident.tenant_id)
    members = [(member.user_id, member.state, member.reason) for member in room.members] if room else []
    return {
        "room": room,
        "room_maker": maker,
        "room_label": PLATFORMS[room.platform].label if room else "",
        "room_maker_label": PLATFORMS[maker.platform].label if maker else "",
        "room_tone": TONES[room.state] if room else "",
        "room_problem": _problem(room),
        "room_joined": [member for member in room.members if member.state == JOINED] if room else [],
        "room_coming": [member for member in room.members if member.state == PENDING] if room else [],
        "room_absent": _absent(room),
        "room_form": room_form(incident) if with_form and (maker or _is_active(room)) else None,
        "room_state": (room.id, room.version, room.state, members) if room else (maker.id if maker else 0,),
    }


def _is_active(room: WarRoom | None) -> bool:
    return room is not None and room.state is RoomState.ACTIVE


def _absent(room: WarRoom | None) -> list[tuple[str, Text | None]]:
    """Who is not in it, and why."""
    missing = [member for member in room.members if member.state == FAILED] if room else []
    return [(member.user.name, war_rooms.reason_of(member)) for member in missing]


def _problem(room: WarRoom | None) -> str:
    error = war_rooms.problem_of(room) if room is not None else None
    return error_sentence(error) if error is not None else ""
