"""What a provider (服务商) is to the product: it offers one application that companies install (第三方应用).

Beside platforms/base.py, for platforms that know this. As there, nothing here knows Flask or the database: the latest
ticket and the token store are handed in, what is learnt is returned as the values below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from platforms.base import Callback, CallbackReply, CallbackRequest, Hosts, Platform, TokenStore
from platforms.http import Transport
from platforms.setup import CheckResult, SetupMode

INSTALLED, CHANGED, CANCELLED = "installed", "changed", "cancelled"


@dataclass(frozen=True)
class TicketArrived(Callback):
    """The platform's proof that it reaches us, without which it gives the provider no token."""

    ticket: str = field(repr=False)


@dataclass(frozen=True)
class AuthorisationEvent(Callback):
    """A company installed the application, changed what it may do there, or removed it.

    event_key  identifies the event over all repeats of its delivery
    change     installed (also: a new code was made) | changed | cancelled
    auth_code  to be redeemed once, soon, where the event brings one; corp_id: of the company where it names one
    """

    event_key: str
    change: str
    auth_code: str = field(default="", repr=False)
    corp_id: str = ""


@dataclass(frozen=True)
class Installation:
    """What a redeemed code brought: the right to act in a company until it takes that back."""

    corp_id: str
    corp_name: str
    permanent_code: str = field(repr=False)


@dataclass(frozen=True)
class Authorisation:
    """What a company lets the application do. visible: {"people", "departments", "tags"} counts, "whole_company"."""

    corp_name: str
    agent_id: str
    visible: Mapping[str, Any]


@dataclass(frozen=True)
class Company:
    """A company as its connection needs it. All empty: it has not authorised the application, or took that back."""

    corp_id: str = ""
    permanent_code: str = field(default="", repr=False)
    agent_id: str = ""


class InstalledPlatform(Platform, Protocol):
    """A company's connection by the provider's application."""

    def own_ids_of(self, plain: Sequence[str]) -> Mapping[str, str]:
        """Members' ids as the provider sees them, by the plain ones; at most 1000, those unknown are left out."""


class ProviderApplication(Protocol):
    """The provider's one application. Calls may raise the PlatformErrors of its folder's errors.py.

    mode       how the super-administrator sets it up: steps and checks as for a connection
    address    its part of the generated addresses: "wecom-suite"; callbacks: the last parts of those
    addresses  generated values by name, as of Platform: "callback/command" …
    """

    mode: ClassVar[SetupMode]
    address: ClassVar[str]
    callbacks: ClassVar[tuple[str, ...]]
    addresses: ClassVar[Mapping[str, str]]

    @classmethod
    def build(
        cls,
        settings: Mapping[str, Any],
        secrets: Mapping[str, str],
        *,
        ticket: Callable[[], str],
        tokens: TokenStore,
        hosts: Hosts,
        transport: Transport,
    ) -> ProviderApplication:
        """From what was stored. ticket: the latest one at the time of the call, "" while none has come."""

    def platform_for(self, company: Company, settings: Mapping[str, Any], *, tokens: TokenStore) -> InstalledPlatform:
        """One company's connection. settings, tokens: as of Platform.build."""

    def read_command(self, request: CallbackRequest) -> Callback:
        """What the platform tells the provider: UrlCheck, TicketArrived, AuthorisationEvent or OtherEvent."""

    def read_data_check(self, request: CallbackRequest) -> Callback:
        """The check of the address that companies' messages come to. What is posted there is for one connection."""

    def addressee(self, request: CallbackRequest) -> str:
        """Which company a posted message says that it is about; not yet verified. "" if it does not say."""

    def answer(self, callback: Callback) -> CallbackReply: ...

    def install_url(self, redirect_uri: str, state: str) -> str:
        """Where an administrator of a company installs the application; comes back with `auth_code` and `state`."""

    def redeem(self, auth_code: str) -> Installation: ...

    def read_authorisation(self, company: Company) -> Authorisation: ...

    def own_id_of(self, entered: str) -> str:
        """A company's id as the provider sees it. Raises what says `authorize app first` if there is no relation."""

    def sign_in_url(self, redirect_uri: str, state: str) -> str:
        """Where whoever opens the application from the workbench is sent, whatever company they belong to."""

    def company_of(self, code: str) -> str:
        """The company (as the provider sees it) of whoever came back with this code; "" for an outsider."""

    def run_check(self, name: str) -> CheckResult: ...
