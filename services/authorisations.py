"""Companies that install the provider's application: what the platform tells of them, and which connection is theirs.

An event is stored and answered at once (the platform waits a second), and taken to pieces by the worker. An
authorisation waits here until an administrator names the company; whoever named it before waits for the authorisation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from extensions import db, insert_once
from models import CheckState, CorpAuth, Integration, IntegrationStatus, Provider
from platforms import checks as tries
from platforms.errors import NotAuthorised, PlatformError
from platforms.provider import CANCELLED, INSTALLED, Authorisation, AuthorisationEvent, Company, Installation
from platforms.setup import CheckResult
from services import audit, checks, integrations, licence_reading, outbox, provider_reading, providers, tokens, vault
from services.instance import DEFAULT_TENANT_ID
from services.setup import ApplicationTaken

TAKE, READ, CONVERT = "take_authorisation", "read_authorisation", "convert_links"
"""Kinds of rows: what an event says is done; what a company allows is read again (subject: the authorisation);
links of another mode are converted (subject: the connection)."""


@dataclass(frozen=True)
class Told:
    """What is to be done about an authorisation, as a row's payload holds it. auth_code: a cipher text or ""."""

    platform: str
    change: str
    corp_id: str = ""
    auth_code: str = ""

    @classmethod
    def of_row(cls, payload: Mapping[str, Any]) -> Told:
        """Beside it a payload counts the tries, and the crashes."""
        return cls(**{name: payload[name] for name in cls.__dataclass_fields__ if name in payload})


# --- what the platform tells --------------------------------------------------------------------------------------


def take_event(platform: str, event: AuthorisationEvent, *, now: datetime) -> None:
    """Stage the event for the worker; a repeat of the same event stages nothing more."""
    _stage(platform, event.change, event.event_key, corp_id=event.corp_id, auth_code=event.auth_code, now=now)


def take_code(platform: str, auth_code: str, *, now: datetime) -> None:
    """The same for a code that an administrator brought back from an install link."""
    key = hashlib.sha256(auth_code.encode()).hexdigest()
    _stage(platform, INSTALLED, key, corp_id="", auth_code=auth_code, now=now)


def _stage(platform: str, change: str, key: str, *, corp_id: str, auth_code: str, now: datetime) -> None:
    provider = providers.ensured(platform, now=now)
    code = provider_reading.sealed(platform, "auth_code", auth_code) if auth_code else ""
    outbox.enqueue(
        TAKE,
        tenant_id=DEFAULT_TENANT_ID,
        subject_id=provider.id,
        due_at=now,
        now=now,
        payload=vars(Told(platform, change, corp_id, code)),
        unique_key=f"{TAKE}:{key}",
    )


# --- doing it -----------------------------------------------------------------------------------------------------


def redeem(told: Told) -> Installation:
    """Exchange the code of an event for what the company granted, which is said once. Commits. Raises PlatformError."""
    code = provider_reading.unsealed(told.platform, "auth_code", told.auth_code)
    db.session.commit()
    return providers.application(told.platform).redeem(code)


def take(told: Told, made: Installation | None, *, now: datetime) -> None:
    """Stage what an event says. made: what its code was exchanged for, if it brought one. May be repeated."""
    if made is not None:
        _install(told.platform, made, now=now)
    elif (auth := find(told.platform, told.corp_id)) is None:
        return
    elif told.change == CANCELLED:
        _cancel(auth, now=now)
    else:
        _ask_what_is_allowed(auth, now=now)


def find(platform: str, corp_id: str) -> CorpAuth | None:
    """A company's authorisation, by its id as the provider sees it."""
    of_platform = select(Provider.id).where(Provider.platform == platform).scalar_subquery()
    return db.session.scalar(select(CorpAuth).where(CorpAuth.provider_id == of_platform, CorpAuth.corp_id == corp_id))


def _install(platform: str, made: Installation, *, now: datetime) -> None:
    """Keep the permanent code of a company, new or come back, and wake whoever waits for it."""
    provider = providers.ensured(platform, now=now)
    key = {"provider_id": provider.id, "corp_id": made.corp_id, "tenant_id": DEFAULT_TENANT_ID, "authorised_at": now}
    empty: dict[str, Any] = {"corp_name": made.corp_name[:128], "agent_id": "", "visible": {}}
    insert_once(CorpAuth, key | empty, key=("provider_id", "corp_id"))
    auth = find(platform, made.corp_id)
    if auth is None:
        return
    auth.corp_name = made.corp_name[:128] or auth.corp_name
    auth.permanent_code = vault.seal(DEFAULT_TENANT_ID, vault.corp_auth_field(made.corp_id), made.permanent_code)
    if auth.cancelled_at is not None:
        auth.authorised_at, auth.cancelled_at = now, None
    audit.record("provider.installed", target=auth.corp_name or auth.corp_id, now=now, platform=platform)
    _changed(auth)
    db.session.flush()
    _ask_what_is_allowed(auth, now=now)


def _cancel(auth: CorpAuth, *, now: datetime) -> None:
    """Forget the right to act there; the connection's page says so, and nothing is sent any more."""
    auth.permanent_code, auth.cancelled_at, auth.visible = None, now, {}
    audit.record("provider.cancelled", target=auth.corp_name or auth.corp_id, now=now)
    integration = _changed(auth)
    if integration is not None:
        name = integrations.mode_of(integration).proven_by
        checks.record(integration, name, _refused(NotAuthorised("cancelled", platform_code="cancel_auth")), now=now)


