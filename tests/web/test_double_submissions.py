"""A form that is sent twice at once, on PostgreSQL where both are worked on: the second is told, or agrees."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from blueprints.access import ENDED, public
from config import Settings
from extensions import db
from models import (
    AlertSource,
    Base,
    Channel,
    Department,
    DepartmentMember,
    Membership,
    MembershipState,
    Receipt,
    Role,
    SsoProvider,
    Team,
    TeamMember,
    Tenant,
)
from services.clock import utcnow
from tests.conftest import make_settings, running_app
from tests.factories import make_channel, make_tenant
from tests.web.conftest import Browser

BLOCKED_SECONDS = 0.4


@pytest.fixture
def settings(data_folder: Path, postgresql_database: str) -> Settings:
    return make_settings(data_folder, database_url=postgresql_database)


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    with running_app(settings) as app:
        app.config["PROPAGATE_EXCEPTIONS"] = False
        yield app


@pytest.fixture
def second(admin_client: Browser) -> Callable[[Base, str, str, dict[str, Any]], Any]:
    """Send a form while another transaction, which ends a moment later, has written the same: second(row, path, …)."""

    def send(row: Base, path: str, page: str, fields: dict[str, Any]) -> Any:
        sent = fields | {"csrf_token": admin_client.token(page)}
        answers: list[Any] = []
        thread = threading.Thread(target=lambda: answers.append(admin_client.post(path, data=sent)))
        db.session.add(row)
        db.session.flush()
        thread.start()
        thread.join(BLOCKED_SECONDS)
        assert thread.is_alive(), answers
        db.session.commit()
        thread.join()
        return answers[0]

    return send


def same(kind: str, admin: Membership) -> tuple[Base, str, str, dict[str, Any]]:
    """A row, and the form that makes the same."""
    now, tenant_id = utcnow(), admin.tenant_id
    about: dict[str, Any] = {"tenant_id": tenant_id, "created_at": now}
    if kind == "channel":
        fields = {"name": "同名", "flapping": "off", "close_timeout_minutes": "0"}
        return Channel(name="同名", **about), "/channels/new", "/channels/new", fields
    if kind == "team":
        return Team(name="同名", **about), "/teams", "/teams", {"name": "同名"}
    if kind == "alert source":
        fields = {"name": "同名", "channel_id": str(make_channel().id), "type": "standard", "title": "name"}
        made = AlertSource(name="同名", channel_id=int(fields["channel_id"]), type="standard", **about)
        return made, "/integrations/alerts/new", "/integrations/alerts/new", fields
    if kind == "single sign-on":
        fields = {"issuer": "https://id.example.com", "client_id": "x", "secret": "y"}
        return SsoProvider(issuer="https://x", client_id="x", **about), "/sso/settings", "/sso/settings", fields
    page = "/instance/organisations"
    fields = {"name": "组织", "house_number": "HOUSE9"}
    return Tenant(name="组织", house_number="HOUSE9", created_at=now), f"{page}/new", page, fields


@pytest.mark.parametrize("kind", ["channel", "team", "alert source", "single sign-on", "organisation"])
def test_the_second_of_two_equal_forms_is_told(second, admin: Membership, kind: str):
    answer = second(*same(kind, admin))
    assert answer.status_code == 409
    assert "内容刚刚被其他人修改" in answer.text


def test_who_is_put_somewhere_twice_is_there(second, admin: Membership):
    team, department = Team(name="组"), Department(name="部门", source="local")
    for row in (team, department):
        row.tenant_id, row.created_at = admin.tenant_id, utcnow()
        db.session.add(row)
    db.session.commit()
    keys = {"membership_id": admin.id, "tenant_id": admin.tenant_id}
    for path, place in (
        (f"/teams/{team.id}", TeamMember(team_id=team.id, **keys)),
        (f"/departments/{department.id}", DepartmentMember(department_id=department.id, **keys)),
    ):
        assert second(place, f"{path}/members", path, {"username": "wang"}).status_code == 303


def test_who_asks_twice_to_join_has_asked(second, admin: Membership):
    other = make_tenant("别处", house_number="ABC1")
    place = Membership(tenant_id=other.id, user_id=admin.user_id, role=Role.RESPONDER, preferences={})
    place.state, place.created_at = MembershipState.UNDER_REVIEW, utcnow()
    answer = second(place, "/organisations/join", "/organisations", {"house_number": "ABC1"})
    assert answer.status_code == 303
    assert db.session.scalar(select(func.count(Membership.id)).where(Membership.tenant_id == other.id)) == 1


def test_who_signs_out_twice_is_out(second, admin_client: Browser, admin: Membership):
    with admin_client.session_transaction() as session:
        receipt = Receipt(tenant_id=admin.tenant_id, scope=ENDED, key=session["session"], at=utcnow())
    assert second(receipt, "/sign-out", "/me", {}).status_code == 303


def test_a_mistake_of_ours_is_no_meeting(
    app: Flask, client: Browser, admin: Membership, caplog: pytest.LogCaptureFixture
):
    @public
    def fail() -> str:
        db.session.add(Team(tenant_id=0, name=None, created_at=utcnow()))
        db.session.flush()
        return ""

    app.add_url_rule("/fail", view_func=fail)
    app.add_url_rule("/api/v1/fail", view_func=fail, endpoint="api.fail")
    assert [client.get(path).status_code for path in ("/fail", "/api/v1/fail")] == [500, 500]
    assert any(record.exc_info and record.exc_info[0] is IntegrityError for record in caplog.records)
