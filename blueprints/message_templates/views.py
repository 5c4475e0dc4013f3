"""List, write, try and delete message templates. Administrators and the team that owns one change it, others look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from blueprints.access import current_member, requires
from blueprints.live import is_fragment
from blueprints.message_templates.sheet import Sheet, errors_of
from blueprints.row_numbers import row_id
from errors import AppError, NotFound
from extensions import db, read_only
from models import Incident, Template
from services import incidents, ownership, template_previews, templates
from services.clock import utcnow
from services.template_filters import EXPLAINED
from services.template_previews import Look
from services.template_values import VARIABLES

bp = Blueprint("message_templates", __name__, url_prefix="/templates")


@bp.get("")
@requires("channel.view")
def index() -> ResponseReturnValue:
    viewer = current_member()
    rows = templates.all_for(viewer)
    return render_template(
        "message_templates/index.html",
        rows=rows,
        uses=templates.use_counts(viewer),
        teams=ownership.names_of_teams(viewer.tenant_id),
        may_create=ownership.may_create(viewer),
    )


@bp.get("/new")
@requires("channel.edit_own")
def new() -> ResponseReturnValue:
    offered = ownership.require_creator(current_member())
    return _editor(Sheet(team_id=str(offered[0].id) if offered else ""))


@bp.post("/new")
@requires("channel.edit_own")
def create() -> ResponseReturnValue:
    sheet = Sheet.read(request.form)
    if "change" in request.form:
        return _editor(sheet)
    try:
        written = _tried(sheet)
        templates.create(written, by=current_member(), now=utcnow())
    except AppError as error:
        db.session.rollback()
        return _editor(sheet, errors=errors_of(error)), 422
    db.session.commit()
    flash(_("模板「%(name)s」已创建，可在分派策略中选用", name=sheet.name.strip()), "ok")
    return _to_list()


@bp.get("/<int:template_id>")
@requires("channel.view")
def edit(template_id: int) -> ResponseReturnValue:
    template = _template(template_id)
    return _editor(Sheet.of(template), template)


@bp.post("/<int:template_id>")
@requires("channel.edit_own")
def save(template_id: int) -> ResponseReturnValue:
    sheet = Sheet.read(request.form)
    if "change" in request.form:
        return _editor(sheet, _template(template_id))
    try:
        written, template = _tried(sheet), _template(template_id)
        templates.update(template, written, by=current_member(), now=utcnow(), version=sheet.seen_version)
    except AppError as error:
        db.session.rollback()
        return _editor(sheet, _template(template_id), errors=errors_of(error)), 422
    db.session.commit()
    flash(_("已保存。之后发送和更新的卡片使用新的文字"), "ok")
    return _to_list()


@bp.post("/<int:template_id>/delete")
@requires("channel.edit_own")
def delete(template_id: int) -> ResponseReturnValue:
    template = _template(template_id)
    name = template.name
    if request.form.get("confirm_name", "").strip() != name:
        return _editor(Sheet.of(template), template, delete_error=_("与模板名称不一致")), 422
    try:
        templates.delete(template, by=current_member(), now=utcnow())
    except AppError as error:
        db.session.rollback()
        template = _template(template_id)
        return _editor(Sheet.of(template), template, delete_error=errors_of(error)[""]), error.status
    db.session.commit()
    flash(_("模板「%(name)s」已删除", name=name), "ok")
    return _to_list()


@bp.post("/look/<kind>")
@requires("channel.edit_own")
def look(kind: str) -> ResponseReturnValue:
    """What is typed for one channel kind, as its card; asked for while somebody types."""
    if kind not in template_previews.kinds():
        raise NotFound()
    with _nothing_held():
        shown = _looks(Sheet.read(request.form), kind)[kind]
        return render_template("message_templates/_look.html", kind=kind, look=shown)


@contextmanager
def _nothing_held() -> Iterator[None]:
    """A text may take long to write: nobody is to wait for the database meanwhile."""
    db.session.rollback()
    with read_only():
        yield


def _tried(sheet: Sheet) -> templates.Draft:
    written = templates.draft(
        name=sheet.name,
        description=sheet.description,
        is_default=sheet.is_default,
        team_id=row_id(sheet.team_id),
        texts=sheet.texts,
    )
    with _nothing_held():
        return templates.tried(written, tenant=current_member().tenant, now=utcnow())


def _editor(
    sheet: Sheet,
    template: Template | None = None,
    *,
    errors: dict[str, str] | None = None,
    delete_error: str = "",
) -> str:
    with _nothing_held():
        looks = _looks(sheet)
    viewer, template = current_member(), _template(template.id) if template else None
    return render_template(
        "message_templates/_form.html" if is_fragment() and not delete_error else "message_templates/edit.html",
        sheet=sheet,
        template=template,
        kinds=template_previews.kinds(),
        looks=looks,
        errors=errors or {},
        incidents=template_previews.offered(viewer),
        variables=VARIABLES,
        filters=EXPLAINED,
        using=templates.uses(template, viewer=viewer) if template else [],
        editable=ownership.may_edit(template, viewer) if template else ownership.may_create(viewer),
        owners=ownership.owners_offered(viewer, template),
        delete_error=delete_error,
    )


def _looks(sheet: Sheet, *wanted: str) -> dict[str, Look]:
    """Of the wanted channel kinds, by default of all."""
    chosen, tenant, now = _incident(sheet), current_member().tenant, utcnow()
    return {
        kind: template_previews.look_at(kind, sheet.texts.get(kind, ""), tenant=tenant, now=now, incident=chosen)
        for kind in wanted or template_previews.kinds()
    }


def _incident(sheet: Sheet) -> Incident | None:
    num = row_id(sheet.incident)
    try:
        return incidents.get(num, viewer=current_member()) if num else None
    except NotFound:
        return None


def _template(template_id: int) -> Template:
    return templates.get(template_id, viewer=current_member())


def _to_list() -> ResponseReturnValue:
    """htmx is told where to go: if it followed by itself, it would use up the message of success."""
    url = url_for(".index")
    return ("", 204, {"HX-Redirect": url}) if is_fragment() else redirect(url, code=303)
