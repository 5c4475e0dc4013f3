"""Services are tested on both databases: SQLite, the embedded default, and PostgreSQL, the production shape."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine
from flask import Flask

from config import Settings
from tests.conftest import running_app, settings_on
from tests.factories import NOW, make_channel, make_incident, make_integration, make_link, make_member
from tests.fakes import FakePlatform
from tests.service.messaging import Office
from worker import create_worker_app


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, data_folder: Path) -> Settings:
    return settings_on(request, data_folder)


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    """The worker's application: services know no pages, and adding those takes longer than most of the tests."""
    with running_app(settings, create_worker_app) as app:
        yield app


@pytest.fixture
def office(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """Lin is linked to a platform and responds to an incident, at NOW."""
    platform = FakePlatform()
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: platform)
    with time_machine.travel(NOW, tick=False) as clock:
        lin = make_member("lin")
        integration = make_integration()
        make_link(integration, lin)
        incident = make_incident(make_channel(), responders=(lin,))
        yield Office(app, platform, clock, integration, incident, lin)
