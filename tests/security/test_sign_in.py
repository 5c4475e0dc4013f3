"""Guessing, planting and forcing sessions; what ends when an account is taken back."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select

from extensions import db
from models import ApiToken, Membership, SignInAttempt
from services import accounts, api_tokens, members, passwords, throttling
from services.clock import utcnow
from tests.web.conftest import PASSWORD, Browser

SPELLINGS = [
    "lin",
    "LIN",
    "Lin",
    " lin",
    "lin ",
    "ｌｉｎ",
    "\u3000lin",
    "LiN\u00a0",
    "ｌIN",
    "lıN".replace("ı", "i"),
    "LIN  ",
]
"""Ways to write one name; a lockout that counts them apart is none (CVE-2026-47203)."""


@pytest.fixture
def new_browser(app: Flask, client: Browser) -> Callable[[], Browser]:
    def make() -> Browser:
        made = app.test_client()
        assert isinstance(made, Browser)
        return made

    return make


def test_a_script_has_at_most_ten_guesses_however_it_writes_the_name(client: Browser, responder: Membership) -> None:
    decided = 0
    for number in range(40):
        answer = client.sign_in(SPELLINGS[number % len(SPELLINGS)], f"guess number {number}")
        decided += answer.status_code == 422
        if answer.status_code != 422:
            assert answer.status_code == 429
            assert int(answer.headers["Retry-After"]) > 0
    assert decided <= 10
    assert client.sign_in("lin", PASSWORD).status_code == 429, "the right password does not tell either"
    with time_machine.travel(utcnow() + throttling.WINDOW + timedelta(minutes=1)):
        assert client.sign_in("lin", PASSWORD).status_code == 303


def test_a_guesser_who_changes_names_runs_out_of_addresses(client: Browser, admin: Membership) -> None:
    now = utcnow()
    for number in range(throttling.PER_ADDRESS):
        db.session.add(SignInAttempt(account=f"name{number}", address="127.0.0.1", at=now))
    assert client.sign_in("another").status_code == 429


NOTHING = ["", " ", "\t", "\u3000", "\x00", "\x00" * 8, f"{PASSWORD}\x00", f"{PASSWORD} ", "\u200b"]


@pytest.mark.parametrize("with_hash", [True, False])
def test_empty_blank_and_nul_passwords_open_nothing(client: Browser, responder: Membership, with_hash: bool) -> None:
    if not with_hash:
        responder.user.password_hash = None  # somebody who comes in through the chat platform only
    for password in NOTHING:
        answer = client.sign_in(responder, password)
        assert answer.status_code in {400, 422}, repr(password)
        assert client.get("/me").status_code == 303, repr(password)
        db.session.execute(db.delete(SignInAttempt))


def test_unknown_names_cost_the_same_work_as_wrong_passwords(
    product_hasher: None, client: Browser, responder: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One hash each, whatever the name; its time is that of argon2, which drowns the rest."""
    hashed: list[int] = []
    verify = passwords.PasswordHasher.verify

    def counted(self: passwords.PasswordHasher, known: str, typed: str) -> bool:
        hashed.append(1)
        return verify(self, known, typed)

    monkeypatch.setattr(passwords.PasswordHasher, "verify", counted)

    def seconds(name: str) -> float:
        times = []
        for _ in range(3):
            before, started = len(hashed), time.process_time()
            answer = client.post("/sign-in", data={"username": name, "password": "wrong", "csrf_token": token})
            times.append(time.process_time() - started)
            assert answer.status_code == 422
            assert len(hashed) == before + 1
            assert "用户名或密码不正确" in answer.text
        return statistics.median(times)

    token = client.token("/sign-in")
    client.post("/sign-in", data={"username": "warm", "password": "up", "csrf_token": token})
    known, unknown = seconds("lin"), seconds("nobody")
    assert 0.2 < known / unknown < 5, "one of the two costs a hash more or less"


def test_common_passwords_are_refused_in_every_spelling() -> None:
    common = passwords._common()
    assert len(common) >= 13_000
    assert {"password1", "iloveyou", "administrator"} <= common
    for word in sorted(common)[::67]:
        for spelling in (word, word.upper(), word.title()):
            with pytest.raises(passwords.WeakPassword):
                passwords.check_acceptable(spelling, "lin")


# --- planted and forced sessions ----------------------------------------------------------------------------------


def test_a_planted_cookie_is_worth_nothing_after_signing_in(
    client: Browser, responder: Membership, new_browser: Callable[[], Browser]
) -> None:
    attacker = new_browser()
    attacker.get("/sign-in")
    planted = attacker.get_cookie("dutybell")
    assert planted
    client.set_cookie("dutybell", planted.value)
    assert client.sign_in(responder).status_code == 303
    own = client.get_cookie("dutybell")
    assert own
    assert own.value != planted.value
    assert attacker.get("/me").status_code == 303
    assert client.get("/me").status_code == 200


