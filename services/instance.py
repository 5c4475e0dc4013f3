"""This installation: its settings and its organisations' founder."""

from __future__ import annotations

from flask import current_app

from config import Settings


def current_settings() -> Settings:
    """The settings that the running application was built from."""
    settings = current_app.config["SETTINGS"]
    assert isinstance(settings, Settings)  # noqa: S101 - narrows the type
    return settings
