"""The worker process: `python -m worker`. `flask worker` does the same beside all that only web needs (30 MB)."""

from __future__ import annotations

import gc
import os

from flask import Flask

import ground
from config import Settings
from jobs.engine import Worker

NICENESS = 5
"""A person who pressed a button, or a system that pushed, waits for the web process on the same cores."""


def create_worker_app(settings: Settings | None = None) -> Flask:
    """The application without pages. Raises ConfigError, also if the keys do not open what is stored."""
    app = Flask("app")
    ground.lay(app, settings or Settings.from_env())
    ground.check_keys(app)
    return app


def settle() -> None:
    """What is there now stays: it is not looked through for garbage again, above all not within a transaction."""
    gc.collect()
    gc.freeze()


def main() -> None:
    with ground.starting():
        app = create_worker_app()
    os.nice(NICENESS)
    settle()
    with app.app_context():
        Worker(app).run()


if __name__ == "__main__":
    main()
