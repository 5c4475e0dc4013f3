"""Fixtures that every kind of test shares: settings, an application on a fresh database, a transaction to work in."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from config import EncryptionKey, Settings
from extensions import db


def make_settings(home: Path, **changes: object) -> Settings:
    values: dict[str, object] = {
        "home": home,
        "public_url": "http://localhost:8000",
        "database_url": f"sqlite:///{home / 'dutybell.sqlite'}",
        "secret_key": "test-secret-key-of-enough-characters",
        "encryption_keys": (EncryptionKey("t1", base64.urlsafe_b64decode("A" * 43 + "=")),),
    }
    return Settings(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make_settings(tmp_path)


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    app = create_app(settings)
    with app.app_context():
        db.create_all()
        yield app
        db.session.remove()
        db.engine.dispose()
