"""People and passwords: proving who somebody is, slowing down guessing, the first administrator, members."""

from __future__ import annotations

import os
import sys
import threading
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from errors import AccessDenied, InvalidInput, NotFound
from extensions import db
from models import Membership, MembershipState, Role, SignInAttempt, User
from services import accounts, members, passwords, rights, throttling
from tests.factories import NOW, make_member, make_tenant

PASSWORD = "correct horse battery staple"


@pytest.fixture
def founder(app: Flask) -> Membership:
    made = accounts.create_first_administrator("Wang.Fang", "王芳", PASSWORD, organisation="测试组织", now=NOW)
    db.session.commit()
    return made


def attempt(username: str = "wang.fang", password: str = PASSWORD, address: str = "192.0.2.1", **at: int) -> User:
    try:
        return accounts.authenticate(username, password, address=address, now=NOW + timedelta(**at))
    finally:
        db.session.commit()


# --- passwords ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("password", "error"),
    [
        ("short", passwords.PasswordTooShort),
        ("x" * 257, passwords.PasswordTooLong),
        ("password123", passwords.PasswordIsCommon),
        ("PassWord123", passwords.PasswordIsCommon),
        ("woaini1314", passwords.PasswordIsCommon),
        ("qwertyuiop", passwords.PasswordIsCommon),
        ("12345678", passwords.PasswordIsCommon),
        ("aaaaaaaaaaaaaaaaaa", passwords.PasswordIsCommon),
        ("my-lin-password", passwords.PasswordHoldsName),
        ("xx-LIN-xx-yy", passwords.PasswordHoldsName),
    ],
)
def test_weak_passwords_are_refused(password: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        passwords.check_acceptable(password, "lin")


@pytest.mark.parametrize("password", ["五个不相干的词组成一句", "no rules of composition", "7391-4420-8862"])
def test_there_are_no_rules_of_composition(password: str) -> None:
    passwords.check_acceptable(password, "lin")


def test_hashing_costs_at_least_19_mib_and_two_rounds(product_hasher: None) -> None:
    hashed = passwords.hash_password(PASSWORD)
    assert hashed.startswith("$argon2id$")
    assert passwords.HASHER.memory_cost >= 19 * 1024
    assert passwords.HASHER.time_cost >= 2
    assert PASSWORD not in hashed


@pytest.mark.parametrize("wrong", ["", " ", "\0", PASSWORD + "\0", PASSWORD.upper(), PASSWORD + " "])
def test_empty_blank_and_nul_passwords_open_nothing(wrong: str) -> None:
    assert passwords.verify(PASSWORD, passwords.hash_password(PASSWORD))
    assert not passwords.verify(wrong, passwords.hash_password(PASSWORD))
    assert not passwords.verify(wrong, None)


def test_a_third_hash_at_once_is_sent_away() -> None:
    with passwords._one_of_two(), passwords._one_of_two(), pytest.raises(passwords.HashingBusy) as refused:
        passwords.verify(PASSWORD, None)
    assert refused.value.status == 429
    assert passwords.hash_password(PASSWORD)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only a whole process can step back")
def test_hashing_gets_what_others_leave_of_the_processor() -> None:
    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    assert passwords._computed(priority) == min(19, priority() + passwords.NICENESS)


def test_one_time_passwords_differ_and_are_readable() -> None:
    made = {passwords.one_time_password() for _ in range(100)}
    assert len(made) == 100
    assert all(len(password) == 16 and not set(password) & set("0O1lIi") for password in made)


# --- signing in ---------------------------------------------------------------------------------------------------


def test_the_right_password_opens_whatever_the_case_of_the_name(founder: Membership) -> None:
    assert attempt("  WANG.fang ").id == founder.user_id
    assert founder.user.last_sign_in_at == NOW


@pytest.mark.parametrize(("username", "password"), [("wang.fang", "wrong password"), ("nobody", PASSWORD), ("", "")])
def test_unknown_names_and_wrong_passwords_get_the_same_answer(
    founder: Membership, username: str, password: str
) -> None:
    with pytest.raises(accounts.SignInRefused):
        attempt(username, password)


def test_a_person_without_a_password_cannot_sign_in_with_an_empty_one(app: Flask) -> None:
    make_member("lin")
    with pytest.raises(accounts.SignInRefused):
        attempt("lin", "")


def test_five_failures_lock_the_account_for_fifteen_minutes(founder: Membership) -> None:
    for name in ("wang.fang", "WANG.FANG", "Wang.Fang ", "ｗang.fang", "wang.FANG"):
        with pytest.raises(accounts.SignInRefused):
            attempt(name, "wrong password")
    with pytest.raises(throttling.TooManyAttempts) as refused:
        attempt()
    assert refused.value.retry_after == timedelta(minutes=15)
    with pytest.raises(throttling.TooManyAttempts):
        attempt(minutes=14)
    assert attempt(minutes=16)


def test_being_sent_away_does_not_prolong_the_lock(founder: Membership) -> None:
    for _ in range(5):
        with pytest.raises(accounts.SignInRefused):
            attempt(password="wrong password")
    for minute in range(1, 15):
        with pytest.raises(throttling.TooManyAttempts):
            attempt(password="wrong password", minutes=minute)
    assert attempt(minutes=15, seconds=1)


def test_unknown_names_are_locked_alike(app: Flask) -> None:
    for _ in range(5):
        with pytest.raises(accounts.SignInRefused):
            attempt("nobody", "wrong password")
    with pytest.raises(throttling.TooManyAttempts):
        attempt("nobody", "wrong password")


def test_success_forgets_the_failures(founder: Membership) -> None:
    for _ in range(3):
        for _ in range(4):
            with pytest.raises(accounts.SignInRefused):
                attempt(password="wrong password")
        assert attempt()
    assert db.session.execute(select(func.count(SignInAttempt.id))).scalar_one() == 0


def test_an_address_is_locked_after_a_hundred_failures(founder: Membership) -> None:
    db.session.add_all(
        SignInAttempt(account=f"name{number}", address="192.0.2.9", at=NOW) for number in range(throttling.PER_ADDRESS)
    )
    db.session.commit()
    with pytest.raises(throttling.TooManyAttempts):
        attempt(address="192.0.2.9")
    assert attempt(address="192.0.2.10")


def test_a_crowd_of_guesses_at_once_counts_as_a_crowd(product_hasher: None, founder: Membership, app: Flask) -> None:
    outcomes: list[str] = []
    start = threading.Barrier(12)

    def guess() -> None:
        with app.app_context():
            start.wait()
            try:
                accounts.authenticate("wang.fang", "wrong password", address="192.0.2.1", now=NOW)
            except accounts.SignInRefused:
                outcomes.append("compared")
            except (throttling.TooManyAttempts, passwords.HashingBusy):
                outcomes.append("sent away")
            finally:
                db.session.remove()

    db.session.commit()
    guesses = [threading.Thread(target=guess) for _ in range(12)]
    for thread in guesses:
        thread.start()
    for thread in guesses:
        thread.join()
    assert len(outcomes) == 12
    assert outcomes.count("compared") <= throttling.PER_ACCOUNT


def test_old_hashes_are_renewed_while_the_password_is_at_hand(product_hasher: None, founder: Membership) -> None:
    from argon2 import PasswordHasher

    weak = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)
    founder.user.password_hash = weak
    db.session.commit()
    assert attempt().password_hash != weak
    assert attempt()


