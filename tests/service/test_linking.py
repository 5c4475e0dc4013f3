"""One account there, one account here: how links are made, move, break, mend and end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from extensions import db
from models import AccountLink, LinkState, MembershipState
from platforms.base import PlatformIdentity
from services import linking, outbox
from services.linking import NoMembership, NotAMember, SignInExpired
from tests.factories import NOW, default_tenant, make_integration, make_link, make_member, make_tenant

LIN = PlatformIdentity("Lin", "林晓")


def link(integration, member, identity=LIN):
    made = linking.link(integration, member.user, identity, source="login", now=NOW)
    db.session.commit()
    return made


def stored() -> set[tuple[int, str]]:
    return {(link.user_id, link.external_user_id) for link in db.session.scalars(select(AccountLink))}


def test_a_link_is_found_from_both_sides_whatever_the_case(app):
    integration, lin = make_integration(), make_member("lin")
    made = link(integration, lin)
    assert linking.find(integration, "lin") == linking.find(integration, "LIN") == made
    assert linking.find_for_user(integration, lin.user_id) == made
    assert made.external_name == "林晓"


def test_linking_again_changes_nothing_but_the_time(app):
    integration, lin = make_integration(), make_member("lin")
    link(integration, lin)
    link(integration, lin)
    assert outbox.pending("tell", integration.id) is None
    assert stored() == {(lin.user_id, "lin")}


def test_a_person_with_a_new_account_there_leaves_the_old_one(app):
    integration, lin = make_integration(), make_member("lin")
    make_link(integration, lin, external_user_id="old")
    link(integration, lin)
    assert stored() == {(lin.user_id, "lin")}
    told = outbox.pending("tell", integration.id)
    assert told.payload["to"] == "old" and "lin" in told.payload["text"]


def test_an_account_there_belongs_to_whoever_proved_it_last(app):
    integration, lin, wu = make_integration(), make_member("lin"), make_member("wu")
    make_link(integration, wu, external_user_id="lin")
    link(integration, lin)
    assert stored() == {(lin.user_id, "lin")}


def test_links_of_other_connections_are_left_alone(app):
    lin = make_member("lin")
    here, there = make_integration(), make_integration()
    make_link(there, lin)
    link(here, lin)
    assert len(linking.links_of(lin.user, tenant_id=here.tenant_id)) == 2


def test_a_guest_of_the_company_is_linked_to_nobody(app):
    with pytest.raises(NotAMember):
        link(make_integration(), make_member("lin"), PlatformIdentity(None, "客人"))


@pytest.mark.parametrize("state", [None, MembershipState.REFUSED])
def test_who_has_no_place_in_the_organisation_is_not_linked(app, state):
    elsewhere = make_tenant() if state is None else None
    zhou = make_member("zhou", tenant=elsewhere, state=state or MembershipState.ACTIVE)
    with pytest.raises(NoMembership):
        link(make_integration(), zhou)
    assert not stored()


def test_a_link_waits_for_the_membership_and_holds_after_the_next_opening(app):
    integration, lin = make_integration(), make_member("lin", state=MembershipState.UNDER_REVIEW)
    made = link(integration, lin)
    assert made.state is LinkState.PENDING
    linking.seen(made, LIN, now=NOW)
    assert made.state is LinkState.PENDING
    lin.state = MembershipState.ACTIVE
    db.session.commit()
    linking.seen(made, LIN, now=NOW)
    assert made.state is LinkState.ACTIVE


@pytest.mark.parametrize(
    ("membership", "state"),
    [
        (MembershipState.ACTIVE, LinkState.ACTIVE),
        (MembershipState.UNDER_REVIEW, LinkState.PENDING),
        (MembershipState.LEFT, LinkState.PENDING),
    ],
)
def test_an_opening_mends_a_broken_link_as_far_as_the_membership_goes(app, membership, state):
    broken = make_link(make_integration(), make_member("lin", state=membership), state=LinkState.BROKEN)
    linking.seen(broken, LIN, now=NOW)
    assert broken.state is state


def test_an_opening_keeps_the_name_there_and_notes_the_time_now_and_then(app):
    made = make_link(make_integration(), make_member("lin"), external_name="旧名")
    linking.seen(made, LIN, now=NOW)
    linking.seen(made, PlatformIdentity("lin", ""), now=NOW + timedelta(minutes=4))
    assert (made.external_name, made.last_seen_at) == ("林晓", NOW)
    later = NOW + timedelta(minutes=6)
    linking.seen(made, LIN, now=later)
    assert made.last_seen_at == later


def test_a_sign_in_state_is_used_once_and_soon(app):
    default_tenant()
    linking.use_state("s1", tenant_id=0, opened_at=NOW, now=NOW + timedelta(minutes=10))
    db.session.commit()
    with pytest.raises(SignInExpired):
        linking.use_state("s1", tenant_id=0, opened_at=NOW, now=NOW)
    with pytest.raises(SignInExpired):
        linking.use_state("s2", tenant_id=0, opened_at=NOW, now=NOW + timedelta(minutes=10, seconds=1))


def test_links_of_other_organisations_are_not_found(app):
    made = make_link(make_integration(), make_member("lin"))
    assert linking.get(made.id, tenant_id=made.tenant_id) == made
    assert linking.get(made.id, tenant_id=make_tenant().id) is None


def test_unlinking_leaves_person_and_connection(app):
    integration, lin = make_integration(), make_member("lin")
    linking.unlink(make_link(integration, lin))
    db.session.commit()
    assert linking.find_for_user(integration, lin.user_id) is None
    assert linking.membership(lin.user, 0) == lin


def test_messages_go_through_active_links_alone_by_name(app):
    integration = make_integration()
    lin = make_link(integration, make_member("lin"))
    make_link(integration, make_member("wu"), state=LinkState.BROKEN)
    make_link(integration, make_member("zhou"), state=LinkState.PENDING)
    make_link(make_integration(), make_member("admin"))
    assert linking.active_links(integration) == [lin]
