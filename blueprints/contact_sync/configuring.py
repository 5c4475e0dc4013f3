"""The connections that can list people, and the page of each: its credentials, what to set up there, 同步."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from blueprints.access import current_member, requires
from blueprints.contact_sync import bp
from errors import AppError, InvalidInput, NotFound
from extensions import db
from models import Integration, IntegrationStatus
from platforms import PLATFORMS
from services import contact_syncs, integrations, setup
from services.clock import utcnow
from services.instance import current_settings
from services.wording import error_sentence, say_reason


@bp.get("")
@requires("member.edit")
def index() -> ResponseReturnValue:
    existing = contact_syncs.connections(current_member())
    taken = {one.platform for one in existing if PLATFORMS[one.platform].capabilities.one_per_tenant}
    offered = [(slug, kind) for slug, kind in PLATFORMS.items() if kind.capabilities.lists_contacts]
    return render_template(
        "contact_sync/index.html",
        integrations=existing,
        kinds=PLATFORMS,
        offered=[(slug, kind) for slug, kind in offered if slug not in taken],
        is_ready=contact_syncs.is_ready,
    )


@bp.post("/new/<platform>")
@requires("member.edit")
def new(platform: str) -> ResponseReturnValue:
    """The same record that the wizard fills: one connection, whichever page it was begun on."""
    kind = PLATFORMS.get(platform)
    if kind is None or not kind.capabilities.lists_contacts:
        raise NotFound(platform)
    integration = setup.begin(platform, kind.modes[0].slug, by=current_member(), now=utcnow())
    db.session.commit()
    return redirect(url_for(".connection", integration_id=integration.id), code=303)


@bp.get("/<int:integration_id>")
@requires("member.edit")
def connection(integration_id: int) -> ResponseReturnValue:
    return connection_page(listing(integration_id))


@bp.post("/<int:integration_id>")
@requires("member.edit")
def save(integration_id: int) -> ResponseReturnValue:
    """Keep the credentials. A value that is refused stays in the form, but for secrets."""
    listing(integration_id)
    integration = setup.hold(integration_id, viewer=current_member())
    names = [field.name for _called, field in contact_syncs.credentials(integration)]
    typed = {name: request.form.get(name, "") for name in names}
    try:
        setup.save(integration, typed, by=current_member(), now=utcnow())
        if integration.status is IntegrationStatus.DISABLED:
            setup.set_enabled(integration, True, by=current_member())
    except InvalidInput as error:
        db.session.rollback()
        return _refused(integration_id, typed, {error.field: say_reason(error)})
    except AppError as error:
        db.session.rollback()
        return _refused(integration_id, typed, {"": error_sentence(error)})
    db.session.commit()
    flash(_("配置已保存"), "ok")
    return redirect(url_for(".connection", integration_id=integration_id), code=303)


@bp.post("/<int:integration_id>/end")
@requires("member.edit")
def end(integration_id: int) -> ResponseReturnValue:
    """取消绑定 of the whole configuration: its links do nothing for now; saving the same credentials revives them."""
    listing(integration_id)
    integration = setup.hold(integration_id, viewer=current_member())
    setup.set_enabled(integration, False, by=current_member())
    db.session.commit()
    flash(_("已取消绑定，重新保存配置即可恢复"), "ok")
    return redirect(url_for(".connection", integration_id=integration_id), code=303)


@bp.post("/<int:integration_id>/sync")
@requires("member.edit")
def begin(integration_id: int) -> ResponseReturnValue:
    """同步: read the contacts, or show the synchronisation that is open."""
    try:
        sync = contact_syncs.begin(listing(integration_id), by=current_member(), now=utcnow())
    except contact_syncs.NotConfigured as error:
        db.session.rollback()
        flash(error_sentence(error), "error")
        return redirect(url_for(".connection", integration_id=integration_id), code=303)
    db.session.commit()
    return redirect(url_for(".sync", sync_id=sync.id), code=303)


def listing(integration_id: int) -> Integration:
    """A connection of this organisation whose platform lists people. Raises NotFound."""
    integration = setup.get(integration_id, viewer=current_member())
    if not contact_syncs.lists_contacts(integration):
        raise NotFound(str(integration_id))
    return integration


def connection_page(integration: Integration, **context: Any) -> str:
    addresses = integrations.addresses(integration)
    defaults: dict[str, Any] = {"typed": {}, "errors": {}}
    return render_template(
        "contact_sync/connection.html",
        integration=integration,
        platform=PLATFORMS[integration.platform],
        credentials=contact_syncs.credentials(integration),
        stored=lambda field: setup.stored(integration, field),
        has_secret=lambda field: setup.has_secret(integration, field),
        is_ready=contact_syncs.is_ready(integration),
        open_sync=contact_syncs.open_one(integration),
        recent=contact_syncs.recent(integration),
        to_enter={
            "trusted_domain": (_("可信域名"), addresses["trusted_domain"]),
            "egress_ips": (_("出口 IP"), addresses["egress_ips"]),
            "home_url": (_("应用主页地址"), f"{current_settings().public_url}/tenantId/{integration.tenant_id}"),
        },
        console_url=integrations.console_url(integration),
        **(defaults | context),
    )


def _refused(integration_id: int, typed: dict[str, str], errors: dict[str, str]) -> ResponseReturnValue:
    integration = setup.get(integration_id, viewer=current_member())
    return connection_page(integration, typed=typed, errors=errors), 422
