"""Fleets that the tests of faults share, and how large the tests are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.conftest import fill
from tests.faults.feeder import Feeder, Load
from tests.faults.fleet import Company, Fleet, running_company
from tests.faults.servers import OwnPostgres, OwnRedis
from tests.faults.snapshot import Ledger
from tests.private_servers import Unavailable, is_required

SHORT = Load()
LARGE = Load(alerts=220, pressed=60, senders=12, pressers=8)


@dataclass(frozen=True)
class Size:
    """`make test`: small, one seed, minutes 0. `make soak`: SOAK_SEED and SOAK_MINUTES in the environment.

    people  so many that nobody gets more cards a minute than the platform shows to one person
    """

    is_soak: bool
    seed: int
    minutes: float
    load: Load
    people: int


@pytest.fixture(scope="session")
def size() -> Size:
    minutes = float(os.environ.get("SOAK_MINUTES") or 0)
    seed = int(os.environ.get("SOAK_SEED") or 1)
    is_soak = minutes > 0
    return Size(is_soak, seed, minutes, LARGE if is_soak else SHORT, 120 if is_soak else 40)


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Note what was measured: `figures(longest_end=0.8)`; `make soak` prints it in its table."""

    def note(**values: float) -> None:
        request.node.user_properties.extend((name, round(value, 2)) for name, value in values.items())

    return note


@pytest.fixture(scope="session")
def own_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnPostgres]:
    """A PostgreSQL that this test process may stop and kill."""
    server = _or_skip(lambda: OwnPostgres(tmp_path_factory.mktemp("own-postgresql")))
    yield server
    server.leave()


@pytest.fixture(scope="session")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    """A Redis that this test process may stop and kill."""
    server = _or_skip(lambda: OwnRedis(tmp_path_factory.mktemp("own-redis")))
    yield server
    server.leave()


def _or_skip(start):
    try:
        return start()
    except Unavailable as missing:
        if is_required():
            pytest.fail(str(missing))
        pytest.skip(f"NOT TESTED: {missing}")


@pytest.fixture(scope="session")
def _embedded(tmp_path_factory: pytest.TempPathFactory, size: Size) -> Iterator[Company]:
    fleet = Fleet(tmp_path_factory.mktemp("embedded") / "home")
    fleet.home.mkdir()
    fill(fleet.settings)
    with running_company(fleet, size.people) as company:
        yield company


@pytest.fixture(scope="session")
def _scaled(
    tmp_path_factory: pytest.TempPathFactory, own_postgres: OwnPostgres, own_redis: OwnRedis, size: Size
) -> Iterator[Company]:
    home = tmp_path_factory.mktemp("scaled") / "home"
    keys = {"SECRET_KEY": "k" * 40, "ENCRYPTION_KEYS": "k1:" + "A" * 43 + "="}
    places = {"DATABASE_URL": own_postgres.create_database("faults"), "REDIS_URL": f"{own_redis.url}/0"}
    fleet = Fleet(home, webs=2, workers=2, **keys, **places)
    fill(fleet.settings)
    with running_company(fleet, size.people) as company:
        yield company


@pytest.fixture
def embedded(_embedded: Company) -> Iterator[Company]:
    """One web, one worker, SQLite; everything healthy before and after."""
    _embedded.fleet.heal()
    yield _embedded
    _embedded.fleet.heal()


@pytest.fixture
def scaled(_scaled: Company, own_postgres: OwnPostgres, own_redis: OwnRedis) -> Iterator[Company]:
    """Two webs, two workers, PostgreSQL and Redis; everything healthy before and after."""
    _scaled.fleet.heal()
    yield _scaled
    _scaled.fleet.heal()


@pytest.fixture(params=["embedded", "scaled"])
def company(request: pytest.FixtureRequest) -> Company:
    """Both shapes, one after the other."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def ledger(company: Company) -> Ledger:
    """What is stored from now on."""
    return Ledger.begin(company.fleet)


@pytest.fixture
def feeder(company: Company, ledger: Ledger, size: Size) -> Feeder:
    """The outside world, of this test's size; nothing happens before `with feeder:`."""
    return Feeder(company, size.seed, size.load)
