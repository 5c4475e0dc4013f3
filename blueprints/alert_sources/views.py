"""List, add, change and delete alert sources; show how to connect a monitoring system to one."""

from __future__ import annotations

import logging
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from blueprints import live
from blueprints.access import current_member, requires
from blueprints.alert_sources import snippets
from blueprints.alert_sources.forms import EditSourceForm, NewSourceForm
from blueprints.forms import refused
from errors import AppError, InvalidInput
from extensions import db
from models import AlertSource
from services import alert_sources, channels, rights, stored_pushes
from services.clock import utcnow
from services.wording import clock_time, say_error
from sources import SOURCES

KEY_PLACE = "<integration_key>"

bp = Blueprint("alert_sources", __name__, url_prefix="/integrations/alerts")
log = logging.getLogger(__name__)


@bp.get("")
@requires("integration.view")
def index() -> ResponseReturnValue:
    found = alert_sources.all_for(current_member())
    return render_template("alert_sources/index.html", sources=found, kinds=SOURCES)


@bp.get("/new")
@requires("integration.edit")
def new() -> ResponseReturnValue:
    form = NewSourceForm(channels.all_for(current_member()), channel_id=request.args.get("channel_id", type=int))
    return render_template("alert_sources/new.html", form=form)


@bp.post("/new")
@requires("integration.edit")
def add() -> ResponseReturnValue:
    form = NewSourceForm(channels.all_for(current_member()))
    if not form.validate_on_submit():
        return render_template("alert_sources/new.html", form=form), 422
    try:
        source = alert_sources.create(
            form.channel_id.data,
            form.type.data,
            form.name.data or "",
            options=form.options_for(form.type.data),
            by=current_member(),
            now=utcnow(),
        )
    except AppError as error:
        return refused("alert_sources/new.html", form, error)
    db.session.commit()
    flash(_("告警源「%(name)s」已创建，请把推送地址填入监控系统", name=source.name), "ok")
    return redirect(url_for(".detail", source_id=source.id), code=303)


@bp.get("/<int:source_id>")
@requires("integration.view")
def detail(source_id: int) -> ResponseReturnValue:
    source = _source(source_id)
    return render_template("alert_sources/detail.html", form=_edit_form(source), **_shown(source))


@bp.get("/<int:source_id>/activity")
@requires("integration.view")
def activity(source_id: int) -> ResponseReturnValue:
    source = _source(source_id)
    set_aside = stored_pushes.set_aside_of(source)
    etag = _etag(source, set_aside)
    if live.unchanged(etag):
        return live.not_modified(etag)
    return render_template("alert_sources/_activity.html", source=source, set_aside=set_aside, etag=etag)


@bp.post("/<int:source_id>")
@requires("integration.edit")
def save(source_id: int) -> ResponseReturnValue:
    source = _source(source_id)
    form = EditSourceForm(channels.all_for(current_member()))
    if not form.validate_on_submit():
        return render_template("alert_sources/detail.html", form=form, **_shown(source)), 422
    try:
        form.expect(_stored(source))
        alert_sources.edit(
            source,
            name=form.name.data or "",
            channel_id=form.channel_id.data,
            options=form.options_for(source.type),
            by=current_member(),
        )
    except AppError as error:
        db.session.rollback()
        return refused("alert_sources/detail.html", form, error, **_shown(_source(source_id)))
    db.session.commit()
    flash(_("已保存"), "ok")
    return _back(source_id)


@bp.post("/<int:source_id>/rotate")
@requires("integration.edit")
def rotate(source_id: int) -> ResponseReturnValue:
    ends_at = alert_sources.rotate(_source(source_id), by=current_member(), now=utcnow())
    db.session.commit()
    flash(_("已生成新密钥；旧密钥在 %(at)s 前仍可使用，请尽快更新监控系统", at=clock_time(ends_at)), "ok")
    return _back(source_id)


@bp.post("/<int:source_id>/end-old-keys")
@requires("integration.edit")
def end_old_keys(source_id: int) -> ResponseReturnValue:
    alert_sources.end_old_keys(_source(source_id), by=current_member())
    db.session.commit()
    flash(_("旧密钥已停用"), "ok")
    return _back(source_id)


@bp.post("/<int:source_id>/<any(enable, disable):verb>")
@requires("integration.edit")
def set_enabled(source_id: int, verb: str) -> ResponseReturnValue:
    alert_sources.set_enabled(_source(source_id), verb == "enable", by=current_member())
    db.session.commit()
    flash(_("告警源已启用") if verb == "enable" else _("告警源已停用，推送将被拒绝"), "ok")
    return _back(source_id)


@bp.post("/<int:source_id>/try-again")
@requires("integration.edit")
def try_again(source_id: int) -> ResponseReturnValue:
    count = stored_pushes.try_again(_source(source_id), by=current_member(), now=utcnow())
    db.session.commit()
    flash(_("正在重新处理 %(count)s 条告警，结果会显示在运行情况中", count=count), "ok")
    return _back(source_id)


@bp.post("/<int:source_id>/delete")
@requires("integration.edit")
def delete(source_id: int) -> ResponseReturnValue:
    source = _source(source_id)
    name = source.name
    try:
        typed = request.form.get("confirm_name", "")
        stored_pushes.delete_source(source, confirmation=typed, by=current_member(), now=utcnow())
    except InvalidInput as error:
        db.session.rollback()
        source = _source(source_id)
        message = say_error(error)[0]
        shown = _shown(source) | {"delete_error": message}
        return render_template("alert_sources/detail.html", form=_edit_form(source), **shown), 422
    db.session.commit()
    flash(_("告警源「%(name)s」已删除", name=name), "ok")
    return redirect(url_for(".index"), code=303)


def _source(source_id: int) -> AlertSource:
    return alert_sources.get(source_id, viewer=current_member())


def _edit_form(source: AlertSource) -> EditSourceForm:
    return EditSourceForm.of(_stored(source), channels.all_for(current_member()))


def _stored(source: AlertSource) -> dict[str, Any]:
    """What its form is about; only some kinds have a choice of titles."""
    names = {"name": source.name, "channel_id": source.channel_id}
    return names | ({"title": source.options.get("title", "name")} if SOURCES[source.type].takes_many else {})


def _shown(source: AlertSource) -> dict[str, Any]:
    """What the page of a source needs. The key is shown to those who may change it, and that is logged."""
    may_edit = rights.can(current_member(), "integration.edit")
    key = alert_sources.current_key(source) if may_edit else KEY_PLACE
    if may_edit:
        log.info("key of alert source %s shown to user %s", source.id, current_member().user_id)
    address = alert_sources.push_address(source)
    set_aside = stored_pushes.set_aside_of(source)
    return {
        "source": source,
        "kind": SOURCES[source.type],
        "push_url": alert_sources.push_url(source) if may_edit else f"{address}?integration_key={KEY_PLACE}",
        "curl_trigger": snippets.curl_line(address, key),
        "curl_recovery": snippets.curl_line(address, key, recovered=True),
        "receiver": snippets.alertmanager_receiver(address, key),
        "rule": snippets.prometheus_rule(),
        "delete_error": "",
        "set_aside": set_aside,
        "etag": _etag(source, set_aside),
    }


def _etag(source: AlertSource, set_aside: int) -> str:
    counts = (source.event_count, source.rejected_count, set_aside)
    return live.tag(source.is_enabled, *counts, source.last_event_at, source.last_error)


def _back(source_id: int) -> ResponseReturnValue:
    return redirect(url_for(".detail", source_id=source_id), code=303)
