"""The application factory: extensions, blueprints, error pages, commands. Wiring only."""

from __future__ import annotations

import logging
import sys
from datetime import timedelta

from flask import Flask
from sqlalchemy import inspect
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool
from werkzeug.middleware.proxy_fix import ProxyFix

import cli
import logs
from blueprints import (
    access_log,
    alert_sources,
    api,
    auth,
    callbacks,
    channels,
    compression,
    deliveries,
    gate,
    h5,
    headers,
    incidents,
    intake,
    integrations,
    me,
    members,
    navigation,
    ops,
    overview,
    policies,
    preferences,
    problems,
    row_numbers,
    templating,
)
from blueprints.access import load_user
from blueprints.callbacks import rehearsal
from blueprints.reader import choose_locale, choose_zone
from blueprints.short_way import Application
from config import SESSION_HOURS, ConfigError, Settings
from extensions import babel, csrf, db, limiter, login_manager, migrate, read_only, tune_postgresql, tune_sqlite
from jobs import engine
from services import accounts, instance, vault
from services.wording import DEFAULT_LOCALE, DEFAULT_TIMEZONE

log = logging.getLogger(__name__)

BLUEPRINTS = (
    auth.bp,
    preferences.bp,
    ops.bp,
    overview.bp,
    incidents.bp,
    channels.bp,
    policies.bp,
    deliveries.bp,
    members.bp,
    me.bp,
    callbacks.bp,
    alert_sources.bp,
    intake.bp,
    api.bp,
    h5.bp,
    h5.tenant_home,
    integrations.bp,
    integrations.ownership,
)
LARGEST_REQUEST = 1024 * 1024


CANNOT_START = 3
"""The exit status that gunicorn takes as "do not try again"."""


def create_app(settings: Settings | None = None) -> Flask:
    """Build the web application from `settings`, by default from the environment.

    A mistake in the environment ends the process with one line for each; with `settings` given it raises ConfigError.
    """
    if settings is not None:
        return _build(settings)
    try:
        return _build(Settings.from_env())
    except ConfigError as error:
        for problem in error.problems:
            print(f"dutybell cannot start: {problem}", file=sys.stderr)
        raise SystemExit(CANNOT_START) from error


def _build(settings: Settings) -> Flask:
    logs.configure(settings)
    app = Application(__name__)
    app.config.from_mapping(_flask_config(settings))
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
    engine.connect(app)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    _check_keys(app)
    app.extensions["rehearse"] = lambda: rehearsal.rehearse(app)
    return app


def _check_keys(app: Flask) -> None:
    """Refuse to run with keys that do not open what is stored; a database that is not there yet has nothing stored."""
    with app.app_context():
        try:
            if inspect(db.engine).has_table("canaries"):
                vault.check_keys()
                _tell_setup_code()
        except OperationalError as error:
            log.warning("the database does not answer yet, keys are not checked: %s", error.orig)


def _tell_setup_code() -> None:
    """Show whoever runs an installation without accounts what lets them, and nobody else, make the first one."""
    with read_only():
        is_waiting = accounts.is_empty() and instance.needs_setup_code()
    if is_waiting:
        address = f"{instance.current_settings().public_url}/first-administrator"
        log.warning("Nobody has an account yet: open %s with the setup code %s", address, instance.setup_code())


def _flask_config(settings: Settings) -> dict[str, object]:
    is_file = settings.database_url.startswith("sqlite")  # nothing to ask whether it is still there
    return {
        "SETTINGS": settings,
        "SECRET_KEY": settings.secret_key,
        "SQLALCHEMY_DATABASE_URI": settings.database_url,
        "SQLALCHEMY_ENGINE_OPTIONS": _engine_options(is_file),
        "MAX_CONTENT_LENGTH": LARGEST_REQUEST,
        # `__Host-`: only from this very host, only encrypted, for every path
        "SESSION_COOKIE_NAME": "__Host-dutybell" if settings.is_https else "dutybell",
        "SESSION_COOKIE_SECURE": settings.is_https,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_REFRESH_EACH_REQUEST": False,
        "PERMANENT_SESSION_LIFETIME": timedelta(hours=SESSION_HOURS),
        "WTF_CSRF_TIME_LIMIT": None,  # as long as the session
        "WTF_CSRF_SSL_STRICT": False,  # blueprints/gate.py compares the origin, which also works without a referrer
        "RATELIMIT_STORAGE_URI": settings.redis_url or "memory://",
    }


def _engine_options(is_file: bool) -> dict[str, object]:
    """PostgreSQL is not to compile queries: for those of a page that takes longer than to run them."""
    pool: dict[str, object] = {"poolclass": QueuePool, "pool_size": 24, "pool_pre_ping": not is_file}
    return pool if is_file else pool | {"connect_args": {"options": "-c jit=off"}}


def _add_request_steps(app: Flask) -> None:
    """What happens before and after every view; answers pass the last registered step first."""
    access_log.register(app)
    compression.register(app)
    gate.register(app)
    headers.register(app)


def _add_extensions(app: Flask) -> None:
    db.init_app(app)
    migrate.init_app(app, db)
    csrf.init_app(app)
    login_manager.init_app(app)
    login_manager.session_protection = None  # phones change their address all the time
    login_manager.user_loader(load_user)
    babel.init_app(
        app,
        default_locale=DEFAULT_LOCALE,
        default_timezone=DEFAULT_TIMEZONE,
        locale_selector=choose_locale,
        timezone_selector=choose_zone,
    )
    limiter.init_app(app)
    app.before_request(gate.admit)
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            tune_sqlite(db.engine)
        else:
            tune_postgresql(db.engine)
