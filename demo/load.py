"""Fill an empty instance with the demo company, through the product's own services."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from config import Settings
from demo import record, simulated_wecom
from demo.company import CHANNELS, HISTORY, INTEGRATION, ORGANISATION, PEOPLE, SOURCES, DemoLevel, PastIncident
from extensions import db
from models import Alert, AlertSource, Channel, Incident, Integration, IntegrationStatus, Membership
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
    elif not known:
        raise record.NotADemo("This instance has its own data; the demo is for an empty DUTYBELL_HOME.")
    integration = db.session.get_one(Integration, known["integration_id"])
    integration.settings = integration.settings | {"trusted_domain": settings.public_host}
    addresses = integrations.addresses(integration)
    push_url = alert_sources.push_url(source_of("standard", integration.tenant_id))
    db.session.commit()  # before any call: the product has to answer them
    simulated_wecom.connect(known, addresses, settings)
    if "base_url" not in known:
        simulated_wecom.push_first_alert(push_url)
        prove(integration, now=utcnow())
    record.write(settings, known | {"base_url": settings.public_url, "simulator_url": settings.simulator_url})


def prove(integration: Integration, *, now: datetime) -> None:
    """Have the worker try every set-up check that can be tried."""
    administrator = accounts.administrators(integration.tenant_id)[0]
    setup.try_all(integration, by=linking.membership(administrator, integration.tenant_id), now=now)
    db.session.commit()


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
    for channel in CHANNELS:
        levels = [level_json(level, people) for level in channel.levels]
        policies.create(spaces[channel.name], policies.draft(name=channel.policy, levels=levels), now=began_at)
    integration = make_integration(known["wecom"], admin, now=now)
    for person in PEOPLE:
        if person.is_linked:
            identity = PlatformIdentity(person.username, person.name)
            linking.link(integration, people[person.username].user, identity, source="admin", now=now)
    _, api_token = api_tokens.create("demo", [scope.value for scope in api_tokens.Scope], by=admin, now=now)
    return {"integration_id": integration.id, "api_token": api_token}


def make_integration(credentials: dict[str, Any], admin: Membership, *, now: datetime) -> Integration:
    """A finished connection to the simulated application."""
    integration = Integration(
        tenant_id=admin.tenant_id,
        platform="wecom",
        mode="self_built",
        name=INTEGRATION,
        status=IntegrationStatus.ACTIVE,
        settings={"corp_id": credentials["corp_id"], "agent_id": str(credentials["agent_id"])},
        platform_key=f"wecom:{credentials['corp_id']}",
        public_key=secrets.token_urlsafe(24),
        created_by_id=admin.user_id,
        created_at=now,
    )
    integration.secrets = {}
    for name in ("secret", "token", "encoding_aes_key"):
        integrations.set_secret(integration, name, credentials[name])
    db.session.add(integration)
    db.session.flush()
    return integration


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
