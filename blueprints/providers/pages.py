"""The super-administrator's page: what this installation is as a provider, in a few steps with what proves them."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user
from flask_wtf import FlaskForm

from blueprints import live
from blueprints.access import superadmin_only
from blueprints.integrations.forms import form_field
from blueprints.integrations.showing import failure
from blueprints.providers import settings
from errors import InvalidInput, NotFound
from extensions import db
from models import Provider, User
from platforms import PLATFORMS, PROVIDERS
from services import providers
from services.clock import utcnow
from services.wording import say_reason


@settings.get("")
@superadmin_only
def index() -> ResponseReturnValue:
    """The first platform that knows providers; there is one."""
    return redirect(url_for(".page", platform=next(iter(PROVIDERS))))


@settings.get("/<platform>")
@superadmin_only
def page(platform: str) -> ResponseReturnValue:
    provider = _provider(platform)
    return _page(platform, provider, _form(platform, provider))


@settings.post("/<platform>")
@superadmin_only
def save(platform: str) -> ResponseReturnValue:
    """Keep what was entered; the worker tries it at once. Refused values stay in the form, but for secrets."""
    provider = _provider(platform)
    form = _form(platform, provider)
    if not form.validate_on_submit():
        return _page(platform, provider, form), 422
    typed = {field.name: form[field.name].data or "" for field in providers.mode(platform).fields}
    try:
        providers.save(platform, typed, by=_me(), now=utcnow())
    except InvalidInput as error:
        db.session.rollback()
        form[error.field].errors = [say_reason(error)]
        return _page(platform, _provider(platform), form), 422
    db.session.commit()
    flash(_("服务商配置已保存"), "ok")
    return redirect(url_for(".page", platform=platform) + "#checks", code=303)


@settings.post("/<platform>/check")
@superadmin_only
def check(platform: str) -> ResponseReturnValue:
    _provider(platform)
    providers.check_later(platform, now=utcnow())
    db.session.commit()
    return redirect(url_for(".page", platform=platform) + "#checks", code=303)


@settings.get("/<platform>/checks")
@superadmin_only
def checks(platform: str) -> ResponseReturnValue:
    """The checks alone, asked for every few seconds while the page is open."""
    shown = _shown(platform, _provider(platform))
    etag = live.tag(shown)
    if live.unchanged(etag):
        return live.not_modified(etag)
    return render_template("providers/_checks.html", platform=platform, shown=shown, etag=etag)


def _provider(platform: str) -> Provider | None:
    if platform not in PROVIDERS:
        raise NotFound
    return providers.of(platform)


def _form(platform: str, provider: Provider | None) -> FlaskForm:
    """Every field with its stored value; secrets stay empty."""
    fields = providers.mode(platform).fields
    kinds = {described.name: form_field(described) for described in fields}
    stored = {one.name: provider.settings.get(one.name, "") for one in fields if provider and not one.is_secret}
    form: FlaskForm = type("ProviderForm", (FlaskForm,), kinds)(data=stored)
    return form


def _shown(platform: str, provider: Provider | None) -> list[dict[str, Any]]:
    """Each check in words."""
    return [_in_words(one) for one in providers.progress(provider, platform)]


def _in_words(one: providers.Shown) -> dict[str, Any]:
    detail, hint, code, raw = failure(dict(one.detail)) if one.detail else ("", "", "", "")
    waits = _(one.check.waits_for) if one.state == "waiting" else ""
    words = {"label": _(one.check.label), "detail": detail or waits, "hint": hint, "code": code, "raw": raw}
    return words | {"state": one.state.value, "at": one.at}


def _page(platform: str, provider: Provider | None, form: FlaskForm) -> str:
    shown = _shown(platform, provider)
    return render_template(
        "providers/page.html",
        platform=platform,
        label=PLATFORMS[platform].label,
        mode=providers.mode(platform),
        form=form,
        has_secret=lambda described: providers.is_filled(provider, described) if described.is_secret else False,
        addresses=providers.addresses(platform),
        shown=shown,
        etag=live.tag(shown),
        is_saved=request.method == "GET" and provider is not None,
    )


def _me() -> User:
    user: User = current_user._get_current_object()
    return user
