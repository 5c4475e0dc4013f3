"""Pages about oneself; nothing here reaches another person."""

from __future__ import annotations

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import refresh

from blueprints.access import current_member, vouched_by
from blueprints.forms import refused
from blueprints.me.forms import PreferencesForm, ProfileForm, TokenForm
from blueprints.preferences import remember
from blueprints.reader import LANGUAGE_COOKIE, THEME_COOKIE
from errors import AppError, NotFound
from extensions import db
from models import LinkState, Membership, User
from platforms import PLATFORMS
from services import api_tokens, integrations, linking, mail, members, own_email
from services.clock import utcnow
from services.wording import error_sentence

bp = Blueprint("me", __name__, url_prefix="/me")


@bp.get("")
def index() -> ResponseReturnValue:
    return index_page()


def index_page(form: ProfileForm | None = None, *, typed_email: str = "") -> str:
    """The page as it is stored, or with what was typed on it and refused."""
    user = current_member().user
    return render_template(
        "me/index.html",
        form=form or _form_of(user),
        typed_email=typed_email,
        pending_email=own_email.waiting(user, now=utcnow()),
        sends_mail=mail.is_configured(),
    )


def _form_of(user: User) -> ProfileForm:
    return ProfileForm(
        current_member().tenant.timezone,
        formdata=None,
        real_name=user.real_name,
        locale=user.locale or "",
        theme=user.theme or "auto",
        timezone=user.timezone or "",
    )


@bp.post("")
def save_profile() -> ResponseReturnValue:
    member = current_member()
    form = ProfileForm(member.tenant.timezone)
    if not form.validate_on_submit():
        return index_page(form), 422
    try:
        members.set_profile(
            member,
            real_name=form.real_name.data or "",
            locale=form.locale.data or "",
            theme=form.theme.data,
            timezone=form.timezone.data or "",
            knows_password=vouched_by() is None,
            now=utcnow(),
        )
    except members.SharedName as error:
        form.real_name.errors = [*form.real_name.errors, error_sentence(error)]
        return index_page(form), 422
    db.session.commit()
    response = make_response(redirect(url_for(".index"), code=303))
    remember(response, THEME_COOKIE, form.theme.data)
    if form.locale.data:
        remember(response, LANGUAGE_COOKIE, form.locale.data)
    else:
        response.delete_cookie(LANGUAGE_COOKIE)
    refresh()
    flash(_("个人信息已保存"), "ok")
    return response


@bp.post("/leave")
def leave() -> ResponseReturnValue:
    """Leave the organisation. It ends every session, so the answer is the page for signing in."""
    member = current_member()
    if request.form.get("confirm_name", "").strip() != member.tenant.name:
        flash(_("输入的名称不一致"), "error")
        return redirect(url_for(".index"), code=303)
    try:
        members.leave(member, now=utcnow())
    except members.LastAdministrator as error:
        db.session.rollback()
        flash(error_sentence(error), "error")
        return redirect(url_for(".index"), code=303)
    db.session.commit()
    flash(_("您已离开 %(name)s", name=member.tenant.name), "ok")
    return redirect(url_for("auth.sign_in"), code=303)


# --- how I am told ------------------------------------------------------------------------------------------------


@bp.get("/preferences")
def preferences() -> ResponseReturnValue:
    member = current_member()
    kinds = _kinds(member)
    everything = [kind for kind, _label in kinds]
    form = PreferencesForm(
        kinds,
        **{severity.value: member.preferences.get(severity.value, everything) for severity in members.SEVERITIES},
    )
    return _preferences_page(member, form)


@bp.post("/preferences")
def save_preferences() -> ResponseReturnValue:
    member = current_member()
    form = PreferencesForm(_kinds(member))
    if not form.validate_on_submit():
        return _preferences_page(member, form), 422
    members.set_preferences(member, form.chosen(), now=utcnow())
    db.session.commit()
    flash(_("通知偏好已保存"), "ok")
    return redirect(url_for(".preferences"), code=303)


def _preferences_page(member: Membership, form: PreferencesForm) -> str:
    return render_template("me/preferences.html", form=form, kinds=_kinds(member), linked=_linked_kinds(member))


def _kinds(member: Membership) -> list[tuple[str, str]]:
    """(channel kind, its name) of everything that the organisation can reach people through."""
    slugs = {integration.platform for integration in integrations.active_for(member.tenant_id)}
    return [
        (platform.capabilities.channel_kind, _(platform.label)) for slug, platform in PLATFORMS.items() if slug in slugs
    ]


def _linked_kinds(member: Membership) -> set[str]:
    """Channel kinds under which this person can be reached now."""
    return {
        PLATFORMS[integration.platform].capabilities.channel_kind
        for link, integration in linking.links_of(member.user, tenant_id=member.tenant_id)
        if link.state is LinkState.ACTIVE and integration.platform in PLATFORMS
    }


# --- linked accounts ----------------------------------------------------------------------------------------------


@bp.get("/links")
def links() -> ResponseReturnValue:
    member = current_member()
    found = linking.links_of(member.user, tenant_id=member.tenant_id)
    offered = [(each, integrations.app_url(each)) for each in integrations.active_for(member.tenant_id)]
    return render_template("me/links.html", links=found, offered=offered)


@bp.post("/links/<int:link_id>/unlink")
def unlink(link_id: int) -> ResponseReturnValue:
    member = current_member()
    link = linking.get(link_id, tenant_id=member.tenant_id)
    if link is None or link.user_id != member.user_id:
        raise NotFound
    linking.unlink(link, by=member)
    db.session.commit()
    flash(_("已取消关联，该账号不再收到消息，卡片上的按钮也不再有效"), "ok")
    return redirect(url_for(".links"), code=303)


# --- programs that act for me -------------------------------------------------------------------------------------


@bp.get("/tokens")
def tokens() -> ResponseReturnValue:
    return _tokens_page(TokenForm(scopes=["read"]))


@bp.post("/tokens")
def create_token() -> ResponseReturnValue:
    """The token's text stands on this answer, once, and is kept nowhere."""
    form = TokenForm()
    member, now = current_member(), utcnow()
    if not form.validate_on_submit():
        return _tokens_page(form), 422
    duration = form.duration()
    try:
        token, text = api_tokens.create(
            form.name.data or "",
            form.scopes.data or [],
            by=member,
            now=now,
            expires_at=now + duration if duration else None,
        )
    except AppError as error:
        return refused("me/tokens.html", form, error, tokens=api_tokens.own(member), created=None, text="")
    db.session.commit()
    return _tokens_page(TokenForm(formdata=None, scopes=["read"]), created=token, text=text)


@bp.post("/tokens/<int:token_id>/revoke")
def revoke_token(token_id: int) -> ResponseReturnValue:
    member = current_member()
    if token_id not in {token.id for token in api_tokens.own(member)}:
        raise NotFound
    api_tokens.revoke(token_id, by=member)
    db.session.commit()
    flash(_("令牌已删除，立即失效"), "ok")
    return redirect(url_for(".tokens"), code=303)


def _tokens_page(form: TokenForm, *, created: object = None, text: str = "") -> str:
    own = api_tokens.own(current_member())
    return render_template("me/tokens.html", form=form, tokens=own, created=created, text=text)
