"""`make run` as a newcomer meets it: one command starts everything, Ctrl-C ends it, a crash is mended."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from tests.conftest import ROOT
from tests.private_servers import free_port
from tests.servers import KEPT_FROM_HERE, wait_until

START_SECONDS = 120
ENDS_WITHIN_SECONDS = 10


class Running:
    """A started `make run` with its data in `home`; its output goes to a file."""

    def __init__(self, home: Path, **settings: str) -> None:
        kept = {name: os.environ[name] for name in KEPT_FROM_HERE if name in os.environ}
        ports = {"PORT": str(free_port()), "SIMULATOR_PORT": str(free_port())}
        self.env = kept | {"DUTYBELL_HOME": str(home)} | ports | settings
        self.url = f"http://localhost:{self.env['PORT']}"
        self.output = home / "output.txt"
        home.mkdir(exist_ok=True)
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "scripts/run.py"],
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        return self.output.read_text()

    def wait_for(self, words: str) -> None:
        wait_until(lambda: words in self.said() or self.process.poll() is not None, words, seconds=START_SECONDS)
        assert words in self.said(), self.said()

    def info(self) -> dict:
        command = [sys.executable, "-m", "demo", "info"]
        env = {name: value for name, value in self.env.items() if "PORT" not in name}
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def workers(self) -> list[psutil.Process]:
        return [child for child in self.children() if "worker" in _command(child)]

    def interrupt(self) -> float:
        """Ctrl-C; returns how many seconds the end took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(ENDS_WITHIN_SECONDS + 10)
        return time.monotonic() - began


def _command(process: psutil.Process) -> list[str]:
    """Its words; none if it has just ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def running(home: Path) -> Iterator[Running]:
    running = Running(home)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.interrupt()
        print(running.said())


def test_one_command_starts_a_demo_that_can_be_signed_in_to_and_ends_cleanly(running: Running):
    running.wait_for("Ctrl-C")
    info = running.info()
    assert info["base_url"] == running.url
    assert info["admin"]["password"] in running.said()
    assert requests.get(f"{running.url}/healthz", timeout=30).status_code == 200
    assert requests.get(info["simulator_url"], timeout=30).status_code == 200
    assert re.search(r"curl .*integration_key=", running.said())
    children = running.children()

    assert running.interrupt() < ENDS_WITHIN_SECONDS

    assert running.process.returncode == 0
    assert not psutil.wait_procs(children, timeout=10)[1]


def test_a_second_run_keeps_the_data_also_on_other_ports(running: Running, home: Path):
    running.wait_for("Ctrl-C")
    first = running.info()
    running.interrupt()

    again = Running(home)
    try:
        again.wait_for("Ctrl-C")
        second = again.info()
    finally:
        again.interrupt()

    assert second["base_url"] != first["base_url"]
    for kept in ("admin", "api_token", "people"):
        assert second[kept] == first[kept]
    callback = f"{second['base_url']}/callback/wecom/{second['integrations'][0]['public_key']}"
    assert second["integrations"][0]["addresses"]["callback_url"] == callback


def test_a_program_that_crashes_is_started_again(running: Running):
    running.wait_for("Ctrl-C")
    (worker, *_) = running.workers()
    worker.kill()

    running.wait_for("worker ended with status -9; starting it again.")

    wait_until(running.workers, "a new worker")
    assert requests.get(f"{running.url}/healthz", timeout=30).status_code == 200


def test_a_taken_port_is_named_before_anything_starts(running: Running, tmp_path: Path):
    running.wait_for("Ctrl-C")

    second = Running(tmp_path / "other", PORT=running.env["PORT"])

    assert second.process.wait(START_SECONDS) == 1
    assert f"Port {running.env['PORT']} is in use" in second.said()


def test_without_demo_there_is_no_simulator_and_the_first_administrator_is_next(home: Path):
    empty = Running(home, DEMO="0")
    try:
        empty.wait_for("Ctrl-C")
        said = empty.said()
        assert "First administrator" in said
        assert re.search(r"Setup code\s+([A-Z2-7]{4}-){3}[A-Z2-7]{4}", said)
        assert "simulator" not in said
        command = [sys.executable, "-m", "demo", "info"]
        refused = subprocess.run(command, cwd=ROOT, env=empty.env, capture_output=True, text=True)
        assert refused.returncode == 1
        assert "not a demo" in refused.stderr
    finally:
        empty.interrupt()
