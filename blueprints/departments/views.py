"""The tree of departments, and one of them with its members."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from blueprints.access import current_member, requires
from blueprints.departments.forms import DepartmentForm
from blueprints.forms import refused
from errors import AppError, InvalidInput
from extensions import db
from models import Department
from services import departments
from services.clock import utcnow
from services.wording import error_sentence, say_error

bp = Blueprint("departments", __name__, url_prefix="/departments")


@bp.get("")
@requires("channel.view")
def index() -> ResponseReturnValue:
    nodes = departments.tree(current_member())
    return render_template("departments/index.html", nodes=nodes, form=DepartmentForm(nodes))


@bp.post("")
@requires("member.edit")
def create() -> ResponseReturnValue:
    nodes = departments.tree(current_member())
    form = DepartmentForm(nodes)
    if not form.validate_on_submit():
        return render_template("departments/index.html", nodes=nodes, form=form), 422
    try:
        departments.create(form.name.data or "", form.parent(), by=current_member(), now=utcnow())
    except InvalidInput as error:
        return refused("departments/index.html", form, error, nodes=nodes)
    db.session.commit()
    flash(_("已保存"), "ok")
    return redirect(url_for(".index"), code=303)


@bp.get("/<int:department_id>")
@requires("channel.view")
def detail(department_id: int) -> ResponseReturnValue:
    found = _department(department_id)
    form = DepartmentForm(departments.tree(current_member()), name=found.name, parent_id=str(found.parent_id or ""))
    return render_template("departments/detail.html", form=form, **_shown(found))


@bp.post("/<int:department_id>")
@requires("member.edit")
def save(department_id: int) -> ResponseReturnValue:
    found, form = _department(department_id), DepartmentForm(departments.tree(current_member()))
    if not form.validate_on_submit():
        return render_template("departments/detail.html", form=form, **_shown(found)), 422
    try:
        departments.edit(found, form.name.data or "", form.parent(), by=current_member(), now=utcnow())
    except AppError as error:
        db.session.rollback()
        return refused("departments/detail.html", form, error, **_shown(_department(department_id)))
    db.session.commit()
    flash(_("已保存"), "ok")
    return redirect(url_for(".detail", department_id=department_id), code=303)


@bp.post("/<int:department_id>/members")
@requires("member.edit")
def add_member(department_id: int) -> ResponseReturnValue:
    found, name = _department(department_id), request.form.get("username", "")
    try:
        departments.add_member(found, name, by=current_member(), now=utcnow())
    except InvalidInput as error:
        db.session.rollback()
        flash(say_error(error)[0], "error")
    else:
        db.session.commit()
    return redirect(url_for(".detail", department_id=department_id), code=303)


@bp.post("/<int:department_id>/members/<int:member_id>/remove")
@requires("member.edit")
def remove_member(department_id: int, member_id: int) -> ResponseReturnValue:
    departments.remove_member(_department(department_id), member_id, by=current_member(), now=utcnow())
    db.session.commit()
    return redirect(url_for(".detail", department_id=department_id), code=303)


@bp.post("/<int:department_id>/delete")
@requires("member.edit")
def delete(department_id: int) -> ResponseReturnValue:
    found = _department(department_id)
    try:
        departments.delete(found, by=current_member(), now=utcnow())
    except AppError as error:
        db.session.rollback()
        flash(error_sentence(error), "error")
        return redirect(url_for(".detail", department_id=department_id), code=303)
    db.session.commit()
    flash(_("部门已删除"), "ok")
    return redirect(url_for(".index"), code=303)


def _department(department_id: int) -> Department:
    return departments.get(department_id, viewer=current_member())


def _shown(department: Department) -> dict[str, object]:
    return {"department": department, "people": departments.members_of(department)}
