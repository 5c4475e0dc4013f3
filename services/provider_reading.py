"""What this installation is as a provider and which companies authorised it, read beside the session.

A platform is built after the commit that must precede every call, so what it needs is read by short looks at the
database that leave no transaction open.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from extensions import reading
from models import CorpAuth, Provider
from platforms import PROVIDERS
from platforms.base import Hosts
from platforms.http import Transport
from platforms.provider import Company, ProviderApplication
from services import vault
from services.instance import DEFAULT_TENANT_ID
from services.tokens import ProviderTokenStore


@dataclass(frozen=True)
class Stored:
    """A provider as it was read. id 0: nothing was entered yet. secrets: in clear."""

    id: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)


def stored(platform: str) -> Stored:
    """What was entered for a platform."""
    wanted = select(Provider.id, Provider.settings, Provider.secrets).where(Provider.platform == platform)
    with reading() as connection:
        row = connection.execute(wanted).one_or_none()
    if row is None:
        return Stored()
    secrets = {name: unsealed(platform, name, text) for name, text in row.secrets.items()}
    return Stored(row.id, row.settings, secrets)


def application(platform: str, *, hosts: Hosts, transport: Transport) -> ProviderApplication:
    """The provider's application, to be called; values that are missing are said when they are needed.

    platform  one of PROVIDERS
    """
    entered = stored(platform)
    return PROVIDERS[platform].build(
        entered.settings,
        entered.secrets,
        ticket=lambda: ticket(platform),
        tokens=ProviderTokenStore(entered.id, DEFAULT_TENANT_ID),
        hosts=hosts,
        transport=transport,
    )


def ticket(platform: str) -> str:
    """The latest ticket, "" while none has come."""
    with reading() as connection:
        found = connection.scalar(select(Provider.ticket).where(Provider.platform == platform))
    return unsealed(platform, "ticket", found) if found else ""


def company_of(integration_id: int) -> Company:
    """The company that a connection acts in; empty if it has not authorised, or does not any more."""
    wanted = select(CorpAuth.corp_id, CorpAuth.permanent_code, CorpAuth.agent_id).where(
        CorpAuth.integration_id == integration_id, CorpAuth.cancelled_at.is_(None)
    )
    with reading() as connection:
        row = connection.execute(wanted).one_or_none()
    if row is None or row.permanent_code is None:
        return Company()
    return Company(row.corp_id, unsealed_code(row.corp_id, row.permanent_code), row.agent_id)


def unsealed_code(corp_id: str, cipher_text: str) -> str:
    """A company's permanent code in clear. Raises SecretUnreadable."""
    return vault.unseal(DEFAULT_TENANT_ID, vault.corp_auth_field(corp_id), cipher_text)


def unsealed(platform: str, name: str, cipher_text: str) -> str:
    return vault.unseal(DEFAULT_TENANT_ID, vault.provider_field(platform, name), cipher_text)


def sealed(platform: str, name: str, value: str) -> str:
    return vault.seal(DEFAULT_TENANT_ID, vault.provider_field(platform, name), value)
