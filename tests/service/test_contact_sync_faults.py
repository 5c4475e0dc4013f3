"""What a platform, a death and other people may do to a synchronisation, on both databases."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import select

from extensions import db
from jobs.handlers import HANDLERS
from jobs.outbox import Claim
from models import (
    AccountLink,
    ContactSync,
    ContactSyncState,
    Department,
    DepartmentMember,
    GeneratedAccount,
    LinkState,
    Membership,
    MembershipState,
    Role,
    SyncPerson,
    User,
)
from platforms.base import Contact
from platforms.base import Department as There
from platforms.errors import CredentialInvalid, PlatformBusy
from services import (
    contact_applying,
    contact_departments,
    contact_reading,
    contact_syncs,
    contact_writing,
    outbox,
)
from services.clock import utcnow
from tests.factories import make_link, make_member
from tests.service.contact_company import Killed, admin, company, count, integration, places_of, platform

__all__ = ["admin", "company", "integration", "platform"]


def test_nobody_found_changes_nothing(company):
    lin = make_member("lin")
    make_link(company.integration, lin, external_user_id="linxiao")
    sync = company.read()
    assert sync.state is ContactSyncState.FAILED
    assert sync.error["code"] == "contact_sync.nobody_found"
    assert company.link("linxiao").state is LinkState.ACTIVE


def test_the_platforms_reason_is_kept(company):
    company.platform.departments = CredentialInvalid("wrong", platform_code=40001)
    sync = company.read()
    assert (sync.state, sync.error["platform_code"]) == (ContactSyncState.FAILED, "40001")


def test_a_page_that_fails_is_asked_for_again_and_leaves_nothing_half(company):
    company.employs(a="甲")
    company.platform.members["3"] = PlatformBusy("later")
    sync = company.read()
    assert sync.state is ContactSyncState.READING
    assert count(SyncPerson) == 0
    company.platform.members["3"] = [Contact("b", "乙")]
    contact_syncs.discard(sync, by=company.admin, now=utcnow())
    again = company.read()
    assert again.id != sync.id
    assert set(company.outcomes(again)) == {"a", "b"}


def test_killed_at_any_page_the_next_reading_comes_to_the_same(company, monkeypatch):
    company.employs(a="甲")
    company.employs("3", a="甲", b="乙")
    read, pages = company.platform.read_members, []

    def counted(place: str) -> list[Contact]:
        pages.append(place)
        if len(pages) in kills:
            raise Killed
        return read(place)

    monkeypatch.setattr(company.platform, "read_members", counted)
    sync, kills = contact_syncs.begin(company.integration, by=company.admin, now=utcnow()), {1, 3, 6, 10}
    db.session.commit()
    for _ in kills:
        with pytest.raises(Killed):
            contact_reading.read(sync.id, tenant_id=0, now=utcnow())
        db.session.rollback()
        assert count(SyncPerson) == 0
    company.work()
    assert set(company.outcomes(sync)) == {"a", "b"}
    assert company.person(sync, "a").department_ids == ["2", "3"]


def test_a_page_that_is_empty_by_mistake_unlinks_nobody(company):
    company.employs(a="甲", b="乙", c="丙")
    company.employs("3", d="丁")
    company.synchronise()
    company.platform.members["3"] = []
    again = company.synchronise()
    assert company.outcomes(again) == dict.fromkeys("abc", "bound")
    assert (company.link("d").state, company.link("d").missing_since is not None) == (LinkState.ACTIVE, True)
    company.platform.members["3"] = [Contact("d", "丁")]
    company.synchronise()
    assert company.link("d").missing_since is None
    assert count(GeneratedAccount) == 4


def test_many_missing_at_once_are_asked_about_and_nobody_is_touched(company):
    people = [make_member(f"user{n}") for n in range(5)]
    for person in people:
        make_link(company.integration, person)
    company.employs(user0="甲", user1="乙", user2="丙")
    sync = company.read()
    with pytest.raises(contact_syncs.ShrunkUnconfirmed):
        company.confirm(sync)
    db.session.rollback()
    company.confirm(sync, is_shrinking_meant=True)
    company.work()
    gone = company.link("user4")
    assert (gone.state, gone.missing_since is not None) == (LinkState.ACTIVE, True)
    assert company.link("user0").missing_since is None
    assert {one.state for one in db.session.scalars(select(Membership))} == {MembershipState.ACTIVE}


def test_killed_halfway_it_goes_on_and_comes_to_the_same(company, monkeypatch):
    company.employs(**{f"p{n:03}": f"同事{n:03}" for n in range(180)})
    sync = company.confirm(company.read())
    write, batches = contact_writing.write, []

    def dies_in_the_third_batch(on: object, scope: object, planned: list[object]) -> None:
        write(on, scope, planned)  # type: ignore[arg-type]
        batches.append(len(planned))
        if len(batches) == 3:
            raise Killed

    monkeypatch.setattr(contact_writing, "write", dies_in_the_third_batch)
    with pytest.raises(Killed):
        contact_applying.run(sync.id, tenant_id=0, until=utcnow() + timedelta(minutes=1))
    db.session.expire_all()
    done = Counter(company.outcomes(sync).values())
    kept = sum(batches[:2])
    assert done == {"created": kept, None: 180 - kept}
    assert (count(GeneratedAccount), sync.step) == (kept, kept)
    company.work()
    assert Counter(company.outcomes(sync).values()) == {"created": 180}
    assert (count(GeneratedAccount), count(AccountLink), count(User)) == (180, 180, 181)
    assert count(DepartmentMember) == 180
    assert sync.state is ContactSyncState.DONE


def test_killed_while_departments_are_taken_over_it_goes_on(company, monkeypatch):
    """The platform renames and moves one between two runs of the same synchronisation."""
    company.employs("3", lilei="李雷")
    company.synchronise()
    company.platform.departments = [There("1", "示例企业"), There("3", "夜班组", "1"), There("2", "值班组", "3")]
    sync, writing = company.confirm(company.read()), contact_departments.writing

    def dies() -> None:
        monkeypatch.setattr(contact_departments, "writing", writing)
        raise Killed

    monkeypatch.setattr(contact_departments, "writing", dies)
    with pytest.raises(Killed):
        contact_applying.run(sync.id, tenant_id=0, until=utcnow() + timedelta(minutes=1))
    db.session.expire_all()
    company.work()
    assert sync.state is ContactSyncState.DONE
    found = {one.name: one for one in db.session.scalars(select(Department))}
    assert set(found) == {"示例企业", "夜班组", "值班组"}
    assert found["值班组"].parent_id == found["夜班组"].id
    assert found["夜班组"].parent_id == found["示例企业"].id
    assert places_of("ABC123lilei") == ["夜班组"]


def test_two_workers_at_the_same_people_make_each_once(company):
    company.employs(**{f"p{n:03}": f"同事{n:03}" for n in range(40)})
    sync = company.confirm(company.read())
    rows, pace = contact_applying._next(sync.id, 30), contact_applying.Pace()
    scope = contact_applying._scope(sync.id)
    contact_applying._apply(scope, rows, pace)
    contact_applying._apply(scope, rows, pace)
    company.work()
    assert count(GeneratedAccount) == 40
    assert sync.counts["created"] == 40


def test_somebody_else_at_the_same_time_fails_alone(company):
    company.employs(lilei="李雷", hanmei="韩梅")
    sync = company.confirm(company.read())
    rows, scope = contact_applying._next(sync.id, 30), contact_applying._scope(sync.id)
    with contact_applying.reading() as connection:
        planned = contact_writing.plan(scope, rows, contact_applying.facts_of(connection, scope, rows))
    make_member("ABC123hanmei")
    with pytest.raises(contact_applying.IntegrityError), contact_applying.writing() as connection:
        contact_writing.write(connection, scope, planned)
    company.work()
    assert company.outcomes(sync) == {"lilei": "created", "hanmei": "username_taken"}


def test_a_run_that_cannot_go_on_says_so_and_the_next_one_finishes_it(company, monkeypatch):
    company.employs(**{f"p{n:03}": f"同事{n:03}" for n in range(40)})
    sync = company.confirm(company.read())
    rows, scope = contact_applying._next(sync.id, 30), contact_applying._scope(sync.id)
    contact_applying._apply(scope, rows, contact_applying.Pace())
    (job,) = outbox.unfinished(contact_syncs.APPLY, sync.id)
    claim = Claim(job.id, job.kind, 0, sync.id, {}, 1, utcnow())
    gave_up = HANDLERS[contact_syncs.APPLY].gave_up
    assert gave_up is not None
    gave_up(claim, "KeyError: 'x'")
    outbox.cancel(contact_syncs.APPLY, tenant_id=0, subject_id=sync.id)
    assert (sync.state, sync.error["code"]) == (ContactSyncState.FAILED, "contact_sync.interrupted")
    again = company.synchronise()
    assert again.counts["created"] == 10
    assert again.counts["updated"] == 30


def test_two_administrators_share_one_synchronisation(company):
    other = make_member("second", Role.ADMIN)
    first = contact_syncs.begin(company.integration, by=company.admin, now=utcnow())
    assert contact_syncs.begin(company.integration, by=other, now=utcnow()) is first


def test_whoever_presses_at_the_same_moment_gets_the_same_one(company, monkeypatch):
    first = contact_syncs.begin(company.integration, by=company.admin, now=utcnow())
    db.session.commit()
    looked: list[ContactSync | None] = [None]
    monkeypatch.setattr(contact_syncs, "open_one", lambda integration: looked.pop() if looked else first)
    assert contact_syncs.begin(company.integration, by=company.admin, now=utcnow()) is first
    db.session.commit()
    assert count(ContactSync) == 1
