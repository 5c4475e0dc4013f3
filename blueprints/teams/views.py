"""The list of teams, and one with its members. A team's own responders may change it, too."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from blueprints.access import current_member, requires
from blueprints.forms import Overtaken, refused
from blueprints.teams.forms import TeamForm
from errors import AppError, InvalidInput
from extensions import db
from models import Team
from services import responders, teams
from services.clock import utcnow
from services.wording import error_sentence, say_reason

bp = Blueprint("teams", __name__, url_prefix="/teams")


@bp.get("")
@requires("channel.view")
def index() -> ResponseReturnValue:
    return render_template("teams/index.html", rows=teams.counted(current_member()), form=TeamForm())


@bp.post("")
@requires("team.edit")
def create() -> ResponseReturnValue:
    form = TeamForm()
    rows = teams.counted(current_member())
    if not form.validate_on_submit():
        return render_template("teams/index.html", rows=rows, form=form), 422
    try:
        made = teams.create(form.name.data or "", form.description.data or "", by=current_member(), now=utcnow())
    except InvalidInput as error:
        return refused("teams/index.html", form, error, rows=rows)
    db.session.commit()
    return redirect(url_for(".detail", team_id=made.id), code=303)


@bp.get("/<int:team_id>")
@requires("channel.view")
def detail(team_id: int) -> ResponseReturnValue:
    return _page(_team(team_id))


@bp.post("/<int:team_id>")
@requires("channel.edit_own")
def save(team_id: int) -> ResponseReturnValue:
    team, form = _team(team_id), TeamForm()
    if not form.validate_on_submit():
        return render_template("teams/detail.html", form=form, **_shown(team)), 422
    try:
        form.expect(_stored(team))
        teams.edit(team, form.name.data or "", form.description.data or "", by=current_member(), now=utcnow())
    except (InvalidInput, Overtaken) as error:
        db.session.rollback()
        return refused("teams/detail.html", form, error, **_shown(_team(team_id)))
    db.session.commit()
    flash(_("已保存"), "ok")
    return redirect(url_for(".detail", team_id=team_id), code=303)


@bp.post("/<int:team_id>/members")
@requires("channel.edit_own")
def add_member(team_id: int) -> ResponseReturnValue:
    typed = request.form.get("username", "")
    try:
        teams.add_member(_team(team_id), typed, by=current_member(), now=utcnow())
    except InvalidInput as error:
        db.session.rollback()
        return _page(_team(team_id), typed=typed, problem=say_reason(error)), 422
    db.session.commit()
    return redirect(url_for(".detail", team_id=team_id), code=303)


@bp.post("/<int:team_id>/members/<int:member_id>/remove")
@requires("channel.edit_own")
def remove_member(team_id: int, member_id: int) -> ResponseReturnValue:
    teams.remove_member(_team(team_id), member_id, by=current_member(), now=utcnow())
    db.session.commit()
    return redirect(url_for(".detail", team_id=team_id), code=303)


@bp.post("/<int:team_id>/delete")
@requires("channel.edit_own")
def delete(team_id: int) -> ResponseReturnValue:
    team = _team(team_id)
    try:
        teams.delete(team, by=current_member(), now=utcnow())
    except AppError as error:
        db.session.rollback()
        flash(error_sentence(error), "error")
        return redirect(url_for(".detail", team_id=team_id), code=303)
    db.session.commit()
    flash(_("团队已删除"), "ok")
    return redirect(url_for(".index"), code=303)


def _team(team_id: int) -> Team:
    return teams.get(team_id, viewer=current_member())


def _stored(team: Team) -> dict[str, str]:
    """What its form is about."""
    return {"name": team.name, "description": team.description}


def _page(team: Team, **context: str) -> str:
    return render_template("teams/detail.html", form=TeamForm.of(_stored(team)), **_shown(team), **context)


def _shown(team: Team) -> dict[str, object]:
    viewer, people = current_member(), teams.members_of(team)
    return {
        "team": team,
        "people": people,
        "candidates": responders.others(viewer.tenant_id, people),
        "uses": teams.uses(team, viewer=viewer),
        "may_edit": teams.may_edit(team, viewer),
    }
