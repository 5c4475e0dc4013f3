"""A synchronisation from the first question to the report, on both databases, with a platform in memory."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import select

from errors import AccessDenied
from extensions import db
from jobs import retention
from models import (
    AccountLink,
    AuditEntry,
    ContactSyncState,
    Department,
    DepartmentKind,
    DepartmentMember,
    DepartmentOrigin,
    GeneratedAccount,
    LinkState,
    Membership,
    MembershipState,
    Pairing,
    Role,
    User,
)
from platforms.base import Contact
from platforms.base import Department as There
from services import (
    admission,
    contact_comparison,
    contact_syncs,
    generated_accounts,
    linking,
)
from services.clock import utcnow
from tests.factories import make_link, make_member, make_tenant
from tests.service.contact_company import admin, company, count, integration, places_of, platform

__all__ = ["admin", "company", "integration", "platform"]


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


def test_the_record_names_the_connection_and_the_account_not_their_numbers(company):
    company.employs(linxiao="林小")
    lin = make_member("lin", real_name="林晓")
    sync = company.read()
    person = company.person(sync, "linxiao")
    contact_comparison.pair(sync, person.id, lin.user_id, seen=person.version, by=company.admin)
    company.confirm(sync)
    company.work()
    recorded = {entry.event: entry for entry in db.session.scalars(select(AuditEntry))}
    assert recorded["contact_sync.compared"].target == "林小 (linxiao)"
    assert recorded["contact_sync.compared"].detail["account"] == "lin"
    named = f"{company.integration.name} #{sync.id}"
    assert {recorded[f"contact_sync.{verb}"].target for verb in ("confirmed", "finished")} == {named}


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
    by_sync = AuditEntry.detail["source"].as_string() == "contact_sync"
    entries = db.session.scalars(select(AuditEntry).where(by_sync).order_by(AuditEntry.id)).all()
    assert {(entry.event, entry.target) for entry in entries} == {
        ("member.added", "李雷 (lilei)"),
        ("member.asked", "周宁 (zhouning)"),
        ("link.created", "林晓 (linxiao)"),
    }
    assert {entry.actor_id for entry in entries} == {company.admin.user_id}


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
