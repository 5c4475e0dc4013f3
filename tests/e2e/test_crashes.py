"""Whatever is killed, and wherever: an accepted alert has one incident, and its card reaches the chat once.

Processes are real. A crash point ends its process as `kill -9` would, at a place named in the code.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import select

from extensions import db
from models import Alert, Delivery, DeliveryState, Incident
from tests.conftest import ROOT
from tests.servers import Product, running_product, wait_until

CRASH_STATUS = 137
CRASH_POINT = re.compile(r'crash_here\("([a-z_.]+)"\)')


def crash_points(prefix: str) -> list[str]:
    """Every crash point in the code whose name begins with `prefix`: a new one is tested without being listed."""
    folders = ("blueprints", "services", "jobs", "platforms")
    sources = [path.read_text() for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(name for name in set(CRASH_POINT.findall("\n".join(sources))) if name.startswith(prefix))


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Product]:
    """One running product for all of these tests: starting it is most of their time."""
    with running_product(tmp_path_factory.mktemp("product"), sqlite_template) as product:
        yield product


@pytest.fixture(scope="module")
def loaded(product: Product) -> dict[str, Any]:
    return product.load_demo()


@pytest.fixture
def demo(product: Product, loaded: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The demo company, with every process running before and after."""
    yield loaded
    for process in product.processes:
        if process.has_ended() or not process.is_healthy():
            process.kill()
            process.start()


def push(demo: dict[str, Any], title: str) -> requests.Response:
    body = {"title_rule": title, "event_status": "Critical", "alert_key": title, "labels": {"resource": "db-09"}}
    return requests.post(demo["alert_sources"]["standard"], json=body, timeout=20)


def cards(product: Product, title: str, person: str = "lin") -> list[dict[str, Any]]:
    return [message for message in product.messages(person) if title in str(message["card"])]


def check_told_once(product: Product, title: str) -> None:
    """One incident, one card at the one person on call, and the delivery knows that it was sent."""
    wait_until(lambda: cards(product, title), "the card")
    with product.app():
        wait_until(lambda: states_of(title) == [DeliveryState.SENT], "the delivery recorded as sent")
        found = select(Incident).join(Alert, Alert.incident_id == Incident.id).where(Alert.alert_key == title)
        assert len(db.session.scalars(found).unique().all()) == 1
    assert len(cards(product, title)) == 1


def states_of(title: str) -> list[DeliveryState]:
    wanted = select(Delivery.state).join(Incident, Incident.id == Delivery.incident_id).where(Incident.title == title)
    states = list(db.session.scalars(wanted))
    db.session.rollback()
    return states


@pytest.mark.parametrize("place", crash_points("intake."))
def test_an_alert_pushed_again_after_a_crash_of_web_is_one_incident(product: Product, demo, place):
    title = f"web-{uuid.uuid4().hex[:8]}"
    product.web.restart(DUTYBELL_CRASH_AT=place)
    with pytest.raises(requests.ConnectionError):
        push(demo, title)
    product.web.kill()
    product.web.start()

    assert push(demo, title).status_code == 200

    check_told_once(product, title)


@pytest.mark.parametrize("place", crash_points("worker."))
def test_a_card_is_sent_once_whatever_moment_the_worker_dies_at(product: Product, demo, place):
    title = f"worker-{uuid.uuid4().hex[:8]}"
    product.worker.stop()
    assert push(demo, title).status_code == 200
    product.worker.launch(DUTYBELL_CRASH_AT=place)
    assert product.worker.wait_for_end() == CRASH_STATUS

    product.worker.start()

    check_told_once(product, title)


def test_everything_killed_right_after_an_accepted_alert_loses_nothing(product: Product, demo):
    title = f"all-{uuid.uuid4().hex[:8]}"
    assert push(demo, title).status_code == 200
    for process in (product.web, product.worker):
        process.kill()

    for process in (product.web, product.worker):
        process.start()

    check_told_once(product, title)


def test_web_and_worker_end_within_ten_seconds_of_being_asked(product: Product, demo):
    push(demo, "ending")

    assert product.web.stop() == 0
    assert product.worker.stop() == 0
