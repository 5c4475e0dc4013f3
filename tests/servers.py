"""The product as it really runs, for tests that need its processes: web, worker and simulator on free ports.

`product` starts them over a fresh database; each can be stopped, killed and started again with other settings.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests
from flask import Flask

from config import Settings
from demo import info
from demo.load import load
from tests.conftest import ROOT, running_app
from tests.private_servers import free_port

Found = TypeVar("Found")
WAIT_SECONDS = 60.0
START_SECONDS = 90.0  # several programs on a machine that does other things, too
STOP_SECONDS = 30.0
LOG_LINES = 60
# A setting of the product in the environment of the person who runs the tests must not reach the tested processes.
KEPT_FROM_HERE = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL")


def wait_until(
    condition: Callable[[], Found], what: str | Callable[[], str] = "", *, seconds: float = WAIT_SECONDS
) -> Found:
    """Ask again and again until the answer is true, and return it. Fails, naming `what`, after `seconds`.

    what  if it is called, then at the end: it may say what is there instead
    """
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {what() if callable(what) else what or condition.__name__}")
        time.sleep(0.02)


@dataclass
class Process:
    """One program of the product. Its output is appended to `log`; it runs in a process group of its own."""

    name: str
    command: list[str]
    env: dict[str, str]
    log: Path
    health: str = ""
    running: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self, **changes: str) -> None:
        """Start it, with changes to its environment for this time only, and wait until it is healthy."""
        self.launch(**changes)
        self.wait_for_health()

    def wait_for_health(self) -> None:
        wait_until(lambda: self.is_healthy() or self.has_ended(), f"{self.name} healthy", seconds=START_SECONDS)
        if self.has_ended():
            pytest.fail(f"{self.name} ended at its start:\n{self.tail()}")

    def launch(self, **changes: str) -> None:
        """Start it and do not wait."""
        with self.log.open("ab") as output:
            self.running = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.env | changes,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def is_healthy(self) -> bool:
        if not self.health:
            return not self.has_ended()
        try:
            return requests.get(self.health, timeout=5).status_code < 500
        except requests.RequestException:  # refused, or accepted by a program that is still starting
            return False

    def has_ended(self) -> bool:
        return self.running is None or self.running.poll() is not None

    def stop(self) -> int:
        """Ask it to end (SIGTERM, as a deploy does); return its exit status."""
        self._signal(signal.SIGTERM)
        assert self.running is not None
        return self.running.wait(STOP_SECONDS)

    def kill(self) -> None:
        """End it and what it started as `kill -9` does: nothing is finished, nothing is said."""
        self._signal(signal.SIGKILL)
        if self.running is not None:
            self.running.wait(STOP_SECONDS)

    def restart(self, **changes: str) -> None:
        if not self.has_ended():
            self.stop()
        self.start(**changes)

    def wait_for_end(self) -> int:
        """Wait until it has ended by itself, as it does at a crash point; return its exit status."""
        assert self.running is not None
        return self.running.wait(WAIT_SECONDS)

    def tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-LOG_LINES:])

    def _signal(self, number: int) -> None:
        if self.running is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.running.pid, number)


class Product:
    """The running product. Addresses carry no trailing slash; `env` is what its processes were started with."""

    def __init__(self, home: Path, **changes: str) -> None:
        port, simulator_port = free_port(), free_port()
        self.home = home
        self.base_url = f"http://localhost:{port}"
        self.simulator_url = f"http://localhost:{simulator_port}"
        self.env = {name: os.environ[name] for name in KEPT_FROM_HERE if name in os.environ}
        self.env |= self._settings(port) | changes
        state = str(home / "simulator.json")
        options = ["--port", str(simulator_port), "--state", state, "--product-url", self.base_url]
        web_health, simulator_health = f"{self.base_url}/healthz", f"{self.simulator_url}/control/state"
        python = sys.executable
        self.simulator = self._process("simulator", [python, "-m", "simulator", *options], simulator_health)
        self.web = self._process("web", [python, "-m", "gunicorn", "app:create_app()"], web_health)
        self.worker = self._process("worker", [python, "-m", "worker"])

    @property
    def processes(self) -> tuple[Process, ...]:
        return (self.simulator, self.web, self.worker)

    @property
    def settings(self) -> Settings:
        return Settings.from_env(self.env)

    def start(self) -> None:
        """Start everything at once: most of a start is waiting for the processor."""
        for process in self.processes:
            process.launch()
        for process in self.processes:
            process.wait_for_health()

    def kill(self) -> None:
        for process in self.processes:
            process.kill()

    @contextmanager
    def app(self) -> Iterator[Flask]:
        """The application over the same database, in this process: to prepare and to look."""
        with running_app(self.settings) as app:
            yield app

    def load_demo(self) -> dict[str, Any]:
        """Make the demo company, connected to the simulator; returns what `make demo-info` prints.

        In this process: the commands, which `make run` tests, take longer to start than all that they do.
        """
        with self.app():
            load(self.settings)
            return dict(info.describe(self.settings))

    def control(self, method: str, path: str, **options: Any) -> Any:
        """Call the simulator's control interface: control("GET", "/messages", params={"person": "lin"})."""
        answer = requests.request(method, f"{self.simulator_url}/control{path}", timeout=30, **options)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def messages(self, person: str) -> list[dict[str, Any]]:
        """What the simulated chat shows to a person of the simulated company, oldest first."""
        return list(self.control("GET", "/messages", params={"platform": "wecom", "person": person}))

    def press(self, message: dict[str, Any], text: str, *, person: str) -> dict[str, Any]:
        """Press the button that reads `text`; returns what the product answered: {"http_status", "answer", …}."""
        key = next(button["key"] for button in message["buttons"] if text in button["text"])
        body = {"platform": "wecom", "message_id": message["id"], "person": person, "key": key}
        return dict(self.control("POST", "/press", json=body))

    def logs(self) -> str:
        return "\n\n".join(f"--- {process.name}\n{process.tail()}" for process in self.processes)

    def _process(self, name: str, command: list[str], health: str = "") -> Process:
        return Process(name, command, self.env, self.home / f"{name}.log", health)

    def _settings(self, port: int) -> dict[str, str]:
        return {
            "PUBLIC_URL": self.base_url,
            "BIND": f"127.0.0.1:{port}",
            "DUTYBELL_HOME": str(self.home),
            "SIMULATOR_URL": self.simulator_url,
            "ENDPOINT_ALLOWLIST": self.simulator_url,
            "EGRESS_IPS": "127.0.0.1",
            "DEMO": "1",
            "LEASE_SECONDS": "2",
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": str(ROOT),
        }


@contextmanager
def running_product(home: Path, database: Path, **changes: str) -> Iterator[Product]:
    """The product over a copy of `database`, started; at the end killed, and its last log lines printed.

    changes  to the environment
    """
    home.mkdir(exist_ok=True)
    shutil.copy(database, home / "dutybell.sqlite")
    product = Product(home, **changes)
    try:
        product.start()
        yield product
    finally:
        product.kill()
        print(product.logs())  # pytest shows it with a failure only


@pytest.fixture
def product(tmp_path: Path, sqlite_template: Path) -> Iterator[Product]:
    """The product with an empty, migrated SQLite database, started."""
    with running_product(tmp_path / "home", sqlite_template) as product:
        yield product
