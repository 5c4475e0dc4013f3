"""Licences that a platform asks for, person by person (WeCom 企微许可): how a connection and its people stand.

What is shown here was read from the platform (services/licence_reading.py) and decides about no message: each is
tried, for a message may activate a licence.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, select

from extensions import db
from models import (
    AccountLink,
    CorpAuth,
    Integration,
    IntegrationStatus,
    InterfaceLicence,
    LicenceState,
    LinkState,
    MemberLicence,
    User,
)
from platforms.errors import PlatformError, recall
from platforms.licences import LicenceRules
from services import setup

PAGE = 20


@dataclass(frozen=True)
class Standing:
    """How a connection stands with its licences.

    trial_ends_at   is_assumed: the platform has not said it yet; None: there is no trial
    lacking         linked people whose licence is not in force; refused: those to whom a message was refused
    problem         why the last reading failed
    """

    rules: LicenceRules
    now: datetime
    is_required: bool
    trial_starts_at: datetime | None
    trial_ends_at: datetime | None
    is_assumed: bool
    lacking: int
    refused: int
    read_at: datetime | None
    problem: PlatformError | None

    @property
    def is_trial(self) -> bool:
        return self.is_required and self.trial_ends_at is not None and self.trial_ends_at > self.now

    @property
    def is_ending(self) -> bool:
        """Whether the trial ends soon, and somebody then is without."""
        return self.is_trial and self.left <= self.rules.warned_before and self.lacking > 0

    @property
    def is_over(self) -> bool:
        return self.is_required and not self.is_trial

    @property
    def left(self) -> timedelta:
        return max((self.trial_ends_at or self.now) - self.now, timedelta())

    @property
    def days_left(self) -> int:
        """Begun days count: 1 on the last day."""
        return -(-self.left // timedelta(days=1))

    @property
    def is_worth_a_warning(self) -> bool:
        return self.is_ending or (self.is_over and self.lacking > 0) or self.refused > 0


# --- what is known ------------------------------------------------------------------------------------------------


def rules_of(integration: Integration) -> LicenceRules | None:
    """None where nobody asks for licences."""
    return setup.mode_of(integration).licences


def known(integration: Integration) -> InterfaceLicence | None:
    return db.session.scalar(select(InterfaceLicence).where(*mine(InterfaceLicence, integration)))


def standing(integration: Integration, *, now: datetime) -> Standing | None:
    """How the connection stands; None where no licences are asked for."""
    rules = rules_of(integration)
    if rules is None:
        return None
    licence = known(integration)
    is_read = licence is not None and licence.read_at is not None
    starts_at, ends_at = (licence.trial_starts_at, licence.trial_ends_at) if licence and is_read else (None, None)
    if not is_read:
        starts_at = _authorised_at(integration)
        ends_at = starts_at + rules.assumed_trial
    return Standing(
        rules=rules,
        now=now,
        is_required=licence.is_required if licence else True,
        trial_starts_at=starts_at,
        trial_ends_at=ends_at,
        is_assumed=not is_read,
        lacking=_count_lacking(integration, now),
        refused=count_refused(integration),
        read_at=licence.read_at if licence else None,
        problem=recall(licence.problem) if licence and licence.problem else None,
    )


def _authorised_at(integration: Integration) -> datetime:
    found = db.session.scalar(select(CorpAuth.authorised_at).where(CorpAuth.integration_id == integration.id))
    return found or integration.created_at


def warnings(integrations_shown: Iterable[Integration], *, now: datetime) -> list[tuple[Integration, Standing]]:
    """Of the connections in use, those that an administrator is to be warned about."""
    in_use = [one for one in integrations_shown if one.status is IntegrationStatus.ACTIVE and rules_of(one)]
    found = [(one, standing(one, now=now)) for one in in_use]
    return [(one, stands) for one, stands in found if stands is not None and stands.is_worth_a_warning]


def _count_lacking(integration: Integration, now: datetime) -> int:
    """Linked people without a licence of their own in force, whatever the trial says."""
    wanted = (
        select(func.count(AccountLink.id))
        .outerjoin(MemberLicence, _same_account())
        .where(*mine(AccountLink, integration), AccountLink.state != LinkState.PENDING)
        .where(func.coalesce(MemberLicence.expires_at > now, False).is_(False))
    )
    return db.session.scalar(wanted) or 0


def count_refused(integration: Integration) -> int:
    refused = (*mine(MemberLicence, integration), MemberLicence.refused_at.is_not(None))
    return db.session.scalar(select(func.count(MemberLicence.id)).where(*refused)) or 0


@dataclass(frozen=True)
class Member:
    """A linked person and how they stand; state None: nothing was read yet."""

    link: AccountLink
    licence: MemberLicence | None
    state: LicenceState | None


def members(
    integration: Integration, *, now: datetime, only_lacking: bool = False, after: int = 0, limit: int = PAGE
) -> tuple[list[Member], int]:
    """Linked people by the order of linking, from `after` on; where to go on, 0 at the end.

    only_lacking  those without a licence of their own in force, and those to whom a message was refused
    """
    wanted = (
        select(AccountLink, MemberLicence)
        .join(User, User.id == AccountLink.user_id)
        .outerjoin(MemberLicence, _same_account())
        .where(*mine(AccountLink, integration), AccountLink.id > after)
    )
    if only_lacking:
        in_force = and_(MemberLicence.expires_at > now, MemberLicence.refused_at.is_(None))
        wanted = wanted.where(func.coalesce(in_force, False).is_(False))
    rows = db.session.execute(wanted.order_by(AccountLink.id).limit(limit + 1)).all()
    company = known(integration)
    is_read = company is not None and company.read_at is not None
    shown = [Member(row[0], row[1], company.state_of(row[1], now) if company and is_read else None) for row in rows]
    return shown[:limit], shown[limit - 1].link.id if len(rows) > limit else 0


def _same_account() -> Any:
    return and_(
        MemberLicence.integration_id == AccountLink.integration_id,
        MemberLicence.external_user_id == AccountLink.external_user_id,
    )


def mine(table: Any, integration: Integration) -> tuple[Any, ...]:
    return table.tenant_id == integration.tenant_id, table.integration_id == integration.id
