"""How many seats there are, who holds them, and giving them."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import IntegerField
from wtforms.validators import NumberRange, Optional

from blueprints.access import current_member, requires
from blueprints.forms import refused
from errors import AppError, InvalidInput
from extensions import db
from models import SeatKind
from services import members, responders, seats
from services.clock import utcnow
from services.wording import error_sentence, say_reason

bp = Blueprint("plan", __name__, url_prefix="/plan")


class SeatsForm(FlaskForm):
    seats = IntegerField(
        _l("License 数量"),
        [Optional(), NumberRange(1, seats.MOST, _l("请填写 1 到 100000，或留空表示不限"))],
        description=_l("留空表示不限。减少到已用数量以下时，先收回最久未用的临时 License。"),
    )


@bp.get("")
@requires("organisation.edit")
def index() -> ResponseReturnValue:
    return _page(_present())


@bp.post("")
@requires("organisation.edit")
def save() -> ResponseReturnValue:
    form = SeatsForm()
    if not form.validate_on_submit():
        return _page(form), 422
    try:
        seats.set_number(form.seats.data, by=current_member(), now=utcnow())
    except AppError as error:
        db.session.rollback()
        return refused("plan/index.html", form, error, **_shown())
    db.session.commit()
    flash(_("已保存"), "ok")
    return redirect(url_for(".index"), code=303)


@bp.post("/give")
@requires("organisation.edit")
def give() -> ResponseReturnValue:
    typed = request.form.get("username", "")
    try:
        member = members.find_active(typed, viewer=current_member())
        seats.give(member, by=current_member(), now=utcnow())
    except AppError as error:
        db.session.rollback()
        said = say_reason(error) if isinstance(error, InvalidInput) else error_sentence(error)
        return _page(_present(), typed=typed, problem=said), 422
    db.session.commit()
    flash(_("已分配给 %(name)s", name=member.user.name), "ok")
    return redirect(url_for(".index"), code=303)


@bp.post("/<int:user_id>/take-back")
@requires("organisation.edit")
def take_back(user_id: int) -> ResponseReturnValue:
    member = members.of_user(user_id, viewer=current_member())
    seats.take_back(member, by=current_member(), now=utcnow())
    db.session.commit()
    flash(_("已收回 %(name)s 的 License", name=member.user.name), "ok")
    return redirect(url_for(".index"), code=303)


def _present() -> SeatsForm:
    return SeatsForm(formdata=None, seats=current_member().tenant.seats)


def _page(form: SeatsForm, **context: str) -> str:
    return render_template("plan/index.html", form=form, **_shown(), **context)


def _shown() -> dict[str, object]:
    plan, tenant_id = seats.plan(current_member(), now=utcnow()), current_member().tenant_id
    fixed = {seat.user_id for seat in plan.holders if seat.kind is SeatKind.FIXED}
    without = [member for member in responders.candidates(tenant_id) if member.user_id not in fixed]
    return {"plan": plan, "candidates": without}
