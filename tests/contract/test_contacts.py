"""Departments and members as every platform tells them, proven against the simulator."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from extensions import db
from models import ContactSync, SyncPerson
from platforms.base import Platform
from platforms.errors import CredentialInvalid, PlatformError
from services import contact_reading
from tests.contract.connection import PEOPLE
from tests.factories import NOW, make_integration


def _names(platform: Platform, department_id: str) -> list[str]:
    return sorted(one.name for one in platform.read_members(department_id))


def test_the_departments_that_can_be_seen_come_as_a_tree(platform):
    duty, night = platform.read_departments()
    assert (duty.name, duty.parent_id) == ("值班组", "")
    assert (night.name, night.parent_id) == ("夜班", duty.external_id)


def test_members_belong_to_their_own_department_alone(connection, platform):
    duty, night = platform.read_departments()
    (lin,) = platform.read_members(duty.external_id)
    assert (lin.external_user_id, lin.name) == (connection.id_of("lin"), PEOPLE["lin"])
    assert _names(platform, night.external_id) == [PEOPLE["wu"]]


def test_a_person_can_be_visible_without_the_department(connection, platform):
    connection.show_alone("zhou")
    assert len(platform.read_departments()) == 2
    assert PEOPLE["zhou"] in _names(platform, "")


def test_more_people_than_fit_on_a_page_come_whole(connection, platform):
    connection.add_people({f"more{n:03}": f"同事{n:03}" for n in range(230)})
    duty, _ = platform.read_departments()
    listed = platform.read_members(duty.external_id)
    assert len({one.external_user_id for one in listed}) == len(listed) == 231


def test_a_department_outside_the_range_is_refused(connection, platform):
    with pytest.raises(PlatformError) as caught:
        platform.read_members(connection.unseen_department)
    assert caught.value.failure == "out_of_visible_range" or not caught.value.retryable


@pytest.mark.parametrize("fault", ["busy", "html_200", "empty_200"])
def test_a_question_that_fails_is_no_empty_list(connection, platform, fault):
    platform.read_departments()
    connection.simulator.fault(fault)
    with pytest.raises(PlatformError):
        platform.read_departments()
    connection.simulator.control("faults", method="DELETE")
    assert len(platform.read_departments()) == 2


def test_a_synchronisation_reads_every_platform_alike(app, connection, platform, monkeypatch):
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: platform)
    integration = make_integration(platform=connection.slug)
    sync = ContactSync(tenant_id=integration.tenant_id, integration_id=integration.id, started_at=NOW, departments=[])
    db.session.add(sync)
    db.session.commit()
    connection.show_alone("zhou")
    contact_reading.read(sync.id, tenant_id=sync.tenant_id, now=NOW)
    db.session.refresh(sync)
    people = db.session.scalars(select(SyncPerson).order_by(SyncPerson.name)).all()
    assert sorted(one.name for one in people) == sorted(PEOPLE.values())
    assert {one.shown_id for one in people} == {connection.id_of(name) for name in PEOPLE}
    assert [row["name"] for row in sync.departments] == ["值班组", "夜班"]


def test_a_question_too_many_is_asked_again(connection, platform, monkeypatch):
    pauses: list[float] = []
    monkeypatch.setattr("platforms.contacts.time.sleep", pauses.append)
    duty, _ = platform.read_departments()
    connection.simulator.fault("rate_limit", count=1)
    assert _names(platform, duty.external_id) == [PEOPLE["lin"]]
    assert len(pauses) == 1


def test_a_wrong_secret_says_so(connection):
    with pytest.raises(CredentialInvalid):
        connection.with_wrong_secret().read_departments()
