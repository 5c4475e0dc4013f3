"""The application factory: extensions, blueprints, error pages, commands. Wiring only."""

from __future__ import annotations

from datetime import timedelta

from flask import Flask
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
    gate,
    h5,
    headers,
    intake,
    integrations,
    me,
    members,
    navigation,
    ops,
    overview,
    preferences,
    problems,
    row_numbers,
    templating,
)
from blueprints.access import load_user
from blueprints.reader import choose_locale, choose_zone
from config import SESSION_HOURS, Settings
from extensions import babel, csrf, db, limiter, login_manager, migrate, tune_sqlite
from jobs import engine
from services.wording import DEFAULT_LOCALE, DEFAULT_TIMEZONE

BLUEPRINTS = (
    auth.bp,
    preferences.bp,
    ops.bp,
    overview.bp,
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


def create_app(settings: Settings | None = None) -> Flask:
    """Build the web application from `settings` (default: the environment; raises ConfigError)."""
    settings = settings or Settings.from_env()
    logs.configure(settings)
    app = Flask(__name__)
    app.config.from_mapping(_flask_config(settings))
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
    return app


def _flask_config(settings: Settings) -> dict[str, object]:
    return {
        "SETTINGS": settings,
        "SECRET_KEY": settings.secret_key,
        "SQLALCHEMY_DATABASE_URI": settings.database_url,
        "SQLALCHEMY_ENGINE_OPTIONS": {"poolclass": QueuePool, "pool_size": 24, "pool_pre_ping": True},
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


def _add_request_steps(app: Flask) -> None:
    """What happens before and after every view; answers pass the last registered step first."""
    access_log.register(app)
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
            tune_sqlite(app, db.engine)
