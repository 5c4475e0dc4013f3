"""Coming in and going: every state of a membership, who may change it, and what follows from it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from errors import AccessDenied, InvalidInput, NotFound
from extensions import db
from models import AccountLink, AuditEntry, LinkState, Membership, MembershipState, Role, TenantStatus
from services import admission, invitations, linking, members, policy_people, rights
from services.invitations import InvitationEnded
from tests.factories import NOW, make_channel, make_integration, make_link, make_member, make_policy, make_tenant

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def boss(app):
    return make_member("boss", Role.ADMIN)


@pytest.fixture
def asking(boss):
    return make_member("zhou", state=MembershipState.UNDER_REVIEW)


# --- asking, and the decision -------------------------------------------------------------------------------------


def test_a_house_number_asks_for_entry(boss):
    zhou = make_member("zhou", tenant=make_tenant("别处")).user
    place = admission.ask_by_house_number(zhou, f" {boss.tenant.house_number.lower()} ", now=NOW)
    assert (place.state, place.source, place.role) == (
        MembershipState.UNDER_REVIEW,
        "house_number",
        Role.RESPONDER,
    )
    assert not rights.can(place, "incident.view")
    assert admission.waiting(boss) == [place]
    assert admission.count_waiting(boss) == 1


@pytest.mark.parametrize("number", ["", "NOBODY", "FROZEN"])
def test_a_house_number_that_takes_nobody_is_unknown(boss, number):
    make_tenant("冰", house_number="FROZEN", status=TenantStatus.FROZEN)
    with pytest.raises(admission.UnknownHouseNumber):
        admission.ask_by_house_number(boss.user, number, now=NOW)


@pytest.mark.parametrize("state", MembershipState)
def test_asking_again_changes_nothing(boss, state):
    place = make_member("zhou", state=state)
    assert admission.ask_by_house_number(place.user, boss.tenant.house_number, now=NOW) is place
    assert place.state is state


def test_approval_lets_in_with_a_role_and_makes_the_waiting_link_work(boss, asking):
    link = make_link(make_integration(), asking, state=LinkState.PENDING)
    elsewhere = make_tenant("别处")
    make_member("zhou", tenant=elsewhere)
    other = make_link(make_integration(tenant=elsewhere), asking, state=LinkState.PENDING)
    admission.approve(asking, role=Role.VIEWER, by=boss, now=LATER)
    db.session.commit()
    assert (asking.state, asking.role) == (MembershipState.ACTIVE, Role.VIEWER)
    assert (asking.decided_by_id, asking.decided_at) == (boss.user_id, LATER)
    assert db.session.get(AccountLink, link.id, populate_existing=True).state is LinkState.ACTIVE
    assert db.session.get(AccountLink, other.id, populate_existing=True).state is LinkState.PENDING


def test_refusal_drops_the_waiting_link_and_keeps_the_reason(boss, asking):
    link = make_link(make_integration(), asking, state=LinkState.PENDING)
    admission.refuse(asking, reason=" 不认识 ", by=boss, now=LATER)
    db.session.commit()
    assert (asking.state, asking.reason) == (MembershipState.REFUSED, "不认识")
    db.session.expire_all()
    assert db.session.get(AccountLink, link.id) is None


def test_a_refused_request_is_taken_up_again_by_an_administrator(boss, asking):
    admission.refuse(asking, by=boss, now=NOW)
    admission.reopen(asking, by=boss, now=LATER)
    assert asking.state is MembershipState.UNDER_REVIEW
    assert asking.reason == ""


VERBS = {
    "approve": (admission.approve, {MembershipState.UNDER_REVIEW, MembershipState.ACTIVE}),
    "refuse": (admission.refuse, {MembershipState.UNDER_REVIEW, MembershipState.REFUSED}),
    "reopen": (admission.reopen, {MembershipState.REFUSED, MembershipState.UNDER_REVIEW}),
}


@pytest.mark.parametrize("verb", VERBS)
def test_other_states_are_not_decided_on(boss, verb):
    decide, allowed = VERBS[verb]
    for number, state in enumerate(MembershipState):
        place = make_member(f"person{number}", state=state)
        if state in allowed:
            decide(place, by=boss, now=NOW)
            decide(place, by=boss, now=NOW)  # safe to repeat
        else:
            with pytest.raises(admission.AlreadyDecided):
                decide(place, by=boss, now=NOW)
            assert place.state is state


@pytest.mark.parametrize("role", [Role.RESPONDER, Role.VIEWER])
def test_only_administrators_decide(boss, asking, role):
    lin = make_member("lin", role)
    for verb, _allowed in VERBS.values():
        with pytest.raises(AccessDenied):
            verb(asking, by=lin, now=NOW)
    with pytest.raises(AccessDenied):
        admission.waiting(lin)
    with pytest.raises(AccessDenied):
        invitations.create(Role.VIEWER, by=lin, now=NOW)


def test_decisions_are_recorded(boss, asking):
    admission.refuse(asking, reason="x", by=boss, now=NOW)
    admission.reopen(asking, by=boss, now=NOW)
    admission.approve(asking, by=boss, now=NOW)
    events = db.session.scalars(db.select(AuditEntry.event).order_by(AuditEntry.id)).all()
    assert events == ["member.refused", "member.reopened", "member.approved"]


# --- invitations --------------------------------------------------------------------------------------------------


def stranger(name="zhou"):
    return make_member(name, tenant=make_tenant("别处")).user


def test_a_link_lets_in_once(boss):
    made, token = invitations.create(Role.VIEWER, by=boss, now=NOW)
    place = invitations.accept(invitations.find(token, now=LATER), stranger(), now=LATER)
    assert (place.state, place.role, place.source) == (MembershipState.ACTIVE, Role.VIEWER, "invite")
    assert made.used_by is place.user
    with pytest.raises(InvitationEnded):
        invitations.find(token, now=LATER)
    with pytest.raises(InvitationEnded):
        invitations.accept(made, stranger("wu"), now=LATER)


def test_a_link_is_kept_as_a_digest_only(boss):
    made, token = invitations.create(Role.VIEWER, note="给小周", by=boss, now=NOW)
    assert token not in repr(vars(made))
    assert token not in repr([vars(entry) for entry in db.session.scalars(db.select(AuditEntry))])


def test_a_link_ends_by_time_by_revoking_and_with_its_organisation(boss):
    _, old = invitations.create(Role.VIEWER, days=1, by=boss, now=NOW)
    with pytest.raises(InvitationEnded):
        invitations.find(old, now=NOW + timedelta(days=1))
    made, revoked = invitations.create(Role.VIEWER, by=boss, now=NOW)
    invitations.revoke(made.id, by=boss, now=NOW)
    invitations.revoke(made.id, by=boss, now=NOW)
    with pytest.raises(InvitationEnded):
        invitations.find(revoked, now=NOW)
    _, frozen = invitations.create(Role.VIEWER, by=boss, now=NOW)
    boss.tenant.status = TenantStatus.FROZEN
    for token in (frozen, "", "unknown"):
        with pytest.raises(InvitationEnded):
            invitations.find(token, now=NOW)


def test_links_of_others_are_not_revoked(boss):
    foreign = make_member("other-boss", Role.ADMIN, tenant=make_tenant("别处"))
    made, token = invitations.create(Role.VIEWER, by=foreign, now=NOW)
    with pytest.raises(NotFound):
        invitations.revoke(made.id, by=boss, now=NOW)
    assert invitations.open_ones(boss, now=NOW) == []
    assert invitations.find(token, now=NOW) is made


def test_inviting_by_name_tells_nothing_about_accounts_elsewhere(boss):
    """Known or not, the invitation looks alike, and the list of members does not change."""
    stranger("zhou")
    shown = []
    for name in ("zhou", "nobody"):
        made, _token = invitations.create(Role.VIEWER, username=name, by=boss, now=NOW)
        shown.append((made.role, made.note, made.expires_at, made.used_at, made.revoked_at))
    assert shown[0] == shown[1]
    assert [place.user.username for place in members.page(boss).items] == ["boss"]


def test_the_invited_person_finds_the_invitation_and_nobody_else_can_use_it(boss):
    zhou, wu = stranger("zhou"), stranger("wu")
    made, token = invitations.create(Role.RESPONDER, username=" ZHOU ", by=boss, now=NOW)
    place = linking.place(zhou, boss.tenant_id)
    assert place is not None
    assert place.state is MembershipState.INVITED
    with pytest.raises(InvitationEnded):
        invitations.accept(invitations.find(token, now=NOW), wu, now=NOW)
    with pytest.raises(InvitationEnded):
        invitations.of_person(wu, boss.tenant_id, now=NOW)
    invitations.accept(invitations.of_person(zhou, boss.tenant_id, now=NOW), zhou, now=NOW)
    assert place.state is MembershipState.ACTIVE
    assert made.used_by is zhou


@pytest.mark.parametrize("how", ["decline", "revoke"])
def test_an_invitation_that_comes_to_nothing_leaves_no_membership(boss, how):
    zhou = stranger()
    made, token = invitations.create(Role.VIEWER, username="zhou", by=boss, now=NOW)
    if how == "decline":
        invitations.decline(zhou, boss.tenant_id, now=NOW)
    else:
        invitations.revoke(made.id, by=boss, now=NOW)
    db.session.commit()
    assert linking.place(zhou, boss.tenant_id) is None
    with pytest.raises(InvitationEnded):
        invitations.find(token, now=NOW)


def test_who_left_comes_under_review_by_a_nameless_link_and_in_by_their_own(boss):
    zhou = make_member("zhou", state=MembershipState.LEFT)
    _, token = invitations.create(Role.ADMIN, by=boss, now=NOW)
    invitations.accept(invitations.find(token, now=NOW), zhou.user, now=NOW)
    assert (zhou.state, zhou.role) == (MembershipState.UNDER_REVIEW, Role.RESPONDER)
    zhou.state = MembershipState.LEFT
    _, named = invitations.create(Role.VIEWER, username="zhou", by=boss, now=NOW)
    invitations.accept(invitations.find(named, now=NOW), zhou.user, now=NOW)
    assert (zhou.state, zhou.role) == (MembershipState.ACTIVE, Role.VIEWER)


def test_who_was_refused_stays_refused(boss):
    zhou = make_member("zhou", state=MembershipState.REFUSED)
    _, token = invitations.create(Role.VIEWER, by=boss, now=NOW)
    with pytest.raises(rights.MembershipRefused):
        invitations.accept(invitations.find(token, now=NOW), zhou.user, now=NOW)
    assert zhou.state is MembershipState.REFUSED


def test_a_member_uses_nothing_up(boss):
    lin = make_member("lin")
    _, token = invitations.create(Role.ADMIN, by=boss, now=NOW)
    assert invitations.accept(invitations.find(token, now=NOW), lin.user, now=NOW) is lin
    assert lin.role is Role.RESPONDER
    assert invitations.find(token, now=NOW)


@pytest.mark.parametrize("days", [0, 31])
def test_a_link_lasts_at_most_a_month(boss, days):
    with pytest.raises(InvalidInput):
        invitations.create(Role.VIEWER, days=days, by=boss, now=NOW)


# --- leaving ------------------------------------------------------------------------------------------------------


def test_whoever_leaves_is_taken_out_of_policies_but_no_level_is_emptied(boss):
    lin, wu, channel = make_member("lin"), make_member("wu"), make_channel()
    shared, alone = make_policy(channel, lin, wu), make_policy(channel, lin)
    assert {(use.policy.id, use.is_alone) for use in policy_people.uses(0, lin.user_id)} == {
        (shared.id, False),
        (alone.id, True),
    }
    left_alone = members.disable(lin, by=boss, now=NOW)
    db.session.commit()
    db.session.expire_all()
    assert [use.policy.id for use in left_alone] == [alone.id]
    assert shared.levels[0]["user_ids"] == [wu.user_id]
    assert alone.levels[0]["user_ids"] == [lin.user_id]


def test_a_person_leaves_by_themselves_unless_they_are_the_last_administrator(boss):
    lin = make_member("lin")
    epoch = lin.user.session_epoch
    members.leave(lin, now=NOW)
    assert (lin.state, lin.decided_by_id) == (MembershipState.LEFT, lin.user_id)
    assert lin.user.session_epoch == epoch + 1
    with pytest.raises(members.LastAdministrator):
        members.leave(boss, now=NOW)
    assert boss.state is MembershipState.ACTIVE


def test_only_active_members_can_leave(boss, asking):
    assert members.disable(asking, by=boss, now=NOW) == []
    assert asking.state is MembershipState.UNDER_REVIEW
    members.restore(asking, by=boss, now=NOW)
    assert asking.state is MembershipState.UNDER_REVIEW


def test_a_person_has_one_membership_in_an_organisation(boss, asking):
    assert db.session.scalars(db.select(Membership).where(Membership.user_id == asking.user_id)).all() == [asking]
