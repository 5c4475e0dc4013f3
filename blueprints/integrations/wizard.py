"""The setup wizard: one documented step a page, drafts saved on the way, checks that turn green by themselves."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_wtf import FlaskForm

from blueprints import live
from blueprints.access import current_member, requires
from blueprints.integrations import bp
from blueprints.integrations.back import back_to
from blueprints.integrations.forms import saving_step, step_form, typed_name
from blueprints.integrations.showing import shown_checks, sketch, step_rows
from blueprints.integrations.trials import trial_choice
from blueprints.qr import qr_code
from errors import AppError, InvalidInput, NotFound
from extensions import begin_write, db
from models import GroupChat, Integration, IntegrationStatus
from platforms import PLATFORMS
from platforms.setup import SetupStep
from services import groups, integrations, licences, proving, setup
from services.clock import utcnow
from services.licences import Standing
from services.wording import error_sentence, say_reason

GROUPS_SHOWN = 60


@bp.post("/new/<platform>/<mode>")
@requires("integration.edit")
def begin(platform: str, mode: str) -> ResponseReturnValue:
    """Start a draft, or go on where one was left."""
    integration = setup.begin(platform, mode, by=current_member(), now=utcnow())
    db.session.commit()
    return redirect(url_for(".step", integration_id=integration.id), code=303)


@bp.get("/<int:integration_id>/setup")
@bp.get("/<int:integration_id>/setup/<key>")
@requires("integration.edit")
def step(integration_id: int, key: str | None = None) -> ResponseReturnValue:
    begin_write()
    member = current_member()
    integration = setup.hold(integration_id, viewer=member)
    opened = setup.open_step(integration, key)
    is_shared = setup.also_editing(integration, viewer=member, now=utcnow())
    before = (integration.edited_by, integration.edited_at)
    setup.visit(integration, opened, by=member, now=utcnow())
    db.session.commit()
    return page(integration, opened, step_form(integration, opened), other=before if is_shared else None)


def page(integration: Integration, opened: SetupStep, form: FlaskForm, **context: Any) -> str:
    """The whole page around one step."""
    return render_template("integrations/setup.html", **step_context(integration, opened), form=form, **context)


def step_context(integration: Integration, opened: SetupStep) -> dict[str, Any]:
    progress = setup.progress(integration)
    current = next(item for item in progress if item.step.key == opened.key)
    keys = [item.step.key for item in progress]
    index = keys.index(opened.key)
    addresses = integrations.addresses(integration)
    return {
        "integration": integration,
        "platform": PLATFORMS[integration.platform],
        "mode": setup.mode_of(integration),
        "rows": step_rows(progress, integration, opened.key),
        "current": current,
        "shown_checks": shown_checks(current, integration, setup.mode_of(integration)),
        "sketch": sketch(opened.drawing, opened.where),
        "step": opened,
        "previous": keys[index - 1] if index else None,
        "next": keys[index + 1] if index + 1 < len(keys) else None,
        "addresses": addresses,
        "qr_codes": {value.name: qr_code(addresses[value.name]) for value in opened.values if value.qr},
        "console_url": console_link(integration, opened.console_path),
        "etag": checks_tag(integration, opened),
        "chats": known_groups(integration) if opened.shows_groups else [],
        "group_events": groups.events_seen(integration) if opened.shows_group_events else [],
        "saving_step": saving_step(integration),
        "licence": _licence(integration) if index + 1 == len(keys) else None,
        "has_secret": lambda described: setup.has_secret(integration, described),
        "notes": [note for note in setup.notes(integration) if note in {f.unless_filled for f in opened.fields}],
        **(trial_choice(integration) if "message" in opened.checks else {"test_form": None}),
    }


def _licence(integration: Integration) -> Standing | None:
    """How a connection that works stands with the licences that it needs: the last thing to know about it."""
    return licences.standing(integration, now=utcnow()) if integration.status is IntegrationStatus.ACTIVE else None


def console_link(integration: Integration, path: str) -> str:
    """A page of the vendor's console; of its parts like {app_id}, as many as are known by now."""
    if not path:
        return ""
    known, gap = path, path.find("{")
    while gap >= 0:
        name = known[gap + 1 : known.index("}", gap)]
        value = quote(str(integration.settings.get(name) or ""), safe="")
        known = known.replace(f"{{{name}}}", value) if value else known[:gap].rstrip("/")
        gap = known.find("{")
    return integrations.console_url(integration) + known


def known_groups(integration: Integration) -> list[tuple[GroupChat, str]]:
    """The first ones by name: a step is to show that there are some."""
    found = groups.offered(integration, at_most=GROUPS_SHOWN, with_gone=True)
    return [(chat, groups.shown_name(chat)) for chat in found.chats]


def checks_tag(integration: Integration, opened: SetupStep | None = None) -> str:
    """Of every check and, on a step that shows them, of the groups or of their events."""
    shown = [
        (item.step.key, item.state, [(check.name, known and (known.state, known.at)) for check, known in item.checks])
        for item in setup.progress(integration)
    ]
    chats = groups.state_of(integration) if opened is not None and opened.shows_groups else ()
    events = groups.events_seen(integration) if opened is not None and opened.shows_group_events else ()
    return live.tag(shown, chats, events)


