"""Sessions that an organisation's application or identity provider opened: it could have named anybody.

So they act for this organisation alone, and nothing that they do reaches the person's account or other organisations.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from extensions import db
from models import Integration, Membership, MembershipState, Role
from services import accounts, invitations, linking, members
from services.clock import utcnow
from tests.factories import make_link, make_tenant
from tests.fakes import FakePlatform
from tests.web.conftest import PASSWORD, Browser
from tests.web.test_h5_sign_in import INSIDE, come_back, connection, home

NEW = "a new password of the attacker"


@pytest.fixture
def integration(admin: Membership, monkeypatch: pytest.MonkeyPatch) -> Integration:
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: FakePlatform())
    return connection()


@pytest.fixture
def elsewhere(responder: Membership) -> Membership:
    """The same person, who administers another organisation."""
    return accounts.join(responder.user, make_tenant("别家"), Role.ADMIN, source="manual", now=utcnow())


@pytest.fixture
def vouched(client: Browser, integration: Integration, responder: Membership, elsewhere: Membership) -> Browser:
    """A session of the person that the first organisation's application opened."""
    make_link(integration, responder)
    db.session.commit()
    come_back(client, integration, "lin")
    return client


def test_it_sets_no_password_of_an_account_that_has_a_one_time_one(
    vouched: Browser, app: Flask, responder: Membership, elsewhere: Membership
) -> None:
    one_time = accounts.set_one_time_password(responder.user)
    db.session.commit()
    come_back(vouched, db.session.get_one(Integration, 1), "lin")
    assert 'name="current"' in vouched.get("/password").text
    asked = {"password": NEW, "repeated": NEW}
    assert vouched.submit("/password", asked, page="/password").status_code == 422
    assert vouched.submit("/password", {**asked, "current": "guessed"}, page="/password").status_code == 422
    other = app.test_client()
    assert isinstance(other, Browser)
    assert other.sign_in(responder, NEW).status_code == 422
    assert other.sign_in(responder, one_time).location.startswith("/password")


def test_a_password_that_is_changed_with_the_old_one_leaves_it_confined(
    vouched: Browser, elsewhere: Membership
) -> None:
    asked = {"current": PASSWORD, "password": NEW, "repeated": NEW}
    assert vouched.submit("/password", asked, page="/password").status_code == 303
    assert vouched.get("/incidents").status_code == 200
    vouched.submit("/organisations", {"tenant_id": elsewhere.tenant_id}, page="/me")
    assert "别家" not in vouched.get("/incidents").text


def test_it_ends_with_its_link_also_after_a_new_password(
    vouched: Browser, integration: Integration, responder: Membership
) -> None:
    asked = {"current": PASSWORD, "password": NEW, "repeated": NEW}
    vouched.submit("/password", asked, page="/password")
    link = linking.find(integration, "lin")
    assert link is not None
    db.session.delete(link)
    db.session.commit()
    assert vouched.get("/incidents").status_code == 303


def test_it_is_not_told_where_else_the_person_is(vouched: Browser, elsewhere: Membership) -> None:
    assert "别家" not in vouched.get("/organisations").text
    assert "别家" not in vouched.get("/me").text


def test_it_renames_nobody_who_is_elsewhere_too(vouched: Browser, responder: Membership) -> None:
    before = responder.user.real_name
    asked = {"real_name": "改过的名字", "theme": "auto", "locale": "", "timezone": ""}
    answer = vouched.submit("/me", asked, page="/me")
    assert answer.status_code == 422
    assert "用用户名和密码登录" in answer.text
    assert responder.user.real_name == before


def test_an_administrators_session_does_not_rename_them_among_the_members_either(
    vouched: Browser, responder: Membership
) -> None:
    responder.role, before = Role.ADMIN, responder.user.real_name
    db.session.commit()
    page = f"/members/{responder.id}"
    answer = vouched.submit(page, {"real_name": "改过的名字", "role": "admin"}, page=page)
    assert "也属于其他组织" in answer.text
    assert responder.user.real_name == before


@pytest.mark.parametrize("way", ["link", "name", "decline", "house number"])
def test_it_joins_and_declines_nothing_for_the_person(
    vouched: Browser, responder: Membership, admin: Membership, way: str
) -> None:
    third = make_tenant("第三家", house_number="THIRD")
    _, token = invitations.make(third, Role.ADMIN, username="" if way == "link" else "lin", by=admin.user, now=utcnow())
    db.session.commit()
    asked: dict[str, Callable[[], object]] = {
        "link": lambda: vouched.submit("/join", {"token": token}, page="/me"),
        "name": lambda: vouched.submit(f"/organisations/{third.id}/accept", page="/me"),
        "decline": lambda: vouched.submit(f"/organisations/{third.id}/decline", page="/me"),
        "house number": lambda: vouched.submit("/organisations/join", {"house_number": "THIRD"}, page="/me"),
    }
    asked[way]()
    place = linking.place(responder.user, third.id)
    assert place is None or place.state is MembershipState.INVITED
    assert (place is None) == (way == "link")


