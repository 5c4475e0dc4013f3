"""A company on a platform in memory, and the steps of an administrator who takes its people over."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from extensions import db
from jobs.handlers import HANDLERS
from jobs.runner import Runner
from models import (
    AccountLink,
    ContactSync,
    Department,
    DepartmentMember,
    Integration,
    Membership,
    Role,
    SyncPerson,
    User,
)
from platforms import PLATFORMS
from platforms.base import Contact
from platforms.base import Department as There
from services import (
    contact_syncs,
    linking,
)
from services.clock import utcnow
from tests.factories import default_tenant, make_integration, make_member
from tests.fakes import GroupPlatform


class Killed(BaseException):
    """The process is gone: nothing after this runs, and nothing catches it."""


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> GroupPlatform:
    fake = GroupPlatform()
    monkeypatch.setitem(PLATFORMS, "chat", GroupPlatform)
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: fake)
    fake.departments = [There("1", "示例企业"), There("2", "值班组", "1"), There("3", "夜班", "2")]
    return fake


@pytest.fixture
def integration(app: Flask, platform: GroupPlatform) -> Integration:
    default_tenant().house_number = "ABC123"
    db.session.commit()
    made: Integration = make_integration(platform="chat", platform_key="chat:company")
    return made


@pytest.fixture
def admin(integration: Integration) -> Membership:
    return make_member("admin", Role.ADMIN, real_name="管理员")


@pytest.fixture
def company(app: Flask, platform: GroupPlatform, integration: Integration, admin: Membership) -> Company:
    return Company(app, platform, integration, admin)


class Company:
    """What a test says about the platform, and the steps of an administrator."""

    def __init__(self, app: Flask, platform: GroupPlatform, integration: Integration, admin: Membership) -> None:
        self.app, self.platform, self.integration, self.admin = app, platform, integration, admin
        self.runner = Runner(app, HANDLERS, timedelta(seconds=60))

    def employs(self, place: str = "2", **people: str) -> None:
        known = self.platform.members.setdefault(place, [])
        assert isinstance(known, list)
        known += [Contact(user_id, name) for user_id, name in people.items()]

    def work(self) -> None:
        db.session.commit()
        self.runner.run_due()
        db.session.expire_all()

    def read(self) -> ContactSync:
        sync = contact_syncs.begin(self.integration, by=self.admin, now=utcnow())
        self.work()
        return sync

    def confirm(self, sync: ContactSync, **more: object) -> ContactSync:
        values = {"initial_passwords": "random", "is_shrinking_meant": False} | more
        contact_syncs.confirm(sync, seen=sync.version, by=self.admin, now=utcnow(), **values)  # type: ignore[arg-type]
        db.session.commit()
        return sync

    def synchronise(self, **more: object) -> ContactSync:
        sync = self.confirm(self.read(), **more)
        self.work()
        return sync

    def person(self, sync: ContactSync, key: str) -> SyncPerson:
        wanted = select(SyncPerson).where(SyncPerson.sync_id == sync.id, SyncPerson.external_user_id == key)
        return db.session.scalars(wanted).one()

    def outcomes(self, sync: ContactSync) -> dict[str, str | None]:
        people = db.session.scalars(select(SyncPerson).where(SyncPerson.sync_id == sync.id))
        return {one.external_user_id: one.outcome for one in people}

    def link(self, key: str) -> AccountLink | None:
        return linking.find(self.integration, key)


def count(model: type) -> int:
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def places_of(username: str) -> list[str]:
    wanted = (
        select(Department.name)
        .join(DepartmentMember, DepartmentMember.department_id == Department.id)
        .join(Membership, Membership.id == DepartmentMember.membership_id)
        .join(User, User.id == Membership.user_id)
        .where(User.username_folded == username.casefold())
    )
    return sorted(db.session.scalars(wanted))