def test_a_disabled_person_is_told_so_only_after_the_right_password(founder: Membership) -> None:
    founder.user.is_disabled = True
    db.session.commit()
    with pytest.raises(accounts.SignInRefused):
        attempt(password="wrong password")
    with pytest.raises(accounts.AccountDisabled):
        attempt()


# --- the first administrator --------------------------------------------------------------------------------------


def test_there_is_one_first_administrator(founder: Membership) -> None:
    assert founder.tenant_id == 0
    assert founder.role is Role.ADMIN
    assert founder.user.is_superadmin
    with pytest.raises(accounts.AlreadySetUp):
        accounts.create_first_administrator("second", "二", PASSWORD, now=NOW)


def test_two_first_administrators_at_the_same_moment_are_one(app: Flask) -> None:
    outcomes: list[str] = []
    start = threading.Barrier(2)

    def create(name: str) -> None:
        with app.app_context():
            start.wait()
            try:
                accounts.create_first_administrator(name, name, PASSWORD, now=NOW)
                db.session.commit()
                outcomes.append("created")
            except accounts.AlreadySetUp:
                db.session.rollback()
                outcomes.append("refused")
            finally:
                db.session.remove()

    db.session.rollback()
    both = [threading.Thread(target=create, args=(name,)) for name in ("wang", "lin")]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert sorted(outcomes) == ["created", "refused"]
    assert db.session.execute(select(func.count(User.id))).scalar_one() == 1


def test_a_name_is_taken_whatever_its_case(founder: Membership) -> None:
    with pytest.raises(accounts.UsernameTaken):
        accounts.create("WANG.FANG", "", PASSWORD, now=NOW)


# --- members ------------------------------------------------------------------------------------------------------


def test_a_new_member_gets_a_password_for_one_use(founder: Membership) -> None:
    member, password = members.add("lin", "林晓", Role.RESPONDER, by=founder, now=NOW)
    db.session.commit()
    assert member.user.must_change_password
    assert attempt("lin", password).id == member.user_id
    accounts.change_password(member.user, "another good password")
    db.session.commit()
    assert not member.user.must_change_password
    with pytest.raises(accounts.SignInRefused):
        attempt("lin", password)


def test_changing_the_password_ends_all_sessions(founder: Membership) -> None:
    epoch = founder.user.session_epoch
    accounts.change_password(founder.user, "another good password")
    assert founder.user.session_epoch == epoch + 1