def _ask_what_is_allowed(auth: CorpAuth, *, now: datetime) -> None:
    outbox.enqueue(READ, tenant_id=DEFAULT_TENANT_ID, subject_id=auth.id, due_at=now, now=now)


def _changed(auth: CorpAuth) -> Integration | None:
    """Have every process read the connection again, if one uses this authorisation; return it."""
    if auth.integration_id is None:
        return None
    integration = db.session.get(Integration, auth.integration_id)
    if integration is not None:
        tokens.forget(integration.id, integration.tenant_id)
        providers.touch(integration)
    return integration


def read(auth: CorpAuth, *, now: datetime) -> None:
    """Read what a company allows and stage it, with a try of every connection that waits. Raises PlatformError."""
    if not auth.is_in_force:
        return
    platform, company = db.session.get_one(Provider, auth.provider_id).platform, _company(auth)
    db.session.commit()
    found = providers.application(platform).read_authorisation(company)
    keep(db.session.get_one(CorpAuth, auth.id), found, now=now)
    for integration in waiting(platform):
        try_again(integration, now=now)


def keep(auth: CorpAuth, found: Authorisation, *, now: datetime) -> None:
    """Stage what a company allows."""
    before = auth.agent_id
    auth.corp_name, auth.agent_id = found.corp_name[:128] or auth.corp_name, found.agent_id[:16]
    auth.visible, auth.read_at = dict(found.visible), now
    if before != auth.agent_id:
        _changed(auth)
    elif auth.integration_id is not None and (integration := db.session.get(Integration, auth.integration_id)):
        try_again(integration, now=now)


def _company(auth: CorpAuth) -> Company:
    code = provider_reading.unsealed_code(auth.corp_id, auth.permanent_code or "")
    return Company(auth.corp_id, code, auth.agent_id)


# --- which connection is theirs -----------------------------------------------------------------------------------


def waiting(platform: str) -> list[Integration]:
    """Connections that name a company and have not been found to be authorised."""
    unproven = []
    for integration in providers.connected(platform):
        check = checks.get(integration, integrations.mode_of(integration).proven_by)
        is_proven = check is not None and check.state is CheckState.PASSED
        if integration.platform_key and not is_proven:
            unproven.append(integration)
    return unproven


def try_again(integration: Integration, *, now: datetime, but: str = "") -> None:
    """Stage a try of whatever the authorisation decides about. but: a check that needs none."""
    for check in integrations.mode_of(integration).checks_for(integration.settings):
        if check.active and check.name != but:
            outbox.enqueue(
                "run_check",
                tenant_id=integration.tenant_id,
                subject_id=integration.id,
                due_at=now,
                now=now,
                payload={"check": check.name},
            )


def prove(integration_id: int, *, now: datetime) -> CheckResult:
    """Whether the company that a connection names has authorised; if so the connection is that company's and works.

    Commits before it calls, and stages what it found, all but the check itself.
    """
    integration = db.session.get_one(Integration, integration_id)
    platform, entered = integration.platform, str(integration.settings.get("corp_id") or "")
    db.session.commit()
    try:
        corp_id = providers.application(platform).own_id_of(entered)
        auth = find(platform, corp_id)
        if auth is None or not auth.is_in_force:
            raise NotAuthorised("not installed", platform_code="48001")
        if not auth.agent_id:
            company = _company(auth)
            db.session.commit()
            found = providers.application(platform).read_authorisation(company)
            auth = db.session.get_one(CorpAuth, auth.id)
            keep(auth, found, now=now)
    except NotAuthorised as error:
        _release(integration_id)
        return _refused(error)
    except PlatformError as error:
        return _refused(error)
    return _claim(auth, db.session.get_one(Integration, integration_id), now=now)


def _claim(auth: CorpAuth, integration: Integration, *, now: datetime) -> CheckResult:
    """Make the authorisation this connection's, unless it is another one's."""
    if auth.integration_id not in {None, integration.id}:
        return _taken()
    if auth.integration_id is None:
        _release(integration.id)
        auth.integration_id = integration.id
        providers.touch(integration)
        about: dict[str, Any] = {"tenant_id": integration.tenant_id, "subject_id": integration.id}
        outbox.enqueue(CONVERT, **about, due_at=now, now=now)
        try_again(integration, now=now, but=integrations.mode_of(integration).proven_by)
    if integration.status is IntegrationStatus.DRAFT:
        integration.status = IntegrationStatus.ACTIVE
        licence_reading.ask(integration, now=now)
    try:
        db.session.flush()
    except IntegrityError:  # two organisations named the company at once
        db.session.rollback()
        return _taken()
    return CheckResult(True, {"company": auth.corp_name} if auth.corp_name else {})


def _release(integration_id: int) -> None:
    """Stage that a connection uses no authorisation: it names another company now, or that one has gone."""
    for auth in db.session.scalars(select(CorpAuth).where(CorpAuth.integration_id == integration_id)):
        _changed(auth)
        auth.integration_id = None
    db.session.flush()


def _taken() -> CheckResult:
    taken = ApplicationTaken()
    return CheckResult(False, {"code": taken.code, "message": taken.message, "hint": taken.hint})


def _refused(error: PlatformError) -> CheckResult:
    return CheckResult(False, tries.explained(error))
