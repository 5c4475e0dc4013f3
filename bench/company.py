"""Three organisations of 400 people on duty each, one on every chat platform, made through models and services.

So many people that no burst is held back by what a platform allows for one of them, and as many applications as keep
what it allows for one application from being all that is measured.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from sqlalchemy import select, update

from bench.payloads import SHIFTS, Numbering, Reports
from bench.platforms import PLATFORMS
from bench.platforms.base import Application, Button, ChatPlatform
from bench.product import Product, opened
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
CARDS_A_SECOND = 150
"""So many must an organisation's applications be allowed together: half as many again as the fastest measurement."""
PHRASE = "long enough to be measured"
"""What everybody signs in with, in a company that lives for minutes."""
RECORD = "company.json"
BATCH = 50


@dataclass(frozen=True)
class Organisation:
    """What is needed to push to an organisation, and to press and sign in as its people.

    applications, integration_ids  its connections, by the same places; channels take them in turn
    standard, prometheus  addresses of its sources with their keys, one of each a channel
    people                names to sign in with
    """

    platform: str
    tenant_id: int
    applications: list[Application]
    integration_ids: list[int]
    standard: list[str]
    prometheus: list[str]
    people: list[str]
    home_path: str

    def press(self, button: Button, *, forged: bool = False) -> bytes:
        """The request that the platform posts when somebody presses the button."""
        return PLATFORMS[self.platform].press(self.applications[button.application], button, forged=forged)

    def shows_card(self, button: Button, answer: bytes) -> bool:
        """Whether the answer to a press carries the card as it is now."""
        return PLATFORMS[self.platform].shows_card(self.applications[button.application], answer)


@dataclass(frozen=True)
class Company:
    """by_platform: the organisation of each; main: the first of them, where the platform does not matter."""

    by_platform: dict[str, Organisation]

    @property
    def main(self) -> Organisation:
        return next(iter(self.by_platform.values()))

    @classmethod
    def of(cls, home: Path) -> Company:
        """Read what `company` wrote down."""
        stored = json.loads((home / RECORD).read_text())
        return cls({platform: _organisation_of(values) for platform, values in stored["by_platform"].items()})


def _organisation_of(values: dict[str, Any]) -> Organisation:
    return Organisation(**values | {"applications": [Application(**one) for one in values["applications"]]})


def company(settings: Settings) -> None:
    """Fill an empty database with the three organisations, and write down beside it what they are."""
    now = utcnow()
    made = {}
    with opened(settings):
        for platform in PLATFORMS.values():
            made[platform.slug] = _organisation(_administrator(platform, now), platform, now)
        db.session.commit()
    (settings.home / RECORD).write_text(json.dumps(asdict(Company(made))))


def application_count(platform: ChatPlatform) -> int:
    """How many applications an organisation needs to be allowed CARDS_A_SECOND messages a second, for minutes."""
    limits = [limit for limit in (platform.sends_a_second, platform.sends_a_minute / 60) if limit]
    return math.ceil(CARDS_A_SECOND / min(limits)) if limits else 1


def _administrator(platform: ChatPlatform, now: datetime) -> Membership:
    """Of an organisation of their own."""
    name = f"admin-{platform.slug}"
    if db.session.scalar(select(Tenant.id).limit(1)) is None:
        return accounts.create_first_administrator(name, "管理员", PHRASE, organisation=platform.label, now=now)
    tenant = Tenant(name=platform.label, house_number=platform.slug.upper()[:8], created_at=now)
    db.session.add(tenant)
    db.session.flush()
    return accounts.join(accounts.create(name, "管理员", PHRASE, now=now), tenant, Role.ADMIN, source="manual", now=now)


def _organisation(admin: Membership, platform: ChatPlatform, now: datetime) -> Organisation:
    connected = [_integration(admin, platform, number, now) for number in range(application_count(platform))]
    password_hash = passwords.hash_password(PHRASE)
    standard: list[str] = []
    prometheus: list[str] = []
    people: list[str] = []
    for number in range(CHANNELS):
        channel = channels.create(f"空间 {number}", by=admin, now=now)
        integration, _ = connected[number % len(connected)]
        names = [f"{platform.slug}-{number}-{shift}" for shift in range(SHIFTS)]
        for shift, name in enumerate(names):
            member = _linked_member(admin, integration, name, password_hash, now)
            _policy(channel, member, str(shift), admin, now)
        people += names
        for kind, found in (("standard", standard), ("prometheus", prometheus)):
            source = alert_sources.create(channel.id, kind, f"{kind} {number}", by=admin, now=now)
            db.session.flush()
            found.append(_push_path(source))
    return Organisation(
        platform.slug,
        admin.tenant_id,
        [application for _, application in connected],
        [integration.id for integration, _ in connected],
        standard,
        prometheus,
        people,
        urlsplit(integrations.app_url(connected[0][0])).path,
    )


