"""A worker that is killed in the middle of a synchronisation, and the next one that finishes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from extensions import db
from models import (
    AccountLink,
    ContactSync,
    ContactSyncState,
    GeneratedAccount,
    Integration,
    IntegrationStatus,
    Membership,
    SyncPerson,
    User,
)
from services import accounts, contact_syncs, integrations, setup
from services.clock import utcnow
from tests.servers import Product, wait_until

PEOPLE = 900
CORP_ID = "ww0123456789abcdef"


@pytest.fixture
def product(tmp_path: Path, sqlite_template: Path) -> Iterator[Product]:
    """Worker and simulator over an empty database; nobody asks for pages."""
    made = Product(tmp_path)
    (tmp_path / "dutybell.sqlite").write_bytes(sqlite_template.read_bytes())
    try:
        made.simulator.start()
        yield made
    finally:
        made.kill()
        print(made.logs())


def test_killed_in_the_middle_and_finished_by_the_next_worker(product):
    secret = company(product)
    with product.app():
        sync_id, admin = begun(secret)
        product.worker.start()
        wait_until(lambda: now(sync_id).state is ContactSyncState.COMPARING, "read")
        sync = now(sync_id)
        contact_syncs.confirm(
            sync, seen=sync.version, initial_passwords="random", is_shrinking_meant=False, by=admin, now=utcnow()
        )
        db.session.commit()
        wait_until(lambda: now(sync_id).step > 0, "some are done")
        product.worker.kill()
        halfway = now(sync_id).step
        assert 0 < halfway < PEOPLE
        assert halfway == count(GeneratedAccount) == count(AccountLink)
        product.worker.start()
        wait_until(lambda: now(sync_id).state is ContactSyncState.DONE, "finished")
        outcomes = db.session.scalars(select(SyncPerson.outcome).where(SyncPerson.sync_id == sync_id))
        assert Counter(outcomes) == {"created": PEOPLE}
        assert count(GeneratedAccount) == count(AccountLink) == PEOPLE
        assert count(User) == count(Membership) == PEOPLE + 1


def company(product: Product) -> str:
    """A company of many in the simulator; the application's secret."""
    people = [{"userid": f"p{n:04}", "name": f"同事{n:04}"} for n in range(PEOPLE)]
    product.control("POST", "/wecom/corps", json={"corp_id": CORP_ID, "people": people})
    app = {"corp_id": CORP_ID, "agent_id": 1000002, "trusted_ips": ["127.0.0.1"]}
    return str(product.control("POST", "/wecom/apps", json=app)["secret"])


def begun(secret: str) -> tuple[int, Membership]:
    moment = utcnow()
    admin = accounts.create_first_administrator("admin", "管理员", "correct horse battery", now=moment)
    integration: Integration = setup.begin("wecom", "self_built", by=admin, now=moment)
    integration.settings = {"corp_id": CORP_ID, "agent_id": "1000002"}
    integration.status, integration.platform_key = IntegrationStatus.ACTIVE, f"wecom:{CORP_ID}"
    integrations.set_secret(integration, "secret", secret)
    sync = contact_syncs.begin(integration, by=admin, now=moment)
    db.session.commit()
    return sync.id, admin


def now(sync_id: int) -> ContactSync:
    """The synchronisation as it stands, with no transaction left open."""
    found = db.session.get_one(ContactSync, sync_id, populate_existing=True)
    db.session.commit()
    return found


def count(model: type) -> int:
    return db.session.scalar(select(func.count()).select_from(model)) or 0
