"""Connections to chat platforms: found by key, turned into platforms that can be called, with their addresses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import current_app
from sqlalchemy import Connection, bindparam, select

from extensions import db, read_only, reading
from models import Integration, IntegrationCheck, IntegrationStatus, Provider, Tenant
from platforms import PLATFORMS, PROVIDERS
from platforms.base import Hosts, Platform
from platforms.http import Transport
from platforms.outbound import AddressGuard, PublicGuard
from platforms.pictures import PICTURE_BYTES
from platforms.provider import InstalledPlatform
from platforms.setup import SetupMode
from services import provider_reading, vault
from services.instance import current_settings
from services.statements import Statement
from services.tokens import DatabaseTokenStore

_BY_PUBLIC_KEY = select(Integration).where(
    Integration.platform == bindparam("platform"), Integration.public_key == bindparam("public_key")
)
_VERSION = Statement(select(Integration.version).where(Integration.id == bindparam("of_integration")))
"""Built once, as are other statements of every callback and push: building one costs more than SQLite's answer."""


def find_by_public_key(platform: str, public_key: str) -> Integration | None:
    """The connection whose generated addresses hold this key, of whatever organisation and state."""
    return db.session.scalar(_BY_PUBLIC_KEY, {"platform": platform, "public_key": public_key})


@dataclass(frozen=True)
class Home:
    locale: str
    timezone: str


@dataclass
class Connected:
    """A connection as this process has read it, with its platform built and its secrets open.

    Kept for callbacks and for sending, of which there may be many a second. Whoever relies on it compares the
    `version`: a press and a sending within their transaction, everything else by is_current().
    """

    integration: Integration
    platform: Platform
    home: Home
    """How its organisation was spoken to then: for a sentence that must not need the database."""
    failure_noted_at: float = -math.inf
    """By the monotonic clock: when the wizard was last told of a callback that was refused."""
    confirmed_at: float = -math.inf
    """The same: when it was last found to be what the database holds."""


def connected(platform: str, public_key: str) -> Connected | None:
    """The connection from this process's memory, read if need be; None if there is none, which is not remembered."""
    memory = _memory()
    kept = memory.get((platform, public_key))
    if kept is None:
        with read_only():
            integration = find_by_public_key(platform, public_key)
            if integration is None:
                return None
            home = _home_of(integration)
            db.session.expunge(integration)
        kept = memory[platform, public_key] = Connected(integration, platform_for(integration), home)
    return kept


def _home_of(integration: Integration) -> Home:
    spoken = select(Tenant.locale, Tenant.timezone).where(Tenant.id == integration.tenant_id)
    return Home(*db.session.execute(spoken).one())


def is_current(kept: Connected) -> bool:
    """Whether the connection is still the one that was read. One short question to the database."""
    with reading() as connection:
        found = _VERSION.rows(connection, {"of_integration": kept.integration.id})
    return [version for (version,) in found] == [kept.integration.version]


def forget(kept: Connected) -> None:
    """Have the connection read again."""
    key = (kept.integration.platform, kept.integration.public_key)
    if _memory().get(key) is kept:
        del _memory()[key]


def _memory() -> dict[tuple[str, str], Connected]:
    memory: dict[tuple[str, str], Connected] = current_app.extensions.setdefault("connected", {})
    return memory


def connected_as(integration_id: int, version: int) -> Connected:
    """The connection by its row, for sending. Made once for each version: opening secrets takes longer than a call.

    integration_id, version  as the caller has just read them for the organisation
    Raises what platform_for() does.
    """
    memory: dict[int, Connected] = current_app.extensions.setdefault("connected_rows", {})
    kept = memory.get(integration_id)
    if kept is None or kept.integration.version != version:
        integration = db.session.get_one(Integration, integration_id, populate_existing=True)
        kept = Connected(integration, platform_for(integration), _home_of(integration))
        db.session.expunge(integration)
        memory[integration_id] = kept
    return kept


