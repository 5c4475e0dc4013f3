"""The page of the audit record: who may read it, finding entries, and taking them away as a file."""

from __future__ import annotations

import ast
import csv
import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from extensions import db
from models import AuditEntry, Membership, Role
from services import audit, audit_queries
from services.audit_events import EVENTS
from services.clock import utcnow
from tests.factories import make_member, make_tenant
from tests.web.conftest import Browser

ROOT = Path(__file__).resolve().parents[2]
EVENT = re.compile(r"[a-z_]+\.[a-z_]+")


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


def test_an_administrator_reads_what_happened(admin_client: Browser, admin: Membership) -> None:
    audit.record("member.role_changed", by=admin, target="lin", before="viewer", after="responder")
    page = admin_client.get("/audit").text
    assert "修改成员角色" in page
    assert "之前：只读" in page
    assert "之后：处理人员" in page


@pytest.mark.parametrize("who", ["responder", "viewer"])
def test_others_read_and_export_nothing(client: Browser, who: str, request: pytest.FixtureRequest) -> None:
    client.sign_in(request.getfixturevalue(who))
    assert client.get("/audit").status_code == 403
    assert client.submit("/audit/export", page="/me").status_code == 403
    assert "审计日志" not in client.get("/me").text


def test_entries_are_found_by_person_event_object_and_request(admin_client: Browser, admin: Membership) -> None:
    lin = make_member("lin", Role.ADMIN)
    audit.record("member.added", by=lin, target="first-target").request_id = "request-0001"
    audit.record("member.disabled", by=admin, target="second%target")
    db.session.commit()
    for query, seen in [
        ("actor=LIN", "first-target"),
        ("event=member.disabled", "second%target"),
        ("target=FIRST", "first-target"),
        ("target=d%25t", "second%target"),
        ("target=request-0001", "first-target"),
    ]:
        page = admin_client.get(f"/audit?{query}").text
        assert [name for name in ("first-target", "second%target") if name in page] == [seen], query
    assert "没有符合条件的记录" in admin_client.get("/audit?actor=nobody").text


def test_entries_are_found_by_day_of_the_reader(admin_client: Browser, admin: Membership) -> None:
    for hour in (15, 16):  # the day changes in Shanghai at 16:00 UTC
        audit.record("member.added", by=admin, target=f"hour-{hour}", now=datetime(2026, 3, 1, hour, 30, tzinfo=UTC))
    page = admin_client.get("/audit?since=2026-03-02&until=2026-03-02").text
    assert "hour-16" in page
    assert "hour-15" not in page
    assert "hour-15" in admin_client.get("/audit?until=2026-03-01").text


def test_pages_are_turned_by_key_and_keep_their_filters(admin_client: Browser, admin: Membership) -> None:
    now = utcnow()
    for number in range(audit_queries.PAGE + 3):
        audit.record("member.added", by=admin, target=f"target-{number:03}", now=now + timedelta(seconds=number))
    first = admin_client.get("/audit?event=member.added").text
    assert "target-052" in first
    assert "target-002" not in first
    (older,) = (part.split('"')[0] for part in first.split('rel="next" href="')[1:])
    second = admin_client.get(older.replace("&amp;", "&")).text
    assert "event=member.added" in older
    assert all(f"target-00{number}" in second for number in range(3))
    assert "target-003" not in second
    assert 'rel="next"' not in second


def test_the_file_holds_everything_found_and_says_that_it_was_taken(admin_client: Browser, admin: Membership) -> None:
    for number in range(audit_queries.CHUNK + 2):
        audit.record("member.added", by=admin, target=f"target-{number:03}")
    answer = admin_client.submit("/audit/export", {"event": "member.added"}, page="/audit")
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="audit-')
    assert answer.headers["Cache-Control"] == "no-store"
    heading, *found = rows(answer.text)
    assert heading[:4] == ["时间（UTC）", "操作人", "事件", "事件代码"]
    assert [row[4] for row in found] == [f"target-{number:03}" for number in reversed(range(audit_queries.CHUNK + 2))]
    taken = db.session.scalars(select(AuditEntry).where(AuditEntry.event == "audit.exported")).one()
    assert (taken.actor_name, taken.target) == ("wang", "event=member.added")