def test_the_same_password_again_is_no_change(founder: Membership) -> None:
    with pytest.raises(accounts.PasswordUnchanged):
        accounts.change_password(founder.user, PASSWORD)


def test_the_last_administrator_stays(founder: Membership) -> None:
    second = make_member("wu", Role.ADMIN)
    members.edit(second, real_name="吴凡", role=Role.RESPONDER, by=founder)
    with pytest.raises(members.LastAdministrator):
        members.edit(founder, real_name="王芳", role=Role.VIEWER, by=founder)
    with pytest.raises(members.OwnAccount):
        members.disable(founder, by=founder, now=NOW)


def test_a_disabled_administrator_does_not_count(founder: Membership) -> None:
    second = make_member("wu", Role.ADMIN)
    second.user.is_disabled = True
    db.session.flush()
    with pytest.raises(members.LastAdministrator):
        members.edit(founder, real_name="王芳", role=Role.VIEWER, by=founder)


def test_disabled_members_have_no_rights_until_they_are_restored(founder: Membership) -> None:
    lin = make_member("lin")
    epoch = lin.user.session_epoch
    members.disable(lin, by=founder, now=NOW)
    members.disable(lin, by=founder, now=NOW)
    assert lin.state is MembershipState.LEFT
    assert lin.user.session_epoch == epoch + 1
    assert not rights.can(lin, "incident.view")
    members.restore(lin, by=founder, now=NOW)
    assert rights.can(lin, "incident.handle")


def test_responders_manage_nobody(founder: Membership) -> None:
    lin, wu = make_member("lin"), make_member("wu")
    for forbidden in (
        lambda: members.add("x1", "x", Role.ADMIN, by=lin, now=NOW),
        lambda: members.edit(lin, real_name="林晓", role=Role.ADMIN, by=lin),
        lambda: members.reset_password(wu, by=lin),
        lambda: members.disable(wu, by=lin, now=NOW),
        lambda: members.restore(wu, by=lin, now=NOW),
    ):
        with pytest.raises(AccessDenied):
            forbidden()


def test_members_of_other_organisations_do_not_exist_here(founder: Membership) -> None:
    zhou = make_member("zhou", tenant=make_tenant("别处"))
    with pytest.raises(NotFound):
        members.get(zhou.id, viewer=founder)
    assert zhou.id not in {member.id for member in members.page(founder).items}


def test_an_account_that_opens_another_organisation_cannot_be_taken_over(founder: Membership) -> None:
    second = make_member("wu", Role.ADMIN)
    zhou = make_member("zhou")
    make_member("zhou", tenant=make_tenant("别处"))
    with pytest.raises(members.SharedAccount):
        members.reset_password(zhou, by=second)
    with pytest.raises(members.SharedAccount):
        members.reset_password(founder, by=second)


def test_members_are_found_and_paged_by_name(founder: Membership) -> None:
    for number in range(7):
        make_member(f"person{number}", real_name=f"第{number}位")
    first = members.page(founder, limit=5)
    assert first.next_cursor is not None
    second = members.page(founder, after=first.next_cursor, limit=5)
    names = [member.user.username for member in first.items + second.items]
    assert names == sorted(names, key=str.casefold)
    assert len(names) == 8
    assert second.next_cursor is None
    assert [member.user.username for member in members.page(founder, text="第3").items] == ["person3"]
    assert members.page(founder, text="%").items == []
    assert [member.id for member in members.page(founder, role=Role.ADMIN).items] == [founder.id]


def test_only_a_session_of_their_own_makes_a_super_administrator_one(founder: Membership) -> None:
    """Whoever came by an organisation's application or provider acts with the rights of the membership alone."""
    zhou = make_member("zhou", real_name="周宁")
    make_member("zhou", tenant=make_tenant("别处"))
    assert founder.user.is_superadmin
    for act in (
        lambda **above: members.reset_password(zhou, by=founder, **above),
        lambda **above: members.set_email(zhou, "zhou@example.com", by=founder, **above),
    ):
        with pytest.raises(members.SharedAccount):
            act()
        act(stands_above=True)


def test_who_belongs_to_two_organisations_is_renamed_by_neither(founder: Membership) -> None:
    zhou = make_member("zhou", real_name="周宁")
    make_member("zhou", tenant=make_tenant("别处"))
    with pytest.raises(members.SharedName):
        members.edit(zhou, real_name="别名", role=Role.VIEWER, by=founder)
    members.edit(zhou, real_name="周宁", role=Role.VIEWER, by=founder)
    assert zhou.role is Role.VIEWER


def test_an_address_that_its_owner_proved_is_not_an_administrators_to_change(founder: Membership) -> None:
    lin = make_member("lin", email="lin@example.com", email_verified_at=NOW)
    with pytest.raises(InvalidInput):
        members.set_email(lin, "evil@example.com", by=founder)
    assert lin.user.email == "lin@example.com"
