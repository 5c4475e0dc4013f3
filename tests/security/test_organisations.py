"""All routes × ids of a foreign organisation × roles: nothing is found, nothing is told, nothing changes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Table, select
from werkzeug.routing import Rule
from werkzeug.routing.converters import AnyConverter

from blueprints.h5.entry import OPEN_VIEWS, SIGNED_IN_VIEWS
from extensions import db
from models import Membership, MembershipState
from services import api_tokens, rights
from services.clock import utcnow
from tests.api_samples import BY_NAME, body_of, query_of
from tests.security.conftest import CANARY, FOREIGN_NUM, World
from tests.security.test_crawl import UNSAFE, addresses
from tests.web.conftest import Browser

FIXED = {"platform": "wecom", "mode": "self_built", "key": "credentials", "name": "token", "type": "standard"}
WITHOUT_IDS = {"ownership", "static", "intake", "callbacks", "h5_tenant_home"}
"""Blueprints whose addresses hold no id of an organisation, or open to a key alone."""
SAFE_TO_REPEAT = {"contact_sync.remove", "integrations.unlink"}
"""Taking away what is not there is no mistake."""
ENTRANCES = OPEN_VIEWS | SIGNED_IN_VIEWS
"""In-app pages that answer before anybody is let in: they lead to the platform, to the list or out."""


def foreign_paths(app: Flask, world: World, *, naming: str = "") -> list[tuple[str, str, str]]:
    """(endpoint, method, path) of every route that names something, with the foreign organisation's names in it.

    naming  only those that name this and something else
    """
    return list(_foreign_paths(app, world, naming))


def mixed_paths(app: Flask, own: World, foreign: World) -> Iterator[tuple[str, str, str]]:
    """Every route that names two things or more, with one of them foreign and the others one's own."""
    for name, row in foreign.ids.items():
        world = replace(own, ids=own.ids | {name: row})
        yield from foreign_paths(app, world, naming=name)


def _foreign_paths(app: Flask, world: World, naming: str) -> Iterator[tuple[str, str, str]]:
    with app.test_request_context():
        router = app.url_map.bind("localhost")
        for rule in app.url_map.iter_rules():
            wanted = set(rule._converters) & set(world.ids)
            if naming and (naming not in wanted or len(wanted) < 2):
                continue
            if not wanted or rule.endpoint.partition(".")[0] in WITHOUT_IDS:
                continue
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield rule.endpoint, method, router.build(rule.endpoint, _values(rule, world), method=method)


def _values(rule: Rule, world: World) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, converter in rule._converters.items():
        if name in world.ids:
            values[name] = world.ids[name]
        elif isinstance(converter, AnyConverter):
            values[name] = sorted(converter.items)[0]
        elif name in FIXED:
            values[name] = FIXED[name]
        else:
            pytest.fail(f"{rule} names {name}: let make_world say which row of an organisation that is")
    return values


def rows_of(tenant_id: int) -> dict[str, str]:
    """A digest of everything that an organisation has, by table."""
    found = {}
    for table in db.metadata.sorted_tables:
        if "tenant_id" in table.columns and table.name != "audit_entries":
            found[table.name] = _digest(table, tenant_id)
    db.session.rollback()
    return found


def _digest(table: Table, tenant_id: int) -> str:
    key = next(iter(table.primary_key.columns))
    rows = db.session.execute(select(table).where(table.c.tenant_id == tenant_id).order_by(key)).all()
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def visitor(name: str, request: pytest.FixtureRequest) -> Membership:
    member: Membership = request.getfixturevalue(name)
    return member


@pytest.mark.parametrize("role", ["admin", "responder", "viewer"])
def test_what_is_foreign_does_not_exist(
    app: Flask, client: Browser, foreign: World, role: str, request: pytest.FixtureRequest
) -> None:
    member = visitor(role, request)
    member.user.is_superadmin = False
    assert client.sign_in(member).status_code == 303
    token = client.token("/me")
    before = rows_of(foreign.tenant.id)
    tried = 0
    for endpoint, method, path in foreign_paths(app, foreign):
        if endpoint.startswith(("h5.", "api.")):
            continue
        answer = client.open(path, method=method, data={"csrf_token": token} if method in UNSAFE else None)
        right = getattr(app.view_functions[endpoint], "required_right", None)
        may = right is None or right in rights.RIGHTS[member.role]
        may = may and not getattr(app.view_functions[endpoint], "is_for_superadmin", False)
        assert answer.status_code == (404 if may else 403), (endpoint, method, path, answer.status_code)
        assert CANARY.lower() not in answer.text.lower(), (endpoint, path)
        tried += 1
    assert tried > 40
    assert rows_of(foreign.tenant.id) == before


