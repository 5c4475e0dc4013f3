"""Services are tested on both databases: SQLite, the embedded default, and PostgreSQL, the production shape."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from config import Settings
from tests.conftest import make_settings, running_app


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings that name a migrated, empty database of the kind asked for."""
    if request.param == "postgresql":
        return make_settings(tmp_path, database_url=request.getfixturevalue("postgresql_database"))
    settings = make_settings(tmp_path)
    shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "dutybell.sqlite")
    return settings


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    with running_app(settings) as app:
        yield app
