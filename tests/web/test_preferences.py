"""Language, colours and time zone follow the reader."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from extensions import db
from models import Membership
from tests.web.conftest import Browser


def language(client: Browser, path: str = "/sign-in", **headers: str) -> str:
    return "en" if '<html lang="en"' in client.get(path, headers=headers).text else "zh"


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [("en-GB,en;q=0.8", "en"), ("zh-CN,zh;q=0.9,en;q=0.5", "zh"), ("fr-FR", "zh"), ("zh-TW", "zh"), ("", "zh")],
)
def test_a_stranger_is_spoken_to_as_the_browser_asks(client: Browser, admin: object, asked: str, spoken: str) -> None:
    assert language(client, **{"Accept-Language": asked}) == spoken


def test_the_choice_of_a_language_is_kept_in_browser_and_account(client: Browser, admin: Membership) -> None:
    client.sign_in(admin)
    answer = client.submit("/preferences/language", {"language": "en", "next": "/members?q=x"}, page="/me")
    assert answer.location == "/members?q=x"
    assert "SameSite=Lax" in answer.headers["Set-Cookie"]
    assert language(client, "/me") == "en"
    assert admin.user.locale == "en"
    client.delete_cookie("language")
    assert language(client, "/me") == "en"


def test_the_cookie_wins_over_the_account(client: Browser, admin: Membership) -> None:
    admin.user.locale = "en"
    client.sign_in(admin)
    client.set_cookie("language", "zh_CN")
    assert language(client, "/me") == "zh"


def test_an_unknown_language_or_theme_is_refused(client: Browser, admin: Membership) -> None:
    assert client.submit("/preferences/language", {"language": "xx"}, page="/sign-in").status_code == 400
    assert client.submit("/preferences/theme", {"theme": "pink"}, page="/sign-in").status_code == 400
    client.set_cookie("language", "../../etc")
    client.set_cookie("theme", '"><script>')
    page = client.get("/sign-in")
    assert page.status_code == 200
    assert "<script>" not in page.text


def test_a_switch_leads_to_no_foreign_place(client: Browser, admin: object) -> None:
    answer = client.submit("/preferences/theme", {"theme": "dark", "next": "//evil.example"}, page="/sign-in")
    assert answer.location == "/"


def test_dark_stays_dark(client: Browser, admin: Membership) -> None:
    client.sign_in(admin)
    client.submit("/preferences/theme", {"theme": "dark", "next": "/me"}, page="/me")
    assert 'data-theme="dark"' in client.get("/me").text
    assert admin.user.theme == "dark"


def test_the_profile_is_saved(client: Browser, admin: Membership) -> None:
    client.sign_in(admin)
    fields = {"real_name": "王小芳", "locale": "", "theme": "light", "timezone": "Europe/London"}
    assert client.submit("/me", fields).status_code == 303
    assert (admin.user.real_name, admin.user.locale, admin.user.timezone) == ("王小芳", None, "Europe/London")
    assert client.submit("/me", fields | {"timezone": "Mars/Base"}).status_code == 422


def test_times_stand_in_the_readers_zone(client: Browser, admin: Membership) -> None:
    client.sign_in(admin)
    admin.user.timezone = "America/New_York"
    signed_in = admin.user.last_sign_in_at
    assert signed_in is not None
    db.session.commit()
    there = signed_in.astimezone(ZoneInfo("America/New_York"))
    assert f"{there:%Y-%m-%d %H:%M:%S}" in client.get("/members").text
