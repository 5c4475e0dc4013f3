"""The product under measurement: its web and worker processes over a database of their own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flask import Flask

from app import create_app
from bench.load import Wire, request
from bench.processes import Program, clean_environment, wait_for
from config import Settings
from extensions import db
from tests.private_servers import free_port

LOG_LINES = 20


@dataclass(frozen=True)
class Shape:
    """How the product runs. SQLite: one web and one worker process; PostgreSQL and Redis: two of each."""

    is_postgresql: bool = False

    @property
    def label(self) -> str:
        if not self.is_postgresql:
            return "SQLite (embedded), 1 web, 1 worker"
        return "PostgreSQL + Redis, 2 web, 2 workers"

    @property
    def web_processes(self) -> int:
        return 2 if self.is_postgresql else 1

    @property
    def web_threads(self) -> int:
        """Of each web process, as compose.yaml has them."""
        return 8 if self.is_postgresql else 16

    @property
    def workers(self) -> int:
        return 2 if self.is_postgresql else 1


class Product:
    """Web and worker processes over a database of their own. `port` is where the web process listens."""

    def __init__(self, home: Path, shape: Shape, fake_url: str, servers: dict[str, str], *, workers: int = 0) -> None:
        self.home = home
        self.shape = shape
        self.port = free_port()
        self.env = clean_environment() | servers
        self.env |= {
            "DUTYBELL_HOME": str(home),
            "SIMULATOR_URL": fake_url,
            "PUBLIC_URL": f"http://localhost:{self.port}",
            "BIND": f"127.0.0.1:{self.port}",
            "EGRESS_IPS": "127.0.0.1",
            "TRUSTED_PROXIES": "1",
            "WEB_PROCESSES": str(shape.web_processes),
            "WEB_THREADS": str(shape.web_threads),
            "LOG_FORMAT": "json",
        }
        if shape.is_postgresql:
            self.env |= keys_of(home)
        web = [sys.executable, "-m", "gunicorn", "app:create_app()"]
        self.web = Program("web", web, home / "web.log", self.env, self.port)
        command = [sys.executable, "-m", "worker"]
        self.workers = [
            Program(f"worker {number}", command, home / f"worker-{number}.log", self.env)
            for number in range(workers or shape.workers)
        ]

    @property
    def settings(self) -> Settings:
        return Settings.from_env(self.env)

    def start(self) -> None:
        """Start everything; ready when the worker's heart has beaten."""
        for program in (*self.workers, self.web):
            program.start()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait for /readyz, which asks for the database and a living worker."""

        def is_ready() -> bool:
            wire = Wire(self.port)
            try:
                return wire.exchange(request("GET", "/readyz"))[0] == 200
            finally:
                wire.close()

        wait_for(is_ready, "the product is ready", every=0.05)

    def stop(self) -> None:
        for program in (self.web, *self.workers):
            program.stop()

    @contextmanager
    def app(self) -> Iterator[Flask]:
        """The application over the same database, in this process: to prepare and to look."""
        with opened(self.settings) as app:
            yield app

    def tail(self) -> str:
        """The last warnings of its programs."""
        lines = []
        for program in (self.web, *self.workers):
            log = program.log.read_text(errors="replace").splitlines() if program.log.exists() else []
            lines += [f"{program.name}: {line}" for line in log if '"level": "info"' not in line][-LOG_LINES:]
        return "\n".join(lines)

    def worker_cpu_seconds(self) -> float:
        return sum(worker.cpu_seconds() for worker in self.workers)

    def pss_bytes(self) -> int:
        return sum(program.pss_bytes() for program in (self.web, *self.workers))


def keys_of(home: Path) -> dict[str, str]:
    """Settings with the keys that lie in a folder, made if need be: with servers they have to be given."""
    Settings.from_env({"DUTYBELL_HOME": str(home)})
    return {name: (home / name.lower()).read_text() for name in ("SECRET_KEY", "ENCRYPTION_KEYS")}


@contextmanager
def opened(settings: Settings) -> Iterator[Flask]:
    app = create_app(settings)
    with app.app_context():
        try:
            yield app
        finally:
            db.session.remove()
            db.engine.dispose()
