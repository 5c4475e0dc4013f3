"""Deleting an organisation: asked for, put off, done in pieces; what belongs to others stays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select

from errors import AccessDenied, Conflict, InvalidInput, NotFound
from extensions import db
from jobs import retention, tenant_deletion
from jobs.handlers import HANDLERS
from jobs.outbox import Claim, Done, Later
from jobs.runner import Runner
from models import AuditEntry, Job, JobState, Tenant, TenantStatus, User
from services import accounts, admission, tenants
from services import tenant_deletion as deletion
from tests.factories import NOW, default_tenant, make_member, make_tenant
from tests.security.conftest import World, make_world
from tests.security.test_organisations import rows_of

LATER = NOW + deletion.WAIT


@pytest.fixture(autouse=True)
def clock(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[time_machine.Traveller]:
    monkeypatch.setattr(retention, "REST_SECONDS", 0)
    with time_machine.travel(NOW, tick=False) as travelling:
        yield travelling


@pytest.fixture
def chief(app: Flask) -> User:
    user: User = make_member("chief", tenant=default_tenant(), is_superadmin=True).user
    return user


@pytest.fixture
def gone(chief: User) -> World:
    return make_world(make_tenant("要删除的"), "GONE", num=1)


def frozen(world: World, by: User) -> Tenant:
    tenants.freeze(world.tenant, by=by, now=NOW)
    db.session.commit()
    return world.tenant


def delete_all(tenant_id: int) -> int:
    """Run the worker's part until it is done; how often it had to go on."""
    payload, turns = {}, 0
    while True:
        outcome = tenant_deletion.run(Claim(1, deletion.DELETE, 0, tenant_id, payload, 1, NOW, 0))
        db.session.commit()
        if isinstance(outcome, Done):
            db.session.expire_all()
            return turns
        assert isinstance(outcome, Later)
        payload, turns = outcome.payload or {}, turns + 1


def left_of(tenant_id: int) -> dict[str, int]:
    counted = {}
    for table in db.metadata.sorted_tables:
        if "tenant_id" in table.columns:
            rows = select(func.count()).select_from(table).where(table.c.tenant_id == tenant_id)
            counted[table.name] = db.session.execute(rows).scalar_one()
    return {name: count for name, count in counted.items() if count}


def test_only_what_is_frozen_and_meant_is_deleted(chief: User, gone: World) -> None:
    with pytest.raises(deletion.NotDeletable):
        deletion.ask(gone.tenant, gone.tenant.name, by=chief, now=NOW)
    tenant = frozen(gone, chief)
    with pytest.raises(InvalidInput):
        deletion.ask(tenant, "别的名称", by=chief, now=NOW)
    with pytest.raises(AccessDenied):
        deletion.ask(tenant, tenant.name, by=gone.admin.user, now=NOW)
    tenants.freeze(default_tenant(), by=chief, now=NOW)
    with pytest.raises(deletion.NotDeletable):
        deletion.ask(default_tenant(), default_tenant().name, by=chief, now=NOW)
    assert deletion.ask(tenant, tenant.name, by=chief, now=NOW) == LATER
    assert deletion.ask(tenant, tenant.name, by=chief, now=NOW + timedelta(days=1)) == LATER
    waiting = db.session.scalars(select(Job).where(Job.kind == deletion.DELETE)).all()
    assert [(job.subject_id, job.due_at) for job in waiting] == [(tenant.id, LATER)]


def test_it_can_be_taken_back_until_it_begins(chief: User, gone: World, clock: time_machine.Traveller) -> None:
    tenant = frozen(gone, chief)
    before = rows_of(tenant.id)
    deletion.ask(tenant, tenant.name, by=chief, now=NOW)
    with pytest.raises(Conflict):
        tenants.unfreeze(tenant, by=chief, now=NOW)
    deletion.take_back(tenant, by=chief, now=NOW)
    db.session.commit()
    assert db.session.scalars(select(Job.state).where(Job.kind == deletion.DELETE)).all() == [JobState.CANCELLED]
    clock.move_to(LATER)
    assert delete_all(tenant.id) == 0
    assert rows_of(tenant.id) == before
    tenants.unfreeze(tenant, by=chief, now=LATER)
    tenants.freeze(tenant, by=chief, now=LATER)
    deletion.ask(tenant, tenant.name, by=chief, now=LATER)
    with pytest.raises(deletion.DeletionBegan):
        deletion.take_back(tenant, by=chief, now=LATER + deletion.WAIT)


