"""Fixtures that every kind of test shares: settings, an application on a fresh database, servers of this run."""

from __future__ import annotations

import base64
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis  # before the first application: one without Redis would hide it from Huey for the whole run
from argon2 import PasswordHasher
from flask import Flask

import schema
from app import create_app
from config import EncryptionKey, Settings
from extensions import db
from services import passwords
from tests import compiled_once
from tests.private_servers import (
    SharedServer,
    Unavailable,
    is_required,
    memory_folder,
    start_postgresql,
    start_redis,
)

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = "template_dutybell"
REDIS_DATABASES = 16
PRODUCT_HASHER = passwords.HASHER
CHEAP_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)

pytest_plugins = ["tests.distribution", "tests.garbage"]
compiled_once.patch_routes()


def make_settings(home: Path, **changes: object) -> Settings:
    values: dict[str, object] = {
        "home": home,
        "public_url": "http://localhost:8000",
        "database_url": f"sqlite:///{home / 'dutybell.sqlite'}",
        "secret_key": "test-secret-key-of-enough-characters",
        "encryption_keys": (EncryptionKey("t1", base64.urlsafe_b64decode("A" * 43 + "=")),),
    }
    return Settings(**(values | changes))  # type: ignore[arg-type]


def settings_on(request: pytest.FixtureRequest, home: Path) -> Settings:
    """Settings that name a migrated, empty database of the kind that a fixture's parameter asks for."""
    if request.param == "postgresql":
        return make_settings(home, database_url=request.getfixturevalue("postgresql_database"))
    shutil.copy(request.getfixturevalue("sqlite_template"), home / "dutybell.sqlite")
    return make_settings(home)


@contextmanager
def running_app(settings: Settings, make: Callable[[Settings], Flask] = create_app) -> Iterator[Flask]:
    """The application of `settings` inside its context; its connections are closed at the end.

    make: how it is made, with pages unless said otherwise.
    """
    app = make(settings)
    app.jinja_env.bytecode_cache = compiled_once.TEMPLATES
    with app.app_context():
        compiled_once.share_statements(db.engine)
        try:
            yield app
        finally:
            db.session.remove()
            db.engine.dispose()


def fill(settings: Settings) -> None:
    """Give an empty database this version's tables, as an operator does."""
    with running_app(settings):
        schema.upgrade()


@pytest.fixture
def data_folder(tmp_path: Path) -> Iterator[Path]:
    """An empty folder for this test's data, in memory where that is possible: few tests are about the disk."""
    shared = memory_folder()
    if shared is None:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=shared, prefix="dutybell-test-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def settings(data_folder: Path) -> Settings:
    return make_settings(data_folder)


@pytest.fixture
def app(settings: Settings, sqlite_template: Path) -> Iterator[Flask]:
    """The application on an SQLite database of its own. Tests of services get PostgreSQL too, see service/."""
    shutil.copy(sqlite_template, settings.home / "dutybell.sqlite")
    with running_app(settings) as app:
        yield app


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Hashes that cost next to nothing, as most tests have an account; see product_hasher."""
    _hash_with(CHEAP_HASHER)
    yield
    _hash_with(PRODUCT_HASHER)


@pytest.fixture
def product_hasher() -> Iterator[None]:
    """For tests that are about what a password costs: hashes are as dear as in production."""
    _hash_with(PRODUCT_HASHER)
    yield
    _hash_with(CHEAP_HASHER)


def _hash_with(hasher: PasswordHasher) -> None:
    passwords.HASHER = hasher
    passwords._decoy.cache_clear()


# --- what is shared by the whole run, over all worker processes ---------------------------------------------------


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all worker processes of this run."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite database to copy."""
    folder = tmp_path_factory.mktemp("sqlite-template")
    fill(make_settings(folder))
    return folder / "dutybell.sqlite"


@pytest.fixture(scope="session")
def postgresql_url(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of this run's PostgreSQL, without a database name; it holds a migrated TEMPLATE."""
    server = SharedServer(run_folder / "postgresql", start_postgresql)
    try:
        url = _url_or_skip(server)
        with server.lock():
            _make_template(url, tmp_path_factory.mktemp("postgresql-template"))
        yield url
    finally:
        server.leave()


@pytest.fixture(scope="session")
def postgresql_maker(postgresql_url: str) -> Iterator[psycopg.Connection]:
    """What makes and drops databases in this process: a session costs as much as all that it does."""
    with psycopg.connect(_plain(postgresql_url) + "/postgres", autocommit=True) as connection:
        yield connection


@pytest.fixture
def postgresql_database(
    postgresql_url: str, postgresql_maker: psycopg.Connection, request: pytest.FixtureRequest
) -> Iterator[str]:
    """Address of a migrated, empty PostgreSQL database that this test alone uses."""
    yield from _database(postgresql_url, postgresql_maker, request.node.nodeid, TEMPLATE)


@pytest.fixture
def empty_postgresql_database(
    postgresql_url: str, postgresql_maker: psycopg.Connection, request: pytest.FixtureRequest
) -> Iterator[str]:
    """Address of a PostgreSQL database without any table."""
    yield from _database(postgresql_url, postgresql_maker, request.node.nodeid, "template1")


def _database(url: str, maker: psycopg.Connection, test: str, template: str) -> Iterator[str]:
    """A copy of `template`. Copying files is quicker than to log them; before PostgreSQL 15 there is no other way."""
    name = f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{abs(hash(test))}"
    how = "STRATEGY file_copy" if maker.info.server_version >= 150_000 else ""
    maker.execute(f'CREATE DATABASE "{name}" TEMPLATE {template} {how}')
    yield f"{url}/{name}"
    maker.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def _redis_server(run_folder: Path) -> Iterator[str]:
    server = SharedServer(run_folder / "redis", start_redis)
    try:
        yield _url_or_skip(server)
    finally:
        server.leave()


@pytest.fixture
def redis_url(_redis_server: str) -> Iterator[str]:
    """Address of an empty Redis database that this worker process alone uses."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % REDIS_DATABASES
    url = f"{_redis_server}/{number}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    yield url


def _url_or_skip(server: SharedServer) -> str:
    try:
        return server.url()
    except Unavailable as missing:
        if is_required():
            pytest.fail(str(missing))
        pytest.skip(f"NOT TESTED: {missing}")


def _make_template(url: str, home: Path) -> None:
    """Migrate the template database once for all worker processes; the caller holds the server's lock."""
    with psycopg.connect(_plain(url) + "/postgres", autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (TEMPLATE,)).fetchone():
            return
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    fill(make_settings(home, database_url=f"{url}/{TEMPLATE}"))


def _plain(url: str) -> str:
    """An SQLAlchemy address as psycopg itself reads it."""
    return url.replace("postgresql+psycopg://", "postgresql://")