def test_what_is_foreign_is_reached_by_no_detour_over_ones_own(
    app: Flask, client: Browser, foreign: World, own: World, admin: Membership
) -> None:
    """One's own team with a foreign member in it, one's own connection with a foreign person …"""
    client.sign_in(admin)
    token = client.token("/me")
    before = rows_of(foreign.tenant.id)
    tried = set()
    for endpoint, method, path in mixed_paths(app, own, foreign):
        if endpoint.startswith(("h5.", "api.")):
            continue
        answer = client.open(path, method=method, data={"csrf_token": token} if method in UNSAFE else None)
        allowed = {303, 404} if endpoint in SAFE_TO_REPEAT else {404}
        assert answer.status_code in allowed, (endpoint, method, path, answer.status_code)
        assert CANARY.lower() not in answer.text.lower(), (endpoint, path)
        tried.add(endpoint)
    assert {"teams.remove_member", "departments.remove_member", "integrations.unlink"} <= tried
    assert rows_of(foreign.tenant.id) == before


OUTSIDERS = [state for state in MembershipState if state is not MembershipState.ACTIVE]


@pytest.mark.parametrize("state", [*OUTSIDERS, None], ids=[*OUTSIDERS, "super-administrator"])
def test_whoever_is_not_in_force_reaches_nothing(
    app: Flask, client: Browser, foreign: World, admin: Membership, state: MembershipState | None
) -> None:
    """With every id of the organisation that they wait for, left or were refused by; or stand above. No token helps."""
    if state is None:
        db.session.delete(admin)
    else:
        admin.user.is_superadmin = False
        admin.tenant, admin.state = foreign.tenant, state
    client.sign_in("wang")
    token = client.token("/organisations")
    before = rows_of(foreign.tenant.id)
    for endpoint, method, path in foreign_paths(app, foreign):
        if endpoint.startswith(("h5.", "api.", "instance.")):
            continue
        answer = client.open(path, method=method, data={"csrf_token": token} if method in UNSAFE else None)
        assert answer.status_code in {303, 403, 404}, (endpoint, method, path, answer.status_code)
        assert f"{CANARY} " not in answer.text.replace(f"{CANARY} organisation", ""), (endpoint, path)
    assert rows_of(foreign.tenant.id) == before


def test_the_in_app_pages_of_a_foreign_application_let_nobody_in(
    app: Flask, client: Browser, foreign: World, admin: Membership
) -> None:
    client.sign_in(admin)
    token = client.token("/me")
    before = rows_of(foreign.tenant.id)
    found = [each for each in foreign_paths(app, foreign) if each[0].startswith("h5.")]
    for endpoint, method, path in sorted(found, key=lambda each: each[0] == "h5.unlink"):  # last: it signs out
        answer = client.open(path, method=method, data={"csrf_token": token} if method in UNSAFE else None)
        allowed = {200, 302, 303, 400, 403, 404} if endpoint in ENTRANCES else {403, 404}
        assert answer.status_code in allowed, (endpoint, method, answer.status_code, answer.text[:300])
        # the address that was asked for holds nothing that its visitor did not know
        assert CANARY.lower() not in answer.text.lower().replace(foreign.public_key.lower(), ""), endpoint
    assert rows_of(foreign.tenant.id) == before


def test_a_token_of_one_organisation_is_blind_in_another(
    app: Flask, client: Browser, foreign: World, admin: Membership
) -> None:
    headers = token_of(admin)
    before = rows_of(foreign.tenant.id)
    for endpoint, method, path in foreign_paths(app, foreign):
        if endpoint.startswith("api."):
            answer = called(client, endpoint, method, path, headers)
            assert answer.status_code == 404, (endpoint, answer.status_code)
            assert CANARY not in answer.text
    assert CANARY not in client.get("/api/v1/incidents?progress=all&text=FOREIGN", headers=headers).text
    assert rows_of(foreign.tenant.id) == before


def test_a_token_reaches_what_is_foreign_by_no_detour_over_its_own(
    app: Flask, client: Browser, foreign: World, own: World, admin: Membership
) -> None:
    headers = token_of(admin)
    before = rows_of(foreign.tenant.id)
    tried = set()
    for endpoint, method, path in mixed_paths(app, own, foreign):
        if endpoint.startswith("api."):
            answer = called(client, endpoint, method, path, headers)
            assert answer.status_code == 404, (endpoint, method, path, answer.status_code)
            assert CANARY.lower() not in answer.text.lower(), (endpoint, path)
            tried.add(endpoint)
    assert {"api.remove_team_member", "api.remove_department_member", "api.change_sync_person"} <= tried
    assert rows_of(foreign.tenant.id) == before


