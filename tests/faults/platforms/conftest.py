"""A world of its own for each test, and one simulator for all of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine

from simulator.app import create_app
from simulator.server import start
from tests.conftest import make_settings, running_app
from tests.contract.simulator import Simulator
from tests.factories import NOW
from tests.faults.platforms.world import World


@pytest.fixture(scope="session")
def platform_server() -> Iterator[Simulator]:
    """The simulator in this process, so that it sees the tests' clock; reached over HTTP all the same."""
    server = start(create_app())
    yield Simulator(f"http://127.0.0.1:{server.port}")
    server.stop()


@pytest.fixture
def world(data_folder: Path, sqlite_template: Path, platform_server: Simulator) -> Iterator[World]:
    shutil.copy(sqlite_template, data_folder / "dutybell.sqlite")
    hosts = dict.fromkeys(("api", "oauth", "login", "console"), platform_server.url)
    settings = make_settings(data_folder, platform_hosts={"wecom": hosts})
    with time_machine.travel(NOW, tick=False) as clock, running_app(settings) as app:
        platform_server.control("reset", {"all": True})
        platform_server.control("wecom/limits", {"account_limit": 100_000})
        server = start(app)
        try:
            yield World(app, settings, clock, platform_server, server.url)
        finally:
            server.stop()
