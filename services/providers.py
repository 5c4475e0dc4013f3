"""Being a provider: what super-administrators enter, what the platform tells us, what proves that it works.

Instance settings stand above organisations, so every change is written into the instance's audit record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm.attributes import flag_modified

from errors import AccessDenied, Conflict, InvalidInput, NotFound
from extensions import db, insert_once
from models import CheckState, Integration, Provider, User
from platforms import PLATFORMS, PROVIDERS
from platforms.provider import ProviderApplication, TicketArrived
from platforms.setup import SetupCheck, SetupField, SetupMode
from services import audit, integrations, outbox, provider_reading, tokens
from services.instance import DEFAULT_TENANT_ID, current_settings
from texts import N_

CHECK = "check_provider"
"""Kind of a row: the provider's settings are tried."""
NOT_CONFIGURED = N_("本实例未配置企业微信服务商，请使用自建应用")
"""Documented for WeCom word for word, which is the only platform with providers."""


class NotConfigured(Conflict):
    """Whoever runs this installation has not entered what it is as a provider."""

    code = "provider.not_configured"
    message = NOT_CONFIGURED


@dataclass(frozen=True)
class Shown:
    """One check as it stands: state, when that was seen, and of a failure what explains it."""

    check: SetupCheck
    state: CheckState
    at: datetime | None
    detail: Mapping[str, Any]


# --- reading ------------------------------------------------------------------------------------------------------


def of(platform: str) -> Provider | None:
    return db.session.scalar(select(Provider).where(Provider.platform == platform))


def application(platform: str) -> ProviderApplication:
    """The provider's application of a platform, to be called. Leaves no transaction open. Raises NotFound."""
    if platform not in PROVIDERS:
        raise NotFound
    return provider_reading.application(
        platform, hosts=integrations.hosts_of(platform), transport=integrations.plain_transport()
    )


def is_configured(platform: str) -> bool:
    """Whether everything that is needed was entered, so that organisations may choose the mode."""
    provider = of(platform)
    return provider is not None and not missing(provider)


def require_configured(platform: str) -> None:
    """Raise NotConfigured unless organisations may choose the mode."""
    if not is_configured(platform):
        raise NotConfigured


def missing(provider: Provider) -> list[SetupField]:
    """Needed fields that are still empty."""
    return [field for field in mode(provider.platform).fields if field.is_needed and not is_filled(provider, field)]


def is_filled(provider: Provider | None, field: SetupField) -> bool:
    if provider is None:
        return False
    return field.name in provider.secrets if field.is_secret else bool(provider.settings.get(field.name))


def mode(platform: str) -> SetupMode:
    """How a platform's provider is set up. Raises NotFound where there is no such thing."""
    if platform not in PROVIDERS:
        raise NotFound
    return PROVIDERS[platform].mode


def addresses(platform: str) -> dict[str, str]:
    """Every generated value by its name, to be copied into the provider's console."""
    settings, kind = current_settings(), PROVIDERS[platform]
    bases = {"callback": f"{settings.public_url}/callback", "home": f"{settings.public_url}/h5"}
    made = {}
    for name, path in kind.addresses.items():
        what, slash, rest = path.partition("/")
        made[name] = f"{bases[what]}/{kind.address}{slash}{rest}"
    return made | {"trusted_domain": settings.public_host, "egress_ips": ";".join(settings.egress_ips)}


def connected(platform: str) -> list[Integration]:
    """The connections, of whatever organisation, that go through this provider."""
    through = [known.slug for known in PLATFORMS[platform].modes if known.needs_provider]
    wanted = select(Integration).where(Integration.platform == platform, Integration.mode.in_(through))
    return list(db.session.scalars(wanted.order_by(Integration.id)))


# --- entering -----------------------------------------------------------------------------------------------------


def save(platform: str, values: Mapping[str, str], *, by: User, now: datetime) -> Provider:
    """Stage the provider's values; an empty secret keeps the stored one. What changed has to prove itself again.

    Raises AccessDenied, NotFound, InvalidInput (a shape is wrong: nothing is kept).
    """
    require_superadmin(by)
    fields = mode(platform).fields
    for field in fields:
        if problems := field.problems(values.get(field.name, "").strip()):
            raise InvalidInput(field.name, problems[0])
    provider = ensured(platform, now=now)
    entered = {field: values[field.name].strip() for field in fields if field.name in values}
    changed = [field.name for field, value in entered.items() if _keep(provider, field, value)]
    if changed:
        _forget_proofs(provider)
        check_later(platform, now=now)
        audit.record("provider.changed", user=by, target=mode(platform).label, now=now, fields=sorted(changed))
    db.session.flush()
    return provider


