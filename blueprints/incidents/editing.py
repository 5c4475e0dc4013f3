"""Writing: a new incident by hand, and the texts and severity of an existing one."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from blueprints.access import current_member, requires
from blueprints.forms import refused
from blueprints.incident_actions import take
from blueprints.incidents import bp
from blueprints.incidents.actions import VIA
from blueprints.incidents.forms import NO_CHANNEL, EditIncidentForm, NewIncidentForm, shown_values
from errors import AppError
from extensions import db
from models import Severity
from services import channels, incidents, responders
from services.clock import utcnow
from services.wording import say


@bp.get("/new")
@requires("incident.handle")
def new() -> ResponseReturnValue:
    form = _new_form()
    if (wanted := request.args.get("channel_id", type=int)) is not None:
        form.channel_id.data = wanted
    return render_template("incidents/new.html", form=form)


@bp.post("/new")
@requires("incident.handle")
def create() -> ResponseReturnValue:
    form, member = _new_form(), current_member()
    if not form.validate():
        return render_template("incidents/new.html", form=form), 422
    chosen = form.channel_id.data
    try:
        incident = incidents.open_by_hand(
            channels.get(chosen, viewer=member) if chosen != NO_CHANNEL else None,
            form.title.data or "",
            form.description.data or "",
            Severity(form.severity.data),
            form.people.data or [],
            by=member,
            via=VIA,
            now=utcnow(),
        )
    except AppError as error:
        return refused("incidents/new.html", form, error)
    db.session.commit()
    flash(_("故障 #%(num)s 已创建", num=incident.num), "ok")
    return redirect(url_for(".detail", num=incident.num), code=303)


@bp.get("/<int:num>/edit")
@requires("incident.handle")
def edit(num: int) -> ResponseReturnValue:
    found = incidents.get(num, viewer=current_member())
    return render_template(
        "incidents/edit.html", form=EditIncidentForm.of(found), incident=found, was=shown_values(found)
    )


@bp.post("/<int:num>/edit")
@requires("incident.handle")
def save(num: int) -> ResponseReturnValue:
    form = EditIncidentForm()
    if not form.validate():
        found = incidents.get(num, viewer=current_member())
        was = {name: request.form.get(f"was-{name}", value) for name, value in shown_values(found).items()}
        return render_template("incidents/edit.html", form=form, incident=found, was=was), 422
    _found, outcome = take(num, incidents.edit, via=VIA, changes=form.changes())
    flash(say(outcome.text), "ok" if outcome.changed else "info")
    return redirect(url_for(".detail", num=num), code=303)


def _new_form() -> NewIncidentForm:
    member = current_member()
    return NewIncidentForm(channels.all_for(member), responders.candidates(member.tenant_id))
