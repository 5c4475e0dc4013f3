"""The programs of a run, each in a session of its own: the product, the fake platform, database servers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil
import psycopg
from flask import Flask

import schema
from app import create_app
from bench.load import Wire, request
from config import Settings
from extensions import db
from tests import private_servers
from tests.private_servers import free_port, takes_connections

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 90.0
STOP_SECONDS = 15.0
LOG_LINES = 20
KEPT_FROM_HERE = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL")
# What a production server has: nothing that was answered is lost in a power cut.
POSTGRES_OPTIONS = ("fsync=on", "synchronous_commit=on", "max_connections=200", "shared_buffers=128MB")

Found = TypeVar("Found")


class Late(TimeoutError):
    """Something did not happen in time; the message says what."""


def wait_for(
    condition: Callable[[], Found], what: str, *, seconds: float = START_SECONDS, every: float = 0.02
) -> Found:
    """Ask until the answer is true, and return it. Raises Late."""
    deadline = time.monotonic() + seconds
    while True:
        if found := condition():
            return found
        if time.monotonic() > deadline:
            raise Late(f"not within {seconds:g} s: {what}")
        time.sleep(every)


def clean_environment() -> dict[str, str]:
    """Nothing of the settings of whoever runs the benchmark."""
    kept = {name: os.environ[name] for name in KEPT_FROM_HERE if name in os.environ}
    return kept | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}


@dataclass
class Program:
    """A program and what it started. port: where it listens once it is ready; its output goes to `log`."""

    name: str
    command: list[str]
    log: Path
    env: dict[str, str] = field(default_factory=clean_environment)
    port: int | None = None
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        if self.port is not None:
            wait_for(self._is_ready, f"{self.name} listens")

    def _is_ready(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            raise Late(f"{self.name} ended at its start: {self.log.read_text(errors='replace')[-2000:]}")
        return self.port is None or takes_connections(self.port)

    def stop(self) -> None:
        """End it as a deploy does; what is left after STOP_SECONDS the hard way."""
        if self.process is None:
            return
        with suppress(ProcessLookupError):
            self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> Program:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def tree(self) -> list[psutil.Process]:
        """The program and what it started, as far as it still runs."""
        assert self.process is not None  # noqa: S101 - narrows the type
        try:
            first = psutil.Process(self.process.pid)
            return [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def cpu_seconds(self) -> float:
        """User and system time so far, of all its processes."""
        total = 0.0
        for process in self.tree():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def pss_bytes(self) -> int:
        """Memory by proportional share: what several processes share counts once."""
        total = 0
        for process in self.tree():
            with suppress(OSError):
                text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
                total += sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
        return total


# --- the fake platform --------------------------------------------------------------------------------------------


class Fake:
    """The fake chat platform and its control interface."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "bench.fake_platform", str(self.port)]
        self.program = Program("fake platform", command, folder / "fake.log", port=self.port)

    def behave(self, corp_id: str, *, delay_seconds: float = 0.0, hangs: bool = False) -> None:
        self._control("POST", "behaviour", {"corp_id": corp_id, "delay_seconds": delay_seconds, "hangs": hangs})

    def reset(self) -> None:
        self._control("POST", "reset", {})

    def arrivals(self) -> list[tuple[float, str, str, str, str]]:
        """Messages: monotonic seconds, corp id, user id, title, task id."""
        return [tuple(one) for one in self._control("GET", "arrivals")]

    def counts(self) -> dict[str, int]:
        return dict(self._control("GET", "counts"))

    def _control(self, method: str, name: str, body: dict[str, Any] | None = None) -> Any:
        wire = Wire(self.port)
        try:
            data = json.dumps(body).encode() if body is not None else b""
            return json.loads(wire.exchange(request(method, f"/control/{name}", data))[1])
        finally:
            wire.close()


# --- the product --------------------------------------------------------------------------------------------------


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
            self.env |= {name: (home / name.lower()).read_text() for name in ("SECRET_KEY", "ENCRYPTION_KEYS")}
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


@contextmanager
def opened(settings: Settings) -> Iterator[Flask]:
    app = create_app(settings)
    with app.app_context():
        try:
            yield app
        finally:
            db.session.remove()
            db.engine.dispose()


# --- the stage ----------------------------------------------------------------------------------------------------