def test_no_cell_of_the_file_is_a_formula(admin_client: Browser, admin: Membership) -> None:
    hostile = ['=HYPERLINK("http://evil")', "+1", "-1", "@x", "  =1", "\t=1", '=1",=2']
    for text in hostile:
        audit.record("member.renamed", by=admin, target=text, before=text, after="x")
    for row in rows(admin_client.submit("/audit/export", page="/audit").text)[1:]:
        assert not any(cell.strip(" ").startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row), row


def test_what_concerns_others_is_in_no_page_and_no_file(admin_client: Browser, admin: Membership) -> None:
    foreigner = make_member("zhou", Role.ADMIN, tenant=make_tenant("别家"))
    audit.record("member.added", by=foreigner, target="foreign-target")
    audit.record("sign_in.failed", target="of-the-instance")
    for text in (admin_client.get("/audit").text, admin_client.submit("/audit/export", page="/audit").text):
        assert "foreign-target" not in text
        assert "of-the-instance" not in text


def test_every_event_has_a_name() -> None:
    """Also those that are chosen at run time: every literal of the shape area.what in a call's surroundings."""
    recorded = set()
    for folder in ("services", "blueprints", "jobs"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "audit.record" and call.args:
                    recorded |= {n.value for n in ast.walk(call.args[0]) if isinstance(n, ast.Constant)}
    recorded = {event for event in recorded if isinstance(event, str) and EVENT.fullmatch(event)}
    assert "member.added" in recorded
    assert recorded - EVENTS.keys() == set(), "give them a name in services/audit_events.py"


# --- of the whole instance ----------------------------------------------------------------------------------------


def test_super_administrators_see_what_concerns_the_instance_and_nothing_of_incidents(
    admin_client: Browser, admin: Membership
) -> None:
    other = make_tenant("别家")
    foreigner = make_member("zhou", Role.ADMIN, tenant=other)
    audit.record("member.added", by=foreigner, target="of-another-organisation")
    audit.record("incident.close", by=foreigner, target="secret-incident")
    audit.record("sign_in.failed", target="of-the-instance")
    path = "/instance/audit"
    page = admin_client.get(path).text
    file = admin_client.submit(f"{path}/export", page=path).text
    for text in (page, file):
        assert "of-another-organisation" in text
        assert "of-the-instance" in text
        assert "secret-incident" not in text
        assert "别家" in text
    narrowed = admin_client.get(f"{path}?organisation={other.id}&event=member.added").text
    assert "of-another-organisation" in narrowed
    assert "of-the-instance" not in narrowed
    export = db.session.scalars(select(AuditEntry).where(AuditEntry.event == "audit.exported")).one()
    assert (export.tenant_id, export.actor_name) == (None, "wang")


def test_taking_one_organisations_record_away_says_whose_it_was(admin_client: Browser) -> None:
    other = make_tenant("别家")
    path = "/instance/audit"
    fields = {"organisation": other.id, "event": "member.added"}
    assert admin_client.submit(f"{path}/export", fields, page=path).status_code == 200
    export = db.session.scalars(select(AuditEntry).where(AuditEntry.event == "audit.exported")).one()
    assert export.target == f"event=member.added, organisation={other.id}"


def test_others_do_not_see_the_instances_record(client: Browser, admin: Membership, responder: Membership) -> None:
    admin.user.is_superadmin = False
    for member in (admin, responder):
        client.sign_in(member)
        assert client.get("/instance/audit").status_code == 403
        assert "/instance/audit" not in client.get("/me").text
        assert client.submit("/instance/audit/export", page="/me").status_code == 403
        client.submit("/sign-out", page="/me")
