"""Fill an empty instance with the demo company, through the product's own services."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import requests
from sqlalchemy import select

from config import Settings
from demo import record
from demo.company import CHANNELS, FIRST_ALERT, HISTORY, ORGANISATION, PEOPLE, SOURCES, DemoLevel, PastIncident
from demo.connect import connect
from demo.simulated import APPLICATIONS
from demo.simulated.control import SECONDS, SetupFailed, SimulatedApp
from extensions import db
from models import Alert, AlertSource, Channel, Incident, Membership
from platforms import PLATFORMS
from services import accounts, alert_sources, alerts, api_tokens, channels, incidents, policies
from services.clock import utcnow
from sources import SOURCES as SOURCE_KINDS

ADMIN = "admin"


def load(settings: Settings) -> None:
    """Make the demo company unless it is there, and see that its applications work at today's addresses.

    A platform that an earlier version did not know is added. Raises record.NotADemo if people use the instance
    already, SetupFailed.
    """
    known = record.read(settings)
    if accounts.is_empty():
        known = record.invent()
        known |= make_company(known, now=utcnow())
        record.write(settings, known)
        db.session.commit()
    elif not known:
        raise record.NotADemo("This instance has its own data; the demo is for an empty DUTYBELL_HOME.")
    is_first_time = "base_url" not in known
    for app in connectable():
        connect(app, known, settings)
    known |= {"base_url": settings.public_url, "simulator_url": settings.simulator_url}
    record.write(settings, known)
    if is_first_time:
        push_url = alert_sources.push_url(source_of("standard", known["tenant_id"]))
        db.session.commit()  # before the call: the product has to answer it
        push_first_alert(push_url)


def connectable() -> list[SimulatedApp]:
    """The platforms that the product connects to and the simulator plays."""
    return [app for slug, app in APPLICATIONS.items() if slug in PLATFORMS]


def push_first_alert(push_url: str) -> None:
    """Raise an alert as a monitoring system does, so that the simulated chats are not empty."""
    answer = requests.post(push_url, json=FIRST_ALERT, timeout=SECONDS)
    if not answer.ok:
        raise SetupFailed(f"The first alert was answered {answer.status_code}: {answer.text}")


def make_company(known: dict[str, Any], *, now: datetime) -> dict[str, Any]:
    """Stage everything on the product's side; returns what the record keeps of it.

    The history comes before the policies, so that nobody is told today about what is long over.
    """
    passwords, began_at = known["passwords"], now - timedelta(days=3)
    admin = accounts.create_first_administrator(
        ADMIN, "管理员", passwords[ADMIN], organisation=ORGANISATION, now=began_at
    )
    people = {ADMIN: admin}
    for person in PEOPLE:
        user = accounts.create(person.username, person.name, passwords[person.username], now=began_at)
        people[person.username] = accounts.join(user, admin.tenant, person.role, source="manual", now=began_at)
    spaces = {c.name: channels.create(c.name, by=admin, now=began_at, description=c.description) for c in CHANNELS}
    for kind, (name, channel) in SOURCES.items():
        alert_sources.create(spaces[channel].id, kind, name, by=admin, now=began_at)
    for past in HISTORY:
        make_past_incident(past, spaces[past.channel], people, now=now)
    for c in CHANNELS:
        levels = [level_json(level, people) for level in c.levels]
        policies.create(spaces[c.name], policies.draft(name=c.policy, levels=levels), by=admin, now=began_at)
    _, api_token = api_tokens.create("demo", [scope.value for scope in api_tokens.Scope], by=admin, now=now)
    return {"tenant_id": admin.tenant_id, "api_token": api_token}


def make_past_incident(
    past: PastIncident, channel: Channel, people: dict[str, Membership], *, now: datetime
) -> Incident:
    """An incident that an alert opened, somebody took on and somebody closed, all in the past."""
    began_at = now - timedelta(hours=past.hours_ago)
    body = {
        "title_rule": past.title,
        "event_status": past.severity.value,
        "alert_key": past.title,
        "description": past.description,
        "labels": past.labels,
    }
    source = source_of("standard", channel.tenant_id)
    alerts.ingest(source, SOURCE_KINDS["standard"].parse(body, {}).events, now=began_at)
    mine = select(Incident).join(Alert, Alert.incident_id == Incident.id)
    incident = db.session.scalars(
        mine.where(Incident.tenant_id == channel.tenant_id, Alert.alert_key == past.title)
    ).one()
    taken_at = began_at + timedelta(minutes=3)
    incidents.acknowledge(incident, by=people[past.taken_by], via="console", now=taken_at)
    incidents.close(
        incident,
        by=people[past.closed_by],
        via="console",
        now=began_at + timedelta(minutes=past.closed_after_minutes),
        root_cause=past.root_cause,
        resolution=past.resolution,
    )
    return incident


def level_json(level: DemoLevel, people: dict[str, Membership]) -> dict[str, Any]:
    """A policy's step that reaches everybody through 个人渠道; every platform adds its own (connect.py)."""
    return {
        "user_ids": [people[username].user_id for username in level.usernames],
        "personal": {
            "mode": "unified",
            "unified": {severity: ["wecom_app"] for severity in ("Critical", "Warning", "Info")},
        },
        "repeat": {"max": level.repeats, "every_minutes": 5},
        "escalate_after_minutes": level.escalate_after_minutes,
    }


def source_of(kind: str, tenant_id: int) -> AlertSource:
    wanted = select(AlertSource).where(AlertSource.tenant_id == tenant_id, AlertSource.type == kind)
    return db.session.scalars(wanted.order_by(AlertSource.id).limit(1)).one()
