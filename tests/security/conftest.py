"""Attacks come through the front door: the browser and the people of the tests of pages, and a foreign organisation."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from extensions import db
from models import ContactSync, ContactSyncState, DeliveryState, Membership, Role, SyncPerson, Tenant
from platforms.base import Group
from services import alert_sources, api_tokens, departments, groups, integrations, invitations, teams, templates
from services.clock import utcnow
from services.notifications import notify
from tests.factories import (
    make_alert,
    make_channel,
    make_incident,
    make_integration,
    make_link,
    make_member,
    make_policy,
    make_tenant,
)
from tests.web.conftest import admin, admin_client, client, responder, viewer

__all__ = ["admin", "admin_client", "client", "responder", "viewer"]
CANARY = "FOREIGNCANARY"
"""Stands in everything that belongs to the foreign organisation, and must stand in no answer to anybody else."""
FOREIGN_NUM = 7077
SECRETS = {"secret": "secret-canary-of-the-application", "token": "tokenCanaryOfTheCallback"}


@dataclass
class World:
    """One organisation with something of everything; `ids`: what routes call it → which it is."""

    tenant: Tenant
    admin: Membership
    public_key: str
    push_key: str
    api_token: str
    ids: dict[str, object] = field(default_factory=dict)


def make_world(tenant: Tenant, mark: str, *, num: int) -> World:
    """Fill an organisation; every text in it begins with `mark`."""
    now = utcnow()
    boss = make_member(f"{mark.lower()}-boss", Role.ADMIN, tenant=tenant, real_name=f"{mark} boss")
    channel = make_channel(f"{mark} channel", tenant=tenant, description=f"{mark} description")
    policy = make_policy(channel, boss, name=f"{mark} policy")
    source = alert_sources.create(channel.id, "standard", f"{mark} source", by=boss, now=now)
    incident = make_incident(channel, num=num, title=f"{mark} incident", responders=(boss,))
    alert = make_alert(source, incident=incident, title=f"{mark} alert")
    settings = {"corp_id": f"ww{num:016}", "agent_id": "1000002", "trusted_domain": "localhost"}
    integration = make_integration(tenant=tenant, name=f"{mark} wecom", settings=settings, secrets={})
    for name, value in SECRETS.items():
        integrations.set_secret(integration, name, f"{mark}{value}")
    link = make_link(integration, boss, external_user_id=f"{mark.lower()}-id", external_name=f"{mark} id")
    notification = notify(incident, cause="assign", user_ids=[boss.user_id], now=now)
    (delivery,) = notification.deliveries
    delivery.state, delivery.failure_code = DeliveryState.FAILED, "unlinked"
    chat = groups.note_seen(integration, Group(f"{mark}-chat", f"{mark} group"), origin="bot_added", now=now)
    texts = {"wecom_app": f"{mark} {{{{ incident.title }}}}"}
    template = templates.create(templates.draft(name=f"{mark} template", texts=texts), by=boss, now=now)
    team = teams.create(f"{mark} team", "", by=boss, now=now)
    department = departments.create(f"{mark} department", None, by=boss, now=now)
    invitation, _ = invitations.create(Role.VIEWER, note=f"{mark} note", by=boss, now=now)
    sync = ContactSync(tenant_id=tenant.id, integration_id=integration.id, started_at=now, departments=[])
    sync.state = ContactSyncState.COMPARING
    db.session.add(sync)
    db.session.flush()
    names = {"external_user_id": f"{mark.lower()}-person", "shown_id": f"{mark}-person", "name": f"{mark} person"}
    person = SyncPerson(tenant_id=tenant.id, sync_id=sync.id, **names)
    db.session.add(person)
    db.session.flush()
    token, text = api_tokens.create(f"{mark} token", ["read", "handle"], by=boss, now=now)
    db.session.commit()
    ids: dict[str, object] = {
        "member_id": boss.id,
        "user_id": boss.user_id,
        "channel_id": channel.id,
        "policy_id": policy.id,
        "source_id": source.id,
        "num": num,
        "integration_id": integration.id,
        "public_key": integration.public_key,
        "link_id": link.id,
        "chat_id": chat.id,
        "delivery_id": delivery.id,
        "token_id": token.id,
        "template_id": template.id,
        "tenant_id": tenant.id,
        "organisation_id": tenant.id,
        "team_id": team.id,
        "department_id": department.id,
        "invitation_id": invitation.id,
        "sync_id": sync.id,
        "person_id": person.id,
        "alert_id": alert.id,
    }
    return World(tenant, boss, integration.public_key, alert_sources.current_key(source), text, ids)


@pytest.fixture
def foreign(admin: Membership) -> World:
    """The organisation that nobody of the default one belongs to."""
    return make_world(make_tenant(f"{CANARY} organisation"), CANARY, num=FOREIGN_NUM)


@pytest.fixture
def own(admin: Membership) -> World:
    """The default organisation, filled alike."""
    return make_world(admin.tenant, "OWN", num=11)
