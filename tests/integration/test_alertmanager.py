"""Debian's real Alertmanager pushes to the real product, configured with the lines that the console shows."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from sqlalchemy import select

from blueprints.alert_sources.snippets import alertmanager_receiver
from extensions import db, read_only
from models import Alert, AlertEvent, Incident, Progress, Role, Severity
from services import alert_sources
from services.clock import utcnow
from tests.factories import make_channel, make_member
from tests.private_servers import free_port, is_required
from tests.servers import Product, product, wait_until  # noqa: F401 - a fixture

ALERTMANAGER = shutil.which("prometheus-alertmanager")
LABELS = {"alertname": "HighLatency", "instance": "10.2.0.7:8080", "service": "checkout", "severity": "critical"}


@pytest.fixture
def push_key(product: Product) -> str:  # noqa: F811
    """A Prometheus source of the running product; its key."""
    with product.app():
        admin = make_member("admin", Role.ADMIN)
        source = alert_sources.create(make_channel().id, "prometheus", "Alertmanager", by=admin, now=utcnow())
        db.session.commit()
        return alert_sources.current_key(source)


@pytest.fixture
def alertmanager(product: Product, push_key: str, tmp_path: Path):  # noqa: F811
    """Address of an Alertmanager of its own, with this product as its only receiver."""
    if ALERTMANAGER is None:
        (pytest.fail if is_required() else pytest.skip)("NOT TESTED: prometheus-alertmanager is not installed")
    address = f"{product.base_url}/event/push/alert/prometheus"
    config = tmp_path / "alertmanager.yml"
    route = "route:\n  group_wait: 0s\n  group_interval: 1s\n  repeat_interval: 1h\n"
    config.write_text(alertmanager_receiver(address, push_key).replace("route:\n", route))
    port = free_port()
    log = (tmp_path / "alertmanager.log").open("wb")
    process = subprocess.Popen(
        [
            ALERTMANAGER,
            f"--config.file={config}",
            f"--storage.path={tmp_path / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ],
        stdout=log,
        stderr=log,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _is_ready(url), "Alertmanager is ready")
        yield url
    finally:
        process.kill()
        process.wait()
        log.close()
        print((tmp_path / "alertmanager.log").read_text(errors="replace")[-4000:])


def _is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/-/ready", timeout=5).ok
    except requests.ConnectionError:
        return False


def send(url: str, started_at: datetime, ended_at: datetime | None = None) -> None:
    alert = {
        "labels": LABELS,
        "annotations": {"summary": "checkout p99 > 2s", "description": "p99 is 3.4s for 5m"},
        "startsAt": started_at.isoformat(),
        "generatorURL": "http://prom.example.com/graph?g0.expr=up",
    }
    if ended_at:
        alert["endsAt"] = ended_at.isoformat()
    answer = requests.post(f"{url}/api/v2/alerts", json=[alert], timeout=10)
    assert answer.ok, answer.text


def test_an_alert_of_alertmanager_opens_and_closes_an_incident(product, alertmanager):  # noqa: F811
    started_at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
    send(alertmanager, started_at)
    with product.app():

        def incident() -> Incident | None:
            with read_only():  # the worker and the web process need the write lock
                return db.session.scalars(select(Incident)).one_or_none()

        found = wait_until(incident, "the incident of the alert")
        assert (found.title, found.severity) == ("HighLatency / 10.2.0.7:8080", Severity.CRITICAL)
        assert (found.description, found.started_at) == ("p99 is 3.4s for 5m", started_at)
        assert found.labels["generator_url"].startswith("http://prom.example.com/")
        assert found.progress is Progress.TRIGGERED

        send(alertmanager, started_at, datetime.now(UTC))
        closed = wait_until(lambda: (now := incident()) and not now.is_open and now, "the incident is closed")
        assert (closed.status, closed.closed_via) == (Severity.OK, "event")
        assert db.session.scalars(select(Alert)).one().ended_at > started_at
        raw = db.session.scalars(select(AlertEvent).order_by(AlertEvent.id)).first().raw
        assert set(raw) == {"status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"}


def test_a_wrong_key_stores_nothing_and_is_told(product, push_key):  # noqa: F811
    answer = requests.post(
        f"{product.base_url}/event/push/alert/prometheus",
        json={"version": "4", "alerts": []},
        headers={"Authorization": f"Bearer {push_key}x"},
        timeout=10,
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "Unauthorized")


def test_a_real_server_refuses_large_bodies_however_they_come(product, push_key):  # noqa: F811
    address = f"{product.base_url}/event/push/alert/prometheus"
    headers = {"X-Integration-Key": push_key, "Content-Type": "application/json"}
    whole = b'{"alerts": "' + b"x" * 2 * 1024 * 1024 + b'"}'

    def chunks():
        for start in range(0, len(whole), 65536):
            yield whole[start : start + 65536]

    for body in (whole, chunks()):
        answer = requests.post(address, data=body, headers=headers, timeout=20)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "EntityTooLarge"), answer.text
    small = b'{"version": "4", "alerts": []}'
    assert requests.post(address, data=iter([small[:10], small[10:]]), headers=headers, timeout=20).status_code == 200
