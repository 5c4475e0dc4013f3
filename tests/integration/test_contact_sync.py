"""A worker that is killed in the middle of a synchronisation, and the next one that finishes it; administrators who
press the same button at once. On both databases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import TypeVar

import pytest
from flask import Flask
from sqlalchemy import func, select

from errors import AppError
from extensions import db
from models import (
    AccountLink,
    ContactSync,
    ContactSyncState,
    GeneratedAccount,
    Integration,
    IntegrationStatus,
    Membership,
    Role,
    SyncPerson,
    User,
)
from services import accounts, contact_syncs, generated_accounts, integrations, setup
from services.clock import utcnow
from tests.servers import Product, wait_until

PEOPLE = 900
CORP_ID = "ww0123456789abcdef"


@pytest.fixture(params=("sqlite", "postgresql"))
def product(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Product]:
    """Worker and simulator over an empty database; nobody asks for pages."""
    if request.param == "postgresql":
        keys = {"SECRET_KEY": "k" * 40, "ENCRYPTION_KEYS": "k1:" + "A" * 43 + "="}
        made = Product(tmp_path, DATABASE_URL=request.getfixturevalue("postgresql_database"), **keys)
    else:
        made = Product(tmp_path)
        (tmp_path / "dutybell.sqlite").write_bytes(request.getfixturevalue("sqlite_template").read_bytes())
    try:
        made.simulator.start()
        yield made
    finally:
        made.kill()
        print(made.logs())


def test_two_administrators_at_once_and_a_worker_killed_in_the_middle(product: Product) -> None:
    secret = company(product)
    with product.app() as app:
        integration_id, admins = prepared(secret)
        sync_id, other = at_once(app, lambda n: begin(integration_id, admins[n]))
        assert sync_id == other
        product.worker.start()
        wait_until(lambda: now(sync_id).state is ContactSyncState.COMPARING, "read")
        seen = now(sync_id).version
        assert sorted(at_once(app, lambda n: confirm(sync_id, seen, admins[n]))) == [False, True]
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
        assert count(User) == count(Membership) == PEOPLE + len(admins)
        db.session.commit()
        first, second = at_once(app, lambda n: handed_out(sync_id, admins[n]))
        assert len(first) + len(second) == len({*first, *second}) == PEOPLE


Found = TypeVar("Found")


def at_once(app: Flask, act: Callable[[int], Found]) -> list[Found]:
    """What two administrators come to who act at the same moment; each in a thread of their own."""
    barrier = Barrier(2)

    def alone(number: int) -> Found:
        with app.app_context():
            barrier.wait()
            try:
                return act(number)
            finally:
                db.session.remove()

    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(alone, range(2)))


def begin(integration_id: int, member_id: int) -> int:
    integration, by = db.session.get_one(Integration, integration_id), db.session.get_one(Membership, member_id)
    sync = contact_syncs.begin(integration, by=by, now=utcnow())
    db.session.commit()
    return sync.id


def confirm(sync_id: int, seen: int, member_id: int) -> bool:
    sync, by = db.session.get_one(ContactSync, sync_id), db.session.get_one(Membership, member_id)
    try:
        contact_syncs.confirm(
            sync, seen=seen, initial_passwords="random", is_shrinking_meant=False, by=by, now=utcnow()
        )
    except AppError:
        db.session.rollback()
        return False
    db.session.commit()
    return True


def handed_out(sync_id: int, member_id: int) -> list[str]:
    rows = generated_accounts.hand_out(sync_id, by=db.session.get_one(Membership, member_id), now=utcnow())
    db.session.commit()
    return [username for _name, username, _password in rows]


def company(product: Product) -> str:
    """A company of many in the simulator; the application's secret."""
    people = [{"userid": f"p{n:04}", "name": f"同事{n:04}"} for n in range(PEOPLE)]
    product.control("POST", "/wecom/corps", json={"corp_id": CORP_ID, "people": people})
    app = {"corp_id": CORP_ID, "agent_id": 1000002, "trusted_ips": ["127.0.0.1"]}
    return str(product.control("POST", "/wecom/apps", json=app)["secret"])


def prepared(secret: str) -> tuple[int, list[int]]:
    """A connection that is ready, and the memberships of two administrators."""
    moment = utcnow()
    admin = accounts.create_first_administrator("admin", "管理员", "correct horse battery", now=moment)
    second = accounts.create("second", "副管理员", "correct horse battery", now=moment)
    other = accounts.join(second, admin.tenant, Role.ADMIN, source="manual", now=moment)
    integration: Integration = setup.begin("wecom", "self_built", by=admin, now=moment)
    integration.settings = {"corp_id": CORP_ID, "agent_id": "1000002"}
    integration.status, integration.platform_key = IntegrationStatus.ACTIVE, f"wecom:{CORP_ID}"
    integrations.set_secret(integration, "secret", secret)
    db.session.commit()
    return integration.id, [admin.id, other.id]


def now(sync_id: int) -> ContactSync:
    """The synchronisation as it stands, with no transaction left open."""
    found = db.session.get_one(ContactSync, sync_id, populate_existing=True)
    db.session.commit()
    return found


def count(model: type) -> int:
    return db.session.scalar(select(func.count()).select_from(model)) or 0
