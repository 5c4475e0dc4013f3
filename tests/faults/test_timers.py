"""R37: a silence that ends and an escalation fire once and in time, though the worker was killed meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from extensions import db
from models import AlertSource, Incident, Membership, TimelineEntry, User
from services import alerts, incidents
from services.clock import utcnow
from sources import SOURCES
from tests.faults.conftest import Size
from tests.faults.fleet import Company
from tests.faults.snapshot import reading
from tests.servers import wait_until

LATE_SECONDS = 5.0
SLOW_MACHINE = 6
MINUTES = 60
SPREAD_SECONDS = 3.0


@dataclass
class Silence:
    incident_id: int
    until: datetime


def test_silences_end_once_and_in_time_across_a_restart(company: Company, size: Size, figures):
    """The worker dies while they wait, and once more while they end."""
    count = 1000 if size.is_soak else 20
    with company.fleet.supervised():
        silences = silence(company, count)
        for worker in company.fleet.workers:
            worker.kill()
        wait_until(lambda: woken(company, silences), "the first silence ended", seconds=60)
        company.fleet.workers[0].kill()
        wait_until(lambda: len(woken(company, silences)) >= count, "all silences ended", seconds=120)
        ends = woken(company, silences)
    late = max((ends[one.incident_id][0] - one.until).total_seconds() for one in silences)

    figures(timers=count, latest=late)
    assert all(len(ends[one.incident_id]) == 1 for one in silences)
    assert late <= LATE_SECONDS * (1 if size.is_soak else SLOW_MACHINE)


def silence(company: Company, count: int) -> list[Silence]:
    """Open incidents that were silenced an hour ago, until a few seconds from now."""
    silences = []
    with company.fleet.app():
        by = db.session.scalars(select(Membership).join(User).where(User.username == company.people[0])).one()
        source = db.session.scalars(select(AlertSource).where(AlertSource.type == "standard")).one()
        first_end = utcnow() + timedelta(seconds=SPREAD_SECONDS)
        for number in range(count):
            until = first_end + timedelta(seconds=SPREAD_SECONDS * number / count)
            incident = incident_of(source, f"silent-{utcnow().timestamp()}-{number}")
            began = until - timedelta(minutes=MINUTES)
            incidents.snooze(incident, by=by, via="console", now=began, minutes=MINUTES)
            db.session.commit()
            silences.append(Silence(incident.id, until))
    return silences


def incident_of(source: AlertSource, key: str) -> Incident:
    """An incident that nobody is told of: its alert is only information, for nobody on duty."""
    body = {"title_rule": key, "event_status": "Info", "alert_key": key, "labels": {"duty": "nobody"}}
    source = db.session.get_one(AlertSource, source.id)
    alerts.ingest(source, SOURCES["standard"].parse(body, {}).events, now=utcnow())
    db.session.flush()
    return db.session.scalars(select(Incident).where(Incident.title == key)).one()


def woken(company: Company, silences: list[Silence]) -> dict[int, list[datetime]]:
    """When each of them ended, as recorded."""
    wanted = select(TimelineEntry.incident_id, TimelineEntry.at).where(
        TimelineEntry.type == "wake", TimelineEntry.incident_id >= silences[0].incident_id
    )
    found: dict[int, list[datetime]] = {}
    with reading(company.fleet) as engine, engine.connect() as connection:
        for incident_id, at in connection.execute(wanted):
            found.setdefault(incident_id, []).append(at.astimezone(UTC))
    return found
