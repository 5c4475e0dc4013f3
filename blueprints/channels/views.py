"""List, add, change, disable and delete channels; what belongs to each in tabs."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from blueprints import live
from blueprints.access import current_member, requires
from blueprints.channels.forms import ChannelForm
from blueprints.forms import refused
from blueprints.paging import page_url
from errors import AppError, InvalidInput
from extensions import db
from models import Channel
from services import alert_sources, channels, incident_queries, ownership, policies
from services.clock import utcnow
from services.wording import say_error
from sources import SOURCES

VIA = "console"

bp = Blueprint("channels", __name__, url_prefix="/channels")


@bp.get("")
@requires("channel.view")
def index() -> ResponseReturnValue:
    viewer = current_member()
    open_counts = incident_queries.open_by_channel(viewer)
    rows = [
        (channel, open_counts.get(channel.id, 0), len(policies.in_channel(channel)))
        for channel in channels.all_for(viewer)
    ]
    may_create = ownership.may_create(viewer)
    return render_template("channels/index.html", rows=rows, may_create=may_create)


@bp.get("/new")
@requires("channel.edit_own")
def new() -> ResponseReturnValue:
    ownership.require_creator(current_member())
    return render_template("channels/new.html", form=ChannelForm())


@bp.post("/new")
@requires("channel.edit_own")
def create() -> ResponseReturnValue:
    form = ChannelForm()
    if not form.validate():
        return render_template("channels/new.html", form=form), 422
    try:
        channel = channels.create(form.name.data or "", by=current_member(), now=utcnow(), **_settings(form))
    except InvalidInput as error:
        return refused("channels/new.html", form, error)
    db.session.commit()
    flash(_("协作空间「%(name)s」已创建，接下来添加分派策略", name=channel.name), "ok")
    return redirect(url_for("policies.index", channel_id=channel.id), code=303)


@bp.get("/<int:channel_id>")
@requires("channel.view")
def detail(channel_id: int) -> ResponseReturnValue:
    """The incidents of a channel, open ones or all."""
    channel, viewer = _channel(channel_id), current_member()
    scope = "all" if request.args.get("scope") == "all" else "open"
    search = incident_queries.Search(scope=scope, channel_id=channel.id)
    page = incident_queries.page(viewer, search, cursor=request.args.get("before"))
    etag = live.tag(scope, page.next_cursor, [(item.id, item.version) for item in page.items])
    if live.unchanged(etag):
        return live.not_modified(etag)
    return render_template(
        "channels/_incidents.html" if live.is_fragment() else "channels/detail.html",
        page=page,
        scope=scope,
        older_url=page_url(page.next_cursor),
        newer_url=page_url(page.prev_cursor),
        etag=etag,
        now=utcnow(),
        **tabs_of(channel),
    )


@bp.get("/<int:channel_id>/sources")
@requires("channel.view")
def sources(channel_id: int) -> ResponseReturnValue:
    channel = _channel(channel_id)
    found = [source for source in alert_sources.all_for(current_member()) if source.channel_id == channel.id]
    return render_template("channels/sources.html", sources=found, kinds=SOURCES, **tabs_of(channel))


@bp.get("/<int:channel_id>/settings")
@requires("channel.edit_own")
def settings(channel_id: int) -> ResponseReturnValue:
    channel = _own_channel(channel_id)
    return render_template("channels/settings.html", form=ChannelForm.of(channel), **tabs_of(channel))


@bp.post("/<int:channel_id>/settings")
@requires("channel.edit_own")
def save(channel_id: int) -> ResponseReturnValue:
    channel = _own_channel(channel_id)
    form = ChannelForm()
    if not form.validate():
        return render_template("channels/settings.html", form=form, **tabs_of(channel)), 422
    try:
        channels.update(
            channel,
            name=form.name.data or "",
            is_enabled=channel.is_enabled,
            by=current_member(),
            now=utcnow(),
            version=form.seen_version(),
            **_settings(form),
        )
    except AppError as error:
        db.session.rollback()
        return refused("channels/settings.html", form, error, **tabs_of(_channel(channel_id)))
    db.session.commit()
    flash(_("已保存"), "ok")
    return redirect(url_for(".settings", channel_id=channel_id), code=303)


@bp.post("/<int:channel_id>/<any(enable, disable):verb>")
@requires("channel.edit_own")
def switch(channel_id: int, verb: str) -> ResponseReturnValue:
    channel = _channel(channel_id)
    channels.set_enabled(channel, verb == "enable", by=current_member(), now=utcnow())
    db.session.commit()
    flash(
        _("协作空间已启用") if channel.is_enabled else _("协作空间已停用，新的事件会被丢弃，未关闭的故障仍可处理"), "ok"
    )
    return redirect(url_for(".settings", channel_id=channel_id), code=303)


@bp.post("/<int:channel_id>/delete")
@requires("channel.edit_own")
def delete(channel_id: int) -> ResponseReturnValue:
    channel, member = _channel(channel_id), current_member()
    name = channel.name
    try:
        closed = channels.delete(
            channel, confirmation=request.form.get("confirm_name", ""), by=member, via=VIA, now=utcnow()
        )
    except (InvalidInput, channels.HasSources) as error:
        db.session.rollback()
        message, hint = say_error(error)
        reason = message if isinstance(error, InvalidInput) else f"{message} {hint}"
        context = tabs_of(_channel(channel_id)) | {"delete_error": reason}
        form = ChannelForm.of(context["channel"])
        return render_template("channels/settings.html", form=form, **context), 422
    db.session.commit()
    flash(_("协作空间「%(name)s」已删除，关闭了 %(count)s 个故障", name=name, count=closed), "ok")
    return redirect(url_for(".index"), code=303)


def tabs_of(channel: Channel) -> dict[str, Any]:
    """What the frame around every tab of a channel needs."""
    viewer = current_member()
    return {
        "channel": channel,
        "open_count": incident_queries.open_in_channel(channel.id, viewer),
        "policy_count": len(policies.in_channel(channel)),
        "source_count": sum(source.channel_id == channel.id for source in alert_sources.all_for(viewer)),
        "editable": ownership.may_edit(channel, viewer),
        "delete_error": "",
    }


def _channel(channel_id: int) -> Channel:
    return channels.get(channel_id, viewer=current_member())


def _own_channel(channel_id: int) -> Channel:
    """One that the reader may change. Raises NotFound, AccessDenied."""
    channel = _channel(channel_id)
    ownership.require(channel, current_member())
    return channel


def _settings(form: ChannelForm) -> dict[str, Any]:
    return {
        "description": form.description.data or "",
        "team_id": form.chosen_team(),
        "is_private": form.is_private.data,
        "closes_on_recovery": form.closes_on_recovery.data,
        "close_timeout_minutes": form.close_timeout_minutes.data,
        "timeout_from_last_merge": form.timeout_from_last_merge.data,
        "flapping": form.flapping.data,
    }
