"""Getting in and out of the console."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from blueprints import access
from blueprints.access import before_password_change, public, safe_next
from blueprints.auth.forms import ChangePasswordForm, FirstAdministratorForm, NewPasswordForm, SignInForm
from blueprints.forms import refused
from errors import AppError
from extensions import db
from models import User
from services import accounts, audit, members, passwords, single_sign_on, throttling
from services.clock import utcnow
from services.wording import say_error

bp = Blueprint("auth", __name__)
COMMON_MISTAKES = (accounts.SignInRefused, accounts.AccountDisabled, throttling.TooManyAttempts, passwords.HashingBusy)


# --- in and out ---------------------------------------------------------------------------------------------------


@bp.get("/sign-in")
@public
def sign_in() -> ResponseReturnValue:
    """The sign-in page; on an empty instance, the page for the first administrator."""
    wanted = safe_next(request.args.get("next"))
    if current_user.is_authenticated:
        return redirect(wanted or landing())
    if accounts.is_empty():
        return redirect(url_for(".first_admin"))
    has_sso = bool(single_sign_on.offered())
    return render_template("auth/sign_in.html", form=SignInForm(next=wanted or ""), has_sso=has_sso)


@bp.post("/sign-in")
@public
def submit_sign_in() -> ResponseReturnValue:
    form = SignInForm()
    if not form.validate_on_submit():
        return render_template("auth/sign_in.html", form=form), 422
    try:
        user = accounts.authenticate(
            form.username.data or "", form.password.data or "", address=request.remote_addr or "", now=utcnow()
        )
    except COMMON_MISTAKES as error:
        return refused("auth/sign_in.html", form, error)
    return enter(user, safe_next(form.next.data))


def enter(user: User, wanted: str | None) -> ResponseReturnValue:
    """Begin a session in the person's organisation and go on to the wanted page."""
    places = accounts.places(user)
    tenant_id = places[0].tenant_id if len(places) == 1 else None
    access.sign_in(user, tenant_id=tenant_id)
    audit.record("sign_in", user=user, tenant_id=tenant_id, via="password")
    db.session.commit()
    if user.must_change_password:
        return redirect(url_for(".change_password", next=wanted), code=303)
    if len(places) != 1:
        return redirect(url_for(".choose_organisation", next=wanted), code=303)
    return redirect(wanted or landing(), code=303)


@bp.post("/sign-out")
@before_password_change
def sign_out() -> ResponseReturnValue:
    user, tenant_id = current_user._get_current_object(), access.session_tenant()
    access.sign_out()
    audit.record("sign_out", user=user, tenant_id=tenant_id)
    db.session.commit()
    flash(_("您已退出登录"), "ok")
    return redirect(url_for(".sign_in"), code=303)


# --- the first administrator --------------------------------------------------------------------------------------


@bp.get("/first-administrator")
@public
def first_admin() -> ResponseReturnValue:
    """Only while nobody has an account, for whoever can read the log; afterwards this page does not exist."""
    if not accounts.is_empty():
        return redirect(url_for(".sign_in"))
    return render_template("auth/first_admin.html", form=FirstAdministratorForm())


@bp.post("/first-administrator")
@public
def create_first_admin() -> ResponseReturnValue:
    form = FirstAdministratorForm()
    if not accounts.is_empty():
        abort(404)
    if not form.validate_on_submit():
        return render_template("auth/first_admin.html", form=form), 422
    try:
        accounts.check_setup_code(form.setup_code.data or "" if "setup_code" in form else "")
        place = accounts.create_first_administrator(
            form.username.data or "",
            form.real_name.data or "",
            form.password.data or "",
            organisation=form.organisation.data or "",
            now=utcnow(),
        )
    except AppError as error:
        return refused("auth/first_admin.html", form, error)
    access.sign_in(place.user, tenant_id=place.tenant_id)
    db.session.commit()
    flash(_("欢迎使用值班铃。下面按顺序列出了还要设置的事项。"), "ok")
    return redirect(landing(), code=303)


# --- the password -------------------------------------------------------------------------------------------------


@bp.get("/password")
@before_password_change
def change_password() -> ResponseReturnValue:
    """One's own password. Whom a one-time password let in sees no other page."""
    return render_template("auth/change_password.html", form=_password_form(next=request.args.get("next")))


@bp.post("/password")
@before_password_change
def submit_password() -> ResponseReturnValue:
    form = _password_form()
    if not form.validate_on_submit():
        return render_template("auth/change_password.html", form=form), 422
    user: User = current_user._get_current_object()
    try:
        if isinstance(form, ChangePasswordForm):
            accounts.confirm(user, form.current.data or "", address=request.remote_addr or "", now=utcnow())
        accounts.change_password(user, form.password.data or "")
    except AppError as error:
        return refused("auth/change_password.html", form, error)
    access.renew(user)
    db.session.commit()
    flash(_("密码已修改，其他设备上的登录已失效"), "ok")
    wanted = safe_next(form.next.data)
    if access.session_tenant() is None:
        return redirect(url_for(".choose_organisation", next=wanted), code=303)
    return redirect(wanted or landing(), code=303)


def _password_form(**values: Any) -> NewPasswordForm:
    """A one-time password that opened this session is not asked for again.

    Whom a platform or an identity provider let in has proven no password, and must not choose one for the account.
    """
    return NewPasswordForm(**values) if access.must_set_password() else ChangePasswordForm(**values)


# --- the organisation ---------------------------------------------------------------------------------------------


@bp.get("/organisations")
@before_password_change
def choose_organisation() -> ResponseReturnValue:
    """Which organisation to act in; says what stands in the way of the others."""
    if access.must_set_password():
        return redirect(url_for(".change_password"))
    places = [place for place in accounts.all_places(current_user) if access.is_told_of(place.tenant_id)]
    reasons = {place.id: say_error(error) for place in places if (error := access.in_the_way(place)) is not None}
    status = 200 if any(place.id not in reasons for place in places) else 403
    page = render_template(
        "auth/organisations.html",
        places=places,
        reasons=reasons,
        state_labels=members.STATE_LABELS,
        is_confined=access.vouched_by() is not None,
        next=safe_next(request.args.get("next")) or "",
    )
    return page, status


@bp.post("/organisations")
@before_password_change
def enter_organisation() -> ResponseReturnValue:
    wanted = request.form.get("tenant_id", "")
    for place in access.places_told():
        if str(place.tenant_id) == wanted and access.way_refused(place) is not None:
            return redirect(url_for(".choose_organisation"), code=303)
        if str(place.tenant_id) == wanted:
            access.choose_organisation(place.tenant_id)
            return redirect(safe_next(request.form.get("next")) or landing(), code=303)
    abort(404)


def landing() -> str:
    """Where somebody goes who wanted nothing in particular."""
    return url_for("overview.index" if "overview.index" in current_app.view_functions else "me.index")
