"""Things to test with; each names only what matters and commits, so that other sessions see it.

Lin 林 is on call, Wu 吴 is on the team, Zhou 周 is an outsider (of another organisation where that matters).
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from extensions import db
from models import (
    AccountLink,
    Alert,
    AlertSource,
    Channel,
    Delivery,
    DispatchPolicy,
    Incident,
    Integration,
    IntegrationStatus,
    Membership,
    MembershipState,
    Progress,
    Responder,
    Role,
    Severity,
    Tenant,
    User,
)
from platforms.base import IncidentCard
from services import alerts, card_contents, incident_cards
from services.clock import utcnow
from services.incident_opening import next_num
from sources import IncomingEvent

NOW = datetime(2026, 3, 2, 1, 31, tzinfo=UTC)
"""Monday 09:31 in Shanghai."""
NAMES = {"lin": "林晓", "wu": "吴凡", "zhou": "周宁", "admin": "管理员"}

_count = itertools.count(1)


def make_tenant(name: str = "默认组织", **values: Any) -> Tenant:
    """Another organisation; the default one (id 0) comes by itself."""
    values = {"house_number": f"HN{next(_count):04}", "created_at": NOW} | values
    return _saved(Tenant(name=name, **values))


def default_tenant() -> Tenant:
    return db.session.get(Tenant, 0) or make_tenant(id=0)


def make_member(
    username: str = "lin",
    role: Role = Role.RESPONDER,
    *,
    tenant: Tenant | None = None,
    state: MembershipState = MembershipState.ACTIVE,
    preferences: dict[str, list[str]] | None = None,
    **user_values: Any,
) -> Membership:
    """A person with a membership; asked for again, the same one."""
    tenant = tenant or default_tenant()
    user = db.session.scalar(select(User).where(User.username_folded == username.casefold()))
    if user is None:
        values = {"real_name": NAMES.get(username, ""), "created_at": NOW} | user_values
        user = _saved(User(username=username, username_folded=username.casefold(), **values))
    same = db.session.scalar(select(Membership).where(Membership.tenant_id == tenant.id, Membership.user_id == user.id))
    return same or _saved(
        Membership(
            tenant_id=tenant.id,
            tenant=tenant,
            user_id=user.id,
            user=user,
            role=role,
            state=state,
            preferences=preferences or {},
            created_at=NOW,
        )
    )


def make_channel(name: str = "支付核心", *, tenant: Tenant | None = None, **values: Any) -> Channel:
    tenant = tenant or default_tenant()
    values = {"created_at": NOW} | values
    return _saved(Channel(tenant_id=tenant.id, name=name, **values))


def make_policy(
    channel: Channel, *people: Membership, levels: list[dict[str, Any]] | None = None, **values: Any
) -> DispatchPolicy:
    """A policy of one level for `people`, or of the levels given (see make_level)."""
    values = {"name": f"策略 {next(_count)}", "created_at": NOW} | values
    levels = levels or [make_level(*people)]
    policy = DispatchPolicy(
        tenant_id=channel.tenant_id, channel_id=channel.id, channel=channel, levels=levels, **values
    )
    return _saved(policy)


def make_level(*people: Membership, repeat: int = 0, every: float = 5, **values: Any) -> dict[str, Any]:
    """A level as JSON: escalation after 30 minutes unless acknowledged, preferences of each person."""
    defaults = {
        "user_ids": [person.user_id for person in people],
        "personal": {"mode": "follow_preference"},
        "repeat": {"max": repeat, "every_minutes": every},
    }
    return defaults | values


def make_source(channel: Channel, *, type: str = "standard", **values: Any) -> AlertSource:
    values = {"name": f"来源 {next(_count)}", "created_at": NOW} | values
    return _saved(AlertSource(tenant_id=channel.tenant_id, channel_id=channel.id, channel=channel, type=type, **values))


def make_alert(source: AlertSource, *, incident: Incident | None = None, **values: Any) -> Alert:
    """A firing alert, without incident unless given."""
    severity = values.get("severity", Severity.CRITICAL)
    defaults = {
        "alert_key": f"key-{next(_count)}",
        "title": "db-03 / disk.used>95%",
        "severity": severity,
        "status": severity,
        "labels": {"resource": "db-03", "check": "disk.used>95%"},
        "images": [],
        "started_at": NOW,
        "last_event_at": NOW,
        "event_count": 1,
        "incident_id": incident.id if incident else None,
    }
    return _saved(
        Alert(tenant_id=source.tenant_id, source_id=source.id, channel_id=source.channel_id, **(defaults | values))
    )


def report(alert: Alert, status: Severity, *, now: datetime) -> None:
    """Have the source of a firing alert say how it is now, as a push does. Nothing is committed."""
    source = db.session.get_one(AlertSource, alert.source_id)
    said = IncomingEvent(status, alert.title, alert.description, alert.alert_key, alert.labels, [], None, {})
    alerts.ingest(source, [said], now=now)
    db.session.flush()
    db.session.expire_all()


def make_incident(
    channel: Channel | None = None,
    *,
    tenant: Tenant | None = None,
    responders: tuple[Membership, ...] = (),
    acknowledged_by: Membership | None = None,
    **values: Any,
) -> Incident:
    """An open incident that nobody was told about; `acknowledged_by` makes it one in progress."""
    tenant_id = channel.tenant_id if channel else (tenant or default_tenant()).id
    severity = values.get("severity", Severity.CRITICAL)
    defaults = {
        "num": next_num(tenant_id),
        "title": "db-03 / disk.used>95%",
        "severity": severity,
        "status": severity,
        "progress": Progress.PROCESSING if acknowledged_by else Progress.TRIGGERED,
        "acknowledged_at": NOW if acknowledged_by else None,
        "labels": {},
        "images": [],
        "assignment": {},
        "overrides": [],
        "started_at": NOW,
        "last_event_at": NOW,
        "changed_at": NOW,
    }
    incident = Incident(tenant_id=tenant_id, channel=channel, **(defaults | values))
    people = dict.fromkeys([*responders, *([acknowledged_by] if acknowledged_by else [])])
    for person in people:
        incident.responders.append(
            Responder(
                tenant_id=tenant_id,
                user=person.user,
                source="added",
                is_current=True,
                assigned_at=NOW,
                acknowledged_at=NOW if person is acknowledged_by else None,
            )
        )
    return _saved(incident)


def make_integration(*, tenant: Tenant | None = None, platform: str = "wecom", **values: Any) -> Integration:
    """An active connection; settings and secrets are the caller's to name."""
    number = next(_count)
    defaults = {
        "mode": "self_built",
        "name": f"企业微信 {number}",
        "status": IntegrationStatus.ACTIVE,
        "settings": {},
        "secrets": {},
        "enhanced": {},
        "public_key": f"public-key-{number}",
        "created_at": NOW,
    }
    tenant = tenant or default_tenant()
    return _saved(Integration(tenant_id=tenant.id, platform=platform, **(defaults | values)))


def make_link(integration: Integration, member: Membership, **values: Any) -> AccountLink:
    """The member's account on the platform; its id there is the username unless given."""
    defaults = {
        "external_user_id": member.user.username_folded,
        "external_name": member.user.name,
        "source": "login",
        "linked_at": NOW,
    }
    return _saved(
        AccountLink(
            tenant_id=integration.tenant_id,
            integration_id=integration.id,
            user_id=member.user_id,
            user=member.user,
            **(defaults | values),
        )
    )


def _saved(row: Any) -> Any:
    db.session.add(row)
    db.session.commit()
    return row


def drawn_card(incident: Incident, delivery: Delivery, integration: Integration) -> IncidentCard:
    """The card of a message as it is now."""
    return incident_cards.draw(card_contents.of_delivery(incident, delivery, integration, now=utcnow()))
