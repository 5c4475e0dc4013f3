"""Changing one's own e-mail address: the password first, then the code that was sent to the new address."""

from __future__ import annotations

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from blueprints.access import current_member
from blueprints.me.views import bp, index_page
from errors import AppError
from extensions import db
from services import accounts, own_email
from services.clock import utcnow
from services.wording import error_sentence
from web_extensions import limiter

SENDING, TRYING = "5 per hour; 15 per day", "30 per hour"


def _who() -> str:
    return f"user {current_user.get_id()}"


@bp.post("/email")
@limiter.limit(SENDING, key_func=_who)
def ask_email() -> ResponseReturnValue:
    """Have a code sent to an address, whoever types their password."""
    password, address = request.form.get("password", ""), request.remote_addr or ""
    try:
        accounts.confirm(current_member().user, password, address=address, now=utcnow())
        own_email.ask(current_member(), request.form.get("email", ""), now=utcnow())
    except AppError as error:
        return _refused(error, request.form.get("email", "")[: own_email.LONGEST])
    db.session.commit()
    flash(_("验证码已发送，请查收邮件并在下面输入"), "ok")
    return _back()


@bp.post("/email/prove")
@limiter.limit(TRYING, key_func=_who)
def prove_email() -> ResponseReturnValue:
    is_right = own_email.prove(current_member(), request.form.get("code", ""), now=utcnow())
    db.session.commit()
    if not is_right:
        return _refused(own_email.WrongCode())
    flash(_("邮箱已更新并通过验证"), "ok")
    return _back()


def _refused(error: AppError, typed: str = "") -> ResponseReturnValue:
    """The page again with what is wrong, and with what was typed."""
    db.session.rollback()
    flash(error_sentence(error), "error")
    return index_page(typed_email=typed), error.status


def _back() -> ResponseReturnValue:
    return redirect(url_for("me.index") + "#email", code=303)