def test_a_link_asks_it_for_the_password(vouched: Browser, admin: Membership) -> None:
    _, token = invitations.make(make_tenant("第三家"), Role.RESPONDER, by=admin.user, now=utcnow())
    db.session.commit()
    page = vouched.get(f"/join?token={token}").text
    assert "登录并加入" in page


def test_an_organisation_that_lets_somebody_go_ends_no_session_elsewhere(
    client: Browser, admin: Membership, responder: Membership, elsewhere: Membership
) -> None:
    db.session.commit()
    client.sign_in(responder)
    client.submit("/organisations", {"tenant_id": elsewhere.tenant_id}, page="/organisations")
    members.disable(responder, by=admin, now=utcnow())
    db.session.commit()
    assert client.get("/incidents").status_code == 200


def test_it_opens_nothing_once_the_person_was_let_go(
    vouched: Browser, integration: Integration, admin: Membership, responder: Membership
) -> None:
    members.disable(responder, by=admin, now=utcnow())
    db.session.commit()
    assert vouched.get("/incidents").status_code in {303, 403}
    assert vouched.get(f"{home(integration)}/incidents", headers=INSIDE).status_code in {302, 303, 403}


# --- who left -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("links", [2, 3])
def test_somebody_who_left_waits_whatever_links_without_a_name_they_have(
    client: Browser, admin: Membership, responder: Membership, links: int
) -> None:
    members.disable(responder, by=admin, now=utcnow())
    tokens = [invitations.create(Role.ADMIN, by=admin, now=utcnow())[1] for _ in range(links)]
    db.session.commit()
    for token in tokens:
        place = invitations.accept(invitations.find(token, now=utcnow()), responder.user, now=utcnow())
        db.session.commit()
        assert place.state is MembershipState.UNDER_REVIEW
    assert invitations.find(tokens[-1], now=utcnow()).used_at is None


def test_an_invitation_by_name_ends_when_the_person_is_let_go(admin: Membership, responder: Membership) -> None:
    _, before = invitations.create(Role.ADMIN, username="lin", by=admin, now=utcnow())
    members.disable(responder, by=admin, now=utcnow())
    with pytest.raises(invitations.InvitationEnded):
        invitations.find(before, now=utcnow())
    _, afterwards = invitations.create(Role.RESPONDER, username="lin", by=admin, now=utcnow())
    place = invitations.accept(invitations.find(afterwards, now=utcnow()), responder.user, now=utcnow())
    assert place.state is MembershipState.ACTIVE


# --- from the menu on the phone -----------------------------------------------------------------------------------


def switching(integration: Integration) -> str:
    return f"{home(integration)}/account/organisations"


@pytest.mark.parametrize("current", ["", "guessed", NEW])
def test_no_wrong_password_leads_it_elsewhere(
    vouched: Browser, integration: Integration, elsewhere: Membership, current: str
) -> None:
    answer = vouched.submit(switching(integration), {"current": current})
    assert answer.status_code == 422
    assert "别家" not in answer.text
    assert vouched.submit(f"{switching(integration)}/{elsewhere.tenant_id}", page="/me").status_code == 404
    assert "别家" not in vouched.get("/incidents").text


def test_it_does_not_learn_where_the_person_is_by_trying(
    vouched: Browser, integration: Integration, elsewhere: Membership
) -> None:
    unknown = make_tenant("第三家")
    for path in (f"{switching(integration)}/%s", "/organisations"):
        tries = [elsewhere.tenant_id, unknown.id]
        asked = [(path % each if "%" in path else path, {"tenant_id": each}) for each in tries]
        answers = [vouched.submit(where, fields, page="/me") for where, fields in asked]
        assert [answer.status_code for answer in answers] == [404, 404]


def test_guessing_there_is_counted_like_signing_in(
    vouched: Browser, app: Flask, integration: Integration, responder: Membership, elsewhere: Membership
) -> None:
    for _ in range(6):
        answer = vouched.submit(switching(integration), {"current": "guessed"})
    assert answer.status_code == 429
    assert vouched.submit(switching(integration), {"current": PASSWORD}).status_code == 429
    other = app.test_client()
    assert isinstance(other, Browser)
    assert other.sign_in(responder).status_code == 429


def test_a_one_time_password_typed_there_is_replaced_first(
    vouched: Browser, integration: Integration, responder: Membership, elsewhere: Membership
) -> None:
    one_time = accounts.set_one_time_password(responder.user)
    db.session.commit()
    come_back(vouched, integration, "lin")
    vouched.submit(switching(integration), {"current": one_time})
    page = vouched.get(switching(integration))
    assert page.status_code == 303
    assert page.location.startswith("/password")
    entered = vouched.submit(f"{switching(integration)}/{elsewhere.tenant_id}", page="/password")
    assert entered.location.startswith("/password")


def test_a_session_by_password_is_not_confined_to_the_link_it_had(
    vouched: Browser, integration: Integration, elsewhere: Membership
) -> None:
    """And no longer ends with it: the person signed in."""
    vouched.submit(switching(integration), {"current": PASSWORD})
    link = linking.find(integration, "lin")
    assert link is not None
    db.session.delete(link)
    assert vouched.submit(f"{switching(integration)}/{elsewhere.tenant_id}", page="/me").status_code == 303
    assert "别家" in vouched.get("/me").text
