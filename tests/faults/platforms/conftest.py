"""A world of its own for each test, and one simulator for all of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine

from platforms import PLATFORMS
from simulator.app import create_app
from simulator.server import start
from tests.conftest import make_settings, running_app
from tests.contract.simulator import Simulator
from tests.factories import NOW
from tests.faults.platforms.kinds import KINDS
from tests.faults.platforms.world import World
from tests.private_servers import free_port


@pytest.fixture(scope="session")
def platform_server() -> Iterator[Simulator]:
    """The simulator in this process, so that it sees the tests' clock; reached over HTTP all the same."""
    server = start(create_app())
    yield Simulator(f"http://127.0.0.1:{server.port}")
    server.stop()


@pytest.fixture(params=sorted(KINDS))
def world(
    request: pytest.FixtureRequest, data_folder: Path, sqlite_template: Path, platform_server: Simulator
) -> Iterator[World]:
    """One for each platform, unless the test names those that it is about (kinds.py)."""
    kind, port = KINDS[request.param], free_port()
    shutil.copy(sqlite_template, data_folder / "dutybell.sqlite")
    hosts = dict.fromkeys(PLATFORMS[kind.slug].hosts, platform_server.url)
    addresses = {"platform_hosts": {kind.slug: hosts}, "public_url": f"http://localhost:{port}"}
    settings = make_settings(data_folder, **addresses)
    with time_machine.travel(NOW, tick=False) as clock, running_app(settings) as app:
        platform_server.control("reset", {"all": True})
        server = start(app, port=port)
        try:
            yield World(kind, app, settings, clock, platform_server, server.url)
        finally:
            server.stop()
