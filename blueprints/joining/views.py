"""The page behind an invitation's link, the invitations that a person finds after signing in, and house numbers.

A link's token stands in `token`, a name that log lines mask.
"""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from blueprints import access
from blueprints.access import before_password_change, public, require_own_session, vouched_by
from blueprints.forms import refused
from blueprints.joining.forms import HouseNumberForm, KnownAccountForm, NewAccountForm
from errors import AppError
from extensions import db
from models import Invitation, Membership, MembershipState, User
from services import accounts, admission, audit, invitations
from services.clock import utcnow
from services.wording import error_sentence
from web_extensions import limiter

TRIES = "10 per minute; 60 per day"

bp = Blueprint("joining", __name__)


def _who_tries() -> str:
    return f"user {current_user.get_id()}" if current_user.is_authenticated else request.remote_addr or ""


# --- by a link ----------------------------------------------------------------------------------------------------


@bp.get("/join")
@public
def invitation() -> ResponseReturnValue:
    """What the link leads to, and how to come in: as oneself, by signing in, or with a new account."""
    return _page(_invitation(request.args.get("token", "")))


@bp.post("/join")
@public
def accept() -> ResponseReturnValue:
    """Come in as the person of this session."""
    found = _invitation(request.form.get("token", ""))
    if not current_user.is_authenticated:
        return _page(found), 403
    require_own_session()
    return _enter(invitations.accept(found, current_user._get_current_object(), now=utcnow()))


@bp.post("/join/sign-in")
@public
def sign_in() -> ResponseReturnValue:
    """Come in with an account that exists already."""
    form = KnownAccountForm()
    found = _invitation(form.token.data or "")
    if not form.validate_on_submit():
        return _page(found, sign_in_form=form), 422
    name, password, address = form.username.data or "", form.password.data or "", request.remote_addr or ""
    try:
        user = accounts.authenticate(name, password, address=address, now=utcnow())
        place = invitations.accept(found, user, now=utcnow())
    except AppError as error:
        return _refused(found, error, sign_in_form=form)
    return _begin(user, place)


@bp.post("/join/new")
@public
@limiter.limit(TRIES)
def new_account() -> ResponseReturnValue:
    """Come in with a new account."""
    form = NewAccountForm()
    found = _invitation(form.token.data or "")
    if not form.validate_on_submit():
        return _page(found, account_form=form), 422
    try:
        user = accounts.create(
            form.username.data or "", form.real_name.data or "", form.password.data or "", now=utcnow()
        )
        place = invitations.accept(found, user, now=utcnow())
    except AppError as error:
        return _refused(found, error, account_form=form)
    return _begin(user, place)


def _invitation(token: str) -> Invitation:
    """Raises InvitationEnded."""
    return invitations.find(token, now=utcnow())


def _page(found: Invitation, **forms: object) -> str:
    return render_template("joining/invitation.html", **_shown(found, **forms))


def _shown(found: Invitation, **forms: object) -> dict[str, object]:
    token = request.values.get("token", "")
    blank: dict[str, object] = {
        "sign_in_form": KnownAccountForm(formdata=None, token=token),
        "account_form": NewAccountForm(formdata=None, token=token, username=found.username),
    }
    return {"invitation": found, "token": token, "is_own_session": _is_own_session()} | blank | forms


def _is_own_session() -> bool:
    """Whether the person of this session may come in as themselves, without signing in again."""
    return current_user.is_authenticated and vouched_by() is None


def _refused(found: Invitation, error: AppError, **forms: object) -> ResponseReturnValue:
    (form,) = forms.values()
    shown = _shown(found, **forms)
    return refused("joining/invitation.html", form, error, **shown)


def _begin(user: User, place: Membership) -> ResponseReturnValue:
    access.sign_in(user, tenant_id=place.tenant_id)
    audit.record("sign_in", user=user, tenant_id=place.tenant_id, via="password")
    return _enter(place)


def _enter(place: Membership) -> ResponseReturnValue:
    """Go on inside, or to the page that says what is still waited for."""
    access.choose_organisation(place.tenant_id)
    db.session.commit()
    if place.state is MembershipState.ACTIVE:
        flash(_("您已加入 %(name)s", name=place.tenant.name), "ok")
        return redirect(url_for("overview.index"), code=303)
    return redirect(url_for("auth.choose_organisation"), code=303)


# --- by name, and by house number ---------------------------------------------------------------------------------


@bp.post("/organisations/<int:tenant_id>/accept")
@before_password_change
def accept_named(tenant_id: int) -> ResponseReturnValue:
    """Take an invitation that stands under one's own name. Whose house it is makes no difference to a stranger."""
    require_own_session()
    user: User = current_user._get_current_object()
    return _enter(invitations.accept(invitations.of_person(user, tenant_id, now=utcnow()), user, now=utcnow()))


@bp.post("/organisations/<int:tenant_id>/decline")
@before_password_change
def decline(tenant_id: int) -> ResponseReturnValue:
    require_own_session()
    user: User = current_user._get_current_object()
    invitations.of_person(user, tenant_id, now=utcnow())
    invitations.decline(user, tenant_id, now=utcnow())
    db.session.commit()
    flash(_("已谢绝邀请"), "ok")
    return redirect(url_for("auth.choose_organisation"), code=303)


@bp.post("/organisations/join")
@before_password_change
@limiter.limit(TRIES, key_func=_who_tries)
def ask() -> ResponseReturnValue:
    """Ask to join the organisation with a house number."""
    require_own_session()
    form = HouseNumberForm()
    user: User = current_user._get_current_object()
    if not form.validate_on_submit():
        flash(_("请填写门牌号"), "error")
        return redirect(url_for("auth.choose_organisation"), code=303)
    try:
        place = admission.ask_by_house_number(user, form.house_number.data or "", now=utcnow())
    except admission.UnknownHouseNumber as error:
        db.session.rollback()
        flash(error_sentence(error), "error")
    else:
        db.session.commit()
        if place.state is MembershipState.UNDER_REVIEW:
            flash(_("申请已提交给 %(name)s 的管理员，通过后即可进入", name=place.tenant.name), "ok")
    return redirect(url_for("auth.choose_organisation"), code=303)
