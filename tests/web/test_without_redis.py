"""Pages and programs are answered as ever, and at once, while Redis is gone or hangs."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

import redis_pool
from blueprints.intake import rates
from config import Settings
from jobs.broker import Broker
from services import outbox
from tests.conftest import make_settings
from tests.private_servers import free_port
from tests.web.api_caller import boss, call
from web_extensions import limiter

__all__ = ["boss", "call"]

CALLS = 5


class Silence:
    """A server that takes connections, as the system does for a process that hangs, and never says a word."""

    def __init__(self) -> None:
        self.asked = 0
        self._taken: list[socket.socket] = []
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._door.getsockname()[1]}/0"
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        while True:
            try:
                self._taken.append(self._door.accept()[0])
            except OSError:
                return
            self.asked += 1

    def end(self) -> None:
        self._door.shutdown(socket.SHUT_RDWR)
        for one in (self._door, *self._taken):
            one.close()


@pytest.fixture
def silence() -> Iterator[Silence]:
    server = Silence()
    yield server
    server.end()


@pytest.fixture(params=["gone", "hangs"])
def settings(request: pytest.FixtureRequest, data_folder: Path, silence: Silence) -> Settings:
    url = silence.url if request.param == "hangs" else f"redis://127.0.0.1:{free_port()}/0"
    return make_settings(data_folder, redis_url=url)


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the limiter of all applications of this process has learnt here."""
    monkeypatch.setattr(limiter, "_storage_dead", False)


def test_programs_are_answered(call):
    for _ in range(CALLS):
        call("GET", "/incidents")


def test_doors_still_count(client):
    """In this process alone. More calls than one minute allows, and the next one too if it begins meanwhile."""
    statuses = [client.get("/install/wecom-suite").status_code for _ in range(45)]
    assert set(statuses) == {404, 429}
    assert statuses.count(429) in {5, 25}


def test_nobody_asks_again_for_a_while(call, app, silence, settings, caplog):
    for number in range(CALLS):
        call("GET", "/incidents")
        assert rates.seconds_to_wait(number) == 0
        outbox.wake_worker()

    assert silence.asked <= 1
    assert caplog.text.count("Redis does not answer") == 1
    assert "could not be woken" not in caplog.text


def test_one_that_takes_nothing_is_not_asked_for_every_commit(redis_url, monkeypatch, caplog):
    """Its disk is full, say: it answers, and refuses to write."""
    asked: list[str] = []

    def refuse(_client: object, _connection: object, command: str, **_options: object) -> None:
        asked.append(command)
        raise redis.exceptions.ResponseError("MISCONF Redis is configured to save RDB snapshots")

    monkeypatch.setattr(redis_pool.pool_of(redis_url), "silent_until", 0.0)
    monkeypatch.setattr(redis.Redis, "parse_response", refuse)
    broker = Broker(redis_url)
    for _ in range(CALLS):
        broker.send()

    assert asked == ["LPUSH"]
    assert caplog.text.count("MISCONF") == 1


def test_it_is_asked_again_after_a_while(redis_url, monkeypatch, settings):
    pool = redis_pool.pool_of(settings.redis_url)
    with pytest.raises(redis.exceptions.RedisError):
        redis.Redis(connection_pool=pool).ping()
    back = redis_pool.BriefPool.from_url(redis_url)
    back.silent_until = pool.silent_until

    with pytest.raises(redis.ConnectionError, match="not asked"):
        redis.Redis(connection_pool=back).ping()
    monkeypatch.setattr(redis_pool.time, "monotonic", lambda: pool.silent_until)
    assert redis.Redis(connection_pool=back).ping()
