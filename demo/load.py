"""Fill an empty instance with the demo company, through the product's own services."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from config import Settings
from demo import record, simulated_wecom
from demo.company import CHANNELS, HISTORY, ORGANISATION, PEOPLE, SOURCES, DemoLevel, PastIncident
from extensions import db
from models import Alert, AlertSource, Channel, Incident, Integration, Membership, Role
from platforms.base import PlatformIdentity
from services import (
    accounts,
    alert_sources,
    alerts,
    api_tokens,
    channels,
    incidents,
    integrations,
    linking,
    policies,
    setup,
)
from services.clock import utcnow
from sources import SOURCES as SOURCE_KINDS

ADMIN = "admin"


def load(settings: Settings) -> None:
    """Make the demo company unless it is there, and see that its application works at today's addresses.

    Raises record.NotADemo if people use the instance already, simulated_wecom.SetupFailed.
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
    known |= {"base_url": settings.public_url, "simulator_url": settings.simulator_url}
    connect(known, settings)
    record.write(settings, known)
    if is_first_time:
        push_url = alert_sources.push_url(source_of("standard", known["tenant_id"]))
        db.session.commit()  # before the call: the product has to answer it
        simulated_wecom.push_first_alert(push_url)


def connect(known: dict[str, Any], settings: Settings) -> None:
    """Connect the company to its application as an administrator would, value by value; safe to repeat.

    Each side proves the other: the product calls the platform, the platform the callback address and the domain.
    """
    integration = db.session.get_one(Integration, known["integration_id"])
    addresses = integrations.addresses(integration) | {"home_url": home_url(integration, settings)}
    db.session.commit()
    ownership_file = simulated_wecom.make_application(known["wecom"], addresses, settings)
    if ownership_file:
        known["ownership_file"] = ownership_file
    name = known["ownership_file"]
    values = {
        "corp_id": known["wecom"]["corp_id"],
        "agent_id": str(known["wecom"]["agent_id"]),
        "trusted_domain": settings.public_host,
        "ownership_file_name": name,
        "ownership_file_content": name.removeprefix("WW_verify_").removesuffix(".txt"),
    }
    secret_values = {name: known["wecom"][name] for name in ("secret", "token", "encoding_aes_key")}
    integration = db.session.get_one(Integration, known["integration_id"], populate_existing=True)
    if not integration.secrets:
        values |= secret_values
    setup.save(integration, values, by=administrator(integration.tenant_id), now=utcnow())
    db.session.commit()
    simulated_wecom.prove(known["wecom"], addresses, settings)


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
        policies.create(spaces[c.name], policies.draft(name=c.policy, levels=levels), now=began_at)
    integration = setup.begin("wecom", "self_built", by=admin, now=now)
    for person in PEOPLE:
        if person.is_linked:
            identity = PlatformIdentity(person.username, person.name)
            linking.link(integration, people[person.username].user, identity, source="admin", now=now)
    _, api_token = api_tokens.create("demo", [scope.value for scope in api_tokens.Scope], by=admin, now=now)
    return {"tenant_id": admin.tenant_id, "integration_id": integration.id, "api_token": api_token}


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
    """A policy's step that reaches everybody through 个人渠道 → 企业微信."""
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


def administrator(tenant_id: int) -> Membership:
    wanted = select(Membership).where(Membership.tenant_id == tenant_id, Membership.role == Role.ADMIN)
    return db.session.scalars(wanted.order_by(Membership.id).limit(1)).one()


def home_url(integration: Integration, settings: Settings) -> str:
    """The home page as it will be once the trusted domain is today's."""
    return f"{settings.public_url}/h5/{integration.platform}/{integration.public_key}"
