"""The administrator's page: four steps, each proven before the next."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField
from wtforms.validators import DataRequired, Length

from blueprints.access import came_by_sso, current_member, requires
from blueprints.sso import bp
from errors import AppError, InvalidInput, NotFound
from extensions import db
from models import SsoProvider
from services import single_sign_on
from services.clock import utcnow
from services.wording import error_sentence, say, say_reason


class ProviderForm(FlaskForm):
    issuer = StringField(
        _l("Issuer"),
        [DataRequired(_l("请填写 Issuer")), Length(max=single_sign_on.LONGEST_ISSUER)],
        description=_l(
            "身份提供方的地址，例如 https://id.example.com/realms/corp；须在运维人员的 ENDPOINT_ALLOWLIST 中。"
        ),
    )
    client_id = StringField(
        _l("Client ID"),
        [DataRequired(_l("请填写 Client ID")), Length(max=single_sign_on.LONGEST_CLIENT_ID)],
        description=_l("在身份提供方登记本系统后得到。"),
    )
    secret = PasswordField(
        _l("Client Secret"),
        [Length(max=single_sign_on.LONGEST_SECRET)],
        description=_l("公开客户端留空。保存后不再显示，只能替换；更换 Issuer 后须重新填写。"),
    )


@bp.get("/settings")
@requires("organisation.edit")
def settings() -> ResponseReturnValue:
    return _page(_form_of(single_sign_on.of(current_member().tenant_id)))


@bp.post("/settings")
@requires("organisation.edit")
def save() -> ResponseReturnValue:
    """Keep what was entered and try it at once."""
    form = ProviderForm()
    if not form.validate_on_submit():
        return _page(form), 422
    values = form.issuer.data or "", form.client_id.data or "", form.secret.data or ""
    try:
        provider = single_sign_on.save(*values, by=current_member(), now=utcnow())
    except InvalidInput as error:
        db.session.rollback()
        form[error.field].errors = [say_reason(error)]
        return _page(form), 422
    single_sign_on.try_out(provider, now=utcnow())
    db.session.commit()
    return redirect(url_for(".settings"), code=303)


@bp.post("/settings/check")
@requires("organisation.edit")
def check() -> ResponseReturnValue:
    single_sign_on.try_out(_provider(), now=utcnow())
    db.session.commit()
    return redirect(url_for(".settings") + "#check", code=303)


@bp.post("/settings/<any(enable, disable):verb>")
@requires("organisation.edit")
def switch(verb: str) -> ResponseReturnValue:
    provider = _provider()
    return _changed(lambda: single_sign_on.set_enabled(provider, verb == "enable", by=current_member()))


@bp.post("/settings/<any(require, allow):verb>")
@requires("organisation.edit")
def require(verb: str) -> ResponseReturnValue:
    member = current_member()
    _provider()
    proven = came_by_sso(member.tenant_id)
    return _changed(lambda: single_sign_on.require(member.tenant, verb == "require", by=member, came_by_sso=proven))


@bp.post("/settings/remove")
@requires("organisation.edit")
def remove() -> ResponseReturnValue:
    provider = _provider()
    if request.form.get("confirm_name", "").strip() != provider.issuer:
        return _page(_form_of(provider), remove_error=_("输入的名称不一致")), 422
    return _changed(lambda: single_sign_on.remove(provider, by=current_member()))


def _changed(change) -> ResponseReturnValue:  # type: ignore[no-untyped-def]
    try:
        change()
    except AppError as error:
        db.session.rollback()
        flash(error_sentence(error), "error")
    else:
        db.session.commit()
        flash(_("已保存"), "ok")
    return redirect(url_for(".settings"), code=303)


def _provider() -> SsoProvider:
    provider = single_sign_on.of(current_member().tenant_id)
    if provider is None:
        raise NotFound
    return provider


def _form_of(provider: SsoProvider | None) -> ProviderForm:
    return ProviderForm(issuer=provider.issuer, client_id=provider.client_id) if provider else ProviderForm()


def _page(form: ProviderForm, remove_error: str = "") -> str:
    member = current_member()
    provider = single_sign_on.of(member.tenant_id)
    problem = single_sign_on.problem_of(provider) if provider else None
    return render_template(
        "sso/settings.html",
        form=form,
        provider=provider,
        tenant=member.tenant,
        redirect_uris=single_sign_on.redirect_uris(member.tenant_id),
        is_proven=single_sign_on.is_proven(member, came_by_sso=came_by_sso(member.tenant_id)),
        problem=say(problem) if problem else "",
        remove_error=remove_error,
    )
