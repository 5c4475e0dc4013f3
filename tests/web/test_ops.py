"""What operators' tools are told."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from app import create_app
from extensions import db
from models import Heartbeat, Membership, StoredPush
from services import instance, outbox
from services.clock import utcnow
from tests.conftest import make_settings
from tests.factories import make_channel, make_source
from tests.web.conftest import Browser


def beat(age: timedelta) -> None:
    tenant = instance.default_tenant(now=utcnow())
    db.session.flush()
    db.session.add(Heartbeat(name="worker-1", tenant_id=tenant.id, at=utcnow() - age))
    db.session.commit()


def test_alive_asks_nothing(tmp_path: Path) -> None:
    nowhere = create_app(make_settings(tmp_path, database_url=f"sqlite:///{tmp_path / 'missing' / 'x.sqlite'}"))
    assert nowhere.test_client().get("/healthz").get_json() == {"status": "ok"}
    assert nowhere.test_client().get("/readyz").status_code == 503


def test_ready_with_a_worker_that_was_seen_lately(client: Browser) -> None:
    beat(timedelta(seconds=5))
    assert client.get("/readyz").get_json() == {
        "status": "ok",
        "checks": {"database": "ok", "migrations": "ok", "worker": "ok"},
    }


def test_a_silent_worker_is_named(client: Browser) -> None:
    beat(timedelta(seconds=31))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json()["checks"]["worker"] == "failed"


@pytest.mark.parametrize(
    ("present", "said"), [("9999", "ok"), ("0001", "failed")], ids=["a newer version's", "an older version's"]
)
def test_tables_of_another_version(client: Browser, present: str, said: str) -> None:
    """A version is rolled out process by process: the tables are already the newer one's while old ones answer."""
    beat(timedelta(seconds=5))
    db.session.execute(text("UPDATE alembic_version SET version_num = :present"), {"present": present})
    db.session.commit()
    assert client.get("/readyz").get_json()["checks"]["migrations"] == said


def test_metrics_tell_how_the_outbox_stands(client: Browser, admin: Membership) -> None:
    now = utcnow()
    due = now - timedelta(seconds=120)
    outbox.enqueue("deliver", tenant_id=admin.tenant_id, subject_id=1, due_at=due, now=now)
    outbox.enqueue("deliver", tenant_id=admin.tenant_id, subject_id=2, due_at=now + timedelta(hours=1), now=now)
    said = client.get("/metrics").text
    values = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in said.splitlines() if line[0] != "#"}
    assert values["dutybell_outbox_due"] == 1
    assert 119 < values["dutybell_outbox_oldest_due_seconds"] < 180
    assert values["dutybell_outbox_dead"] == values["dutybell_outbox_expired_leases"] == 0
    assert values['dutybell_deliveries{state="failed"}'] == 0


def test_requests_are_measured_by_endpoint_not_by_address(client: Browser) -> None:
    client.get("/sign-in?unique-address")
    said = client.get("/metrics").text
    assert 'dutybell_http_request_seconds_count{endpoint="auth.sign_in",method="GET"' in said
    assert "unique-address" not in said


@pytest.mark.parametrize(("token", "status"), [("right-token", 200), ("wrong", 404), ("", 404), ("right-tokeN", 404)])
def test_metrics_are_for_the_holder_of_the_token(client: Browser, token: str, status: int) -> None:
    app = client.application
    app.config["SETTINGS"] = make_settings(app.config["SETTINGS"].home, metrics_token="right-token")
    assert client.get("/metrics", headers={"Authorization": f"Bearer {token}"}).status_code == status
    assert client.get("/metrics").status_code == 404


def test_metrics_tell_what_was_accepted_and_waits(client: Browser, admin: Membership) -> None:
    source = make_source(make_channel(), type="prometheus")
    waiting = {"tenant_id": source.tenant_id, "source_id": source.id, "received_at": utcnow() - timedelta(seconds=90)}
    db.session.add(StoredPush(**waiting, events=[{}, {}], event_count=2, truncated=0))
    db.session.add(StoredPush(**waiting, events=[{}], event_count=1, truncated=0, error="ValueError: no"))
    db.session.commit()
    text_of = client.get("/metrics", environ_base={"REMOTE_ADDR": "127.0.0.1"}).get_data(as_text=True)
    assert "dutybell_intake_waiting_alerts 2.0" in text_of
    assert "dutybell_intake_oldest_waiting_seconds 9" in text_of
    assert "dutybell_intake_set_aside_alerts 1.0" in text_of
