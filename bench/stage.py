"""Where a run takes place: a folder, the fake platform, database servers, and filled databases to copy."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

import schema
from bench.processes import Fake
from bench.product import Product, Shape
from config import Settings
from tests import private_servers
from tests.private_servers import free_port

# What a production server has: nothing that was answered is lost in a power cut.
POSTGRES_OPTIONS = ("fsync=on", "synchronous_commit=on", "max_connections=200", "shared_buffers=128MB")


def start_postgresql() -> private_servers.Server:
    """A new cluster on the disk, as durable as a production server: the tests' own lies in memory and syncs nothing."""
    cluster = private_servers.make_cluster(Path(tempfile.gettempdir()))
    return private_servers.start_cluster(cluster, free_port(), POSTGRES_OPTIONS)


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
        postgres, redis = start_postgresql(), private_servers.start_redis()
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
