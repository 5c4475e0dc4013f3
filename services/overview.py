"""What the first page says: is anything on fire, undelivered, unhealthy, and what is left to set up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exists, func, literal_column, select

from extensions import db
from models import (
    AccountLink,
    AlertSource,
    Channel,
    CheckState,
    DeliveryState,
    DispatchPolicy,
    Integration,
    IntegrationCheck,
    IntegrationStatus,
    Job,
    LinkState,
    Membership,
    MembershipState,
)
from services import circuits, delivery_queries
from services.delivery_queries import Gathered, Search
from texts import Text

RECENT = timedelta(days=1)
IS_DEAD = Job.state == literal_column("'dead'")
"""Spelt out instead of bound: so both databases see that the index of dead rows answers."""
FAILURES_SHOWN = 5


@dataclass(frozen=True)
class Undelivered:
    """Messages in trouble. failed: of the last 24 hours; dead_jobs: work given up, whatever it was."""

    failed: int
    retrying: int
    dead_jobs: int
    newest: list[Gathered]


@dataclass(frozen=True)
class Health:
    """A connection to a chat platform, how many of its checks failed when last looked at, and why it is not called."""

    integration: Integration
    failed_checks: int
    held_up: Text | None = None

    @property
    def is_well(self) -> bool:
        return self.integration.status is IntegrationStatus.ACTIVE and not self.failed_checks and not self.held_up


@dataclass(frozen=True)
class Setup:
    """What exists already, in the order in which it is made."""

    has_colleagues: bool
    has_channel: bool
    has_source: bool
    has_policy: bool
    has_integration: bool
    is_linked: bool

    @property
    def is_complete(self) -> bool:
        parts = (self.has_colleagues, self.has_channel, self.has_source, self.has_policy, self.has_integration)
        return all(parts) and self.is_linked


def undelivered(viewer: Membership, now: datetime) -> Undelivered:
    """What the viewer may see of it."""
    failed = Search(state=DeliveryState.FAILED, since=now - RECENT)
    dead = select(func.count()).select_from(Job).where(Job.tenant_id == viewer.tenant_id, IS_DEAD)
    return Undelivered(
        failed=delivery_queries.count(viewer, failed),
        retrying=delivery_queries.count(viewer, Search(state=DeliveryState.RETRYING)),
        dead_jobs=db.session.scalar(dead) or 0,
        newest=delivery_queries.gathered(viewer, failed, limit=FAILURES_SHOWN),
    )


def health(viewer: Membership, now: datetime) -> list[Health]:
    """Every connection of the organisation: those with a problem first, then oldest first."""
    failed = (
        select(func.count())
        .where(IntegrationCheck.integration_id == Integration.id, IntegrationCheck.state == CheckState.FAILED)
        .scalar_subquery()
    )
    mine = select(Integration, failed).where(Integration.tenant_id == viewer.tenant_id).order_by(Integration.id)
    rows = db.session.execute(mine).all()
    known = [Health(row[0], row[1], circuits.note(row[0], now)) for row in rows]
    return sorted(known, key=lambda one: one.is_well)


def setup(viewer: Membership) -> Setup:
    """What is left to set up in the viewer's organisation, their own link included."""
    tenant_id = viewer.tenant_id
    active = (Membership.tenant_id == tenant_id, Membership.state == MembershipState.ACTIVE)
    answers = db.session.execute(
        select(
            exists().where(*active, Membership.user_id != viewer.user_id),
            exists().where(Channel.tenant_id == tenant_id),
            exists().where(AlertSource.tenant_id == tenant_id),
            exists().where(DispatchPolicy.tenant_id == tenant_id, DispatchPolicy.is_enabled.is_(True)),
            exists().where(Integration.tenant_id == tenant_id, Integration.status == IntegrationStatus.ACTIVE),
            exists().where(
                AccountLink.tenant_id == tenant_id,
                AccountLink.user_id == viewer.user_id,
                AccountLink.state == LinkState.ACTIVE,
            ),
        )
    ).one()
    return Setup(*answers)
