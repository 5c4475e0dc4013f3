"""The war room of an incident on a phone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue

from blueprints.access import current_member
from blueprints.h5 import bp
from blueprints.h5.incidents import act
from blueprints.war_room_parts import REFUSALS, chosen_people, room_form
from extensions import db
from services import incidents, war_rooms
from services.incidents import Outcome
from services.wording import error_sentence


@bp.post("/incidents/<int:num>/room")
def open_room(num: int) -> ResponseReturnValue:
    form = room_form(incidents.get(num, viewer=current_member()), submitted=True)
    with_observers = bool(form.with_observers and form.with_observers.data)
    return _try(num, war_rooms.create, user_ids=chosen_people(form), with_observers=with_observers)


@bp.post("/incidents/<int:num>/room/invite")
def invite_to_room(num: int) -> ResponseReturnValue:
    form = room_form(incidents.get(num, viewer=current_member()), submitted=True)
    return _try(num, war_rooms.invite, user_ids=chosen_people(form))


@bp.post("/incidents/<int:num>/room/dismiss")
def dismiss_room(num: int) -> ResponseReturnValue:
    return _try(num, war_rooms.dismiss)


def _try(num: int, verb: Callable[..., Outcome], **arguments: Any) -> ResponseReturnValue:
    """Do it, or say why it cannot be done."""
    try:
        return act(num, verb, **arguments)
    except REFUSALS as error:
        db.session.rollback()
        flash(error_sentence(error), "error")
    return redirect(url_for("h5.incident", num=num), code=303)
