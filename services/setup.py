"""Setting a chat platform up, step by step: drafts that lose nothing, values checked by shape, proofs asked for.

What there is to do comes from the platform as data (platforms.setup.SetupMode); this module keeps what was typed
and decides when a step is done. Only what was seen to work turns a step green.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from errors import AppError, Conflict, InvalidInput, NotFound
from extensions import db
from models import (
    CheckState,
    Integration,
    IntegrationCheck,
    IntegrationStatus,
    Membership,
    PlatformToken,
)
from platforms import PLATFORMS
from platforms.errors import recall
from platforms.setup import SetupCheck, SetupField, SetupMode, SetupStep
from services import audit, checks, integrations, outbox, providers, rights
from services.integrations import mode_of
from texts import N_

PUBLIC_KEY_BYTES = 24
LEFT = "steps_left"
"""Among a connection's settings: the keys of the steps that somebody finished by 下一步."""
NAME_LENGTH = 40
EDITING_SHOWN = timedelta(minutes=5)
TRY_AGAIN_AFTER = timedelta(seconds=10)
TRY_AGAIN_AT_LEAST = timedelta(seconds=60)
"""Between two tries of a check on a page that is open: the longer it has been waited for, the longer, up to this."""


class ApplicationTaken(AppError):
    """The company, which connects one application alone, belongs to another organisation's connection already."""

    code = "integration.application_taken"
    api_code = "Conflict"
    message = N_("AppKey重复")
    hint = N_("该企业已被其他组织接入；一个企业只能接入一个组织。")
    status = 409


class OneOfSeveralTaken(ApplicationTaken):
    """The same where a company may connect several applications."""

    hint = N_("该应用已被其他组织接入；一个应用只能接入一个组织。")


class TakenByOurs(ApplicationTaken):
    """By a connection that the reader administers, here or in another of their organisations."""

    hint = N_("它已由组织「%(organisation)s」的集成「%(name)s」接入；请在那里修改配置，或先删除那个集成。")


class AlreadyConnected(Conflict):
    code = "integration.already_connected"
    message = N_("本组织已接入该平台")
    hint = N_("请在已有的集成中修改配置，或先删除它。")


@dataclass(frozen=True)
class StepProgress:
    """One step as the wizard shows it. state: passed | failed | waiting | done | todo."""

    step: SetupStep
    number: int
    state: str
    checks: tuple[tuple[SetupCheck, IntegrationCheck | None], ...]


# --- finding and making -------------------------------------------------------------------------------------------


def get(integration_id: int, *, viewer: Membership) -> Integration:
    """Raises NotFound, also for other organisations' connections."""
    found = db.session.scalar(
        select(Integration).where(Integration.tenant_id == viewer.tenant_id, Integration.id == integration_id)
    )
    if found is None:
        raise NotFound
    return found


def hold(integration_id: int, *, viewer: Membership) -> Integration:
    """The connection, locked until the transaction ends: two tabs of one wizard wait for each other."""
    integration = get(integration_id, viewer=viewer)
    db.session.refresh(integration, with_for_update=True)
    return integration


def all_for(viewer: Membership) -> list[Integration]:
    wanted = select(Integration).where(Integration.tenant_id == viewer.tenant_id).order_by(Integration.id)
    return list(db.session.scalars(wanted))


def begin(platform: str, mode: str, *, by: Membership, now: datetime) -> Integration:
    """Start a draft, or go on with the one that was left. Raises AccessDenied, NotFound, AlreadyConnected."""
    rights.require(by, "integration.edit")
    kind = PLATFORMS.get(platform)
    if kind is None or mode not in {known.slug for known in kind.modes}:
        raise NotFound
    if next(known for known in kind.modes if known.slug == mode).needs_provider:
        providers.require_configured(platform)
    for existing in all_for(by):
        if existing.platform == platform and existing.status is IntegrationStatus.DRAFT and existing.mode == mode:
            return existing
        if existing.platform == platform and kind.capabilities.one_per_tenant:
            raise AlreadyConnected
    integration = Integration(
        tenant_id=by.tenant_id,
        platform=platform,
        mode=mode,
        name=_free_name(kind.label, by),
        public_key=secrets.token_urlsafe(PUBLIC_KEY_BYTES),
        settings={LEFT: []},
        secrets={},
        enhanced={},
        created_by_id=by.user_id,
        created_at=now,
    )
    db.session.add(integration)
    db.session.flush()
    chosen: dict[str, Any] = {"platform": platform, "mode": mode}
    audit.record("integration.created", by=by, target=f"{integration.name} #{integration.id}", now=now, **chosen)
    return integration


