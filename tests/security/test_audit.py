"""What matters for security is written down: who, from where, what, and never a secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from config import Settings
from errors import InvalidInput
from extensions import db
from models import AuditEntry, Membership
from services import audit, setup
from services.clock import utcnow
from tests.factories import make_integration, make_link
from tests.security.conftest import World
from tests.web.conftest import PASSWORD, Browser

ADDRESS = "203.0.113.77"


def entries(event: str = "") -> list[AuditEntry]:
    wanted = select(AuditEntry).order_by(AuditEntry.id)
    return [entry for entry in db.session.scalars(wanted) if not event or entry.event == event]


def only(event: str) -> AuditEntry:
    (entry,) = entries(event)
    return entry


@pytest.fixture
def client(client: Browser) -> Browser:
    client.environ_base["REMOTE_ADDR"] = ADDRESS
    return client


def test_signing_in_and_out_is_recorded(client: Browser, responder: Membership) -> None:
    client.sign_in(responder)
    client.submit("/sign-out", page="/me")
    came, left = only("sign_in"), only("sign_out")
    for entry in (came, left):
        assert (entry.actor_name, entry.address, entry.tenant_id) == ("lin", ADDRESS, responder.tenant_id)
        assert entry.request_id
        assert entry.at.tzinfo is not None
    assert came.detail == {"via": "password"}


def test_guesses_and_the_lock_are_recorded_without_what_was_typed(client: Browser, responder: Membership) -> None:
    for number in range(7):
        client.sign_in("Lin", f"typed-password-{number}")
    client.sign_in("typed-password-as-name", "x")
    failures = entries("sign_in.failed")
    assert [entry.actor_name for entry in failures] == ["lin"] * 5 + [""]
    assert [entry.detail["is_known"] for entry in failures] == [True] * 5 + [False]
    assert only("sign_in.locked").actor_name == "lin"
    assert all(entry.address == ADDRESS for entry in failures)
    assert not any("typed-password" in repr(vars(entry)) for entry in entries())


def test_members_and_roles_are_recorded(client: Browser, admin: Membership, responder: Membership) -> None:
    client.sign_in(admin)
    page = client.submit("/members/new", {"username": "wu", "real_name": "吴凡", "role": "viewer"}).text
    client.submit(f"/members/{responder.id}", {"real_name": "林晓", "role": "admin"}, page="/me")
    client.submit(f"/members/{responder.id}/reset-password", page="/me")
    client.submit(f"/members/{responder.id}/disable", page="/me")
    client.submit(f"/members/{responder.id}/restore", page="/me")
    changed = only("member.role_changed")
    assert (changed.actor_name, changed.target) == ("wang", "lin")
    assert changed.detail == {"before": "responder", "after": "admin"}
    for event in ("member.added", "password.reset", "member.disabled", "member.restored"):
        assert only(event).actor_name == "wang"
    (password,) = [part for part in page.split('"') if len(part) == 16 and part.isalnum()][:1] or [""]
    assert password
    assert not any(password in repr(vars(entry)) for entry in entries())


def test_tokens_and_passwords_are_recorded(client: Browser, responder: Membership) -> None:
    client.sign_in(responder)
    shown = client.submit("/me/tokens", {"name": "大屏", "scopes": "read", "lifetime": "90"}).text
    token = next(part for part in shown.replace("<", '"').split('"') if part.startswith("dby_") and len(part) > 20)
    created = only("api_token.created")
    assert created.target == "大屏"
    assert created.detail["scopes"] == ["read"]
    assert token not in repr(created.detail)
    (number,) = db.session.execute(db.text("SELECT id FROM api_tokens")).one()
    client.submit(f"/me/tokens/{number}/revoke", page="/me/tokens")
    assert only("api_token.revoked").detail["owner"] == "lin"
    fields = {"current": PASSWORD, "password": "another long sentence", "repeated": "another long sentence"}
    client.submit("/password", fields)
    assert only("password.changed").actor_name == "lin"


def test_links_are_recorded(app: Flask, client: Browser, admin: Membership, responder: Membership) -> None:
    integration = make_integration(name="值班")
    make_link(integration, responder, external_user_id="lin-there")
    client.sign_in(admin)
    client.submit(f"/integrations/im/{integration.id}/people/{responder.user_id}/unlink", page="/me")
    ended = only("link.ended")
    assert (ended.actor_name, ended.target) == ("wang", "lin: lin-there")


def test_connections_are_recorded_without_their_secrets(app: Flask, admin: Membership) -> None:
    now = utcnow()
    integration = setup.begin("wecom", "self_built", by=admin, now=now)
    secret = "Canary-secret-value-0123456789-0123456789abc"[:43]
    setup.keep(integration, {"secret": secret}, by=admin, now=now)
    setup.keep(integration, {"corp_id": "ww1234567890abcdef"}, by=admin, now=now)
    setup.set_enabled(integration, False, by=admin)
    setup.remove(integration, typed_name=integration.name, by=admin)
    db.session.commit()
    assert only("integration.secret_changed").detail == {"fields": ["secret"]}
    changed = only("integration.changed")
    assert changed.detail == {"field": "corp_id", "before": "", "after": "ww1234567890abcdef"}
    for event in ("integration.created", "integration.disabled", "integration.deleted"):
        assert (only(event).actor_name, only(event).target) == ("wang", f"企业微信 #{integration.id}")
    assert only("integration.created").detail == {"platform": "wecom", "mode": "self_built"}
    assert not any("Canary" in repr(vars(entry)) for entry in entries())


def test_an_endpoint_is_recorded_with_what_it_was(app: Flask, admin: Membership) -> None:
    now = utcnow()
    integration = setup.begin("wecom", "self_built", by=admin, now=now)
    for address in ("https://one.example.com", "https://two.example.com"):
        setup.keep(integration, {"endpoint": address}, by=admin, now=now)
    db.session.commit()
    details = [entry.detail for entry in entries("integration.endpoint_changed")]
    assert details == [
        {"field": "endpoint", "before": "", "after": "https://one.example.com"},
        {"field": "endpoint", "before": "https://one.example.com", "after": "https://two.example.com"},
    ]


def test_keys_of_alert_sources_are_recorded(client: Browser, own: World, admin: Membership) -> None:
    client.sign_in(admin)
    source = own.ids["source_id"]
    for verb in ("rotate", "end-old-keys", "disable", "enable"):
        client.submit(f"/integrations/alerts/{source}/{verb}", page="/me")
    events = [entry.event for entry in entries() if entry.event.startswith("alert_source.")]
    kinds = ("created", "key_rotated", "old_keys_ended", "disabled", "enabled")
    assert events == [f"alert_source.{kind}" for kind in kinds]
    assert not any(own.push_key in repr(vars(entry)) for entry in entries())


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a\r\nforged: line", "a\\r\\nforged: line"),
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\u2028b\x85c", "a\\u2028b\\x85c"),
        ("x" * 500, "x" * 200),
        ("值班 <script>", "值班 <script>"),
    ],
)
def test_a_value_stays_one_short_line(app: Flask, admin: Membership, text: str, kept: str) -> None:
    audit.record("test", by=admin, target=text, before=text, listed=[text])
    db.session.commit()
    entry = only("test")
    assert entry.target == kept
    assert entry.detail == {"before": kept, "listed": [kept]}


def change(entry: AuditEntry) -> None:
    entry.actor_name = "somebody else"


@pytest.mark.parametrize("attempt", [change, db.session.delete])
def test_what_is_written_stays(app: Flask, admin: Membership, attempt: Callable[[Any], None]) -> None:
    entry = audit.record("test", by=admin)
    db.session.commit()
    attempt(entry)
    with pytest.raises(RuntimeError, match="append-only"):
        db.session.flush()
    db.session.rollback()
    assert only("test").actor_name == "wang"


def test_nothing_in_the_product_writes_over_entries() -> None:
    """The statements that go past the mapper are the purge's alone; the others write nothing."""
    from tests.conftest import ROOT

    using = {
        str(path.relative_to(ROOT))
        for folder in ("services", "blueprints", "jobs")
        for path in (ROOT / folder).rglob("*.py")
        if "AuditEntry" in path.read_text(encoding="utf-8")
    }
    writing = {"services/audit.py", "jobs/retention.py"}
    assert using - writing == {"services/audit_queries.py", "services/audit_words.py", "blueprints/api/members.py"}
    for name in using - writing:
        reading = (ROOT / name).read_text(encoding="utf-8")
        assert not any(f"{verb}(AuditEntry" in reading for verb in ("update", "delete", "insert")), name
        assert "session.add" not in reading, name


def test_entries_are_kept_half_a_year() -> None:
    assert Settings.retention_audit_days == 180


def test_what_did_not_happen_is_not_recorded(client: Browser, admin: Membership, responder: Membership) -> None:
    client.sign_in(responder)
    client.submit(f"/members/{admin.id}/disable", page="/me")
    with pytest.raises(InvalidInput):
        setup.remove(make_integration(), typed_name="wrong", by=admin)
    assert entries("member.disabled") == entries("integration.deleted") == []
