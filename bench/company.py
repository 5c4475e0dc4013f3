"""A company of 400 people on duty, made through models and services, so that a burst is not held back by anybody's
limit of 30 messages a minute; and a second organisation whose chat platform can be told to hang.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

from sqlalchemy import select, update

from bench.payloads import SHIFTS, Button, CallbackKeys, Numbering, Reports
from bench.processes import Product, opened
from config import Settings
from extensions import db
from models import (
    AccountLink,
    AlertSource,
    Channel,
    Delivery,
    DeliveryState,
    Incident,
    Integration,
    IntegrationStatus,
    Job,
    JobState,
    Membership,
    Role,
    Tenant,
    User,
)
from services import (
    accounts,
    alert_sources,
    alerts,
    card_keys,
    cards,
    channels,
    integrations,
    passwords,
    policies,
)
from services.clock import utcnow
from services.instance import current_settings
from services.policy_levels import Level
from sources import SOURCES

CHANNELS = 80
DEAD_CHANNELS = 4
CORP, DEAD_CORP = "ww000000000000be01", "ww000000000000de01"
AGENT_ID = "1000002"
PHRASE = "long enough to be measured"
"""What everybody signs in with, in a company that lives for minutes."""
RECORD = "company.json"
BATCH = 50


@dataclass(frozen=True)
class Organisation:
    """What is needed to push to an organisation, and to press and sign in as its people.

    standard, prometheus  addresses of its sources with their keys, one of each a channel
    people                names to sign in with, which are their ids on the platform too
    """

    keys: CallbackKeys
    standard: list[str]
    prometheus: list[str]
    people: list[str]
    home_path: str


@dataclass(frozen=True)
class Company:
    main: Organisation
    dead: Organisation

    @classmethod
    def of(cls, home: Path) -> Company:
        """Read what `fill` wrote down."""
        stored = json.loads((home / RECORD).read_text())
        return cls(
            **{name: Organisation(**value | {"keys": CallbackKeys(**value["keys"])}) for name, value in stored.items()}
        )


def company(settings: Settings) -> None:
    """Fill an empty database with both organisations, and write down beside it what they are."""
    now = utcnow()
    with opened(settings):
        admin = accounts.create_first_administrator("admin", "管理员", PHRASE, organisation="星河科技", now=now)
        main = _organisation(admin, CORP, CHANNELS, now)
        tenant = Tenant(name="失联科技", house_number="DEAD01", created_at=now)
        db.session.add(tenant)
        db.session.flush()
        other = accounts.create("other-admin", "管理员", PHRASE, now=now)
        dead = _organisation(
            accounts.join(other, tenant, Role.ADMIN, source="manual", now=now), DEAD_CORP, DEAD_CHANNELS, now
        )
        db.session.commit()
    (settings.home / RECORD).write_text(json.dumps(asdict(Company(main, dead))))


def _organisation(admin: Membership, corp_id: str, channel_count: int, now: datetime) -> Organisation:
    integration = _integration(admin, corp_id, now)
    password_hash = passwords.hash_password(PHRASE)
    standard: list[str] = []
    prometheus: list[str] = []
    people: list[str] = []
    for number in range(channel_count):
        channel = channels.create(f"空间 {number}", by=admin, now=now)
        names = [f"p{corp_id[-4:]}-{number}-{shift}" for shift in range(SHIFTS)]
        for shift, name in enumerate(names):
            member = _linked_member(admin, integration, name, password_hash, now)
            _policy(channel, member, str(shift), now)
        people += names
        for kind, found in (("standard", standard), ("prometheus", prometheus)):
            source = alert_sources.create(channel.id, kind, f"{kind} {number}", by=admin, now=now)
            db.session.flush()
            found.append(_push_path(source))
    keys = CallbackKeys(corp_id, AGENT_ID, *_callback_secrets(corp_id), _path(integration, "callback_url"))
    return Organisation(keys, standard, prometheus, people, _path(integration, "home_url"))


def _callback_secrets(corp_id: str) -> tuple[str, str]:
    """Token and EncodingAESKey; known, since nothing of this company outlives the run."""
    return f"token{corp_id[-6:]}", (corp_id * 3)[:42] + "A"


def _integration(admin: Membership, corp_id: str, now: datetime) -> Integration:
    token, aes_key = _callback_secrets(corp_id)
    integration = Integration(
        tenant_id=admin.tenant_id,
        platform="wecom",
        mode="self_built",
        name="值班铃",
        status=IntegrationStatus.ACTIVE,
        settings={"corp_id": corp_id, "agent_id": AGENT_ID, "trusted_domain": current_settings().public_host},
        platform_key=f"wecom:{corp_id}:{AGENT_ID}",
        public_key=f"bench-{corp_id}",
        created_at=now,
    )
    db.session.add(integration)
    db.session.flush()
    for name, value in (("secret", f"secret-{corp_id}"), ("token", token), ("encoding_aes_key", aes_key)):
        integrations.set_secret(integration, name, value)
    return integration


def _linked_member(
    admin: Membership, integration: Integration, name: str, password_hash: str, now: datetime
) -> Membership:
    user = User(username=name, username_folded=name, real_name=f"值班 {name}", created_at=now)
    user.password_hash = password_hash
    member = Membership(
        tenant_id=admin.tenant_id, tenant=admin.tenant, user=user, role=Role.RESPONDER, source="manual", created_at=now
    )
    db.session.add_all([user, member])
    db.session.flush()
    db.session.add(
        AccountLink(
            tenant_id=admin.tenant_id,
            integration_id=integration.id,
            user_id=user.id,
            user=user,
            external_user_id=name,
            external_name=user.real_name,
            source="login",
            linked_at=now,
        )
    )
    return member


def _policy(channel: Channel, member: Membership, shift: str, now: datetime) -> None:
    """Alerts of one shift go to one person."""
    condition = {"key": "labels.shift", "op": "IN", "vals": [shift]}
    level = Level(user_ids=(member.user_id,)).to_json()
    written = policies.draft(name=f"班次 {shift}", levels=[level], filter_groups=[[condition]])
    policies.create(channel, written, now=now)


def _push_path(source: AlertSource) -> str:
    parts = urlsplit(alert_sources.push_address(source))
    return f"{parts.path}?integration_key={quote(alert_sources.current_key(source))}"


def _path(integration: Integration, name: str) -> str:
    return urlsplit(integrations.addresses(integration)[name]).path


# --- cards to press on --------------------------------------------------------------------------------------------


def deliver_cards(product: Product, organisation: Organisation, count: int) -> list[Button]:
    """Give `count` people a card of an incident of its own, as if the worker had sent it; returns 开始处理 of each.

    Alerts come in through the services, so that a press meets all that an incident has: timers, timeline, jobs.
    """
    name = Numbering.new()
    with product.app():
        for first in range(0, count, BATCH):
            _ingest(organisation, name, range(first, min(first + BATCH, count)))
        buttons = list(_send_all(utcnow()))
        db.session.commit()
    return buttons


def _ingest(organisation: Organisation, name: Numbering, numbers: range) -> None:
    """Alerts of one channel after the other, each batch in one transaction."""
    kind = SOURCES["standard"]
    wanted = select(AlertSource).where(AlertSource.type == "standard").order_by(AlertSource.id)
    sources = db.session.scalars(wanted.limit(len(organisation.standard))).all()
    make = Reports(organisation.standard, name)
    source = sources[numbers.start // BATCH % len(sources)]
    events = []
    for number in numbers:
        body = json.loads(make(number).partition(b"\r\n\r\n")[2])
        body["labels"]["shift"] = str(number % SHIFTS)
        events += kind.parse(body, {}).events
    alerts.ingest(source, events, now=utcnow())
    db.session.commit()


def _send_all(now: datetime) -> Iterator[Button]:
    """Record what waits to be sent as sent."""
    secret = current_settings().secret_key
    waiting = select(Delivery, Incident).join(Incident, Incident.id == Delivery.incident_id)
    for delivery, incident in db.session.execute(waiting.where(Delivery.state == DeliveryState.QUEUED)).all():
        delivery.state, delivery.sent_at = DeliveryState.SENT, now
        card = cards.open_card(delivery, incident, message_id=f"m{delivery.id}", fingerprint="", now=now)
        cards.add_code(card, f"code-{delivery.id}", origin="send", hours=72, now=now)
        key = card_keys.make(secret, "acknowledge", delivery.reference)
        yield Button(delivery.external_user_id or "", delivery.reference, key)
    sent = update(Job).where(Job.kind == "deliver", Job.state == JobState.PENDING)
    db.session.execute(sent.values(state=JobState.DONE, finished_at=now))
