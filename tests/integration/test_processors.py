"""A web process stays on one processor, each of a server on another one; what takes long there may leave it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

import processors
from services import passwords
from tests.private_servers import free_port
from tests.servers import KEPT_FROM_HERE, Process, os, wait_until
from under_way import make_both

pytestmark = pytest.mark.skipif(len(processors.USABLE) < 2, reason="there is no choice of processors here")
Serve = Callable[..., psutil.Process]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start the server; returns the process that starts the web processes."""
    with ExitStack() as stack:

        def start(**settings: str) -> psutil.Process:
            port = free_port()
            env = {name: os.environ[name] for name in KEPT_FROM_HERE if name in os.environ} | settings
            command = [sys.executable, "-m", "gunicorn", "tests.integration.echo:app"]
            server = Process("echo", command, env | {"BIND": f"127.0.0.1:{port}"}, tmp_path / "log")
            server.health = f"http://127.0.0.1:{port}/"
            stack.callback(server.kill)
            server.start()
            assert server.running is not None
            return psutil.Process(server.running.pid)

        yield start


def placed(server: psutil.Process) -> list[list[int]]:
    """The processors that each web process may run on."""
    return [process.cpu_affinity() for process in server.children()]


def test_each_web_process_has_a_processor_of_its_own(serve: Serve) -> None:
    server = serve(WEB_PROCESSES="2")
    wait_until(lambda: [len(own) for own in placed(server)] == [1, 1], "both processes on one processor")
    first, second = placed(server)
    assert first != second


def test_the_operator_may_leave_it_to_the_system(serve: Serve) -> None:
    assert placed(serve(WEB_AFFINITY="all")) == [processors.USABLE]


def test_hashing_a_password_may_leave_the_processor() -> None:
    assert sys.platform == "linux"
    before = os.sched_getaffinity(0)
    try:
        processors.stay_on(processors.USABLE[0])
        assert os.sched_getaffinity(0) == {processors.USABLE[0]}
        assert sorted(passwords._computed(lambda: os.sched_getaffinity(0))) == processors.USABLE
    finally:
        os.sched_setaffinity(0, before)


def test_what_is_under_way_is_on_another_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit, while the answer to it is written down here."""
    monkeypatch.setattr("under_way._idle", [])  # helpers that others made stay where those were
    found: list[set[int]] = []

    def note() -> None:
        found.append(os.sched_getaffinity(0))

    def on_one_processor() -> None:
        processors.stay_on(processors.USABLE[0])
        make_both(note, note)

    thread = threading.Thread(target=on_one_processor)
    thread.start()
    thread.join()
    assert {processors.USABLE[0]} in found
    assert set(processors.USABLE[1:]) in found


def test_without_a_place_of_its_own_a_thread_goes_anywhere() -> None:
    before = os.sched_getaffinity(0)
    processors.keep_apart()
    assert os.sched_getaffinity(0) == before


def test_the_processor_that_fewest_have_is_chosen() -> None:
    first = processors.choose([])
    others = [number for number in processors.USABLE if number != first]
    assert processors.choose([first]) in others
    assert processors.choose([None, *others]) == first
    assert processors.choose(processors.USABLE) == first
