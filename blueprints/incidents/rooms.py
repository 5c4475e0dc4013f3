"""The war room of an incident in the console: wished for, filled, ended. The worker does what was wished."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from blueprints.access import current_member, requires
from blueprints.incidents import bp
from blueprints.incidents.actions import act
from blueprints.incidents.views import shown
from blueprints.live import is_fragment
from blueprints.war_room_parts import REFUSALS, chosen_people, room_form
from extensions import db
from services import incidents, war_rooms
from services.incidents import Outcome
from services.wording import error_sentence


@bp.post("/<int:num>/room")
@requires("incident.handle")
def open_room(num: int) -> ResponseReturnValue:
    form = room_form(incidents.get(num, viewer=current_member()), submitted=True)
    with_observers = bool(form.with_observers and form.with_observers.data)
    return _try(num, war_rooms.create, user_ids=chosen_people(form), with_observers=with_observers)


@bp.post("/<int:num>/room/invite")
@requires("incident.handle")
def invite_to_room(num: int) -> ResponseReturnValue:
    form = room_form(incidents.get(num, viewer=current_member()), submitted=True)
    return _try(num, war_rooms.invite, user_ids=chosen_people(form))


@bp.post("/<int:num>/room/dismiss")
@requires("incident.handle")
def dismiss_room(num: int) -> ResponseReturnValue:
    return _try(num, war_rooms.dismiss)


def _try(num: int, verb: Callable[..., Outcome], **arguments: Any) -> ResponseReturnValue:
    """Do it, or say on the same page why it cannot be done."""
    try:
        return act(num, verb, **arguments)
    except REFUSALS as error:
        db.session.rollback()
        said = error_sentence(error)
    if is_fragment():
        found = incidents.get(num, viewer=current_member())
        return render_template("incidents/_answer.html", said=said, kind="error", **shown(found))
    flash(said, "error")
    return redirect(url_for(".detail", num=num) + "#room", code=303)
