"""费用中心, and what a person without a seat is told."""

from __future__ import annotations

import pytest

from extensions import db
from models import Membership
from services import api_tokens, seats
from services.clock import utcnow
from tests.factories import make_incident
from tests.web.conftest import Browser


@pytest.fixture
def full(admin: Membership, responder: Membership) -> None:
    """The only seat is the administrator's."""
    seats.set_number(1, by=admin, now=utcnow())
    seats.give(admin, by=admin, now=utcnow())
    make_incident(num=5)
    db.session.commit()


def test_the_page_sets_the_number_and_gives_seats(admin_client: Browser, responder: Membership) -> None:
    assert "不限" in admin_client.get("/plan").text
    admin_client.submit("/plan", {"seats": "1"})
    admin_client.submit("/plan/give", {"username": "lin"}, page="/plan")
    page = admin_client.get("/plan").text
    assert "林晓" in page
    assert "固定 1，临时 0" in page
    refused = admin_client.submit("/plan/give", {"username": "wang"}, page="/plan")
    assert refused.status_code == 422
    assert "没有可用的 License" in refused.text
    assert 'value="wang"' in refused.text
    admin_client.submit(f"/plan/{responder.user_id}/take-back", page="/plan")
    assert "/take-back" not in admin_client.get("/plan").text
    admin_client.submit("/plan", {"seats": ""})
    assert "不限" in admin_client.get("/plan").text


@pytest.mark.usefixtures("full")
def test_without_a_seat_incidents_are_closed_and_the_rest_is_open(
    client: Browser, admin: Membership, responder: Membership
) -> None:
    client.sign_in(responder)
    for answer in (client.get("/incidents"), client.get("/incidents/5")):
        assert answer.status_code == 403
        assert "没有可用的 License，请联系管理员在 费用中心 分配" in answer.text
    assert client.submit("/incidents/5/acknowledge", page="/me").status_code == 403
    assert client.get("/me").status_code == 200
    assert client.get("/plan").status_code == 403
    assert seats.plan(admin, now=utcnow()).refused == 3


@pytest.mark.usefixtures("full")
def test_a_program_of_somebody_without_a_seat_is_told_so(client: Browser, responder: Membership) -> None:
    _, text = api_tokens.create("ci", ["read"], by=responder, now=utcnow())
    answer = client.get("/api/v1/incidents", headers={"Authorization": f"Bearer {text}"})
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "NoLicense")


def test_the_first_look_takes_a_free_seat(client: Browser, admin: Membership, responder: Membership) -> None:
    seats.set_number(1, by=admin, now=utcnow())
    client.sign_in(responder)
    assert client.get("/incidents").status_code == 200
    assert client.get("/incidents").status_code == 200
    plan = seats.plan(admin, now=utcnow())
    assert [seat.user.username for seat in plan.holders] == ["lin"]