def _free_name(label: str, by: Membership) -> str:
    """What a new connection is called until somebody renames it: one of several is told apart by a number."""
    taken = {existing.name for existing in all_for(by)}
    return next(name for n in count(1) if (name := label if n == 1 else f"{label} {n}") not in taken)


# --- values -------------------------------------------------------------------------------------------------------


def stored(integration: Integration, field: SetupField) -> str:
    """The present value, to be shown; a secret is never shown (see has_secret)."""
    return "" if field.is_secret else str(integration.settings.get(field.name) or field.default)


def has_secret(integration: Integration, field: SetupField) -> bool:
    return field.is_secret and field.name in integration.secrets


def missing(integration: Integration) -> list[SetupField]:
    """Fields that are still empty and without which nothing works."""
    asked = mode_of(integration).fields_for(integration.settings)
    return [field for field in asked if field.is_needed and not is_filled(integration, field)]


def is_ready(integration: Integration) -> bool:
    """Whether it can begin to work: nothing is missing and, where that is asked for, it was proven."""
    proof = mode_of(integration).proven_by
    check = checks.get(integration, proof) if proof else None
    return not missing(integration) and (not proof or (check is not None and check.state is CheckState.PASSED))


def is_filled(integration: Integration, field: SetupField) -> bool:
    return bool(stored(integration, field)) or has_secret(integration, field)


def notes(integration: Integration) -> list[str]:
    """What is to be known about values that were left out, as catalogue ids."""
    asked = mode_of(integration).fields_for(integration.settings)
    return [field.unless_filled for field in asked if field.unless_filled and not is_filled(integration, field)]


def save(integration: Integration, values: Mapping[str, str], *, by: Membership, now: datetime) -> list[str]:
    """Keep values as keep() does; a draft whose needed values are complete then becomes active."""
    changed = keep(integration, values, by=by, now=now)
    if integration.status is IntegrationStatus.DRAFT and is_ready(integration):
        integration.status = IntegrationStatus.ACTIVE
        db.session.flush()
    return changed


def keep(integration: Integration, values: Mapping[str, str], *, by: Membership, now: datetime) -> list[str]:
    """Keep well-shaped values, encrypt the secret ones, ask for new proof of what they touch.

    An empty secret keeps the stored one, unless it would now be sent somewhere else: then it is asked for again, or
    whoever may change the address could read it there. Returns the names of what changed. Raises InvalidInput (a
    shape is wrong: nothing is kept), ApplicationTaken, AccessDenied.
    """
    rights.require(by, "integration.edit")
    integration.edited_by_id, integration.edited_at = by.user_id, now
    changed = []
    before = dict(integration.settings)
    for field in mode_of(integration).fields:
        if field.name not in values:
            continue
        value = values[field.name].strip()
        if problems := field.problems(value):
            raise InvalidInput(field.name, problems[0])
        if _keep(integration, field, value):
            changed.append(field.name)
    _forget_secrets(integration, changed)
    if changed:
        _record_change(integration, before, changed, by=by, now=now)
        _claim_application(integration, by=by)
        _ask_again(integration, now)
    db.session.flush()
    return changed


def _record_change(
    integration: Integration, before: Mapping[str, Any], changed: list[str], *, by: Membership, now: datetime
) -> None:
    """Write down what changed: shown values before and after, of secrets their names alone."""
    fields = mode_of(integration).fields
    secret = {field.name for field in fields if field.is_secret}
    leads_elsewhere = {field.name for field in fields if field.asks_again}
    about: dict[str, Any] = {"by": by, "target": f"{integration.name} #{integration.id}", "now": now}
    if kept := [name for name in changed if name in secret]:
        audit.record("integration.secret_changed", **about, fields=kept)
    for name in sorted(set(changed) - secret):
        was, is_now = str(before.get(name, "")), str(integration.settings.get(name, ""))
        event = "integration.endpoint_changed" if name in leads_elsewhere else "integration.changed"
        audit.record(event, **about, field=name, before=was, after=is_now)


def _forget_secrets(integration: Integration, changed: list[str]) -> None:
    """Drop the secrets that must be entered again with what changed and were not."""
    again = {name for field in mode_of(integration).fields if field.name in changed for name in field.asks_again}
    for name in again - set(changed):
        integrations.set_secret(integration, name, "")