def active_for(tenant_id: int) -> list[Integration]:
    """The connections of an organisation that messages may go through, oldest first."""
    wanted = select(Integration).where(
        Integration.tenant_id == tenant_id, Integration.status == IntegrationStatus.ACTIVE
    )
    return list(db.session.execute(wanted.order_by(Integration.id)).scalars())


def platform_for(integration: Integration) -> Platform:
    """The connection as a platform that can be called; drafts too, whose missing values are said when needed.

    Leaves no transaction open, so it can be called after the commit that must precede a platform call.
    Raises AddressRefused when the Endpoint of a private deployment may not be called.
    """
    kind = PLATFORMS[integration.platform]
    reply = current_settings().press_replies.get(integration.platform, "passive")
    ours = {"press_reply": reply, "addresses": platform_addresses(integration)}
    settings = dict(integration.settings) | ours
    tokens, hosts = DatabaseTokenStore(integration.id, integration.tenant_id), hosts_of(integration.platform)
    if mode_of(integration).needs_provider:
        return installed_platform(integration)
    return kind.build(
        settings,
        {name: vault.unseal_of(integration, name) for name in integration.secrets},
        tokens=tokens,
        hosts=hosts,
        transport=_transport_for(kind.entered_host(integration.settings)),
    )


def installed_platform(integration: Integration) -> InstalledPlatform:
    """The same for one that goes through the provider's application."""
    reply = current_settings().press_replies.get(integration.platform, "passive")
    ours = {"press_reply": reply, "addresses": platform_addresses(integration)}
    provided = provider_reading.application(
        integration.platform, hosts=hosts_of(integration.platform), transport=plain_transport()
    )
    return provided.platform_for(
        provider_reading.company_of(integration.id),
        dict(integration.settings) | ours,
        tokens=DatabaseTokenStore(integration.id, integration.tenant_id),
    )


def mode_of(integration: Integration) -> SetupMode:
    """The way in which the connection is set up, with what that means for it."""
    modes = PLATFORMS[integration.platform].modes
    return next(mode for mode in modes if mode.slug == integration.mode)


def set_secret(integration: Integration, name: str, value: str) -> None:
    """Stage a secret, encrypted. An empty value removes it."""
    kept = {key: cipher_text for key, cipher_text in integration.secrets.items() if key != name}
    if value:
        field = vault.integration_field(integration.public_key, name)
        kept[name] = vault.seal(integration.tenant_id, field, value)
    integration.secrets = kept


def addresses(integration: Integration) -> dict[str, str]:
    """Every generated value by its name, to be copied into the platform's console.

    The home page lies on the trusted domain once there is one, since sign-in returns only to it.
    """
    settings = current_settings()
    base = _app_base(integration)
    ownership_file = integration.settings.get("ownership_file_name")
    return (
        platform_addresses(integration)
        | _of_provider(integration)
        | {
            "trusted_domain": settings.public_host,
            "ownership_file_url": f"{base}/{ownership_file}" if ownership_file else "",
            "egress_ips": ";".join(settings.egress_ips),
        }
    )


def _of_provider(integration: Integration) -> dict[str, str]:
    """What an administrator is told about the provider's application, where the connection is one of its."""
    if not mode_of(integration).needs_provider:
        return {}
    name = application_name(db.session.connection(), integration)
    return {"app_name": name, "install_url": install_url(integration.platform)}


def application_name(on: Connection, integration: Integration) -> str:
    """How the platform calls the application: as its provider entered it, or a check was told; "" if nobody was."""
    if mode_of(integration).needs_provider:
        stored = on.execute(select(Provider.settings).where(Provider.platform == integration.platform)).scalar()
        return str((stored or {}).get("app_name") or "")
    mine = (
        IntegrationCheck.tenant_id == integration.tenant_id,
        IntegrationCheck.integration_id == integration.id,
    )
    told = (detail.get("app_name") for detail in on.execute(select(IntegrationCheck.detail).where(*mine)).scalars())
    return next((str(name) for name in told if name), "")


