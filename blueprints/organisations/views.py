"""我的组织 for administrators; 租户管理 for super-administrators, who need no membership to stand here."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from blueprints.access import (
    current_member,
    requires,
    superadmin_only,
)
from blueprints.forms import refused
from blueprints.invitation_links import invitation_link
from blueprints.organisations.forms import OrganisationForm, OwnOrganisationForm
from errors import AppError, InvalidInput
from extensions import db
from models import Tenant, User
from services import tenant_deletion, tenants
from services.clock import utcnow
from services.instance import DEFAULT_TENANT_ID, current_settings
from services.wording import error_sentence, say_error

bp = Blueprint("organisation", __name__, url_prefix="/organisation")
instance = Blueprint("instance", __name__, url_prefix="/instance/organisations")


# --- one's own ----------------------------------------------------------------------------------------------------


@bp.get("")
@requires("organisation.edit")
def index() -> ResponseReturnValue:
    form = OwnOrganisationForm.of(_stored(current_member().tenant))
    return render_template("organisations/own.html", form=form, **_own())


@bp.post("")
@requires("organisation.edit")
def save() -> ResponseReturnValue:
    form = OwnOrganisationForm()
    if not form.validate_on_submit():
        return render_template("organisations/own.html", form=form, **_own()), 422
    try:
        form.expect(_stored(current_member().tenant))
        tenants.configure(
            current_member().tenant,
            name=form.name.data or "",
            locale=form.locale.data,
            timezone=form.timezone.data,
            snooze_presets=form.minutes(),
            by=current_member(),
        )
    except AppError as error:
        return refused("organisations/own.html", form, error, **_own())
    db.session.commit()
    flash(_("组织信息已保存"), "ok")
    return redirect(url_for(".index"), code=303)


def _stored(tenant: Tenant) -> dict[str, str]:
    """What the form of one's own organisation is about."""
    presets = ", ".join(map(str, tenant.snooze_presets))
    return {"name": tenant.name, "locale": tenant.locale, "timezone": tenant.timezone, "snooze_presets": presets}


def _own() -> dict[str, object]:
    tenant = current_member().tenant
    return {"tenant": tenant, "home_address": f"{current_settings().public_url}/tenantId/{tenant.id}"}


# --- all of them --------------------------------------------------------------------------------------------------


@instance.get("")
@superadmin_only
def list_all() -> ResponseReturnValue:
    return render_template("organisations/index.html", rows=tenants.everything(_me()))


@instance.get("/new")
@superadmin_only
def new() -> ResponseReturnValue:
    return render_template("organisations/new.html", form=OrganisationForm())


@instance.post("/new")
@superadmin_only
def create() -> ResponseReturnValue:
    form = OrganisationForm()
    if not form.validate_on_submit():
        return render_template("organisations/new.html", form=form), 422
    try:
        tenant, token = tenants.create(form.name.data or "", form.house_number.data or "", by=_me(), now=utcnow())
    except AppError as error:
        return refused("organisations/new.html", form, error)
    db.session.commit()
    return _invited(tenant, token)


@instance.get("/<int:organisation_id>")
@superadmin_only
def detail(organisation_id: int) -> ResponseReturnValue:
    tenant = tenants.get(organisation_id, by=_me())
    return _detail_page(tenant, OrganisationForm.of(_names(tenant)))


def _names(tenant: Tenant) -> dict[str, str]:
    """What the form of any organisation is about."""
    return {"name": tenant.name, "house_number": tenant.house_number}


def _detail_page(tenant: Tenant, form: OrganisationForm, **context: object) -> str:
    return render_template("organisations/detail.html", form=form, **_about(tenant), **context)


def _about(tenant: Tenant) -> dict[str, object]:
    """How far its deletion is, beside the organisation itself."""
    return {
        "tenant": tenant,
        "is_default": tenant.id == DEFAULT_TENANT_ID,
        "wait": tenant_deletion.WAIT.days,
        "has_begun": tenant_deletion.has_begun(tenant, now=utcnow()),
    }


@instance.post("/<int:organisation_id>")
@superadmin_only
def rename(organisation_id: int) -> ResponseReturnValue:
    tenant, form = tenants.get(organisation_id, by=_me()), OrganisationForm()
    if not form.validate_on_submit():
        return _detail_page(tenant, form), 422
    number = form.house_number.data or tenant.house_number
    try:
        form.expect(_names(tenant))
        tenants.rename(tenant, form.name.data or "", number, by=_me(), now=utcnow())
    except AppError as error:
        db.session.rollback()
        return refused("organisations/detail.html", form, error, **_about(tenants.get(organisation_id, by=_me())))
    db.session.commit()
    flash(_("组织信息已保存"), "ok")
    return redirect(url_for(".detail", organisation_id=organisation_id), code=303)


@instance.post("/<int:organisation_id>/freeze")
@superadmin_only
def freeze(organisation_id: int) -> ResponseReturnValue:
    return _change(organisation_id, tenants.freeze, _("组织已冻结：无法登录，不接收告警，不发送消息，计时暂停"))


@instance.post("/<int:organisation_id>/unfreeze")
@superadmin_only
def unfreeze(organisation_id: int) -> ResponseReturnValue:
    return _change(organisation_id, tenants.unfreeze, _("组织已解冻，计时从现在继续"))


@instance.post("/<int:organisation_id>/delete")
@superadmin_only
def delete(organisation_id: int) -> ResponseReturnValue:
    """Have a frozen organisation deleted in a week; its name has to be typed."""
    tenant = tenants.get(organisation_id, by=_me())
    try:
        tenant_deletion.ask(tenant, request.form.get("confirm_name", ""), by=_me(), now=utcnow())
    except AppError as error:
        db.session.rollback()
        tenant = tenants.get(organisation_id, by=_me())
        form = OrganisationForm.of(_names(tenant))
        told = say_error(error)[0] if isinstance(error, InvalidInput) else error_sentence(error)
        return _detail_page(tenant, form, delete_error=told), error.status if error.status == 409 else 422
    db.session.commit()
    flash(_("%(days)s 天后删除，在此之前可以撤回", days=tenant_deletion.WAIT.days), "ok")
    return redirect(url_for(".detail", organisation_id=organisation_id), code=303)


@instance.post("/<int:organisation_id>/keep")
@superadmin_only
def keep(organisation_id: int) -> ResponseReturnValue:
    """Take the wish to delete it back; it stays frozen."""
    return _change(organisation_id, tenant_deletion.take_back, _("组织不会被删除，仍然处于冻结状态"))


@instance.post("/<int:organisation_id>/invite")
@superadmin_only
def invite(organisation_id: int) -> ResponseReturnValue:
    tenant = tenants.get(organisation_id, by=_me())
    token = tenants.invite_administrator(tenant, by=_me(), now=utcnow())
    db.session.commit()
    return _invited(tenant, token)


def _change(organisation_id: int, verb: Callable[..., None], said: str) -> ResponseReturnValue:
    try:
        verb(tenants.get(organisation_id, by=_me()), by=_me(), now=utcnow())
    except AppError as error:
        if error.status != 409:
            raise
        db.session.rollback()
        flash(error_sentence(error), "error")
    else:
        db.session.commit()
        flash(said, "ok")
    return redirect(url_for(".detail", organisation_id=organisation_id), code=303)


def _invited(tenant: Tenant, token: str) -> str:
    return render_template("organisations/invited.html", tenant=tenant, link=invitation_link(token))


def _me() -> User:
    user: User = current_user._get_current_object()
    return user
