"""增强功能 on the page of a connection: war rooms, switched on once their requirements were seen to be met."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from blueprints import live
from blueprints.access import current_member, requires
from blueprints.integrations import bp
from blueprints.integrations.showing import failure
from errors import InvalidInput
from extensions import db
from models import Integration
from services import setup, war_room_switch
from services.clock import utcnow
from services.war_room_switch import NotOffered, OtherSwitchedOn
from services.wording import error_sentence


def rooms_shown(integration: Integration) -> dict[str, Any]:
    """What the block shows; nothing of it for a platform without rooms."""
    limits = war_room_switch.limits_of(integration)
    if limits is None:
        return {"room_limits": None}
    failed, other = war_room_switch.failure(integration), war_room_switch.other(integration)
    problem = failure(failed.detail) if failed else None
    is_on, is_checking = war_room_switch.is_on(integration), war_room_switch.is_being_checked(integration)
    withheld = war_room_switch.not_offered(integration)
    return {
        "room_limits": limits,
        "rooms_withheld": _(withheld) if withheld else "",
        "rooms_on": is_on,
        "rooms_checking": is_checking,
        "rooms_other": other,
        "rooms_problem": problem,
        "rooms_values": {field.name: setup.stored(integration, field) for field in limits.fields},
        "rooms_etag": live.tag(is_on, is_checking, problem, other.id if other else 0, withheld),
    }


@bp.get("/<int:integration_id>/war_room")
@requires("integration.view")
def war_room_block(integration_id: int) -> ResponseReturnValue:
    """The block alone, which asks for itself while the requirements are being looked at."""
    integration = setup.get(integration_id, viewer=current_member())
    shown = rooms_shown(integration)
    if shown["room_limits"] is not None and live.unchanged(shown["rooms_etag"]):
        return live.not_modified(shown["rooms_etag"])
    return render_template("integrations/_war_room.html", integration=integration, **shown)


@bp.post("/<int:integration_id>/war_room")
@requires("integration.edit")
def switch_war_room(integration_id: int) -> ResponseReturnValue:
    """The box as it was sent: ticked or not."""
    integration = setup.hold(integration_id, viewer=current_member())
    try:
        if request.form.get("war_room"):
            replaces = bool(request.form.get("replace"))
            switch_on = war_room_switch.switch_on
            switch_on(integration, request.form, by=current_member(), now=utcnow(), replaces_other=replaces)
            said = _("正在检查开启作战室的条件，通过后自动开启")
        else:
            war_room_switch.switch_off(integration, by=current_member())
            said = _("作战室已关闭：不能再新建，已有的作战室不受影响")
    except (NotOffered, OtherSwitchedOn, InvalidInput) as error:
        db.session.rollback()
        flash(error_sentence(error), "error")
        return _back(integration_id)
    db.session.commit()
    flash(said, "info")
    return _back(integration_id)


def _back(integration_id: int) -> ResponseReturnValue:
    return redirect(url_for(".detail", integration_id=integration_id) + "#enhanced", code=303)