IDS_IN_BODIES = {
    "begin_sync_job": {"integration_id": "integration_id"},
    "create_alert_source": {"name": "x", "type": "standard", "channel_id": "channel_id"},
    "create_channel": {"name": "x", "team_id": "team_id"},
    "create_department": {"name": "x", "parent_id": "department_id"},
    "create_incident": {"title": "x", "channel_id": "channel_id"},
    "give_seat": {"user_id": "user_id"},
}


@pytest.mark.parametrize("name", IDS_IN_BODIES)
def test_foreign_ids_in_bodies_reach_nothing(client: Browser, foreign: World, admin: Membership, name: str) -> None:
    body = {key: foreign.ids.get(value, value) for key, value in IDS_IN_BODIES[name].items()}
    before = rows_of(foreign.tenant.id)
    wanted = BY_NAME[name]
    answer = client.open(f"/api/v1{wanted.path}", method=wanted.method, headers=token_of(admin), json=body)
    assert answer.status_code in {400, 404}, answer.text
    assert CANARY not in answer.text
    assert rows_of(foreign.tenant.id) == before


def token_of(member: Membership) -> dict[str, str]:
    """The header of a new token with every scope."""
    _, text = api_tokens.create("ci", [scope.value for scope in api_tokens.Scope], by=member, now=utcnow())
    db.session.commit()
    return {"Authorization": f"Bearer {text}"}


def called(client: Browser, endpoint: str, method: str, path: str, headers: dict[str, str]) -> Any:
    """The answer to the smallest request that the operation allows."""
    wanted = BY_NAME[endpoint.removeprefix("api.")]
    return client.open(path, method=method, headers=headers, json=body_of(wanted), query_string=query_of(wanted))


FORMS = [
    (
        "/integrations/alerts/new",
        {"name": "x", "type": "standard", "channel_id": "channel_id", "channel": "channel_id"},
    ),
    ("/incidents/new", {"title": "x", "severity": "Critical", "channel_id": "channel_id", "channel": "channel_id"}),
    ("/incidents/new", {"title": "x", "severity": "Critical", "people": "user_id", "user_ids": "user_id"}),
    ("/incidents/batch", {"num": "num", "nums": "num", "verb": "close", "action": "close"}),
    ("/deliveries/resend", {"delivery_id": "delivery_id", "ids": "delivery_id", "delivery_ids": "delivery_id"}),
    ("/organisations", {"tenant_id": "tenant_id"}),
    ("/channels/new", {"name": "x", "team_id": "team_id", "close_timeout_minutes": "0"}),
    ("/departments", {"name": "x", "parent_id": "department_id"}),
]


@pytest.mark.parametrize(("path", "fields"), FORMS)
def test_foreign_ids_in_forms_reach_nothing(
    client: Browser, foreign: World, own: World, admin: Membership, path: str, fields: dict[str, str]
) -> None:
    client.sign_in(admin)
    before = rows_of(foreign.tenant.id)
    sent = {name: foreign.ids.get(value, value) for name, value in fields.items()}
    answer = client.submit(path, sent, page="/me")
    assert answer.status_code in {200, 303, 400, 404, 422}, answer.status_code
    assert CANARY not in answer.text
    assert rows_of(foreign.tenant.id) == before


def test_people_of_others_are_not_assigned(client: Browser, foreign: World, own: World, admin: Membership) -> None:
    client.sign_in(admin)
    before = rows_of(foreign.tenant.id)
    for verb in ("reassign", "add"):
        fields = {"people": foreign.ids["user_id"], "user_ids": foreign.ids["user_id"]}
        answer = client.submit(f"/incidents/11/{verb}", fields, page="/me")
        assert answer.status_code in {303, 400, 404, 422}
    assert CANARY not in client.get("/incidents/11").text
    assert rows_of(foreign.tenant.id) == before


def test_lists_and_searches_tell_nothing(app: Flask, client: Browser, foreign: World, admin: Membership) -> None:
    admin.user.is_superadmin = False  # who stands above organisations is shown their names
    client.sign_in(admin)
    for address in addresses(app):
        if address.method == "GET" and "987654" not in address.path:
            for query in ("", f"?q={CANARY}&text={CANARY}&num={FOREIGN_NUM}&channel_id={foreign.ids['channel_id']}"):
                answer = client.get(address.path + query)
                shown = (
                    answer.text.replace(f"q={CANARY}", "").replace(f'value="{CANARY}"', "").replace(f"“{CANARY}”", "")
                )
                assert f"{CANARY} " not in shown, address
