"""What Prometheus may read: requests as they happen, the outbox and deliveries as they stand."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from prometheus_client import CollectorRegistry, Histogram, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, literal_column, select

from extensions import db
from models import EPOCH, Delivery, DeliveryState, Job, Tenant
from services import leases, stored_pushes
from services.clock import utcnow

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

PROCESS = CollectorRegistry()
REQUESTS = Histogram(
    "dutybell_http_request_seconds",
    "Time to answer a request, by endpoint.",
    ["endpoint", "method", "status"],
    buckets=BUCKETS,
    registry=PROCESS,
)
COUNTED = tuple(state for state in DeliveryState if not state.is_final or state is DeliveryState.FAILED)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def observe_request(endpoint: str, method: str, status: int, seconds: float) -> None:
    """Measure a request; unknown methods share a name, so that nobody can make up series."""
    _series(endpoint, method if method in METHODS else "other", status).observe(seconds)


@lru_cache(maxsize=512)
def _series(endpoint: str, method: str, status: int) -> Histogram:
    """Finding one among its labels takes longer than observing."""
    return REQUESTS.labels(endpoint, method, str(status))


def render() -> bytes:
    """Everything in Prometheus' text format, over all processes if PROMETHEUS_MULTIPROC_DIR is set."""
    registry = CollectorRegistry()
    registry.register(DatabaseCollector())
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        multiprocess.MultiProcessCollector(registry)
        return generate_latest(registry)
    return generate_latest(PROCESS) + generate_latest(registry)


class DatabaseCollector(Collector):
    """Counts rows when asked: the outbox and the deliveries."""

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        now = utcnow()
        pending = Job.state == literal_column("'pending'")  # spelt out, as the partial indexes are
        due, oldest = db.session.execute(
            select(func.count(Job.id), func.min(Job.due_at)).where(pending, Job.due_at <= now)
        ).one()
        expired = select(func.count(Job.id)).where(pending, Job.lease_until > EPOCH, leases.has_ended(now))
        dead = select(func.count(Job.id)).where(Job.state == literal_column("'dead'"))
        yield _gauge("dutybell_outbox_due", "Rows of the outbox that are due.", due)
        age = (now - oldest).total_seconds() if oldest else 0
        yield _gauge("dutybell_outbox_oldest_due_seconds", "How long the oldest due row has been waiting.", age)
        yield _gauge(
            "dutybell_outbox_expired_leases",
            "Claimed rows whose worker did not finish in time.",
            db.session.execute(expired).scalar_one(),
        )
        yield from _intake(now)
        yield _gauge("dutybell_outbox_dead", "Rows that were given up.", db.session.execute(dead).scalar_one())
        yield _deliveries()


def _deliveries() -> Metric:
    """What is under way or failed. All that ever were sent are not counted: that would read the whole table."""
    family = GaugeMetricFamily("dutybell_deliveries", "Deliveries by state: under way, or failed.", labels=["state"])
    everywhere = Delivery.tenant_id.in_(select(Tenant.id))  # the index begins with it
    counted = [
        select(func.count(Delivery.id)).where(everywhere, Delivery.state == state).scalar_subquery()
        for state in COUNTED
    ]
    for state, count in zip(COUNTED, db.session.execute(select(*counted)).one(), strict=True):
        family.add_metric([state.value], count)
    return family


def _intake(now: datetime) -> Iterable[Metric]:
    """The intake journal. While it grows, or its oldest push does, no worker makes incidents of what was accepted."""
    waiting = stored_pushes.backlog()
    age = (now - waiting.oldest_at).total_seconds() if waiting.oldest_at else 0
    yield _gauge("dutybell_intake_waiting_alerts", "Accepted alerts that are not incidents yet.", waiting.alerts)
    yield _gauge("dutybell_intake_oldest_waiting_seconds", "How long the oldest accepted push has been waiting.", age)
    text = "Accepted alerts that could not be taken and are kept aside with their error."
    yield _gauge("dutybell_intake_set_aside_alerts", text, waiting.set_aside)


def _gauge(name: str, text: str, value: float) -> Metric:
    family = GaugeMetricFamily(name, text)
    family.add_metric([], value)
    return family
