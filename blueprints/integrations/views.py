"""The list of connections and the page of each: health, addresses, people, deliveries, and what can be done to it."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from blueprints import live
from blueprints.access import current_member, requires
from blueprints.integrations import bp
from blueprints.integrations.enhanced import rooms_shown
from blueprints.integrations.forms import RenameForm
from blueprints.integrations.groups import ORIGINS, groups_shown
from blueprints.integrations.showing import ShownCheck, shown_check
from blueprints.integrations.trials import trial_choice
from blueprints.integrations.wizard import checks_tag
from blueprints.qr import qr_code
from errors import InvalidInput
from extensions import db
from models import Integration
from platforms import PLATFORMS
from services import calls, checks, circuits, deliveries, integrations, licences, linking, modes, providers, setup
from services.clock import utcnow
from services.wording import say_error

PEOPLE_FILTERS = ("all", "linked", "unlinked")


@bp.get("")
@requires("integration.view")
def index() -> ResponseReturnValue:
    """What is connected, how it is, and what can be connected."""
    existing = setup.all_for(current_member())
    taken = {item.platform for item in existing if PLATFORMS[item.platform].capabilities.one_per_tenant}
    return render_template(
        "integrations/index.html",
        integrations=existing,
        health={item.id: health(item) for item in existing},
        platforms=[(slug, kind) for slug, kind in PLATFORMS.items() if slug not in taken],
        withheld=withheld_modes(),
        kinds=PLATFORMS,
        licence_warnings=licences.warnings(existing, now=utcnow()),
    )


def withheld_modes() -> dict[tuple[str, str], str]:
    """Modes that cannot be chosen now, (platform, mode) → why."""
    return {
        (slug, mode.slug): _(providers.NOT_CONFIGURED)
        for slug, kind in PLATFORMS.items()
        for mode in kind.modes
        if mode.needs_provider and not providers.is_configured(slug)
    }


def health(integration: Integration) -> dict[str, int]:
    """How many checks stand where: {"passed": 5, "failed": 1, "waiting": 2}."""
    known = checks.by_name(integration)
    wanted = setup.mode_of(integration).checks_for(integration.settings)
    states = [known[check.name].state.value if check.name in known else "waiting" for check in wanted]
    return {state: states.count(state) for state in ("passed", "failed", "waiting")}


@bp.get("/<int:integration_id>")
@requires("integration.view")
def detail(integration_id: int) -> ResponseReturnValue:
    return detail_page(setup.get(integration_id, viewer=current_member()))


def detail_page(integration: Integration, **context: Any) -> str:
    addresses = integrations.addresses(integration)
    mode = setup.mode_of(integration)
    values = {value.name: value for step in mode.steps for value in step.values if addresses.get(value.name)}
    wanted = request.args.get("people", "all")
    people = linking.people(
        integration, state=wanted if wanted in PEOPLE_FILTERS else "all", text=request.args.get("q", "")
    )
    defaults = {
        "rename_form": RenameForm(formdata=None, name=integration.name),
        **trial_choice(integration),
        "delete_error": "",
    }
    withheld = withheld_modes()
    return render_template(
        "integrations/detail.html",
        integration=integration,
        platform=PLATFORMS[integration.platform],
        mode=mode,
        other_modes=[(one, withheld.get((integration.platform, one.slug), "")) for one in modes.others(integration)],
        shown_checks=every_check(integration),
        values=list(values.values()),
        addresses=addresses,
        qr_codes={value.name: qr_code(addresses[value.name]) for value in values.values() if value.qr},
        missing=setup.missing(integration),
        notes=setup.notes(integration),
        files=[file for step in mode.steps for file in step.files],
        people=people,
        people_filter=wanted,
        people_filters=(("all", _("全部")), ("linked", _("已关联")), ("unlinked", _("未关联"))),
        last_day=deliveries.last_day(integration, now=utcnow()),
        held_up=circuits.note(integration, utcnow()),
        etag=checks_tag(integration),
        quota=calls.quota_of(integration),
        quota_use=calls.use(db.session, integration, now=utcnow()),
        origins=ORIGINS,
        licence=licences.standing(integration, now=utcnow()),
        **groups_shown(integration),
        **rooms_shown(integration),
        **(defaults | context),
    )


@bp.get("/<int:integration_id>/checks")
@requires("integration.view")
def check_list(integration_id: int) -> ResponseReturnValue:
    """The detail page's checks alone, kept true while the page is open."""
    integration = setup.get(integration_id, viewer=current_member())
    etag = checks_tag(integration)
    if live.unchanged(etag):
        return live.not_modified(etag)
    return render_template(
        "integrations/_checks.html", integration=integration, shown_checks=every_check(integration), etag=etag
    )