def _keep(integration: Integration, field: SetupField, value: str) -> bool:
    """Store one value; whether that changed anything."""
    if field.is_secret:
        if not value:
            return False
        integrations.set_secret(integration, field.name, value)
        return True
    kept: Any = bool(value) if field.kind == "bool" else value
    if integration.settings.get(field.name, field.default) == kept:
        return False
    if not kept and field.name not in integration.settings:
        return False
    integration.settings = integration.settings | {field.name: kept}
    return True


def _claim_application(integration: Integration, *, by: Membership) -> None:
    """One application, one connection, over all organisations. Raises ApplicationTaken."""
    key = integrations.platform_for(integration).application_key
    try:
        with db.session.begin_nested():
            integration.platform_key = key
            db.session.flush()
    except IntegrityError as error:
        raise _taken(integration.platform, key, by=by) from error


def _taken(platform: str, key: str | None, *, by: Membership) -> ApplicationTaken:
    """Says who has the application to those alone who administer both."""
    holder = db.session.scalar(select(Integration).where(Integration.platform_key == key))
    if holder is not None:
        theirs = select(Membership).where(Membership.tenant_id == holder.tenant_id, Membership.user_id == by.user_id)
        member = db.session.scalar(theirs)
        if member is not None and rights.can(member, "integration.edit"):
            return TakenByOurs(organisation=member.tenant.name, name=holder.name)
    is_company = PLATFORMS[platform].capabilities.one_per_tenant
    return ApplicationTaken() if is_company else OneOfSeveralTaken()


def _ask_again(integration: Integration, now: datetime) -> None:
    """Changed values prove nothing yet: forget tokens, try what can be tried, wait for the rest."""
    db.session.execute(delete(PlatformToken).where(PlatformToken.integration_id == integration.id))
    for check in mode_of(integration).checks_for(integration.settings):
        if check.active:
            checks.wait(integration, check.name, now=now)
            try_check(integration, check.name, now=now)


# --- checks -------------------------------------------------------------------------------------------------------


def try_check(integration: Integration, name: str, *, now: datetime) -> None:
    """Stage a try of one active check, unless one is waiting; the worker makes the call."""
    if any(job.payload == {"check": name} for job in outbox.unfinished("run_check", integration.id)):
        return
    outbox.enqueue(
        "run_check",
        tenant_id=integration.tenant_id,
        subject_id=integration.id,
        due_at=now,
        now=now,
        payload={"check": name},
    )


def try_all(integration: Integration, *, by: Membership, now: datetime) -> None:
    """Stage a try of every check that can be tried. Raises AccessDenied."""
    rights.require(by, "integration.edit")
    for check in mode_of(integration).checks_for(integration.settings):
        if check.active:
            try_check(integration, check.name, now=now)


def due_again(integration: Integration, *, now: datetime) -> list[str]:
    """Active checks of a watched page that are worth another try: not passed, not tried just now.

    Wrong credentials are not tried again by themselves: platforms ban addresses for that. A page that is left open
    for hours asks rarely: calls may be counted against a month's quota.
    """
    known = checks.by_name(integration)
    return [
        check.name
        for check in mode_of(integration).checks_for(integration.settings)
        if check.active and _is_worth_a_try(known.get(check.name), now)
    ]


def _is_worth_a_try(check: IntegrationCheck | None, now: datetime) -> bool:
    if check is None:
        return True
    pause = min(max((now - check.since) / 20, TRY_AGAIN_AFTER), TRY_AGAIN_AT_LEAST)
    if check.state is CheckState.PASSED or (check.at and now - check.at < pause):
        return False
    error = recall(check.detail) if check.state is CheckState.FAILED and "code" in check.detail else None
    return error is None or error.failure != "credential_invalid"


# --- progress -----------------------------------------------------------------------------------------------------


def progress(integration: Integration) -> list[StepProgress]:
    """Every step with its state and its checks, in the documented order."""
    mode = mode_of(integration)
    known = checks.by_name(integration)
    wanted = {check.name: check for check in mode.checks_for(integration.settings)}
    left = _left(integration, mode)
    steps = []
    for index, step in enumerate(mode.steps):
        mine = tuple((wanted[name], known.get(name)) for name in step.checks if name in wanted)
        steps.append(StepProgress(step, index + 1, _state(integration, step, mine, step.key in left), mine))
    return steps