def ensured(platform: str, *, now: datetime) -> Provider:
    """The platform's row; made if this is the first time, also by two at once."""
    key = {"platform": platform, "tenant_id": DEFAULT_TENANT_ID, "created_at": now}
    insert_once(Provider, key | {"settings": {}, "secrets": {}, "seen": {}}, key=("platform",))
    found = of(platform)
    if found is None:
        raise NotFound
    return found


def _keep(provider: Provider, field: SetupField, value: str) -> bool:
    """Stage one value; whether that changed anything."""
    if field.is_secret:
        if not value:
            return False
        cipher_text = provider_reading.sealed(provider.platform, field.name, value)
        provider.secrets = provider.secrets | {field.name: cipher_text}
        return True
    if provider.settings.get(field.name, "") == value:
        return False
    provider.settings = provider.settings | {field.name: value}
    return True


def _forget_proofs(provider: Provider) -> None:
    """Other values prove nothing yet; every process reads the connections again that go through them."""
    provider.seen = {}
    tokens.forget_provider(provider.id, DEFAULT_TENANT_ID)
    for integration in connected(provider.platform):
        touch(integration)


def touch(integration: Integration) -> None:
    """Stage that a connection is another one by now, though nothing of its own row changed."""
    flag_modified(integration, "settings")


def require_superadmin(user: User) -> None:
    if not user.is_superadmin or user.is_disabled:
        raise AccessDenied("super-administrator")


# --- what the platform tells --------------------------------------------------------------------------------------


def take_ticket(platform: str, arrived: TicketArrived) -> None:
    """Stage the platform's newest ticket; one that was overtaken by a newer one is not taken."""
    text = provider_reading.sealed(platform, "ticket", arrived.ticket)
    newer = (Provider.ticket_at.is_(None)) | (Provider.ticket_at <= arrived.sent_at)
    wanted = update(Provider).where(Provider.platform == platform, newer)
    is_first = (provider := of(platform)) is not None and provider.ticket_at is None
    db.session.execute(wanted.values(ticket=text, ticket_at=arrived.sent_at))
    if is_first:
        check_later(platform, now=arrived.sent_at)


def note(platform: str, purpose: str, *, now: datetime) -> None:
    """Stage that an address was called rightly."""
    provider = of(platform)
    if provider is not None and purpose not in provider.seen:
        provider.seen = provider.seen | {purpose: now.isoformat()}


# --- proofs -------------------------------------------------------------------------------------------------------


def progress(provider: Provider | None, platform: str) -> list[Shown]:
    """Every check as it stands."""
    return [_shown(provider, check) for check in mode(platform).checks]


def _shown(provider: Provider | None, check: SetupCheck) -> Shown:
    if provider is None:
        return Shown(check, CheckState.WAITING, None, {})
    if check.name == "ticket":
        state = CheckState.PASSED if provider.ticket_at else CheckState.WAITING
        return Shown(check, state, provider.ticket_at, {})
    found: Any = provider.seen.get(check.name)
    if not found:
        return Shown(check, CheckState.WAITING, None, {})
    if isinstance(found, str):
        return Shown(check, CheckState.PASSED, datetime.fromisoformat(found), {})
    return Shown(check, CheckState.FAILED, datetime.fromisoformat(found["at"]), found["detail"])


def check_later(platform: str, *, now: datetime) -> None:
    """Stage a try of every check that can be tried, unless one is waiting."""
    provider = ensured(platform, now=now)
    if outbox.pending(CHECK, provider.id) is None:
        about: dict[str, Any] = {"tenant_id": DEFAULT_TENANT_ID, "subject_id": provider.id, "due_at": now, "now": now}
        outbox.enqueue(CHECK, **about, payload={"platform": platform})


def try_all(platform: str, *, now: datetime) -> None:
    """Try every check that can be tried, and stage what came of it. Commits before it calls."""
    db.session.commit()
    called = application(platform)
    found: dict[str, Any] = {}
    for check in mode(platform).checks:
        if check.active:
            result = called.run_check(check.name)
            if result.passed:
                found[check.name] = now.isoformat()
            elif not result.is_premature:
                found[check.name] = {"at": now.isoformat(), "detail": result.detail}
    provider = ensured(platform, now=now)
    provider.seen = {name: seen for name, seen in provider.seen.items() if name not in found} | found
