"""A synchronisation from the first question to the report, on both databases, with a platform in memory."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from errors import AccessDenied
from extensions import db
from jobs import retention
from jobs.handlers import HANDLERS
from jobs.outbox import Claim
from jobs.runner import Runner
from models import (
    AccountLink,
    ContactSync,
    ContactSyncState,
    Department,
    DepartmentKind,
    DepartmentMember,
    DepartmentOrigin,
    GeneratedAccount,
    Integration,
    LinkState,
    Membership,
    MembershipState,
    Pairing,
    Role,
    SyncPerson,
    User,
)
from platforms import PLATFORMS
from platforms.base import Contact
from platforms.base import Department as There
from platforms.errors import CredentialInvalid, PlatformBusy
from services import (
    admission,
    contact_applying,
    contact_comparison,
    contact_syncs,
    contact_writing,
    generated_accounts,
    linking,
    outbox,
)
from services.clock import utcnow
from tests.factories import default_tenant, make_integration, make_link, make_member, make_tenant
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


# --- reading and comparing ----------------------------------------------------------------------------------------


def test_the_comparison_writes_nothing_but_itself(company):
    make_member("lin")
    company.employs(linxiao="林晓", wufan="吴凡")
    before = count(User), count(Membership), count(AccountLink), count(Department)
    sync = company.read()
    assert sync.state is ContactSyncState.COMPARING
    assert (count(User), count(Membership), count(AccountLink), count(Department)) == before
    assert company.person(sync, "linxiao").pairing is Pairing.BY_NAME
    assert company.person(sync, "wufan").pairing is Pairing.NONE


def test_who_is_linked_is_in_neither_column(company):
    lin = make_member("lin")
    make_link(company.integration, lin, external_user_id="linxiao")
    company.employs(linxiao="林晓", wufan="吴凡")
    sync = company.read()
    assert [account.user.username for account in contact_comparison.accounts(sync).items] == ["admin"]
    assert [one.external_user_id for one in contact_comparison.people(sync).items] == ["wufan"]


def test_both_columns_are_turned_page_by_page_and_searched(company):
    for n in range(7):
        make_member(f"user{n}", real_name=f"同事{n}")
    company.employs(**{f"other{n}": f"别人{n}" for n in range(7)})
    sync = company.read()
    names, after = [], ""
    while True:
        page = contact_comparison.accounts(sync, text="user", after=after, limit=3)
        names += [account.user.username for account in page.items]
        if not (after := page.after):
            break
    assert names == [f"user{n}" for n in range(7)]
    first = contact_comparison.people(sync, limit=5)
    rest = contact_comparison.people(sync, after=first.after, limit=5)
    assert len(first.items) == 5
    assert [one.name for one in rest.items] == ["别人5", "别人6"]
    assert [one.name for one in contact_comparison.people(sync, text="别人3").items] == ["别人3"]


def test_a_pair_is_taken_apart_and_another_one_made(company):
    lin, wu = make_member("lin"), make_member("wu")
    company.employs(a="林晓", b="某人")
    sync = company.read()
    one = company.person(sync, "a")
    contact_comparison.take_apart(sync, one.id, seen=one.version, by=company.admin)
    other = company.person(sync, "b")
    contact_comparison.pair(sync, other.id, lin.user_id, seen=other.version, by=company.admin)
    db.session.commit()
    assert company.person(sync, "a").pairing is Pairing.NONE
    assert (other.pairing, other.user_id) == (Pairing.BY_HAND, lin.user_id)
    assert other.id not in {one.id for one in contact_comparison.offered(sync, wu.user)}


def test_of_two_administrators_the_second_is_told(company):
    make_member("lin")
    company.employs(a="林晓")
    sync = company.read()
    one = company.person(sync, "a")
    seen, whole = one.version, sync.version
    contact_comparison.take_apart(sync, one.id, seen=seen, by=company.admin)
    db.session.commit()
    with pytest.raises(contact_syncs.ComparisonChanged):
        contact_comparison.include(sync, one.id, False, seen=seen, by=company.admin)
    db.session.rollback()
    with pytest.raises(contact_syncs.ComparisonChanged):
        contact_syncs.confirm(
            sync, seen=whole, initial_passwords="random", is_shrinking_meant=False, by=company.admin, now=utcnow()
        )


def test_one_account_cannot_be_two_people(company):
    lin = make_member("lin", real_name="无名")
    company.employs(a="甲", b="乙")
    sync = company.read()
    first, second = company.person(sync, "a"), company.person(sync, "b")
    contact_comparison.pair(sync, first.id, lin.user_id, seen=first.version, by=company.admin)
    with pytest.raises(contact_syncs.ComparisonChanged):
        contact_comparison.pair(sync, second.id, lin.user_id, seen=second.version, by=company.admin)


def test_an_account_from_outside_is_found_by_its_exact_name_alone(company):
    make_member("zhou", tenant=make_tenant("别处"))
    company.employs(a="周宁")
    sync = company.read()
    one = company.person(sync, "a")
    with pytest.raises(contact_syncs.AppError):
        contact_comparison.pair_outside(sync, one.id, "zho", seen=one.version, by=company.admin)
    contact_comparison.pair_outside(sync, one.id, "ZHOU", seen=one.version, by=company.admin)
    assert one.pairing is Pairing.OUTSIDE


def test_a_comparison_of_another_organisation_does_not_exist(company):
    company.employs(a="甲")
    sync = company.read()
    stranger = make_member("boss", Role.ADMIN, tenant=make_tenant("别处"))
    with pytest.raises(contact_syncs.NotFound):
        contact_syncs.get(sync.id, viewer=stranger)
    with pytest.raises(contact_syncs.NotFound):
        contact_comparison.include(sync, company.person(sync, "a").id, False, seen=1, by=stranger)


def test_only_administrators_synchronise(company):
    with pytest.raises(AccessDenied):
        contact_syncs.begin(company.integration, by=make_member("lin"), now=utcnow())


# --- what the platform may do to us -------------------------------------------------------------------------------


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


# --- applying -----------------------------------------------------------------------------------------------------


def test_the_whole_table_in_one_run(company):
    elsewhere = make_tenant("别处")
    bound, lin, refused = make_member("bound"), make_member("lin"), make_member("refused", real_name="被拒")
    make_link(company.integration, bound, external_user_id="bound")
    zhou = make_member("zhou", tenant=elsewhere)
    make_member("ABC123hanmei", tenant=elsewhere, real_name="陌生人")
    company.employs(bound="绑定", linxiao="林晓", zhouning="周宁", hanmei="韩梅", lilei="李雷", no="被拒", out="不要")
    sync = company.read()
    outside = company.person(sync, "zhouning")
    contact_comparison.pair_outside(sync, outside.id, "zhou", seen=outside.version, by=company.admin)
    left_out = company.person(sync, "out")
    contact_comparison.include(sync, left_out.id, False, seen=left_out.version, by=company.admin)
    refused.state = MembershipState.REFUSED
    company.confirm(sync)
    company.work()
    assert company.outcomes(sync) == {
        "bound": "bound",
        "linxiao": "updated",
        "zhouning": "review",
        "hanmei": "username_taken",
        "lilei": "created",
        "no": "refused",
        "out": "excluded",
    }
    assert {k: v for k, v in sync.counts.items() if k != "departments"} == {
        "created": 1,
        "updated": 2,
        "review": 1,
        "skipped": 1,
        "failed": 2,
    }
    made = db.session.scalars(select(User).where(User.username == "ABC123lilei")).one()
    assert (made.real_name, made.must_change_password, made.email) == ("李雷", True, None)
    assert company.link("lilei").user_id == made.id
    assert company.link("linxiao").user_id == lin.user_id
    assert company.link("zhouning").state is LinkState.PENDING
    place = db.session.scalars(select(Membership).where(Membership.user_id == zhou.user_id, Membership.tenant_id == 0))
    assert place.one().state is MembershipState.UNDER_REVIEW
    assert company.link("no") is None
    assert company.link("hanmei") is None


def test_a_second_run_finds_everybody_and_makes_nobody(company):
    company.employs(lilei="李雷", hanmei="韩梅")
    company.synchronise()
    people = count(User)
    again = company.synchronise()
    assert Counter(company.outcomes(again).values()) == {"bound": 2}
    assert count(User) == people


def test_who_was_removed_is_found_again_by_the_account_made_for_them(company):
    company.employs(lilei="李雷")
    company.synchronise()
    linking.unlink(company.link("lilei"), by=company.admin)
    db.session.scalars(select(User).where(User.username == "ABC123lilei")).one().real_name = "改名"
    again = company.synchronise()
    assert company.outcomes(again) == {"lilei": "updated"}
    assert company.link("lilei").state is LinkState.ACTIVE


def test_who_left_and_is_found_again_is_reviewed(company):
    company.employs(lilei="李雷")
    company.synchronise()
    place = db.session.scalars(select(Membership).where(Membership.user_id == company.link("lilei").user_id)).one()
    place.state = MembershipState.LEFT
    again = company.synchronise()
    assert company.outcomes(again) == {"lilei": "review"}
    assert (place.state, company.link("lilei").state) == (MembershipState.UNDER_REVIEW, LinkState.PENDING)


def test_departments_follow_the_platform_and_what_was_made_here_stays(company):
    company.employs(lilei="李雷")
    company.employs("3", lilei="李雷", night="夜班长")
    company.synchronise()
    assert places_of("ABC123lilei") == ["值班组", "夜班"]
    root = db.session.scalars(select(Department).where(Department.name == "示例企业")).one()
    assert (root.kind, root.parent_id) == (DepartmentKind.COMPANY, None)
    mine = Department(tenant_id=0, name="本地小组", created_at=utcnow())
    db.session.add(mine)
    db.session.flush()
    place = db.session.scalars(select(Membership).where(Membership.user_id == company.link("lilei").user_id)).one()
    db.session.add(DepartmentMember(department_id=mine.id, membership_id=place.id, tenant_id=0))
    company.platform.departments = [There("1", "示例企业"), There("2", "值班一组", "1")]
    company.platform.members = {"2": [Contact("lilei", "李雷"), Contact("night", "夜班长")]}
    company.synchronise()
    assert places_of("ABC123lilei") == ["值班一组", "本地小组"]
    origins = {one.external_id: one.vanished_at for one in db.session.scalars(select(DepartmentOrigin))}
    assert origins["2"] is None
    assert origins["3"] is not None
    assert count(Department) == 4


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
    assert sync.state is ContactSyncState.DONE


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


def test_approving_somebody_from_outside_makes_the_link_work(company):
    zhou = make_member("zhou", tenant=make_tenant("别处"))
    company.employs(zhouning="周宁")
    sync = company.read()
    one = company.person(sync, "zhouning")
    contact_comparison.pair_outside(sync, one.id, "zhou", seen=one.version, by=company.admin)
    company.confirm(sync)
    company.work()
    place = db.session.scalars(
        select(Membership).where(Membership.user_id == zhou.user_id, Membership.tenant_id == 0)
    ).one()
    admission.approve(place, by=company.admin, now=utcnow())
    assert (place.state, company.link("zhouning").state) == (MembershipState.ACTIVE, LinkState.ACTIVE)


def test_two_administrators_share_one_synchronisation(company):
    other = make_member("second", Role.ADMIN)
    first = contact_syncs.begin(company.integration, by=company.admin, now=utcnow())
    assert contact_syncs.begin(company.integration, by=other, now=utcnow()) is first


def test_a_name_that_cannot_be_part_of_an_account_is_written_otherwise(company):
    company.employs(**{"li:lei=": "李雷"})
    company.synchronise()
    assert db.session.scalars(select(User.username).where(User.real_name == "李雷")).one() == "ABC123li-lei-"


def test_passwords_that_nobody_asked_for_are_forgotten_and_reports_in_the_end(company):
    company.employs(lilei="李雷")
    sync = company.synchronise()
    assert company.person(sync, "lilei").password is not None
    sync.finished_at = utcnow() - timedelta(hours=73)
    generated_accounts.forget_passwords(now=utcnow())
    db.session.commit()
    db.session.expire_all()
    assert company.person(sync, "lilei").password is None
    (rule,) = [one for one in retention.rules(company.app.config["SETTINGS"]) if isinstance(one, retention.SyncReports)]
    assert rule.find(utcnow()) == []
    sync.finished_at = utcnow() - timedelta(days=91)
    db.session.flush()
    rule.delete(rule.find(utcnow()))
    assert company.outcomes(sync) == {}


def test_whoever_presses_at_the_same_moment_gets_the_same_one(company, monkeypatch):
    first = contact_syncs.begin(company.integration, by=company.admin, now=utcnow())
    db.session.commit()
    looked: list[ContactSync | None] = [None]
    monkeypatch.setattr(contact_syncs, "open_one", lambda integration: looked.pop() if looked else first)
    assert contact_syncs.begin(company.integration, by=company.admin, now=utcnow()) is first
    db.session.commit()
    assert count(ContactSync) == 1


def test_somebody_of_three_departments_is_one_person(company):
    for place in ("1", "2", "3"):
        company.employs(place, lilei="李雷")
    company.synchronise()
    assert count(GeneratedAccount) == 1
    assert places_of("ABC123lilei") == ["值班组", "夜班", "示例企业"]


def test_an_account_that_vanished_is_said(company):
    lin = make_member("lin")
    company.employs(linxiao="林晓")
    sync = company.confirm(company.read())
    db.session.delete(db.session.get(User, lin.user_id))
    company.work()
    assert company.outcomes(sync) == {"linxiao": "account_gone"}