def test_each_signing_in_begins_another_session(client: Browser, responder: Membership) -> None:
    def session_number() -> str:
        with client.session_transaction() as found:
            return str(found["session"])

    client.sign_in(responder)
    first = session_number()
    client.submit("/sign-out", page="/me")
    client.sign_in(responder)
    assert session_number() != first


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "http://["}, {"Sec-Fetch-Site": "cross-site"}, {}]
)
def test_another_site_signs_nobody_in(client: Browser, responder: Membership, headers: dict[str, str]) -> None:
    """Login CSRF: a form of the attacker's with the attacker's own password, sent by the victim's browser."""
    answer = client.post("/sign-in", data={"username": "lin", "password": PASSWORD}, headers=headers)
    assert answer.status_code in {400, 403}
    assert client.get("/me").status_code == 303


def test_a_form_token_of_one_session_is_none_of_another(
    client: Browser, responder: Membership, new_browser: Callable[[], Browser]
) -> None:
    theirs = new_browser().token("/sign-in")
    client.get("/sign-in")
    answer = client.post("/sign-in", data={"username": "lin", "password": PASSWORD, "csrf_token": theirs})
    assert answer.status_code == 400


def test_nobody_signs_others_out(client: Browser, responder: Membership, viewer: Membership, new_browser) -> None:
    other = new_browser()
    client.sign_in(responder)
    other.sign_in(viewer)
    client.submit("/sign-out", page="/me")
    assert other.get("/me").status_code == 200
    assert other.get("/sign-out").status_code == 405


# --- taking an account back ---------------------------------------------------------------------------------------


@pytest.fixture
def api_token(responder: Membership) -> str:
    _, text = api_tokens.create("script", ["read"], by=responder, now=utcnow())
    db.session.commit()
    return text


def is_api_open(client: Browser, token: str) -> bool:
    return client.get("/api/v1/incidents", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_a_reset_password_ends_sessions_and_tokens(
    client: Browser, admin: Membership, responder: Membership, api_token: str, new_browser: Callable[[], Browser]
) -> None:
    thief, boss = new_browser(), new_browser()
    thief.sign_in(responder)
    boss.sign_in(admin)
    assert is_api_open(client, api_token)
    page = boss.get(f"/members/{responder.id}").text
    assert "重置密码和停用都会立即结束对方的登录，并删除对方的 API 令牌" in page
    assert boss.submit(f"/members/{responder.id}/reset-password", page="/me").status_code == 200
    assert thief.get("/me").status_code == 303
    assert not is_api_open(client, api_token)
    assert client.sign_in(responder, PASSWORD).status_code == 422


def test_a_disabled_member_has_neither_session_nor_token_also_after_a_return(
    client: Browser, admin: Membership, responder: Membership, api_token: str, new_browser: Callable[[], Browser]
) -> None:
    theirs, boss = new_browser(), new_browser()
    theirs.sign_in(responder)
    boss.sign_in(admin)
    boss.submit(f"/members/{responder.id}/disable", page="/me")
    assert theirs.get("/incidents").status_code == 303
    assert not is_api_open(client, api_token)
    boss.submit(f"/members/{responder.id}/restore", page="/me")
    assert theirs.get("/incidents").status_code == 303
    assert not is_api_open(client, api_token)
    assert db.session.scalar(select(func.count()).select_from(ApiToken)) == 0


def test_the_page_of_the_own_password_says_what_stays(
    client: Browser, responder: Membership, api_token: str, new_browser: Callable[[], Browser]
) -> None:
    other = new_browser()
    client.sign_in(responder)
    other.sign_in(responder)
    assert "API 令牌仍然有效" in client.get("/password").text
    fields = {"current": PASSWORD, "password": "another long sentence", "repeated": "another long sentence"}
    assert client.submit("/password", fields).status_code == 303
    assert client.get("/me").status_code == 200
    assert other.get("/me").status_code == 303
    assert is_api_open(client, api_token)


def test_an_administrator_of_one_organisation_takes_over_nobody_of_two(app: Flask, admin: Membership, foreign) -> None:
    accounts.join(foreign.admin.user, admin.tenant, foreign.admin.role, source="manual", now=utcnow())
    place = accounts.all_places(foreign.admin.user)[-1]
    admin.user.is_superadmin = False
    with pytest.raises(members.SharedAccount):
        members.reset_password(place, by=admin)


# --- tokens -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("letter", "Bear ")
def test_a_push_key_may_begin_with_any_letter_of_bearer(
    client: Browser, own, letter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`lstrip("Bearer ")` would eat them."""
    from services import alert_sources

    seen: list[str] = []
    monkeypatch.setattr(alert_sources, "find_by_key", lambda key, now: seen.append(key))
    client.post("/event/push/alert/standard", headers={"Authorization": f"Bearer {letter}eareBkey"}, json={})
    assert seen == [f"{letter}eareBkey".strip()]


@pytest.mark.parametrize("token", ["Bearer-token", "earer", "rrr", "B", "e"])
def test_a_metrics_token_may_begin_with_any_letter_of_bearer(client: Browser, app: Flask, token: str) -> None:
    from dataclasses import replace

    app.config["SETTINGS"] = replace(app.config["SETTINGS"], metrics_token=token)
    assert client.get("/metrics", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    for wrong in ("", token[1:], f"{token}x", token.upper() + "x"):
        assert client.get("/metrics", headers={"Authorization": f"Bearer {wrong}"}).status_code == 404
    assert client.get("/metrics").status_code == 404