def install_url(platform: str) -> str:
    """Where an administrator of any company begins to install the provider's application."""
    return f"{current_settings().public_url}/install/{PROVIDERS[platform].address}"


def platform_addresses(integration: Integration) -> dict[str, str]:
    """The generated addresses that the platform names (Platform.addresses); it is told them with its settings."""
    return {name: _address(integration, path) for name, path in PLATFORMS[integration.platform].addresses.items()}


def _address(integration: Integration, path: str) -> str:
    """`path`: "callback…" is what the platform calls, "home…" what people open."""
    which = f"{integration.platform}/{integration.public_key}"
    if path.startswith("callback"):
        return f"{current_settings().public_url}/callback/{which}{path.removeprefix('callback')}"
    return f"{_app_base(integration)}/h5/{which}{path.removeprefix('home')}"


def app_url(integration: Integration) -> str:
    """Where the in-app pages begin: no slash at the end, and nothing that a platform fills in."""
    return _address(integration, "home")


def incident_url(integration: Integration, num: int) -> str:
    """The in-app page of an incident, which a click on its card opens."""
    return _address(integration, f"home/incidents/{num}")


def console_url(integration: Integration) -> str:
    """Where the platform's own console is; deep links are appended to it."""
    return PLATFORMS[integration.platform].console(integration.settings, hosts_of(integration.platform))


def hosts_of(platform: str) -> Hosts:
    """Where a platform is reached: where the operator says; in a demo the simulator, which is all of them."""
    settings = current_settings()
    own = PLATFORMS[platform].hosts
    simulated = dict.fromkeys(own, settings.simulator_url) if settings.simulator_url else own
    return {**simulated, **settings.platform_hosts.get(platform, {})}


def endpoint_guard() -> AddressGuard:
    """Decides about addresses that people enter; one for this process."""
    if "endpoint_guard" not in current_app.extensions:
        settings = current_settings()
        own = (settings.public_url, *settings.egress_ips)
        guard = AddressGuard(settings.endpoint_allowlist, own_addresses=own, is_demo=settings.demo)
        current_app.extensions.setdefault("endpoint_guard", guard)
    kept: AddressGuard = current_app.extensions["endpoint_guard"]
    return kept


def _app_base(integration: Integration) -> str:
    """Scheme and host under which people open the in-app pages."""
    public_url = current_settings().public_url
    domain = str(integration.settings.get("trusted_domain") or "")
    return f"{urlsplit(public_url).scheme}://{domain}" if domain else public_url


def transport_to(address: str) -> Transport:
    """What calls an address that somebody entered, or that answers there named. Raises AddressRefused."""
    endpoint_guard().check(origin_of(address))
    return _kept_transport("guarded_transport", endpoint_guard())


def origin_of(address: str) -> str:
    """scheme://host[:port] of an address."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _transport_for(endpoint: str) -> Transport:
    """One transport for the operator's own hosts, one that asks the guard for entered addresses; kept open."""
    if not endpoint:
        return plain_transport()
    endpoint_guard().check(endpoint)
    return _kept_transport("guarded_transport", endpoint_guard())


def picture_transport() -> Transport:
    """What fetches the pictures that alerts name."""
    if "picture_transport" not in current_app.extensions:
        made = Transport(resolve=PublicGuard(endpoint_guard()).resolve, quotes=False, most_bytes=PICTURE_BYTES)
        current_app.extensions.setdefault("picture_transport", made)
    transport: Transport = current_app.extensions["picture_transport"]
    return transport


def plain_transport() -> Transport:
    """What calls the operator's own hosts."""
    return _kept_transport("platform_transport", None)


def _kept_transport(name: str, guard: AddressGuard | None) -> Transport:
    if name not in current_app.extensions:
        made = Transport(resolve=guard.resolve, quotes=False) if guard else Transport()
        current_app.extensions.setdefault(name, made)
    transport: Transport = current_app.extensions[name]
    return transport
