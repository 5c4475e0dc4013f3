"""审核中: those who ask to join, and deciding about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from blueprints.access import current_member, requires, safe_next
from blueprints.members import bp
from extensions import db
from models import Membership, Role
from services import admission, members
from services.clock import utcnow
from services.wording import error_sentence


@bp.app_template_filter("membership_source")
def membership_source(source: str) -> str:
    """How somebody came, in words."""
    return _(admission.SOURCES.get(source, source))


@bp.context_processor
def count() -> dict[str, Any]:
    """For the tabs of these pages."""
    return {"people_waiting": lambda: admission.count_waiting(current_member())}


@bp.get("/requests")
@requires("member.edit")
def requests() -> ResponseReturnValue:
    return render_template("members/requests.html", waiting=admission.waiting(current_member()), roles=list(Role))


@bp.post("/<int:member_id>/approve")
@requires("member.edit")
def approve(member_id: int) -> ResponseReturnValue:
    role = next((role for role in Role if role.value == request.form.get("role")), None)
    return _decide(member_id, admission.approve, _("%(name)s 已加入，可以立即使用"), role=role)


@bp.post("/<int:member_id>/refuse")
@requires("member.edit")
def refuse(member_id: int) -> ResponseReturnValue:
    return _decide(member_id, admission.refuse, _("已拒绝 %(name)s 的申请"), reason=request.form.get("reason", ""))


@bp.post("/<int:member_id>/reopen")
@requires("member.edit")
def reopen(member_id: int) -> ResponseReturnValue:
    return _decide(member_id, admission.reopen, _("%(name)s 的申请已回到待审核"))


def _decide(member_id: int, verb: Callable[..., None], said: str, **values: Any) -> ResponseReturnValue:
    """Do it and say so; somebody else's decision of a moment ago is told instead of an error page."""
    member: Membership = members.get(member_id, viewer=current_member())
    try:
        verb(member, by=current_member(), now=utcnow(), **values)
    except admission.AlreadyDecided as error:
        db.session.rollback()
        flash(error_sentence(error), "info")
    else:
        db.session.commit()
        flash(said % {"name": member.user.name}, "ok")
    return redirect(safe_next(request.form.get("next")) or url_for(".requests"), code=303)