def test_everything_goes_and_nothing_of_others(
    chief: User, gone: World, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = make_world(make_tenant("留下的"), "KEPT", num=2)
    both = accounts.join(kept.admin.user, gone.tenant, gone.admin.role, source="manual", now=NOW).user
    db.session.commit()
    tenant, number = frozen(gone, chief), gone.tenant.house_number
    deletion.ask(tenant, tenant.name, by=chief, now=NOW)
    db.session.commit()
    before = [rows_of(kept.tenant.id), left_of(kept.tenant.id)]
    clock.move_to(LATER - timedelta(seconds=1))
    delete_all(tenant.id)
    assert left_of(tenant.id) != {}
    clock.move_to(LATER)
    monkeypatch.setattr(tenant_deletion, "RUN_SECONDS", 0)  # each turn ends at once: it goes on where it was
    monkeypatch.setattr(tenant_deletion, "BATCH", 2)
    assert delete_all(tenant.id) > 20
    assert left_of(tenant.id) == {}
    assert [rows_of(kept.tenant.id), left_of(kept.tenant.id)] == before
    assert (tenant.status, tenant.name, tenant.house_number) == (TenantStatus.DELETED, "", number)
    assert tenant not in [row.tenant for row in tenants.everything(chief)]
    with pytest.raises(NotFound):
        tenants.get(tenant.id, by=chief)
    with pytest.raises(InvalidInput):
        tenants.create("新的", number, by=chief, now=LATER)
    with pytest.raises(admission.UnknownHouseNumber):
        admission.ask_by_house_number(both, number, now=LATER)
    told = db.session.scalars(select(AuditEntry).where(AuditEntry.event == "organisation.deleted")).one()
    assert (told.tenant_id, told.target) == (None, f"要删除的 ({number}) #{tenant.id}")
    assert told.detail["rows"] > 20


def test_people_of_it_alone_lose_their_account_and_others_keep_theirs(
    chief: User, gone: World, clock: time_machine.Traveller
) -> None:
    both = make_member("both", tenant=gone.tenant, email="both@example.com").user
    make_member("both", tenant=default_tenant())
    accounts.join(chief, gone.tenant, gone.admin.role, source="manual", now=NOW)
    alone = gone.admin.user
    alone.email, alone.password_hash = "alone@example.com", "hash"
    tenant = frozen(gone, chief)
    deletion.ask(tenant, tenant.name, by=chief, now=NOW)
    clock.move_to(LATER)
    delete_all(tenant.id)
    assert (alone.username, alone.name, alone.email, alone.password_hash) == (f"deleted:{alone.id}",) * 2 + (None, None)
    assert alone.is_disabled
    assert (both.username, both.email, both.is_disabled) == ("both", "both@example.com", False)
    assert (chief.username, chief.is_disabled) == ("chief", False)


def test_what_broke_goes_on_the_next_day_where_it_was(
    chief: User, gone: World, clock: time_machine.Traveller, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be taken back once it has begun, so it must not stay like that either."""
    tenant = frozen(gone, chief)
    deletion.ask(tenant, tenant.name, by=chief, now=NOW)
    db.session.commit()
    tenant_id = tenant.id
    db.session.commit()
    clock.move_to(LATER)
    monkeypatch.setattr(tenant_deletion, "_one_pass", lambda *about: {}["a fault of ours"])
    working = Runner(app, HANDLERS, timedelta(seconds=60))
    for _ in range(20):
        working.run_due()
        clock.shift(timedelta(hours=1))
    states = db.session.scalars(select(Job.state).where(Job.kind == deletion.DELETE).order_by(Job.id)).all()
    db.session.commit()
    assert states == [JobState.DEAD, JobState.PENDING]
    monkeypatch.undo()
    monkeypatch.setattr(retention, "REST_SECONDS", 0)
    clock.shift(timedelta(days=1))
    working.run_due()
    db.session.expire_all()
    assert db.session.get_one(Tenant, tenant_id).status is TenantStatus.DELETED
