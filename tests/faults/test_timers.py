"""R37: silences that end and escalations fire once and in time, though the workers are killed meanwhile."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from extensions import db
from models import AlertSource, Incident, Membership, Role, Severity, TimelineEntry, User
from services import alerts, incidents, policies
from services.clock import utcnow
from sources import SOURCES
from tests.factories import make_member
from tests.faults.conftest import Size
from tests.faults.fleet import Company
from tests.faults.snapshot import reading
from tests.servers import wait_until

LATE_SECONDS = 5.0
SLOW_MACHINE = 6
MINUTES = 60
SPREAD_SECONDS = {20: 3.0, 1000: 60.0}
"""How long it takes until all have come to their end."""
ENDS = {"wake": "silence ended", "assign": "escalated"}


@dataclass
class Timer:
    """What is due when. kind: of ENDS; due: when it was promised, or when it could first be known."""

    incident_id: int
    kind: str
    due: datetime


def test_timers_fire_once_and_in_time_across_restarts(company: Company, size: Size, figures):
    """The workers die while they wait, and once more while they end."""
    count = 1000 if size.is_soak else 20
    with company.fleet.supervised():
        timers = set_timers(company, count)
        for worker in company.fleet.workers:
            worker.kill()
        wait_until(lambda: fired(company, timers), "the first ended", seconds=60)
        company.fleet.workers[0].kill()
        wait_until(lambda: len(fired(company, timers)) >= count, "all ended", seconds=180)
        ends = fired(company, timers)
    late = max((ends[one.incident_id, one.kind][0] - one.due).total_seconds() for one in timers)

    figures(timers=count, latest=late)
    assert all(len(ends[one.incident_id, one.kind]) == 1 for one in timers)
    assert late <= LATE_SECONDS * (1 if size.is_soak else SLOW_MACHINE)


def set_timers(company: Company, count: int) -> list[Timer]:
    """Open incidents, half of them silenced an hour ago and half with an escalation, due one after the other."""
    spread, timers, name = SPREAD_SECONDS[count], [], f"nobody-{uuid.uuid4().hex[:6]}"
    with company.fleet.app():
        by = db.session.scalars(select(Membership).join(User).where(User.username == company.people[0])).one()
        source = db.session.scalars(select(AlertSource).where(AlertSource.type == "standard")).one()
        escalating(source, by, name)
        first, length = utcnow() + timedelta(seconds=spread), timedelta(minutes=MINUTES)
        for number in range(count):
            due = max(first + timedelta(seconds=spread * number / count), utcnow() + timedelta(seconds=1))
            is_silence = number % 2 == 0
            incident = incident_of(source, f"{name}-{number}", "" if is_silence else name, began=due - length)
            if is_silence:
                incidents.snooze(incident, by=by, via="console", now=due - length, minutes=MINUTES)
            db.session.commit()
            timers.append(Timer(incident.id, "wake" if is_silence else "assign", max(due, utcnow())))
    return timers


def escalating(source: AlertSource, member: Membership, duty: str) -> None:
    """A policy of two levels, of which nobody hears anything."""
    silent = {"mode": "unified", "unified": {Severity.CRITICAL.value: ["wecom_app"]}}
    level = {"user_ids": [member.user_id], "personal": silent, "repeat": {"max": 0, "every_minutes": 5}}
    levels = [level | {"escalate_after_minutes": minutes} for minutes in (MINUTES, 0)]
    mine = [[{"key": "labels.duty", "op": "IN", "vals": [duty]}]]
    draft = policies.draft(name=duty, levels=levels, priority=1, filter_groups=mine)
    policies.create(source.channel, draft, by=make_member("admin", Role.ADMIN, tenant=member.tenant), now=utcnow())
    db.session.commit()


def incident_of(source: AlertSource, key: str, duty: str, *, began: datetime) -> Incident:
    """An incident that nobody is told of: its alert is only information."""
    body = {"title_rule": key, "event_status": "Info", "alert_key": key, "labels": {"duty": duty}}
    source = db.session.get_one(AlertSource, source.id)
    alerts.ingest(source, SOURCES["standard"].parse(body, {}).events, now=began)
    db.session.flush()
    return db.session.scalars(select(Incident).where(Incident.title == key)).one()


def fired(company: Company, timers: list[Timer]) -> dict[tuple[int, str], list[datetime]]:
    """When each of them ended, as recorded."""
    wanted = select(TimelineEntry.incident_id, TimelineEntry.type, TimelineEntry.at, TimelineEntry.detail).where(
        TimelineEntry.type.in_(ENDS), TimelineEntry.incident_id >= timers[0].incident_id
    )
    found: dict[tuple[int, str], list[datetime]] = {}
    with reading(company.fleet) as engine, engine.connect() as connection:
        for incident_id, kind, at, detail in connection.execute(wanted):
            if kind == "wake" or detail.get("kind") == "escalate":
                found.setdefault((incident_id, kind), []).append(at.astimezone(UTC))
    return found
