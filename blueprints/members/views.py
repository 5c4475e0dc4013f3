"""List, add, change and disable members. A one-time password is shown on the answer itself, once, and kept nowhere."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from blueprints.access import current_member, requires, stands_above
from blueprints.forms import refused
from blueprints.members import bp
from blueprints.members.forms import AddMemberForm, EditMemberForm
from blueprints.paging import is_first_page, page_url
from errors import AppError
from extensions import db
from models import Membership, Role
from services import linking, members, policy_people
from services.clock import utcnow
from services.wording import error_sentence


@bp.get("")
@requires("incident.view")
def index() -> ResponseReturnValue:
    role = next((role for role in Role if role.value == request.args.get("role")), None)
    text = request.args.get("q", "")
    state = next((state for state in members.SHOWN_STATES if state.value == request.args.get("state")), None)
    after = request.args.get("after", "")
    page = members.page(current_member(), text=text, role=role, state=state, after=after)
    return render_template(
        "members/index.html",
        page=page,
        text=text,
        role=role,
        state=state,
        choices=[(each.value, _(each.label)) for each in Role],
        states=[(each.value, _(each.label)) for each in members.SHOWN_STATES],
        state_labels=members.STATE_LABELS,
        older_url=page_url(page.next_cursor, "after"),
        first_url="" if is_first_page() else url_for(".index", q=text or None, role=role, state=state),
    )


@bp.get("/new")
@requires("member.edit")
def new() -> ResponseReturnValue:
    return render_template("members/new.html", form=AddMemberForm())


@bp.post("/new")
@requires("member.edit")
def add() -> ResponseReturnValue:
    form = AddMemberForm()
    if not form.validate_on_submit():
        return render_template("members/new.html", form=form), 422
    try:
        member, password = members.add(
            form.username.data or "",
            form.real_name.data or "",
            form.chosen_role(),
            by=current_member(),
            now=utcnow(),
        )
    except AppError as error:
        return refused("members/new.html", form, error)
    db.session.commit()
    return render_template("members/one_time_password.html", shown=member, password=password)


@bp.get("/<int:member_id>")
@requires("member.edit")
def edit(member_id: int) -> ResponseReturnValue:
    member = members.get(member_id, viewer=current_member())
    return render_template("members/edit.html", form=EditMemberForm.of(_stored(member)), **_shown(member))


@bp.post("/<int:member_id>")
@requires("member.edit")
def save(member_id: int) -> ResponseReturnValue:
    member = members.get(member_id, viewer=current_member())
    form = EditMemberForm()
    if not form.validate_on_submit():
        return render_template("members/edit.html", form=form, **_shown(member)), 422
    try:
        form.expect(_stored(member))
        members.edit(member, real_name=form.real_name.data or "", role=form.chosen_role(), **_by())
        if form.email.data is not None:
            members.set_email(member, form.email.data, **_by())
    except AppError as error:
        return refused("members/edit.html", form, error, **_shown(member))
    db.session.commit()
    flash(_("已保存 %(name)s 的信息", name=member.user.name), "ok")
    return redirect(url_for(".index"), code=303)


@bp.post("/<int:member_id>/reset-password")
@requires("member.edit")
def reset_password(member_id: int) -> ResponseReturnValue:
    member = members.get(member_id, viewer=current_member())
    try:
        password = members.reset_password(member, **_by())
    except (members.OwnAccount, members.SharedAccount) as error:
        return _back(member_id, error)
    db.session.commit()
    return render_template("members/one_time_password.html", shown=member, password=password)


@bp.post("/<int:member_id>/disable")
@requires("member.edit")
def disable(member_id: int) -> ResponseReturnValue:
    member = members.get(member_id, viewer=current_member())
    try:
        left_alone = members.disable(member, by=current_member(), now=utcnow())
    except (members.LastAdministrator, members.OwnAccount) as error:
        return _back(member_id, error)
    db.session.commit()
    flash(_("%(name)s 已停用，登录立即失效", name=member.user.name), "ok")
    if left_alone:
        flash(_("%(count)s 个分派环节原本只通知此人，请更换处理人员", count=len(left_alone)), "warn")
        return redirect(url_for(".edit", member_id=member_id), code=303)
    return redirect(url_for(".index"), code=303)


@bp.post("/<int:member_id>/restore")
@requires("member.edit")
def restore(member_id: int) -> ResponseReturnValue:
    member = members.get(member_id, viewer=current_member())
    members.restore(member, by=current_member(), now=utcnow())
    db.session.commit()
    flash(_("%(name)s 已恢复", name=member.user.name), "ok")
    return redirect(url_for(".index"), code=303)


def _stored(member: Membership) -> dict[str, str]:
    """What its form is about."""
    return {"real_name": member.user.real_name, "email": member.user.email or "", "role": member.role.value}


def _by() -> dict[str, Any]:
    """Who acts, and whether as a super-administrator: not if an organisation's application or provider let them in."""
    return {"by": current_member(), "stands_above": stands_above()}


def _shown(member: Membership) -> dict[str, object]:
    return {
        "shown": member,
        "links": linking.links_of(member.user, tenant_id=member.tenant_id),
        "uses": policy_people.uses(member.tenant_id, member.user_id),
        "roles": list(Role),
        "state_labels": members.STATE_LABELS,
    }


def _back(member_id: int, error: AppError) -> ResponseReturnValue:
    db.session.rollback()
    flash(error_sentence(error), "error")
    return redirect(url_for(".edit", member_id=member_id), code=303)