def _integration(
    admin: Membership, platform: ChatPlatform, number: int, now: datetime
) -> tuple[Integration, Application]:
    """A connection as the wizard leaves it, and the application with the address that it calls."""
    application = platform.application(number)
    integration = Integration(
        tenant_id=admin.tenant_id,
        platform=platform.slug,
        mode="self_built",
        name=f"值班铃 {number}",
        status=IntegrationStatus.ACTIVE,
        settings=dict(application.settings),
        platform_key=application.key,
        public_key=f"bench-{platform.slug}-{number}",
        created_at=now,
    )
    db.session.add(integration)
    db.session.flush()
    for name, value in application.secrets.items():
        integrations.set_secret(integration, name, value)
    address = integrations.platform_addresses(integration)[platform.callback]
    return integration, replace(application, callback_path=urlsplit(address).path)


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
            external_user_id=PLATFORMS[integration.platform].person(name),
            external_name=user.real_name,
            source="login",
            linked_at=now,
        )
    )
    return member


def _policy(channel: Channel, member: Membership, shift: str, admin: Membership, now: datetime) -> None:
    """Alerts of one shift go to one person."""
    condition = {"key": "labels.shift", "op": "IN", "vals": [shift]}
    level = Level(user_ids=(member.user_id,)).to_json()
    written = policies.draft(name=f"班次 {shift}", levels=[level], filter_groups=[[condition]])
    policies.create(channel, written, by=admin, now=now)


def _push_path(source: AlertSource) -> str:
    parts = urlsplit(alert_sources.push_address(source))
    return f"{parts.path}?integration_key={quote(alert_sources.current_key(source))}"


# --- cards to press on --------------------------------------------------------------------------------------------


def deliver_cards(product: Product, organisation: Organisation, count: int) -> list[Button]:
    """Give `count` people a card of an incident of its own, as if the worker had sent it; returns 开始处理 of each.

    Alerts come in through the services, so that a press meets all that an incident has: timers, timeline, jobs.
    """
    name = Numbering.new()
    with product.app():
        for first in range(0, count, BATCH):
            _ingest(organisation, name, range(first, min(first + BATCH, count)))
        buttons = list(_send_all(organisation, utcnow()))
        db.session.commit()
    return buttons


def _ingest(organisation: Organisation, name: Numbering, numbers: range) -> None:
    """Alerts of one channel after the other, each batch in one transaction."""
    kind = SOURCES["standard"]
    mine = AlertSource.tenant_id == organisation.tenant_id, AlertSource.type == "standard"
    sources = db.session.scalars(select(AlertSource).where(*mine).order_by(AlertSource.id)).all()
    make = Reports(organisation.standard, name)
    source = sources[numbers.start // BATCH % len(sources)]
    events = []
    for number in numbers:
        body = json.loads(make(number).partition(b"\r\n\r\n")[2])
        body["labels"]["shift"] = str(number % SHIFTS)
        events += kind.parse(body, {}).events
    alerts.ingest(source, events, now=utcnow())
    db.session.commit()


def _send_all(organisation: Organisation, now: datetime) -> Iterator[Button]:
    """Record what waits to be sent to its people as sent."""
    secret, gives_codes = current_settings().secret_key, PLATFORMS[organisation.platform].gives_codes
    places = {integration_id: place for place, integration_id in enumerate(organisation.integration_ids)}
    waiting = select(Delivery, Incident).join(Incident, Incident.id == Delivery.incident_id)
    mine = Delivery.tenant_id == organisation.tenant_id, Delivery.state == DeliveryState.QUEUED
    for delivery, incident in db.session.execute(waiting.where(*mine)).all():
        delivery.state, delivery.sent_at = DeliveryState.SENT, now
        card = cards.open_card(delivery, incident, message_id=f"om_{delivery.id}", fingerprint="", now=now)
        if gives_codes:
            about: dict[str, Any] = {"tenant_id": card.tenant_id, "origin": "send", "hours": 72}
            cards.add_code(db.session.connection(), card.id, f"code-{delivery.id}", **about, now=now)
        key = card_keys.make(secret, "acknowledge", delivery.reference)
        yield Button(delivery.external_user_id or "", delivery.reference, key, places[delivery.integration_id or 0])
    of_tenant = Job.tenant_id == organisation.tenant_id, Job.kind == "deliver", Job.state == JobState.PENDING
    db.session.execute(update(Job).where(*of_tenant).values(state=JobState.DONE, finished_at=now))
