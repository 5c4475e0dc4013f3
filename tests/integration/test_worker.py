"""The worker as a process of its own: woken, swept, stopped."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from extensions import db, read_only
from models import Heartbeat, Job, JobState
from services import outbox
from services.clock import utcnow
from tests.conftest import fill, running_app
from tests.factories import default_tenant
from tests.private_servers import free_port
from tests.servers import Product, wait_until

BROKERS = ("file", "redis", "redis that is down")


@pytest.fixture(params=BROKERS)
def product(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Product]:
    changes = {}
    if request.param == "redis":
        changes = {"REDIS_URL": request.getfixturevalue("redis_url")}
    elif request.param == "redis that is down":
        changes = {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    product = Product(tmp_path, **changes)
    fill(product.settings)
    with product.app():
        default_tenant()
    try:
        yield product
    finally:
        product.kill()


def heartbeats(product: Product) -> int:
    with running_app(product.settings):
        return len(db.session.scalars(select(Heartbeat)).all())


def is_given_up(job_id: int) -> bool:
    """Whether the worker is done with a row that has no handler. Takes no write lock, which the worker needs."""
    with read_only():
        return db.session.scalar(select(Job.state).where(Job.id == job_id)) is JobState.DEAD


def test_work_is_done_whatever_the_broker_does_and_a_stop_is_clean(product: Product):
    product.worker.start()
    wait_until(lambda: heartbeats(product) == 1, "a heartbeat")
    with product.app():
        now = utcnow()
        job = outbox.enqueue("nobody's", tenant_id=0, subject_id=1, due_at=now, now=now)
        db.session.commit()
        wait_until(lambda: is_given_up(job.id), "the row was worked off")
    began = time.monotonic()
    assert product.worker.stop() == 0
    assert time.monotonic() - began <= 10
    assert heartbeats(product) == 0


def test_a_killed_workers_row_is_taken_over_when_its_lease_ends(tmp_path: Path):
    product = Product(tmp_path, LEASE_SECONDS="2")
    fill(product.settings)
    with product.app():
        default_tenant()
        now = utcnow()
        job = outbox.enqueue("nobody's", tenant_id=0, subject_id=1, due_at=now, now=now)
        db.session.commit()
        job_id = job.id
    try:
        product.worker.launch(DUTYBELL_CRASH_AT="worker.claimed")
        assert product.worker.wait_for_end() == 137
        product.worker.start()
        with product.app():
            wait_until(lambda: is_given_up(job_id), "the row was taken over")
    finally:
        product.kill()
