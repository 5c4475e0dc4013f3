"""python -m bench.contacts [people]: a company's contacts read from the simulator, compared and applied.

Prints people a second, by the clock and by this process's time on a processor (a busy machine changes the first one
only), and the longest time for which SQLite's write lock was held. Bars: 500 a second when applying against the
simulator, 100 ms for the lock. Everything is in a temporary folder, with the product's own durability.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import event

import schema
from extensions import db
from models import ContactSync, IntegrationStatus, Role
from services import accounts, contact_applying, contact_comparison, contact_reading, contact_syncs, integrations, setup
from services.clock import utcnow
from tests.conftest import make_settings, running_app
from tests.contract.simulator import running_simulator
from worker import create_worker_app, settle

PEOPLE_A_DEPARTMENT = 40
ACCOUNTS_HERE = 2000
BAR_A_SECOND, BAR_LOCK_MS = 500, 100


class Locks:
    """How long each transaction lasted, in milliseconds, and how long the processor was at it: the rest is waiting."""

    def __init__(self, engine: Any) -> None:
        self.held: list[tuple[float, float]] = []
        event.listen(engine, "begin", self._begin)
        event.listen(engine, "commit", self._end)

    def _begin(self, connection: Any) -> None:
        connection.info["since"] = time.perf_counter(), time.thread_time()

    def _end(self, connection: Any) -> None:
        if since := connection.info.pop("since", None):
            self.held.append(((time.perf_counter() - since[0]) * 1000, (time.thread_time() - since[1]) * 1000))

    def longest(self) -> tuple[float, float]:
        """By the clock, and by the processor."""
        walls, works = zip(*self.held, strict=True) if self.held else ((0.0,), (0.0,))
        self.held = []
        return max(walls), max(works)


def main(people: int) -> int:
    with tempfile.TemporaryDirectory() as folder, running_simulator() as simulator:
        secret, corp_id = company(simulator.url, people)
        settings = make_settings(Path(folder), platform_hosts={"wecom": dict.fromkeys(HOSTS, simulator.url)})
        with running_app(settings, create_worker_app):
            schema.upgrade()
            locks = Locks(db.engine)
            sync = prepared(corp_id, secret)
            settle()
            return measured(sync, people, locks)


HOSTS = ("api", "oauth", "login", "console")


def company(url: str, people: int) -> tuple[str, str]:
    corp_id = "ww0123456789abcdef"
    departments = [{"id": n, "name": f"部门{n}"} for n in range(2, 2 + people // PEOPLE_A_DEPARTMENT)]
    rows = [
        {"userid": f"p{n:05}", "name": f"同事{n:05}", "departments": [2 + n % max(1, len(departments))]}
        for n in range(people)
    ]
    control(url, "wecom/corps", {"corp_id": corp_id, "departments": departments, "people": rows})
    app = {"corp_id": corp_id, "agent_id": 1000002, "trusted_ips": ["127.0.0.1"]}
    return control(url, "wecom/apps", app)["secret"], corp_id


def control(url: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = requests.post(f"{url}/control/{path}", json=body, timeout=120)
    answer.raise_for_status()
    return dict(answer.json())


def prepared(corp_id: str, secret: str) -> ContactSync:
    """An organisation with accounts of its own, some of which have names that occur there."""
    now = utcnow()
    admin = accounts.create_first_administrator("admin", "管理员", "correct horse battery", now=now)
    for n in range(ACCOUNTS_HERE):
        user = accounts.create(f"here{n}", f"同事{n:05}", None, now=now)
        accounts.join(user, admin.tenant, Role.RESPONDER, source="manual", now=now)
    integration = setup.begin("wecom", "self_built", by=admin, now=now)
    integration.settings = {"corp_id": corp_id, "agent_id": "1000002"}
    integration.status, integration.platform_key = IntegrationStatus.ACTIVE, f"wecom:{corp_id}"
    integrations.set_secret(integration, "secret", secret)
    sync = contact_syncs.begin(integration, by=admin, now=now)
    db.session.commit()
    return sync


@contextmanager
def timed(what: str, people: int, locks: Locks) -> Any:
    locks.longest()
    started, worked = time.perf_counter(), time.process_time()
    yield
    seconds, work = time.perf_counter() - started, time.process_time() - worked
    held, held_work = locks.longest()
    timed.figures[what] = (people / seconds, held)  # type: ignore[attr-defined]
    print(
        f"{what:6} {people / seconds:7.0f} people/s ({people / work:7.0f} by the processor)  {seconds:6.2f} s  "
        f"longest write lock {held:6.1f} ms ({held_work:.1f} ms of work)"
    )


timed.figures = {}  # type: ignore[attr-defined]


def measured(sync: ContactSync, people: int, locks: Locks) -> int:
    sync_id, tenant_id = sync.id, sync.tenant_id
    with timed("read", people, locks):
        contact_reading.read(sync_id, tenant_id=tenant_id, now=utcnow())
    sync = db.session.get_one(ContactSync, sync_id, populate_existing=True)
    with timed("page", 100, locks):
        contact_comparison.accounts(sync)
        contact_comparison.people(sync)
        contact_syncs.extent(sync)
    admin = accounts.administrators(tenant_id)[0]
    place = accounts.places(admin)[0]
    contact_syncs.confirm(
        sync, seen=sync.version, initial_passwords="random", is_shrinking_meant=False, by=place, now=utcnow()
    )
    db.session.commit()
    with timed("apply", people, locks):
        while not contact_applying.run(sync_id, tenant_id=tenant_id, until=utcnow() + timedelta(seconds=2)):
            pass
    db.session.refresh(sync)
    print(sync.counts)
    a_second, lock = timed.figures["apply"]  # type: ignore[attr-defined]
    return 0 if a_second >= BAR_A_SECOND and lock <= BAR_LOCK_MS else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