def every_check(integration: Integration) -> list[ShownCheck]:
    mode = setup.mode_of(integration)
    known = checks.by_name(integration)
    wanted = mode.checks_for(integration.settings)
    return [shown_check(check, known.get(check.name), integration, mode) for check in wanted]


@bp.post("/<int:integration_id>/checks")
@requires("integration.edit")
def recheck_all(integration_id: int) -> ResponseReturnValue:
    integration = setup.get(integration_id, viewer=current_member())
    setup.try_all(integration, by=current_member(), now=utcnow())
    db.session.commit()
    flash(_("正在重新检查，结果会自动出现在下面"), "info")
    return redirect(url_for(".detail", integration_id=integration.id), code=303)


@bp.post("/<int:integration_id>/name")
@requires("integration.edit")
def rename(integration_id: int) -> ResponseReturnValue:
    integration = setup.hold(integration_id, viewer=current_member())
    form = RenameForm()
    if not form.validate():
        return detail_page(integration, rename_form=form), 422
    setup.rename(integration, form.name.data or "", by=current_member())
    db.session.commit()
    flash(_("名称已修改"), "ok")
    return redirect(url_for(".detail", integration_id=integration.id), code=303)


@bp.post("/<int:integration_id>/<any(enable, disable):verb>")
@requires("integration.edit")
def set_enabled(integration_id: int, verb: str) -> ResponseReturnValue:
    integration = setup.hold(integration_id, viewer=current_member())
    setup.set_enabled(integration, verb == "enable", by=current_member())
    db.session.commit()
    flash(_("集成已启用") if verb == "enable" else _("集成已停用：不再发送消息，卡片按钮也不再生效"), "ok")
    return redirect(url_for(".detail", integration_id=integration.id), code=303)


@bp.post("/<int:integration_id>/mode/<mode>")
@requires("integration.edit")
def switch_mode(integration_id: int, mode: str) -> ResponseReturnValue:
    """Another way to connect the same platform; its wizard comes next."""
    integration = setup.hold(integration_id, viewer=current_member())
    modes.switch(integration, mode, by=current_member(), now=utcnow())
    db.session.commit()
    flash(_("接入方式已修改，请完成下面的步骤；已填写的内容都保留着"), "ok")
    return redirect(url_for(".step", integration_id=integration.id), code=303)


@bp.post("/<int:integration_id>/delete")
@requires("integration.edit")
def delete(integration_id: int) -> ResponseReturnValue:
    integration = setup.hold(integration_id, viewer=current_member())
    try:
        setup.remove(integration, typed_name=request.form.get("confirm_name", ""), by=current_member())
    except InvalidInput as error:
        return detail_page(integration, delete_error=say_error(error)[0]), 422
    db.session.commit()
    flash(_("集成已删除，发送记录仍然保留"), "ok")
    return redirect(url_for(".index"), code=303)


@bp.post("/<int:integration_id>/people/<int:user_id>/unlink")
@requires("integration.edit")
def unlink(integration_id: int, user_id: int) -> ResponseReturnValue:
    """移除: end one person's link. Account and membership stay."""
    integration = setup.get(integration_id, viewer=current_member())
    link = linking.find_for_user(integration, user_id)
    if link is not None:
        linking.unlink(link, by=current_member())
        db.session.commit()
        flash(_("已移除 %(name)s 的关联", name=link.user.name), "ok")
    return redirect(url_for(".detail", integration_id=integration.id) + "#people", code=303)
