"""Licences that a platform asks a supplier's application for, person by person: they are bought and kept there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True)
class LicenceRules:
    """That an application which is set up in one way needs licences, and what is said of them. Texts: catalogue ids.

    name           what the platform calls them
    buyer          who has to buy them; way_out: how one does without
    assumed_trial  for how long after the authorisation everybody is free, as long as the platform has not said it
    warned_before  how long before its end pages begin to say that the trial ends
    reminded_days  so many days before its end administrators are told, the longest first
    """

    name: str
    buyer: str
    way_out: str
    assumed_trial: timedelta = timedelta(days=60)
    warned_before: timedelta = timedelta(days=15)
    reminded_days: tuple[int, ...] = (15, 7, 1)


@dataclass(frozen=True)
class LicenceTerms:
    """What holds for the whole company. is_required: licences are asked for once the trial is over.

    trial_starts_at, trial_ends_at  None where there is no trial
    """

    is_required: bool
    trial_starts_at: datetime | None = None
    trial_ends_at: datetime | None = None


@dataclass(frozen=True)
class Licence:
    """One member's licence; it is in force while expires_at lies ahead."""

    external_user_id: str
    activated_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class LicencePage:
    """Some of the licences that were activated. next_cursor: where to go on, "" at the end."""

    licences: Sequence[Licence]
    next_cursor: str = ""


class LicenceDesk(Protocol):
    """Where one connection's licences are asked about. Every method may raise a PlatformError."""

    def terms(self) -> LicenceTerms: ...

    def page(self, cursor: str) -> LicencePage:
        """Activated licences of the company, those that ran out included. cursor: "" for the first page."""

    def of(self, external_user_id: str) -> Licence | None:
        """The licence of one member that lasts longest; None where there was none."""