class Stage:
    """Where a run takes place: a folder, the fake platform, servers if need be, and filled databases to copy.

    `with Stage(shape) as stage, stage.product() as product:` gives a fresh product every time.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self._stack = ExitStack()
        self._number = 0
        self._templates: dict[str, Path] = {}

    def __enter__(self) -> Stage:
        try:
            folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="dutybell-bench-"))
            self.folder = Path(folder)
            self.fake = Fake(self.folder)
            self._stack.callback(self.fake.program.stop)
            self.fake.program.start()
            if self.shape.is_postgresql:
                self._start_servers()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def _start_servers(self) -> None:
        cluster = private_servers.make_cluster()
        postgres = private_servers.start_cluster(cluster, free_port(), POSTGRES_OPTIONS)
        redis = private_servers.start_redis()
        for server in (postgres, redis):
            self._stack.callback(shutil.rmtree, server.folder, ignore_errors=True)
            self._stack.callback(private_servers.end, server.pid)
        self.postgres_url, self.redis_url = postgres.url, redis.url

    def new_folder(self, name: str) -> Path:
        """An empty folder that nobody else has."""
        self._number += 1
        made = self.folder / f"{self._number:03}-{name}"
        made.mkdir()
        return made

    @contextmanager
    def product(self, fill: Callable[[Settings], None] | None = None, *, workers: int = 0) -> Iterator[Product]:
        """A fresh product, started; its database is a copy of one that `fill` (kept by its name) has filled."""
        with self.running(self.prepare(fill, workers=workers)) as product:
            yield product

    @contextmanager
    def running(self, product: Product) -> Iterator[Product]:
        """Start a prepared product; at the end stop it and remove it. A failure shows its last log lines."""
        try:
            product.start()
            yield product
        except BaseException:
            print(product.tail())
            raise
        finally:
            product.stop()
            self.fake.reset()
            shutil.rmtree(product.home, ignore_errors=True)

    def prepare(self, fill: Callable[[Settings], None] | None = None, *, workers: int = 0) -> Product:
        """The same, not started: to look at it first."""
        name = fill.__name__ if fill else "empty"
        if name not in self._templates:
            self._templates[name] = self._make_template(name, fill)
        home = self.new_folder("product")
        shutil.copytree(self._templates[name], home, dirs_exist_ok=True)
        return Product(home, self.shape, self.fake.url, self._servers(name, home), workers=workers)

    def _make_template(self, name: str, fill: Callable[[Settings], None] | None) -> Path:
        """A migrated database with what `fill` puts there; on PostgreSQL under the template's name."""
        home = self.new_folder(f"template-{name}")
        servers = {}
        if self.shape.is_postgresql:
            self._sql(f'CREATE DATABASE "template_{name}"')
            servers = {"DATABASE_URL": f"{self.postgres_url}/template_{name}", "REDIS_URL": f"{self.redis_url}/0"}
            Settings.from_env({"DUTYBELL_HOME": str(home)})  # makes keys, which the copies need too
        product = Product(home, self.shape, self.fake.url, servers)
        with product.app():
            schema.upgrade()
        if fill:
            fill(product.settings)
        return home

    def _servers(self, template: str, home: Path) -> dict[str, str]:
        if not self.shape.is_postgresql:
            return {}
        name = f"bench_{home.name.replace('-', '_')}"
        self._sql(f'CREATE DATABASE "{name}" TEMPLATE "template_{template}"')
        return {"DATABASE_URL": f"{self.postgres_url}/{name}", "REDIS_URL": f"{self.redis_url}/{self._number % 16}"}

    def new_database(self, name: str, ddl: str) -> str | None:
        """Address, for psycopg, of a new PostgreSQL database with one table; None where there is no server."""
        if not self.shape.is_postgresql:
            return None
        self._number += 1
        self._sql(f'CREATE DATABASE "{name}_{self._number}"')
        address = self.postgres_url.replace("postgresql+psycopg://", "postgresql://") + f"/{name}_{self._number}"
        with psycopg.connect(address) as connection:
            connection.execute(ddl)
        return address

    def _sql(self, statement: str) -> None:
        address = self.postgres_url.replace("postgresql+psycopg://", "postgresql://")
        with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
            connection.execute(statement)
