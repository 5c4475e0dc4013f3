"""Linking accounts and pressing buttons as an attacker: foreign states, foreign codes, foreign keys, people who left.

What one person's browser does is in tests/web/test_h5.py: a state is good once, for ten minutes, in its session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from extensions import db
from models import AccountLink, AuditEntry, Incident, Integration, Membership, Progress
from platforms.crypto import CallbackCipher
from services import accounts, card_keys, integrations, linking, members
from services.clock import utcnow
from services.notifications import notify
from tests.factories import drawn_card, make_channel, make_incident, make_integration, make_link, make_tenant
from tests.fakes import press_of
from tests.security.conftest import World
from tests.web.conftest import Browser
from tests.web.test_callbacks import Caller
from tests.web.test_h5 import SilentSignIn, bind, come_back, enter, is_inside, links, open_state, prove


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> SilentSignIn:
    fake = SilentSignIn()
    monkeypatch.setattr(integrations, "platform_for", lambda integration: fake)
    return fake


@pytest.fixture
def integration(admin: Membership, platform: SilentSignIn) -> Integration:
    return make_integration(settings={"trusted_domain": "localhost"})


@pytest.fixture
def home(integration: Integration) -> str:
    return f"/h5/wecom/{integration.public_key}"


@pytest.fixture
def attacker(app: Flask, client: Browser) -> Iterator[Browser]:
    made = app.test_client()
    assert isinstance(made, Browser)
    yield made


def test_an_attackers_code_in_the_victims_session_links_nothing(
    client: Browser, home: str, responder: Membership, attacker: Browser
) -> None:
    """The victim opens a link that carries the attacker's code, with any state that the attacker can have."""
    for state in (open_state(attacker, home), "0" * 32, ""):
        assert come_back(client, home, state, "attacker").status_code == 400
        assert not links()
        assert not is_inside(client, home)


def test_a_victims_code_in_the_attackers_session_is_bound_to_the_victims_state(
    client: Browser, home: str, integration: Integration, responder: Membership, attacker: Browser
) -> None:
    make_link(integration, responder)
    state = open_state(client, home)
    assert come_back(attacker, home, state, "lin").status_code == 400
    assert not is_inside(attacker, home)


def test_a_leaked_address_is_worth_nothing_after_its_use(
    client: Browser, home: str, integration: Integration, responder: Membership, attacker: Browser
) -> None:
    make_link(integration, responder)
    state = open_state(client, home)
    assert come_back(client, home, state, "lin-1").status_code == 302
    for browser in (attacker, client):
        assert come_back(browser, home, state, "lin-1").status_code == 400


def test_a_state_of_one_organisation_is_none_at_another(
    client: Browser, home: str, platform: SilentSignIn, responder: Membership
) -> None:
    theirs = make_integration(tenant=make_tenant("别处"), settings={"trusted_domain": "localhost"})
    state = open_state(client, home)
    assert come_back(client, f"/h5/wecom/{theirs.public_key}", state).status_code == 400
    assert come_back(client, home, state).status_code == 400, "a wrong door ends it"


def test_states_are_long_and_never_the_same(client: Browser, home: str) -> None:
    states = {open_state(client, home) for _ in range(20)}
    assert len(states) == 20
    assert all(len(state) * 4 >= 128 for state in states)


def test_the_question_before_linking_is_a_form_and_names_both_sides(
    client: Browser, home: str, integration: Integration, responder: Membership
) -> None:
    enter(client, home, "mallory")
    prove(client, home)
    question = client.get(f"{home}/bind/confirm").text
    assert "mallory of WeCom" in question
    assert "林晓 (lin)" in question
    assert client.post(f"{home}/bind/confirm").status_code == 400
    assert client.get(f"{home}/bind/confirm").status_code == 200
    assert not links()


def test_the_same_user_id_of_two_companies_is_two_people(
    client: Browser, home: str, integration: Integration, responder: Membership, platform: SilentSignIn
) -> None:
    make_link(integration, responder, external_user_id="lin")
    other = make_integration(tenant=make_tenant("别处"), settings={"trusted_domain": "localhost"})
    assert enter(client, f"/h5/wecom/{other.public_key}", "lin").location.endswith("/bind")
    assert not is_inside(client, f"/h5/wecom/{other.public_key}")


def test_a_name_proves_nothing(
    client: Browser, home: str, integration: Integration, admin: Membership, platform: SilentSignIn
) -> None:
    """Somebody who calls themselves like the administrator, there, is asked for the password like everybody."""
    make_link(integration, admin, external_user_id="boss", external_name="王芳")
    assert enter(client, home, "wang").location == f"{home}/bind"
    assert not is_inside(client, home)
    assert prove(client, home, "wang", "wrong").status_code == 422


def test_the_owner_who_loses_a_link_is_told_and_it_is_recorded(
    app: Flask, client: Browser, home: str, integration: Integration, responder: Membership, monkeypatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(linking.private_messages, "tell", lambda integration, who, text, now: told.append(who))
    make_link(integration, responder, external_user_id="lin-old")
    bind(client, home, "lin")
    assert told == ["lin-old"]
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.event == "link.created")).one()
    assert entry.detail["replaced"] == "lin-old"


# --- leaving, unlinking -------------------------------------------------------------------------------------------


@pytest.fixture
def incident(integration: Integration, responder: Membership) -> Incident:
    make_link(integration, responder)
    found: Incident = make_incident(make_channel(), responders=(responder,))
    return found


