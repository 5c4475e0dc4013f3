"""The application factory: extensions, blueprints, error pages, commands. Wiring only."""

from __future__ import annotations

from flask import Flask
from sqlalchemy.pool import QueuePool

from config import Settings
from extensions import babel, csrf, db, limiter, login_manager, migrate, tune_sqlite


def create_app(settings: Settings | None = None) -> Flask:
    """Build the web application from `settings` (default: the environment; raises ConfigError)."""
    settings = settings or Settings.from_env()
    app = Flask(__name__)
    app.config.from_mapping(
        SETTINGS=settings,
        SECRET_KEY=settings.secret_key,
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS={"poolclass": QueuePool, "pool_size": 24, "pool_pre_ping": True},
    )
    db.init_app(app)
    migrate.init_app(app, db)
    csrf.init_app(app)
    login_manager.init_app(app)
    babel.init_app(app)
    limiter.init_app(app)
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            tune_sqlite(app, db.engine)
    return app
