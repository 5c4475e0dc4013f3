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
from services import departments, responders
from services.clock import utcnow
from services.wording import error_sentence, say_reason

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
    return _page(_department(department_id))


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
        return _page(_department(department_id), typed=name, problem=say_reason(error)), 422
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


def _page(department: Department, **context: str) -> str:
    present = {"name": department.name, "parent_id": str(department.parent_id or "")}
    form = DepartmentForm(departments.tree(current_member()), formdata=None, **present)
    return render_template("departments/detail.html", form=form, **_shown(department), **context)


def _shown(department: Department) -> dict[str, object]:
    people = departments.members_of(department)
    others = responders.others(department.tenant_id, [member for member, _source in people])
    return {"department": department, "people": people, "candidates": others}
