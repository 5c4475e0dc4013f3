"""The application factory: extensions, blueprints, error pages, commands. Wiring only."""

from __future__ import annotations

import logging
from datetime import timedelta

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

import cli
import ground
from arrival import LARGEST_BODY
from blueprints import (
    access_log,
    alert_sources,
    api,
    audit,
    auth,
    callbacks,
    channels,
    compression,
    contact_sync,
    deliveries,
    departments,
    gate,
    h5,
    headers,
    incidents,
    intake,
    integrations,
    joining,
    me,
    members,
    message_templates,
    navigation,
    ops,
    organisations,
    overview,
    plan,
    policies,
    preferences,
    problems,
    providers,
    row_numbers,
    send_message,
    sso,
    teams,
    templating,
)
from blueprints.access import load_user
from blueprints.callbacks import rehearsal
from blueprints.reader import choose_locale, choose_zone
from blueprints.short_way import Application
from config import SESSION_HOURS, Settings
from extensions import read_only
from services import accounts, instance
from web_extensions import csrf, limiter, login_manager

log = logging.getLogger(__name__)

BLUEPRINTS = (
    auth.bp,
    sso.bp,
    preferences.bp,
    ops.bp,
    overview.bp,
    incidents.bp,
    channels.bp,
    policies.bp,
    deliveries.bp,
    members.bp,
    joining.bp,
    departments.bp,
    teams.bp,
    organisations.bp,
    plan.bp,
    organisations.instance,
    audit.bp,
    audit.instance,
    contact_sync.bp,
    message_templates.bp,
    me.bp,
    callbacks.bp,
    providers.callbacks,
    providers.entry,
    providers.settings,
    alert_sources.bp,
    intake.bp,
    api.bp,
    send_message.bp,
    h5.bp,
    h5.tenant_home,
    integrations.bp,
    integrations.ownership,
)


def create_app(settings: Settings | None = None) -> Flask:
    """Build the web application from `settings`, by default from the environment.

    A mistake in the environment ends the process with one line for each; with `settings` given it raises ConfigError.
    """
    if settings is not None:
        return _build(settings)
    with ground.starting():
        return _build(Settings.from_env())


def _build(settings: Settings) -> Flask:
    app = Application(__name__)
    app.config.from_mapping(_flask_config(settings))
    ground.lay(app, settings, locale_selector=choose_locale, timezone_selector=choose_zone)
    app.url_map.strict_slashes = False  # people type addresses with and without one at the end
    row_numbers.register(app)
    _add_request_steps(app)
    _add_extensions(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    problems.register(app)
    navigation.register(app)
    templating.register(app)
    cli.register(app)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    if ground.check_keys(app):
        with app.app_context():
            _tell_setup_code()
    app.extensions["rehearse"] = lambda: rehearsal.rehearse(app)
    return app


def _tell_setup_code() -> None:
    """Show whoever runs an installation without accounts what lets them, and nobody else, make the first one."""
    with read_only():
        is_waiting = accounts.is_empty() and instance.needs_setup_code()
    if is_waiting:
        address = f"{instance.current_settings().public_url}/first-administrator"
        log.warning("Nobody has an account yet: open %s with the setup code %s", address, instance.setup_code())


def _flask_config(settings: Settings) -> dict[str, object]:
    return {
        "MAX_CONTENT_LENGTH": LARGEST_BODY,
        # `__Host-`: only from this very host, only encrypted, for every path
        "SESSION_COOKIE_NAME": "__Host-dutybell" if settings.is_https else "dutybell",
        "SESSION_COOKIE_SECURE": settings.is_https,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_REFRESH_EACH_REQUEST": False,
        "PERMANENT_SESSION_LIFETIME": timedelta(hours=SESSION_HOURS),
        "WTF_CSRF_TIME_LIMIT": None,  # as long as the session
        "WTF_CSRF_SSL_STRICT": False,  # blueprints/gate.py compares the origin, which also works without a referrer
        **_where_limits_count(settings.redis_url),
    }


def _where_limits_count(redis_url: str | None) -> dict[str, object]:
    if redis_url is None:
        return {"RATELIMIT_STORAGE_URI": "memory://"}
    from redis_pool import pool_of  # noqa: PLC0415 - others do without Redis' client

    options = {"connection_pool": pool_of(redis_url), "wrap_exceptions": True}
    return {"RATELIMIT_STORAGE_URI": redis_url, "RATELIMIT_STORAGE_OPTIONS": options}


def _add_request_steps(app: Flask) -> None:
    """What happens before and after every view; answers pass the last registered step first."""
    access_log.register(app)
    compression.register(app)
    gate.register(app)
    headers.register(app)


def _add_extensions(app: Flask) -> None:
    csrf.init_app(app)
    login_manager.init_app(app)
    login_manager.session_protection = None  # phones change their address all the time
    login_manager.user_loader(load_user)
    limiter.init_app(app)
    app.before_request(gate.admit)
