"""Inviting people by links. A link is shown on the answer itself, once, and kept nowhere."""

from __future__ import annotations

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from blueprints.access import current_member, requires
from blueprints.forms import refused
from blueprints.invitation_links import invitation_link
from blueprints.members import bp
from blueprints.members.forms import InvitationForm
from errors import AppError
from extensions import db
from services import invitations
from services.clock import utcnow


@bp.get("/invitations")
@requires("member.edit")
def invite() -> ResponseReturnValue:
    return render_template("members/invitations.html", form=InvitationForm(), **_open_ones())


@bp.post("/invitations")
@requires("member.edit")
def create_invitation() -> ResponseReturnValue:
    form = InvitationForm()
    if not form.validate_on_submit():
        return render_template("members/invitations.html", form=form, **_open_ones()), 422
    try:
        made, token = invitations.create(
            form.chosen_role(),
            username=form.username.data or "",
            note=form.note.data or "",
            days=int(form.days.data),
            by=current_member(),
            now=utcnow(),
        )
    except AppError as error:
        return refused("members/invitations.html", form, error, **_open_ones())
    db.session.commit()
    return render_template("members/invited.html", invitation=made, link=invitation_link(token))


@bp.post("/invitations/<int:invitation_id>/revoke")
@requires("member.edit")
def revoke_invitation(invitation_id: int) -> ResponseReturnValue:
    invitations.revoke(invitation_id, by=current_member(), now=utcnow())
    db.session.commit()
    flash(_("邀请已撤销，链接不再有效"), "ok")
    return redirect(url_for(".invite"), code=303)


def _open_ones() -> dict[str, object]:
    return {"invitations": invitations.open_ones(current_member(), now=utcnow())}
