"""Where companies come in: installing the provider's application by link, and its one home page for all of them."""

from __future__ import annotations

import secrets

from flask import redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from blueprints.access import public
from blueprints.providers import SLUGS, at_each, entry
from errors import AppError, NotFound
from extensions import begin_write, db
from models import CorpAuth, Integration, Provider
from services import authorisations, integrations, linking, providers
from services.clock import utcnow
from services.instance import current_settings
from texts import N_
from web_extensions import limiter

STATES_KEY = "provider_states"
REMEMBERED_STATES = 5


class NotConnected(AppError):
    """The company installed the application, but no organisation here has named it yet."""

    code = "provider.not_connected"
    api_code = "ResourceNotFound"
    message = N_("您所在的企业还没有接入本系统")
    hint = N_("请联系管理员在 集成中心 → 即时消息 中填写企业 ID 并保存。")
    status = 404


@at_each(entry, "/install/{}", "GET")
@public
@limiter.limit("20 per minute")
def install(address: str) -> ResponseReturnValue:
    """Off to the platform's page on which an administrator of a company installs the application."""
    platform = _configured(address)
    back = current_settings().public_url + url_for(".installed", address=address)
    return redirect(providers.application(platform).install_url(back, _open_state("install")))


@at_each(entry, "/install/{}/done", "GET")
@public
@limiter.limit("20 per minute")
def installed(address: str) -> ResponseReturnValue:
    """The way back with a code, which the worker redeems."""
    _take_state("install")
    code = request.args.get("auth_code", "")
    if not code or len(code) > 512:
        raise linking.SignInExpired("no auth_code")
    begin_write()
    authorisations.take_code(SLUGS[address], code, now=utcnow())
    db.session.commit()
    return render_template("providers/installed.html")


@at_each(entry, "/h5/{}", "GET")
@public
@limiter.limit("60 per minute")
def home(address: str) -> ResponseReturnValue:
    """The workbench's icon in every company: asks the platform which company this is, then on to its own pages."""
    back = current_settings().public_url + url_for(".arrived", address=address)
    application = providers.application(_configured(address))
    return redirect(application.sign_in_url(back, _open_state("home")))


@at_each(entry, "/h5/{}/oauth", "GET")
@public
@limiter.limit("60 per minute")
def arrived(address: str) -> ResponseReturnValue:
    """The way back. Nobody is signed in here: the company's own page asks once more, silently."""
    _take_state("home")
    platform, code = SLUGS[address], request.args.get("code", "")
    if not code:
        raise linking.SignInExpired("refused on the platform")
    company = providers.application(platform).company_of(code)
    if not company:
        raise linking.NotAMember
    integration = _connection(platform, company)
    if integration is None:
        raise NotConnected(company)
    return redirect(integrations.app_url(integration))


def _configured(address: str) -> str:
    """The platform of an address, as long as this installation is a provider there. Raises NotFound."""
    platform = SLUGS[address]
    if not providers.is_configured(platform):
        raise NotFound(address)
    db.session.commit()
    return platform


def _connection(platform: str, company: str) -> Integration | None:
    return db.session.scalar(
        select(Integration)
        .join(CorpAuth, CorpAuth.integration_id == Integration.id)
        .join(Provider, Provider.id == CorpAuth.provider_id)
        .where(Provider.platform == platform, CorpAuth.corp_id == company)
    )


def _open_state(what: str) -> str:
    """A state (128 bits, letters and digits) that this session began something with."""
    states: dict[str, str] = session.get(STATES_KEY, {})
    state = secrets.token_hex(16)
    session[STATES_KEY] = dict(list(states.items())[-(REMEMBERED_STATES - 1) :]) | {state: what}
    return state


def _take_state(what: str) -> None:
    """Raise SignInExpired unless this session began just that; the state is spent."""
    states: dict[str, str] = dict(session.get(STATES_KEY, {}))
    found = states.pop(request.args.get("state", ""), None)
    session[STATES_KEY] = states
    if found != what:
        raise linking.SignInExpired("not opened by this session")