@pytest.fixture
def pressed(integration: Integration, incident: Incident) -> dict[str, Any]:
    """Lin's press on 直接关闭 of a card that was sent."""
    notification = notify(incident, cause="assign", user_ids=[incident.responders[0].user_id], now=utcnow())
    db.session.commit()
    card = drawn_card(incident, notification.deliveries[0], integration)
    db.session.commit()
    return press_of(card, "直接关闭")


def end_by_unlinking(link: AccountLink, by: Membership) -> None:
    linking.unlink(link, by=by)


def end_by_disabling(link: AccountLink, by: Membership) -> None:
    place = next(place for place in accounts.all_places(link.user) if place.tenant_id == link.tenant_id)
    members.disable(place, by=by, now=utcnow())


@pytest.mark.parametrize("end", [end_by_unlinking, end_by_disabling])
def test_leaving_ends_session_and_buttons_at_once(
    client: Browser,
    attacker: Browser,
    home: str,
    integration: Integration,
    incident: Incident,
    pressed: dict[str, Any],
    admin: Membership,
    end: Callable[[AccountLink, Membership], None],
) -> None:
    enter(client, home)
    assert is_inside(client, home)
    end(links()[0], admin)
    db.session.commit()
    assert not is_inside(client, home)
    assert client.get("/incidents").status_code in {302, 303}
    assert Caller(attacker, integration).post(pressed).status_code == 200
    assert incident.progress is Progress.TRIGGERED


# --- callbacks of others ------------------------------------------------------------------------------------------


def test_a_button_of_one_organisation_pressed_at_another_does_nothing(
    client: Browser, foreign: World, integration: Integration, incident: Incident, pressed: dict[str, Any]
) -> None:
    theirs = db.session.get_one(Integration, foreign.ids["integration_id"])
    answer = Caller(client, theirs).post(pressed | {"external_user_id": "foreigncanary-id"})
    assert answer.status_code == 200
    assert incident.progress is Progress.TRIGGERED


def test_a_card_key_signed_elsewhere_is_none(client: Browser, integration: Integration, incident, pressed) -> None:
    for secret in ("", "test-secret-key-of-enough-characterz", "another-installation-with-another-key"):
        if secret:
            key = card_keys.make(secret, "close", pressed["reference"])
            Caller(client, integration).post(pressed | {"button_key": key, "event_key": key})
        Caller(client, integration).post(pressed | {"button_key": "close.", "event_key": "empty"})
    assert incident.progress is Progress.TRIGGERED


KEYS = {"token": "oncallCallbackToken2024", "encoding_aes_key": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg"}
THEIR_KEYS = {"token": "anotherCallbackToken2024", "encoding_aes_key": "a" * 43}


def make_wecom(corp_id: str, keys: dict[str, str], **values: Any) -> Integration:
    made = make_integration(settings={"corp_id": corp_id, "agent_id": "1000002"}, secrets={}, **values)
    for name, value in keys.items():
        integrations.set_secret(made, name, value)
    db.session.commit()
    return made


def callback(client: Browser, target: Integration, cipher: CallbackCipher, message: str) -> Any:
    encrypted = cipher.encrypt(message.encode())
    stamp = str(int(utcnow().timestamp()))
    query = {"msg_signature": cipher.sign(stamp, "nonce", encrypted), "timestamp": stamp, "nonce": "nonce"}
    body = f"<xml><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
    return client.post(f"/callback/wecom/{target.public_key}", query_string=query, data=body)


def test_callbacks_are_for_the_company_application_and_keys_of_the_address(client: Browser, admin: Membership) -> None:
    ours = make_wecom("ww1111111111111111", KEYS)
    theirs = make_wecom("ww2222222222222222", THEIR_KEYS, tenant=make_tenant("别处"))

    def message(corp: str, agent: str) -> str:
        return f"<xml><ToUserName>{corp}</ToUserName><AgentID>{agent}</AgentID><MsgType>event</MsgType></xml>"

    own = CallbackCipher(**KEYS, receive_id="ww1111111111111111")
    assert callback(client, ours, own, message("ww1111111111111111", "1000002")).status_code == 200
    for target, cipher, text in (
        (theirs, own, message("ww1111111111111111", "1000002")),
        (ours, CallbackCipher(**THEIR_KEYS, receive_id="ww1111111111111111"), message("ww1111111111111111", "1000002")),
        (ours, CallbackCipher(**KEYS, receive_id="ww2222222222222222"), message("ww2222222222222222", "1000002")),
        (ours, own, message("ww2222222222222222", "1000002")),
        (ours, own, message("ww1111111111111111", "1000003")),
    ):
        answer = callback(client, target, cipher, text)
        assert (answer.status_code, answer.data) == (403, b"")


def test_a_callback_address_without_keys_fails_closed(client: Browser, admin: Membership) -> None:
    bare = make_wecom("ww1111111111111111", {})
    empty = CallbackCipher("", "A" * 43, "ww1111111111111111")
    assert callback(client, bare, empty, "<xml/>").status_code == 403


def test_pending_links_press_nothing(client: Browser, integration: Integration, incident, pressed) -> None:
    linked = links()[0]
    linked.state = type(linked.state).PENDING
    db.session.commit()
    Caller(client, integration).post(pressed)
    assert incident.progress is Progress.TRIGGERED


def test_a_remembered_identity_dies_with_its_ten_minutes_also_after_the_password(
    client: Browser, home: str, responder: Membership
) -> None:
    enter(client, home)
    prove(client, home)
    with time_machine.travel(utcnow() + timedelta(minutes=11)):
        client.post(f"{home}/bind/confirm", data={"csrf_token": client.token("/sign-in")})
    assert not links()