def _left(integration: Integration, mode: SetupMode) -> set[str]:
    """The keys of the steps that lie behind. Connections older than this note had them all behind once they worked."""
    if LEFT in integration.settings:
        return set(integration.settings[LEFT])
    return set() if integration.status is IntegrationStatus.DRAFT else {step.key for step in mode.steps}


def _state(
    integration: Integration,
    step: SetupStep,
    mine: tuple[tuple[SetupCheck, IntegrationCheck | None], ...],
    is_behind: bool,
) -> str:
    states = [found.state if found else None for _, found in mine]
    if CheckState.FAILED in states:
        return "failed"
    if states and all(state is CheckState.PASSED for state in states):
        return "passed"
    asked = [field for field in step.fields if not field.depends_on or integration.settings.get(field.depends_on)]
    needed = [field for field in asked if field.is_needed]
    has_all = all(is_filled(integration, field) for field in needed)
    if mine and has_all and (is_behind or any(states)):
        return "waiting"
    return "done" if has_all and (is_behind or needed) else "todo"


def open_step(integration: Integration, key: str | None) -> SetupStep:
    """The step called `key`, else the one that was left, else the first. Raises NotFound for an unknown key."""
    steps = {step.key: step for step in mode_of(integration).steps}
    if key is not None and key not in steps:
        raise NotFound
    return steps.get(key or integration.current_step or "", next(iter(steps.values())))


def visit(integration: Integration, step: SetupStep, *, by: Membership, now: datetime) -> None:
    """Remember the step that is open and who is at it; begin to wait for what only others can show."""
    integration.current_step = step.key
    integration.edited_by_id, integration.edited_at = by.user_id, now
    wanted = {check.name: check for check in mode_of(integration).checks_for(integration.settings)}
    for name in step.checks:
        if name in wanted and not wanted[name].active and checks.get(integration, name) is None:
            checks.wait(integration, name, now=now)


def leave(integration: Integration, step: SetupStep) -> None:
    """Note that a step was finished by 下一步: merely looking at a later one finishes none."""
    left = _left(integration, mode_of(integration))
    if step.key not in left:
        integration.settings = integration.settings | {LEFT: sorted(left | {step.key})}


def also_editing(integration: Integration, *, viewer: Membership, now: datetime) -> bool:
    """Whether somebody else was at it a moment ago."""
    return (
        integration.edited_at is not None
        and integration.edited_by_id not in {None, viewer.user_id}
        and now - integration.edited_at < EDITING_SHOWN
    )


# --- afterwards ---------------------------------------------------------------------------------------------------


def rename(integration: Integration, name: str, *, by: Membership) -> None:
    rights.require(by, "integration.edit")
    name = name.strip()
    if not 1 <= len(name) <= NAME_LENGTH:
        raise InvalidInput("name", N_("请填写 1 到 40 个字符"))
    if name != integration.name:
        about: dict[str, Any] = {"field": "name", "before": integration.name, "after": name}
        audit.record("integration.changed", by=by, target=f"{name} #{integration.id}", **about)
    integration.name = name


def set_enabled(integration: Integration, is_enabled: bool, *, by: Membership) -> None:
    """Stop or resume messages and buttons; a connection with missing values goes back to being a draft."""
    rights.require(by, "integration.edit")
    if not is_enabled:
        integration.status = IntegrationStatus.DISABLED
    else:
        integration.status = IntegrationStatus.ACTIVE if is_ready(integration) else IntegrationStatus.DRAFT
    event = "integration.enabled" if is_enabled else "integration.disabled"
    audit.record(event, by=by, target=f"{integration.name} #{integration.id}")


def remove(integration: Integration, *, typed_name: str, by: Membership) -> None:
    """Delete for good; deliveries keep the name. Raises AccessDenied, InvalidInput for another name."""
    rights.require(by, "integration.edit")
    if typed_name.strip() != integration.name:
        raise InvalidInput("confirm_name", N_("输入的名称不一致"))
    audit.record("integration.deleted", by=by, target=f"{integration.name} #{integration.id}")
    db.session.delete(integration)
    db.session.flush()


def find_by_ownership_file(name: str) -> Integration | None:
    """The connection that an ownership file belongs to; files are told apart by their random names."""
    for integration in db.session.scalars(select(Integration).order_by(Integration.id)):
        if name and integration.settings.get("ownership_file_name") == name:
            return integration
    return None
