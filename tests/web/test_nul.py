"""NUL characters, which PostgreSQL cannot keep: refused at the door, whatever page and database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from config import Settings
from models import Membership
from services import api_tokens
from services.clock import utcnow
from tests.conftest import make_settings, running_app
from tests.web.conftest import Browser


@pytest.fixture
def settings(data_folder: Path, postgresql_database: str) -> Settings:
    return make_settings(data_folder, database_url=postgresql_database)


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    with running_app(settings) as app:
        yield app


def test_a_search_for_nul_is_no_error_of_ours(admin_client: Browser):
    pages = ("/incidents?q=", "/deliveries?q=", "/deliveries?reason=", "/members?q=", "/members?after=", "/")
    assert {page: admin_client.get(f"{page}%00").status_code for page in pages} == dict.fromkeys(pages, 400)
    assert admin_client.get("/integrations/im/1?people=all&%00=1").status_code == 400


def test_a_form_with_nul_is_refused(client: Browser, admin: Membership):
    assert client.submit("/sign-in", {"username": "wang\x00", "password": "x"}).status_code == 400
    client.sign_in(admin)
    assert client.submit("/channels/new", {"name": "a\x00b"}).status_code == 400
    assert client.submit("/me", {"real_name": "\x00"}).status_code == 400


@pytest.mark.parametrize(
    "path", ["/event/push/alert/standard", "/callback/wecom/%00", "/api/v1/incidents", "/h5/wecom/%00"]
)
def test_programs_and_platforms_meet_no_error_of_ours(client: Browser, admin: Membership, path: str):
    answers = [client.get(f"{path}?q=%00"), client.post(f"{path}?integration_key=%00", json={"title_rule": "\x00"})]
    assert all(answer.status_code < 500 for answer in answers)


@pytest.mark.parametrize("purpose", ["command", "data"])
def test_a_company_that_nothing_proves_is_not_looked_for(client: Browser, admin: Membership, purpose: str):
    body = b"<xml><ToUserName>ww\x00</ToUserName><Encrypt>x</Encrypt></xml>"
    query = "msg_signature=a&timestamp=1&nonce=1"
    assert client.post(f"/callback/wecom-suite/{purpose}?{query}", data=body).status_code in {403, 404}


def test_a_search_of_programs_leaves_it_out(client: Browser, admin: Membership):
    _token, text = api_tokens.create("ci", ["read"], by=admin, now=utcnow())
    answer = client.get("/api/v1/incidents?text=%00", headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 200
