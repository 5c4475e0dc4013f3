"""The policies of a channel: in the order in which they are tried, and each on its editor."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from blueprints.access import current_member, requires
from blueprints.channels.views import tabs_of
from blueprints.incident_forms import severity_choices
from blueprints.live import is_fragment
from blueprints.policies import bp, group_picker, summary
from blueprints.policies.checking import Checked
from blueprints.policies.sheet import Sheet
from blueprints.row_numbers import row_id
from errors import AppError, InvalidInput
from extensions import db
from models import Channel, DispatchPolicy
from platforms import PLATFORMS
from services import alert_sources, channels, filters, groups, ownership, policies, responders, templates
from services.address_book import AddressBook
from services.clock import utcnow

CHANNEL = "/channels/<int:channel_id>/policies"
POLICY = "/policies/<int:policy_id>"
OUT_OF_REACH = ("app_not_linked", "link_pending")


@bp.get(CHANNEL)
@requires("channel.view")
def index(channel_id: int) -> ResponseReturnValue:
    channel = _channel(channel_id)
    names = {member.user_id: member.user.name for member in responders.candidates(channel.tenant_id)}
    rows = [(policy, policies.levels_of(policy)) for policy in policies.in_channel(channel)]
    wanted = {group_id for _policy, levels in rows for level in levels for group_id in level.group_ids}
    chats = {chat.id: groups.shown_name(chat) for chat in groups.known(channel.tenant_id, wanted)}
    return render_template("policies/index.html", rows=rows, names=names, chats=chats, **tabs_of(channel))


@bp.get(f"{CHANNEL}/new")
@requires("channel.edit_own")
def new(channel_id: int) -> ResponseReturnValue:
    channel = _own_channel(channel_id)
    group_picker.ask_for_lists(channel.tenant_id)
    return _editor(channel, Sheet())


@bp.post(f"{CHANNEL}/new")
@requires("channel.edit_own")
def create(channel_id: int) -> ResponseReturnValue:
    channel, sheet = _own_channel(channel_id), Sheet.read(request.form)
    if "change" in request.form:
        focus = _change(sheet, request.form["change"])
        return _editor(channel, sheet, focus=focus)
    checked = Checked(sheet)
    if checked.draft is not None:
        try:
            policies.create(channel, checked.draft, by=current_member(), now=utcnow())
        except AppError as error:
            checked.add(error)
            db.session.rollback()
            channel = _channel(channel_id)
    if checked.errors:
        return _editor(channel, sheet, errors=checked.errors), 422
    db.session.commit()
    flash(_("分派策略「%(name)s」已创建", name=sheet.name.strip()), "ok")
    return _to_list(channel_id)


@bp.get(POLICY)
@requires("channel.view")
def edit(policy_id: int) -> ResponseReturnValue:
    policy = _policy(policy_id)
    if ownership.may_edit(policy.channel, current_member()):
        group_picker.ask_for_lists(policy.tenant_id)
    return _editor(policy.channel, Sheet.of(policy), policy=policy)


@bp.post(POLICY)
@requires("channel.edit_own")
def save(policy_id: int) -> ResponseReturnValue:
    policy, sheet = _own_policy(policy_id), Sheet.read(request.form)
    if "change" in request.form:
        focus = _change(sheet, request.form["change"])
        return _editor(policy.channel, sheet, policy=policy, focus=focus)
    checked = Checked(sheet)
    if checked.draft is not None:
        try:
            policies.update(policy, checked.draft, by=current_member(), now=utcnow(), version=row_id(sheet.version))
        except AppError as error:
            checked.add(error)
            db.session.rollback()
            policy = _own_policy(policy_id)
    if checked.errors:
        return _editor(policy.channel, sheet, policy=policy, errors=checked.errors), 422
    db.session.commit()
    flash(_("已保存。正在进行的分派不受影响，新的故障按新的策略分派"), "ok")
    return _to_list(policy.channel_id)


@bp.post(f"{POLICY}/<any(enable, disable):verb>")
@requires("channel.edit_own")
def switch(policy_id: int, verb: str) -> ResponseReturnValue:
    policy = _own_policy(policy_id)
    policies.set_enabled(policy, verb == "enable", by=current_member(), now=utcnow())
    db.session.commit()
    message = _("「%(name)s」已启用") if policy.is_enabled else _("「%(name)s」已停用，匹配时会跳过它")
    flash(message % {"name": policy.name}, "ok")
    return _to_list(policy.channel_id)


@bp.post(f"{POLICY}/<any(up, down):way>")
@requires("channel.edit_own")
def move(policy_id: int, way: str) -> ResponseReturnValue:
    policy = _own_policy(policy_id)
    moved = policies.move(policy, places=-1 if way == "up" else 1, by=current_member(), now=utcnow())
    db.session.commit()
    flash(_("顺序已调整") if moved else _("已经在最前或最后"), "ok" if moved else "info")
    return _to_list(policy.channel_id)


@bp.post(f"{POLICY}/duplicate")
@requires("channel.edit_own")
def duplicate(policy_id: int) -> ResponseReturnValue:
    policy = _own_policy(policy_id)
    name = _("%(name)s 副本", name=policy.name[:30])
    copy = policies.duplicate(policy, name=name, by=current_member(), now=utcnow())
    db.session.commit()
    flash(_("已复制为「%(name)s」，目前停用", name=copy.name), "ok")
    return redirect(url_for(".edit", policy_id=copy.id), code=303)


@bp.post(f"{POLICY}/delete")
@requires("channel.edit_own")
def delete(policy_id: int) -> ResponseReturnValue:
    policy = _own_policy(policy_id)
    if request.form.get("confirm_name", "").strip() != policy.name:
        error = _("与策略名称不一致")
        return _editor(policy.channel, Sheet.of(policy), policy=policy, delete_error=error), 422
    channel_id, name = policy.channel_id, policy.name
    policies.delete(policy, by=current_member(), now=utcnow())
    db.session.commit()
    flash(_("分派策略「%(name)s」已删除", name=name), "ok")
    return _to_list(channel_id)


def _change(sheet: Sheet, wish: str) -> str:
    """Do what a button beside a row says: to the sheet, or to what it offers. Returns where the reader goes on."""
    if not wish.startswith(group_picker.REFRESH):
        return sheet.change(wish)
    group_picker.refresh(wish, current_member().tenant_id)
    return wish


def _editor(
    channel: Channel,
    sheet: Sheet,
    *,
    policy: DispatchPolicy | None = None,
    errors: dict[str, str] | None = None,
    delete_error: str = "",
    focus: str = "",
) -> str:
    people = responders.candidates(channel.tenant_id)
    book = AddressBook(channel.tenant_id, [member.user_id for member in people])
    kinds = [kind.capabilities.channel_kind for kind in PLATFORMS.values()]
    offered = group_picker.pickers(channel.tenant_id)
    sources = [source for source in alert_sources.all_for(current_member()) if source.channel_id == channel.id]
    return render_template(
        "policies/_form.html" if is_fragment() else "policies/edit.html",
        channel=channel,
        policy=policy,
        sheet=sheet,
        errors=errors or {},
        summary=summary.listed(errors or {}),
        focus=focus,
        people=[(str(member.user_id), member.user.name) for member in people],
        kinds=kinds,
        pickers=offered,
        named=group_picker.named(sheet, offered, channel.tenant_id),
        unlinked=_unlinked(book, kinds),
        source_choices=[(str(source.id), source.name) for source in sources],
        severities=severity_choices(),
        templates=templates.all_for(current_member()),
        preview=_preview(channel, sheet),
        editable=ownership.may_edit(channel, current_member()),
        delete_error=delete_error,
    )


def _unlinked(book: AddressBook, kinds: list[str]) -> dict[str, dict[str, str]]:
    """By channel kind: the people, by id as typed, whom a message through it would not reach, and their names."""
    return {
        kind: {
            str(user_id): member.user.name
            for user_id, member in book.members.items()
            if book.route(user_id, kind).failure in OUT_OF_REACH
        }
        for kind in kinds
    }


def _preview(channel: Channel, sheet: Sheet) -> policies.Preview | None:
    """How many recent alerts match; None while the conditions cannot be read."""
    try:
        wanted = filters.parse([[condition.to_json() for condition in group] for group in sheet.groups])
    except InvalidInput:
        return None
    return policies.preview(wanted, channel=channel, now=utcnow())


def _channel(channel_id: int) -> Channel:
    return channels.get(channel_id, viewer=current_member())


def _own_channel(channel_id: int) -> Channel:
    """One whose policies the reader may change. Raises NotFound, AccessDenied."""
    channel = _channel(channel_id)
    ownership.require(channel, current_member())
    return channel


def _own_policy(policy_id: int) -> DispatchPolicy:
    """One that the reader may change. Raises NotFound, AccessDenied."""
    policy = _policy(policy_id)
    ownership.require(policy.channel, current_member())
    return policy


def _policy(policy_id: int) -> DispatchPolicy:
    return policies.get(policy_id, viewer=current_member())


def _to_list(channel_id: int) -> ResponseReturnValue:
    """htmx is told where to go: if it followed by itself, it would use up the message of success."""
    url = url_for(".index", channel_id=channel_id)
    return ("", 204, {"HX-Redirect": url}) if is_fragment() else redirect(url, code=303)
