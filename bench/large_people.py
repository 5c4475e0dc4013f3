"""What the large database hangs its million rows on: organisations, people, channels, sources and connections."""

from __future__ import annotations

from datetime import datetime

from extensions import db
from models import (
    AccountLink,
    AlertSource,
    Channel,
    Integration,
    IntegrationKey,
    IntegrationStatus,
    Membership,
    Role,
    Tenant,
    User,
)
from services import alert_sources, vault

PEOPLE, CHANNELS = 30, 12
SOURCE_KEY = "a-key-of-the-large-database-that-opens-its-source"
ORGANISATIONS = ("大型公司", "小公司", "另一家公司")


def make_people(now: datetime) -> None:
    """Organisations, people, channels, a source and a connection; ids of the first organisation start at 1."""
    for number, name in enumerate(ORGANISATIONS):
        db.session.add(Tenant(id=number, name=name, house_number=f"BENCH{number}", created_at=now))
    db.session.flush()
    for number in range(PEOPLE):
        name = f"person-{number}"
        user = User(username=name, username_folded=name, real_name=f"值班员{number}", created_at=now)
        role = Role.ADMIN if number == 0 else Role.RESPONDER
        db.session.add(user)
        db.session.flush()
        for tenant_id in range(len(ORGANISATIONS)):
            db.session.add(Membership(tenant_id=tenant_id, user_id=user.id, role=role, created_at=now))
    for number in range(CHANNELS * len(ORGANISATIONS)):
        values = {"is_private": number % 6 == 5, "created_by_id": 1, "created_at": now}
        db.session.add(Channel(tenant_id=number // CHANNELS, name=f"空间 {number}", **values))
        db.session.flush()
    for tenant_id in range(len(ORGANISATIONS)):
        _make_connections(tenant_id, now)
    db.session.commit()


def _make_connections(tenant_id: int, now: datetime) -> None:
    channel_id = tenant_id * CHANNELS + 1
    source = AlertSource(tenant_id=tenant_id, channel_id=channel_id, type="standard", name="监控", created_at=now)
    key = SOURCE_KEY if tenant_id == 0 else f"{SOURCE_KEY}-{tenant_id}"
    key_hash = alert_sources.hash_of(key)
    cipher = vault.seal(tenant_id, vault.push_key_field(key_hash), key)
    source.keys.append(IntegrationKey(tenant_id=tenant_id, key_hash=key_hash, key_cipher=cipher, created_at=now))
    integration = Integration(
        tenant_id=tenant_id,
        platform="wecom",
        mode="self_built",
        name="企业微信",
        status=IntegrationStatus.ACTIVE,
        public_key=f"bench-{tenant_id}",
        created_at=now,
    )
    db.session.add_all([source, integration])
    db.session.flush()
    for number in range(PEOPLE):
        db.session.add(
            AccountLink(
                tenant_id=tenant_id,
                integration_id=integration.id,
                user_id=number + 1,
                external_user_id=f"person-{number}",
                source="login",
                linked_at=now,
            )
        )