@bp.get("/<int:integration_id>/setup/<key>/state")
@requires("integration.edit")
def step_state(integration_id: int, key: str) -> ResponseReturnValue:
    """The step list and this step's checks, asked for every few seconds while the page is open."""
    integration = setup.get(integration_id, viewer=current_member())
    opened = setup.open_step(integration, key)
    due = [name for name in setup.due_again(integration, now=utcnow()) if name in opened.checks]
    if due:
        begin_write()
        for name in due:
            setup.try_check(integration, name, now=utcnow())
        db.session.commit()
        integration = setup.get(integration_id, viewer=current_member())
    etag = checks_tag(integration, opened)
    if live.unchanged(etag):
        return live.not_modified(etag)
    return render_template("integrations/_live.html", **step_context(integration, opened))


@bp.post("/<int:integration_id>/setup/<key>")
@requires("integration.edit")
def save_step(integration_id: int, key: str) -> ResponseReturnValue:
    """Keep the step's values and go on to the next step. Refused values stay in the form."""
    member = current_member()
    integration = setup.hold(integration_id, viewer=member)
    opened = setup.open_step(integration, key)
    form = step_form(integration, opened)
    if not form.validate():
        return page(integration, opened, form), 422
    was_draft = integration.status
    try:
        setup.save(integration, typed_values(form, opened), by=member, now=utcnow())
        if name := typed_name(form, integration):
            setup.rename(integration, name, by=member)
    except InvalidInput as error:
        form[error.field].errors = [*form[error.field].errors, say_reason(error)]
    except AppError as error:
        form.form_errors.append(error_sentence(error))
    if form.errors:
        db.session.rollback()
        return page(setup.get(integration_id, viewer=member), opened, form), 422
    refused = unfilled(integration, opened, form)
    if not refused:
        setup.leave(integration, opened)
    db.session.commit()
    if refused:
        return page(integration, opened, form), 422
    if not is_proven(integration, opened):
        return page(setup.get(integration_id, viewer=member), opened, form), 400
    integration = setup.get(integration_id, viewer=member)
    if integration.status is not was_draft:
        flash(_("集成已保存并启用，请继续完成余下的步骤"), "ok")
    return redirect(url_for(".step", integration_id=integration.id, key=following(integration, opened)), code=303)


def is_proven(integration: Integration, opened: SetupStep) -> bool:
    """Try what a connection of this mode cannot begin without, where this step is about it; its check says the rest."""
    proof = setup.mode_of(integration).proven_by
    if not proof or proof not in opened.checks:
        return True
    result = proving.try_now(integration, proof, now=utcnow())
    db.session.commit()
    return result.passed


def typed_values(form: FlaskForm, opened: SetupStep) -> dict[str, str]:
    return {described.name: form[described.name].data or "" for described in opened.fields}


def unfilled(integration: Integration, opened: SetupStep, form: FlaskForm) -> bool:
    """Mark required fields of this step that are still empty; what was filled in is kept all the same."""
    empty = {described.name for described in setup.missing(integration)} & {item.name for item in opened.fields}
    for name in empty:
        form[name].errors = [*form[name].errors, _("请填写 %(field)s", field=form[name].label.text)]
    return bool(empty)


def following(integration: Integration, opened: SetupStep) -> str:
    keys = [item.key for item in setup.mode_of(integration).steps]
    return keys[min(keys.index(opened.key) + 1, len(keys) - 1)]


@bp.post("/<int:integration_id>/setup/<key>/fields/<name>")
@requires("integration.edit")
def check_field(integration_id: int, key: str, name: str) -> ResponseReturnValue:
    """One value that was just typed: judged where it stands and, if well shaped, saved to the draft."""
    member = current_member()
    integration = setup.hold(integration_id, viewer=member)
    opened = setup.open_step(integration, key)
    form = step_form(integration, opened)
    if name not in form:
        raise NotFound
    field = form[name]
    if field.validate(form) and field.data:
        try:
            setup.keep(integration, {name: field.data}, by=member, now=utcnow())
        except AppError as error:
            db.session.rollback()
            field.errors = [say_reason(error) if isinstance(error, InvalidInput) else error_sentence(error)]
    db.session.commit()
    return render_template("integrations/_field_checked.html", field=field, at=None if field.errors else utcnow())


@bp.post("/<int:integration_id>/checks/<name>")
@requires("integration.edit")
def recheck(integration_id: int, name: str) -> ResponseReturnValue:
    """重新检查: try one check now; its result appears on the page by itself."""
    integration = setup.get(integration_id, viewer=current_member())
    if name not in {check.name for check in setup.mode_of(integration).checks if check.active}:
        raise NotFound
    setup.try_check(integration, name, now=utcnow())
    db.session.commit()
    return back_to(integration)
